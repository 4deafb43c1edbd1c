"""One clip as numbers to draw: its waveform, its log-mel spectrogram or stored features, one frame's values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from engine.artifact import AudioSet, FeatureSet
from engine.audio import FEATURE_FILE, WAVEFORM_FILE, ClipTable, open_h5, table_of
from engine.evidence import sample_row
from studio.views.viewer import Scene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LONGEST_S: Final = 60.0
"""Of a longer recording only the beginning is drawn and played."""
N_MELS: Final = 64
WINDOW_S, HOP_S = 0.025, 0.010
DRAWN_POINTS: Final = 4000


@dataclass(frozen=True)
class Shown:
    """One clip.

    Attributes:
        wave: samples in [-1, 1), (samples,); empty where the audio is not at hand.
        image: (rows, frames) as drawn, row 0 at the bottom.
        span_s: seconds that the image covers.
        rows_name: what a row is ("coefficients", "mel bands").
        row_hz: middle frequency of every row, where rows are frequencies.
    """

    row: int
    clip_id: str
    label: str
    speaker: str
    subset: str
    rate_hz: int
    wave: Floats
    image: Floats
    span_s: float
    rows_name: str
    row_hz: Floats | None = None

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return max(len(self.wave) / self.rate_hz if self.rate_hz else 0.0, self.span_s)

    @property
    def words(self) -> str:
        """The clip in one line."""
        parts = (self.label or "no label", self.clip_id, self.speaker, self.subset)
        return " · ".join(part for part in parts if part)


@dataclass(frozen=True)
class Clips:
    """A set of clips to choose from, with where its sound is."""

    data: AudioSet | FeatureSet
    audio: AudioSet | None
    table: ClipTable

    @cached_property
    def places(self) -> dict[str, int]:
        """Row by clip id."""
        return {name: row for row, name in enumerate(self.table.clip_id.tolist())}

    def __len__(self) -> int:
        return len(self.table)


def read_clips(data: Any, scene: Scene) -> tuple[Clips, Shown | None]:
    """The clips of an audio or feature set, and the first one worth looking at."""
    found = scene.find(AudioSet)
    audio = data if isinstance(data, AudioSet) else found if isinstance(found, AudioSet) else None
    table = table_of(data)
    clips = Clips(data, audio, table)
    return clips, show(clips, sample_row(table)) if len(table) else None


def show(clips: Clips, row: int) -> Shown:
    """One clip, read from the files."""
    import numpy as np

    table, data = clips.table, clips.data
    wave = wave_of(clips.audio, clips, row) if clips.audio is not None else np.zeros(0, np.float32)
    rate_hz = clips.audio.meta.rate_hz if clips.audio is not None else 0
    if isinstance(data, FeatureSet):
        image, span_s, rows_name, row_hz = _stored(data, row)
    else:
        image, row_hz = log_mel(wave, rate_hz)
        span_s, rows_name = len(wave) / max(rate_hz, 1), "mel bands, dB"
    id, label, speaker, subset = (str(c[row]) for c in (table.clip_id, table.label, table.speaker, table.subset))
    return Shown(row, id, label, speaker, subset, rate_hz, wave, image, span_s, rows_name, row_hz)


def wave_of(audio: AudioSet, clips: Clips, row: int) -> Floats:
    """Samples of a clip, found in the audio by its id; a set of features may have another order."""
    import numpy as np

    table = clips.table if audio is clips.data else table_of(audio)
    if audio is not clips.data:
        found = np.flatnonzero(table.clip_id == clips.table.clip_id[row])
        if not len(found):
            return np.zeros(0, np.float32)
        row = int(found[0])
    count = min(int(table.samples[row]), int(LONGEST_S * audio.meta.rate_hz))
    start = int(table.offset[row])
    with open_h5(audio.file(WAVEFORM_FILE)) as file:
        return np.asarray(file["samples"][start : start + count], np.float32) / 32768.0


def _stored(features: FeatureSet, row: int) -> tuple[Floats, float, str, Floats | None]:
    """Stored features of a clip as an image; patches follow each other in time."""
    import numpy as np

    with open_h5(features.file(FEATURE_FILE)) as file:
        values = np.asarray(file["features"][row], np.float32)
    if values.ndim == 3:
        values = np.concatenate(list(values), axis=-1)
    front = features.meta.front_end
    samples = front.get("clip_samples", 0) + front.get("append_samples", 0)
    span_s = samples / front.get("rate_hz", 16_000) or values.shape[-1] * HOP_S
    name = features.meta.layout.split(",")[-2]
    hz = None if front.get("n_mfcc") else _mel_middles(values.shape[0], front)
    return values, float(span_s), name, hz


def _mel_middles(bands: int, front: Any) -> Floats:
    """Middle frequencies of equally spaced mel bands."""
    import numpy as np

    low, high = _to_mel(front.get("f_min_hz", 20.0)), _to_mel(front.get("f_max_hz", 8000.0))
    return np.asarray(_to_hz(np.linspace(low, high, bands + 2)[1:-1]), np.float32)


def log_mel(wave: Floats, rate_hz: int) -> tuple[Floats, Floats]:
    """Log-mel power in dB, 80 dB deep, (N_MELS, frames), and the bands' middle frequencies.

    Triangles on the mel scale of O'Shaughnessy (Speech Communication, 1987), m = 2595 log10(1 + f / 700), over the
    power of Hann windows of 25 ms every 10 ms. Only for looking at: feature nodes compute what a network gets.
    """
    import numpy as np

    window, hop = max(int(WINDOW_S * rate_hz), 16), max(int(HOP_S * rate_hz), 8)
    padded = np.pad(wave, (0, max(window - len(wave), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(window).astype(np.float32), axis=1)) ** 2
    bank, middles = _mel_bank(power.shape[1], rate_hz)
    level = 10 * np.log10(power @ bank.T + 1e-10)
    return np.asarray(np.maximum(level, level.max() - 80).T, np.float32), middles


def _mel_bank(bins: int, rate_hz: int) -> tuple[Floats, Floats]:
    import numpy as np

    edges = _to_hz(np.linspace(_to_mel(20.0), _to_mel(rate_hz / 2), N_MELS + 2))
    hz = np.linspace(0, rate_hz / 2, bins)
    up = (hz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - hz) / (edges[2:] - edges[1:-1])[:, None]
    bank = np.clip(np.minimum(up, down), 0, None)
    return np.asarray(bank, np.float32), np.asarray(edges[1:-1], np.float32)


def _to_mel(hz: float) -> float:
    import math

    return 2595.0 * math.log10(1 + hz / 700.0)


def _to_hz(mel: Any) -> Any:
    return 700.0 * (10 ** (mel / 2595.0) - 1)


def envelope(wave: Floats, points: int = DRAWN_POINTS) -> tuple[Floats, Floats]:
    """A waveform thinned to its lowest and highest values: positions in samples, values; peaks are never lost."""
    import numpy as np

    if len(wave) <= points:
        return np.arange(len(wave), dtype=np.float32), wave
    step = -(-len(wave) // (points // 2))
    whole = wave[: len(wave) // step * step].reshape(-1, step)
    values = np.stack([whole.min(axis=1), whole.max(axis=1)], axis=1).reshape(-1)
    return np.repeat(np.arange(len(whole)) * float(step), 2).astype(np.float32), values


def frame_at(shown: Shown, at_s: float) -> tuple[int, Floats]:
    """Index and values of the frame at a time."""
    frames = shown.image.shape[1]
    index = min(max(int(at_s / shown.span_s * frames), 0), frames - 1) if shown.span_s else 0
    return index, shown.image[:, index]
