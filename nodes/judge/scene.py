"""Long recordings made from clips: words placed at random over background noise, with the time of each known.

How: clips are drawn without replacement, in a new order each time all have been used. Between the end of one and the
start of the next lies a pause drawn from an exponential distribution, at least MIN_GAP_S long. A clip's label spans its
active part: from the first to the last 10 ms frame within ACTIVE_DB of the clip's loudest frame. Below the clips lie
random stretches of the background tracks, joined by crossfades, at one level for the whole recording: `snr_db` below
the median level of the clips' active parts. Everything follows from the seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nodes.judge.errors import JudgeError
from nodes.judge.events import Event

Samples = NDArray[np.float32]
MIN_GAP_S: Final = 0.3
ACTIVE_DB: Final = 30.0
STRETCH_S: Final = 20.0
FADE_S: Final = 0.5
_FRAME_S: Final = 0.01


@dataclass(frozen=True)
class Layout:
    """How a recording is made: length, mean pause between clips, level of the clips above the background."""

    length_s: float
    gap_s: float
    snr_db: float
    seed: int


@dataclass(frozen=True)
class Scene:
    """A recording, int16 (samples,), and every clip in it."""

    samples: NDArray[np.int16]
    events: tuple[Event, ...]


def compose(clips: Sequence[tuple[str, Samples]], tracks: Sequence[Samples], rate_hz: int, layout: Layout) -> Scene:
    """Place clips (label, samples in [-1, 1)) over background tracks (samples,).

    Raises:
        JudgeError: no clip has a sound in it, or the first clip does not fit into the length.
    """
    rng = np.random.default_rng(layout.seed)
    total = round(layout.length_s * rate_hz)
    spans = [active(samples, rate_hz) for _, samples in clips]
    if not any(spans):
        raise JudgeError(
            f"none of {len(clips):,} clips has a sound in it", "clips of words", "Choose another subset of clips"
        )
    scene, events = np.zeros(total, np.float32), []
    for place, row in _places(clips, total, rate_hz, layout.gap_s, rng):
        label, samples = clips[row]
        scene[place : place + len(samples)] += samples
        span = spans[row]
        if span is not None:
            events.append(Event((place + span[0]) / rate_hz, (place + span[1]) / rate_hz, label))
    if not events:
        raise JudgeError(
            f"no clip fits into {layout.length_s:g} s", "a length of some clips and pauses", "Raise the minutes"
        )
    level = float(np.median([_rms(clips[row][1][slice(*span)]) for row, span in enumerate(spans) if span]))
    scene += _background(tracks, total, rate_hz, rng) * np.float32(level * 10 ** (-layout.snr_db / 20))
    return Scene(np.clip(np.rint(scene * 32768), -32768, 32767).astype(np.int16), tuple(events))


def active(samples: Samples, rate_hz: int) -> tuple[int, int] | None:
    """First and last sample (exclusive) of a clip's active part; None for silence."""
    frame = max(1, round(_FRAME_S * rate_hz))
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame).astype(np.float64)
    power = (frames**2).mean(axis=1)
    if not len(power) or power.max() == 0:
        return None
    loud = np.flatnonzero(power >= power.max() * 10 ** (-ACTIVE_DB / 10))
    return int(loud[0]) * frame, int(loud[-1] + 1) * frame


def _places(
    clips: Sequence[tuple[str, Samples]], total: int, rate_hz: int, gap_s: float, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """First sample and row of every clip, until the recording is full."""
    found: list[tuple[int, int]] = []
    place, order = 0, list[int]()
    while True:
        order = order or rng.permutation(len(clips)).tolist()
        row = order.pop()
        place += round(rate_hz * (MIN_GAP_S + rng.exponential(max(gap_s - MIN_GAP_S, 0.0))))
        if place + len(clips[row][1]) > total:
            return found
        found.append((place, row))
        place += len(clips[row][1])


def _background(tracks: Sequence[Samples], total: int, rate_hz: int, rng: np.random.Generator) -> Samples:
    """Random stretches of the tracks, each at unit level, joined by crossfades of equal power (samples,)."""
    fade, scene = round(FADE_S * rate_hz), np.zeros(total, np.float32)
    rise = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32))
    place = 0
    while place < total:
        track = tracks[int(rng.integers(len(tracks)))]
        size = min(round(STRETCH_S * rate_hz), len(track))
        first = int(rng.integers(len(track) - size + 1))
        stretch = track[first : first + size] / np.float32(_rms(track[first : first + size]) or 1.0)
        if size > 2 * fade:
            stretch = np.concatenate([stretch[:fade] * rise, stretch[fade:-fade], stretch[-fade:] * rise[::-1]])
        kept = min(size, total - place)
        scene[place : place + kept] += stretch[:kept]
        place += max(size - fade, 1) if size > 2 * fade else size
    return scene


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0
