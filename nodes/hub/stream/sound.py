"""Sound on its way: frames of 20 ms that go out at the pace of a clock, and windows put together from what arrives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, AudioResampler
from numpy.typing import NDArray

Samples = NDArray[np.int16]
FRAME_S: Final = 0.02
OPUS_HZ: Final = 48_000
LONGEST_GAP_S: Final = 5.0
FADE_SAMPLES: Final = 64


class Outgoing(MediaStreamTrack):
    """Blocks of a source as frames of 20 ms, each sent when it has been "heard"."""

    kind = "audio"

    def __init__(self, blocks: Iterator[Samples], rate_hz: int) -> None:
        """
        Args:
            blocks: of `frame_samples(rate_hz)` samples each.
        """
        super().__init__()
        self._blocks, self._rate_hz, self._count = blocks, rate_hz, 0
        self.begun: float | None = None
        """Monotonic time of the first sample."""

    async def recv(self) -> AudioFrame:
        """The next frame, not before its last sample has been heard."""
        block = next(self._blocks, None)
        if block is None:
            self.stop()
            raise MediaStreamError
        if self.begun is None:
            self.begun = time.monotonic()
        frame = AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = self._rate_hz, Fraction(1, self._rate_hz), self._count
        self._count += len(block)
        await asyncio.sleep(max(0.0, self.begun + self._count / self._rate_hz - time.monotonic()))
        return frame


def frame_samples(rate_hz: int) -> int:
    """Samples of one frame."""
    return round(FRAME_S * rate_hz)


@dataclass
class Incoming:
    """What arrives, at the rate of a deployment, without holes: lost packets are bridged so that time stays right.

    Attributes:
        lost_s: sound that never came.
    """

    rate_hz: int
    lost_s: float = 0.0
    _next: int | None = None
    """Where the next frame should begin, in samples of Opus."""
    _last: Samples = field(default_factory=lambda: np.zeros(0, np.int16))

    def __post_init__(self) -> None:
        self._resampler = AudioResampler(format="s16", layout="mono", rate=self.rate_hz)

    def take(self, frame: AudioFrame) -> Samples:
        """Samples (any,) that a frame adds, those of a gap before it included."""
        pts, wide = int(frame.pts or 0), int(frame.samples)
        gap = 0 if self._next is None else pts - self._next
        self._next = pts + wide
        frame.pts = None  # the resampler would fill gaps by rules of its own
        heard = [np.asarray(made.to_ndarray(), np.int16).reshape(-1) for made in self._resampler.resample(frame)]
        samples = np.concatenate(heard) if heard else np.zeros(0, np.int16)
        if 0 < gap <= LONGEST_GAP_S * OPUS_HZ:
            self.lost_s += gap / OPUS_HZ
            samples = np.concatenate([self._bridge(round(gap * self.rate_hz / OPUS_HZ)), samples])
        self._last = samples[-FADE_SAMPLES * 8 :]
        return samples

    def _bridge(self, count: int) -> Samples:
        """The last sound once more, backwards and fading: no click, and nothing that sounds like a word."""
        if not len(self._last):
            return np.zeros(count, np.int16)
        mirrored = np.resize(np.concatenate([self._last[::-1], self._last]), count).astype(np.float32)
        fade = np.exp(-np.arange(count) / (0.01 * self.rate_hz))
        return np.asarray(np.round(mirrored * fade), np.int16)
