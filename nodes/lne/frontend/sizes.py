"""How much a front end in C keeps, and which frames of a clip are the same in a stream."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.dsp.parameters import FrontEnd

LANES = 8
"""Frames transformed abreast, at most."""
FLOAT_BYTES = 4
ALIGN_BYTES = 64


@dataclass(frozen=True)
class Sizes:
    """Of one front end.

    Frame t of a clip begins at sample t * hop - pad. The frames `first` to `last` lie wholly in the clip: in a stream
    they are computed once and kept. The others see the clip's ends and are computed for every clip.
    """

    front_end: FrontEnd

    @property
    def half(self) -> int:
        """Complex points of the DFT."""
        return self.front_end.fft_samples // 2

    @property
    def row(self) -> int:
        """Values kept per frame: coefficients; in decibels the bands, as their floor depends on the whole clip."""
        return self.front_end.coefficients if self.front_end.log == "ln" else self.front_end.n_mels

    @property
    def first(self) -> int:
        """First frame that begins in the clip."""
        return -(-self.front_end.pad_samples // self.front_end.hop_samples)

    @property
    def last(self) -> int:
        """Last frame that ends in the clip; `first` - 1 or less if none lies in it."""
        f = self.front_end
        return max(min(f.frames - 1, (f.clip_samples - f.window_samples + f.pad_samples) // f.hop_samples), -1)

    @property
    def kept(self) -> int:
        """Frames that lie in the clip."""
        return max(self.last - self.first + 1, 0)

    @property
    def hops(self) -> int:
        """In a clip, rounded up."""
        return -(-self.front_end.clip_samples // self.front_end.hop_samples)

    @property
    def behind(self) -> int:
        """Hops from the start of the newest whole frame (without padding) to the newest sample."""
        f = self.front_end
        return -(-(f.window_samples - f.pad_samples) // f.hop_samples)

    @property
    def ring(self) -> int:
        """Frames kept: from the clip's first kept one to the newest."""
        return max(self.hops - self.behind - self.first + 1, 1)

    @property
    def history(self) -> int:
        """Samples kept: for the newest frame, and for the clip's ends."""
        f = self.front_end
        newest = self.behind * f.hop_samples + f.pad_samples
        if self.first > 0 or not self.kept:
            ends = self.hops * f.hop_samples
        else:
            ends = (self.hops - self.last - 1) * f.hop_samples if self.last < f.frames - 1 else 0
        return max(newest, ends, f.hop_samples)

    @property
    def features_bytes(self) -> int:
        """Memory for one clip."""
        return _bytes(self.front_end.frames * self.row + self._buffer * LANES)

    @property
    def stream_bytes(self) -> int:
        """Memory for one stream."""
        edges = self.front_end.frames - (self.last - self.first + 1) + 1
        return _bytes(2 + self.history + (self.ring + edges) * self.row + self._buffer)

    @property
    def _buffer(self) -> int:
        return 4 * self.half + self.front_end.n_mels


def _bytes(floats: int) -> int:
    return -(-floats * FLOAT_BYTES // ALIGN_BYTES) * ALIGN_BYTES
