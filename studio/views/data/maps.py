"""Clips as pictures, in numpy: samples, spectrograms and stored features on one time axis. No Qt; runs in threads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.artifact import AudioSet, FeatureMeta, FeatureSet
from engine.audio import FEATURE_FILE, WAVEFORM_FILE, Clip, ClipTable, open_h5
from engine.errors import OssicleError

Floats = NDArray[np.float64]
Samples = NDArray[np.int16]
LONGEST_S: Final = 120.0
"""Longer clips (background tracks) are shown and played up to here."""
WINDOW_S, HOP_S = 0.025, 0.010
MOST_FRAMES: Final = 1600
BANDS: Final = 64
LOWEST_HZ: Final = 40.0
RANGE_DB: Final = 80.0
FLOOR: Final = 1e-10
TICKS_HZ: Final = (125, 250, 500, 1000, 2000, 4000, 8000, 16000)
BLOCK_FRAMES: Final = 4096
SAMPLED_CLIPS: Final = 1000
"""Clips that mean and deviation are taken from, spread evenly over the set."""


@dataclass(frozen=True)
class Sound:
    """The samples (samples,) of one clip; `whole_s` is its length, of which at most LONGEST_S are here."""

    clip: Clip
    samples: Samples
    rate_hz: int
    whole_s: float

    @property
    def seconds(self) -> float:
        """Length of what is here."""
        return len(self.samples) / self.rate_hz

    @property
    def times(self) -> Floats:
        """Time of every sample in s."""
        return np.arange(len(self.samples)) / self.rate_hz

    @property
    def level(self) -> Floats:
        """Samples as shares of full scale, -1 to 1."""
        return self.samples / 32768.0


@dataclass(frozen=True)
class Map:
    """A picture over time: one column per frame, row 0 at the bottom.

    Attributes:
        values: (rows, frames).
        pixels: the same as steps 0 to 255 between `low` and `high`; NaN is 0.
        start_s: left edge of the first column; column k spans start_s + k * hop_s to start_s + (k + 1) * hop_s.
        rows_name: what a row is: "coefficient", "frequency".
        ticks: marks at the left, by place in rows.
        row_hz: centre frequency of every row, if rows are frequencies.
        unit: of the values, "" if they have none.
        is_timed: whether x is in seconds; else hop_s is 1 and x counts frames.
    """

    values: Floats
    pixels: NDArray[np.uint8]
    low: float
    high: float
    start_s: float
    hop_s: float
    rows_name: str
    ticks: tuple[tuple[float, str], ...]
    row_hz: Floats | None = None
    unit: str = ""
    is_timed: bool = True

    @property
    def rows(self) -> int:
        """Rows."""
        return int(self.values.shape[0])

    @property
    def frames(self) -> int:
        """Columns."""
        return int(self.values.shape[1])

    @property
    def end_s(self) -> float:
        """Right edge of the last column."""
        return self.start_s + self.frames * self.hop_s

    @property
    def broken(self) -> int:
        """How many values are NaN or infinite."""
        return int((~np.isfinite(self.values)).sum())

    def frame_at(self, seconds: float) -> int:
        """The column at a time, or -1."""
        index = int(np.floor((seconds - self.start_s) / self.hop_s))
        return index if 0 <= index < self.frames else -1

    def middle_s(self, frame: int) -> float:
        """Time of the middle of a column."""
        return self.start_s + (frame + 0.5) * self.hop_s

    def row_text(self, row: int) -> str:
        """A row in words: "1.2 kHz", "coefficient 7"."""
        return f"{self.rows_name} {row}" if self.row_hz is None else hertz(float(self.row_hz[row]))

    def value_text(self, row: int, frame: int) -> str:
        """A value with its unit."""
        return f"{self.values[row, frame]:.4g} {self.unit}".rstrip()


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of every row over `clips` clips of a set that has `total`."""

    mean: Floats
    deviation: Floats
    clips: int
    total: int


def hertz(value: float) -> str:
    """A frequency: "440 Hz", "1.2 kHz"."""
    return f"{value:.0f} Hz" if value < 1000 else f"{value / 1000:.3g} kHz"


# ---- reading


def read_sound(audio: AudioSet, table: ClipTable, row: int) -> Sound:
    """The samples of one clip.

    Raises:
        OssicleError: the waveforms' file is missing, damaged or shorter than the table says.
    """
    rate_hz = audio.meta.rate_hz
    start, whole = int(table.offset[row]), int(table.samples[row])
    count = min(whole, int(LONGEST_S * rate_hz))
    with open_h5(audio.file(WAVEFORM_FILE)) as file:
        samples = file["samples"][start : start + count]
    if len(samples) < count:
        raise OssicleError(
            f"{WAVEFORM_FILE} ends before clip {table.clip_id[row]}",
            f"{start + whole:,} samples",
            "Run `ossicle store verify --repair`, then run the workflow again",
        )
    return Sound(table.row(row), samples, rate_hz, whole / rate_hz)


def read_map(features: FeatureSet, row: int) -> Map:
    """The stored features of one clip.

    Raises:
        OssicleError: the features' file is missing or damaged.
    """
    with open_h5(features.file(FEATURE_FILE)) as file:
        values = file["features"][row]
    return feature_map(values, features.meta)


def read_spread(features: FeatureSet) -> Spread:
    """Mean and standard deviation per row over at most SAMPLED_CLIPS clips; values that are not finite are left out."""
    with open_h5(features.file(FEATURE_FILE)) as file:
        data = file["features"]
        total = len(data)
        step = max(1, -(-total // SAMPLED_CLIPS))
        values = as_matrix(data[::step]) if total else np.zeros((0, 1, 1))
    is_finite = np.isfinite(values)
    if not is_finite.all():
        values = np.where(is_finite, values, 0.0)
    count = np.maximum(is_finite.sum(axis=(0, 2)), 1)
    mean = values.sum(axis=(0, 2)) / count
    squares = (np.where(is_finite, values - mean[:, None], 0.0) ** 2).sum(axis=(0, 2)) / count
    return Spread(mean, np.sqrt(squares), len(values), total)


def as_matrix(values: NDArray[Any]) -> Floats:
    """Features of clips (clips, *shape) as (clips, rows, frames); patches follow each other in time."""
    values = np.asarray(values, np.float64)
    if values.ndim == 2:
        return values[:, :, None]
    while values.ndim > 3:
        values = np.concatenate(list(np.moveaxis(values, 1, 0)), axis=-1)
    return values


# ---- features


def feature_map(values: NDArray[Any], meta: FeatureMeta) -> Map:
    """One clip's features (*shape) as a picture, placed in time as its front end places frames."""
    matrix = as_matrix(values[None])[0]
    front = meta.front_end
    is_cepstral = "coefficients" in meta.layout or bool(front.get("n_mfcc"))
    hz = None if is_cepstral else band_centres(front, len(matrix))
    ticks = row_ticks(len(matrix)) if hz is None else hz_ticks(hz)
    low, high = limits(matrix[1:] if is_cepstral and len(matrix) > 1 else matrix)
    name = "coefficient" if is_cepstral else "band"
    start_s, hop_s, is_timed = frame_times(front)
    unit = ("dB" if front.get("log") == "db" else "ln") if hz is not None else ""
    return Map(
        matrix, steps(matrix, low, high), low, high, start_s, hop_s, name, ticks, hz, unit, is_timed
    )  # fmt: skip


def frame_times(front: Mapping[str, Any]) -> tuple[float, float, bool]:
    """Left edge of the first frame's column and hop, in s; a column is centred on its window.

    Frames start at t * hop, or are centred on it. Without a known hop: 0, 1 and False.
    """
    rate, hop = front.get("rate_hz") or 0, front.get("hop_samples") or 0
    if not rate or not hop:
        return 0.0, 1.0, False
    middle = 0.0 if front.get("centred") else front.get("window_samples", hop) / 2
    return (middle - hop / 2) / rate, hop / rate, True


def clip_seconds(front: Mapping[str, Any]) -> float:
    """Length of the clip that a front end takes; 0 if it does not tell."""
    rate = front.get("rate_hz") or 0
    return (front.get("clip_samples", 0) + front.get("append_samples", 0)) / rate if rate else 0.0


def title_of(front: Mapping[str, Any], layout: str = "") -> str:
    """What a front end makes: "MFCC", "Log-mel", or "Features" if it does not tell."""
    if front.get("n_mfcc") or "coefficients" in layout:
        return "MFCC"
    return "Log-mel" if front.get("n_mels") or "mels" in layout else "Features"


def band_centres(front: Mapping[str, Any], rows: int) -> Floats | None:
    """Centre frequency of every mel band in Hz, if the front end tells its scale."""
    if not front.get("f_max_hz") or front.get("n_mels", rows) != rows:
        return None
    to_mel, to_hz = SCALES.get(str(front.get("mel_scale", "htk")), SCALES["htk"])
    low, high = to_mel(np.array([front.get("f_min_hz", 0.0), front["f_max_hz"]], float)).tolist()
    return to_hz(np.linspace(low, high, rows + 2)[1:-1])


# ---- spectrograms


def htk(frequency_hz: Floats) -> Floats:
    """Mel value: 1127 ln(1 + f / 700) (O'Shaughnessy, Speech Communication, 1987; as in HTK)."""
    return 1127.0 * np.log1p(frequency_hz / 700.0)


def htk_inverse(mel: Floats) -> Floats:
    """Frequency in Hz of an HTK mel value."""
    return 700.0 * np.expm1(mel / 1127.0)


_KNEE_MEL, _STEP = 15.0, float(np.log(6.4) / 27.0)


def slaney(frequency_hz: Floats) -> Floats:
    """Mel value of Slaney's Auditory Toolbox (1998): linear below 1 kHz (200/3 Hz each), then 27 per factor of 6.4."""
    above = _KNEE_MEL + np.log(np.maximum(frequency_hz, 1000.0) / 1000.0) / _STEP
    return np.where(frequency_hz < 1000.0, frequency_hz * 3.0 / 200.0, above)


def slaney_inverse(mel: Floats) -> Floats:
    """Frequency in Hz of a Slaney mel value."""
    above = 1000.0 * np.exp(_STEP * (np.maximum(mel, _KNEE_MEL) - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * 200.0 / 3.0, above)


Scale = Callable[[Floats], Floats]
SCALES: Final[Mapping[str, tuple[Scale, Scale]]] = {"htk": (htk, htk_inverse), "slaney": (slaney, slaney_inverse)}


def spectrogram(samples: Samples, rate_hz: int, bands: str = "mel") -> Map:
    """Power spectrogram in dB: frames of 25 ms every 10 ms, periodic Hann window, |DFT|^2 over the window's power.

    Frame t is centred on sample t * hop, with zeros beyond the clip's ends, so that the picture spans the whole clip.
    Full scale is a sine of amplitude 1 at 0 dB. Long clips get a longer hop, so that there are at most MOST_FRAMES.

    Args:
        bands: "mel": triangles over the mel axis; "linear": the bins of the DFT.
    """
    window = max(int(WINDOW_S * rate_hz), 8)
    hop = max(int(HOP_S * rate_hz), -(-len(samples) // MOST_FRAMES), 1)
    size = 1 << (window - 1).bit_length()
    power = _powers(_framed(samples, window, hop), window, size)  # (frames, bins)
    bins_hz = np.arange(size // 2 + 1) * rate_hz / size
    if bands == "mel":
        weights, hz = mel_bands(rate_hz, size)
        power = power @ weights.T
    else:
        hz = bins_hz
    decibel = 10.0 * np.log10(np.maximum(power.T, FLOOR))
    high = float(decibel.max(initial=-RANGE_DB))
    low = max(high - RANGE_DB, float(np.percentile(decibel, 2)) if decibel.size else high - RANGE_DB)
    ticks = hz_ticks(hz)
    start_s = -hop / 2 / rate_hz
    return Map(decibel, steps(decibel, low, high), low, high, start_s, hop / rate_hz, "band", ticks, hz, "dB")


def _framed(samples: Samples, window: int, hop: int) -> NDArray[np.float32]:
    """Overlapping frames (frames, window) as a view, each centred on a multiple of the hop."""
    frames = 1 + -(-len(samples) // hop)
    padded = np.zeros((frames - 1) * hop + window, np.float32)
    padded[window // 2 : window // 2 + len(samples)] = samples
    padded /= 32768.0
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]


def _powers(frames: NDArray[np.float32], window: int, size: int) -> Floats:
    shape = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
    found = np.empty((len(frames), size // 2 + 1))
    for first in range(0, len(frames), BLOCK_FRAMES):
        rows = slice(first, first + BLOCK_FRAMES)
        found[rows] = np.abs(np.fft.rfft(frames[rows] * shape, size)) ** 2
    return found * (4.0 / float(shape.sum()) ** 2)


@functools.lru_cache(maxsize=8)
def mel_bands(rate_hz: int, fft_samples: int) -> tuple[Floats, Floats]:
    """Weights (bands, bins) of triangles equally spaced in mel, each summing to at most 1, and their centres in Hz."""
    low, high = htk(np.array([LOWEST_HZ, rate_hz / 2])).tolist()
    edges = np.linspace(low, high, BANDS + 2)
    bins = htk(np.arange(fft_samples // 2 + 1) * rate_hz / fft_samples)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.maximum(np.minimum(rising, falling), 0.0)
    thin = weights.sum(axis=1) < 0.5  # bands between two bins take the nearest one
    nearest = np.abs(bins[None, :] - edges[1:-1, None]).argmin(axis=1)
    weights[thin] = 0.0
    weights[thin, nearest[thin]] = 1.0
    return weights / weights.sum(axis=1, keepdims=True), htk_inverse(edges[1:-1])


# ---- pixels and marks


def limits(values: Floats) -> tuple[float, float]:
    """2nd and 98th percentile of the finite values, so that one loud frame does not darken all others."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, (2, 98)).tolist()
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def steps(values: Floats, low: float, high: float) -> NDArray[np.uint8]:
    """Values as steps 0 to 255 of the colour map; NaN is 0."""
    scaled = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) * (255.0 / ((high - low) or 1.0))
    return np.ascontiguousarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def row_ticks(rows: int, most: int = 5) -> tuple[tuple[float, str], ...]:
    """Marks for numbered rows, in the middle of each."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000, 10**9) if rows <= s * most)
    return tuple((row + 0.5, str(row)) for row in range(0, rows, step))


def hz_ticks(row_hz: Floats) -> tuple[tuple[float, str], ...]:
    """Marks at octaves, placed between the rows whose centres surround them."""
    inside = [hz for hz in TICKS_HZ if row_hz[0] <= hz <= row_hz[-1]]
    places = np.interp(inside, row_hz, np.arange(len(row_hz)) + 0.5).tolist() if inside else []
    texts = [f"{hz / 1000:g}k" if hz >= 1000 else str(hz) for hz in inside]
    return tuple((p, t) for i, (p, t) in enumerate(zip(places, texts, strict=True)) if _is_apart(places, i, row_hz))


def _is_apart(places: list[float], index: int, row_hz: Floats) -> bool:
    """Whether there is room below the next mark; the highest always stays."""
    return index == len(places) - 1 or places[index + 1] - places[index] >= len(row_hz) / 16
