"""Turn clips into features: MFCC and log-mel, with the front ends of the papers as presets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from engine import AudioSet, Context, FeatureMeta, FeatureSet, Hertz, Milliseconds, OssicleError, Params, Seconds, node
from nodes.dsp.parameters import FrontEnd, FrontEndError
from nodes.dsp.presets import PRESETS, LogMelPreset, MfccPreset

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from engine.audio import ClipTable

FRAMES_VERSION = 1
"""Raised whenever the same waveforms and front end give other features."""
BLOCK_CLIPS = 512
BLOCK_SAMPLES = 1 << 23
"""Most waveform samples in memory at a time, whatever the length of a clip."""


class FeatureParams(Params):
    """What both feature nodes let you change; a value left empty comes from the preset."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Front end", ["preset"]],
                ["Time", ["clip_s", "window_ms", "hop_ms", "fft_samples", "centred", "padding", "patch_frames"]],
                ["Frequency", ["n_mels", "f_min_hz", "f_max_hz", "mel_scale", "mel_triangles", "rate_hz", "n_mfcc"]],
            ]
        }
    )

    preset: str
    """Front end of a paper; the values below override it one by one."""
    clip_s: Annotated[Seconds, Field(gt=0)] | None = None
    """Length of every clip: shorter ones are padded with silence at the end, longer ones cut."""
    window_ms: Annotated[Milliseconds, Field(gt=0)] | None = None
    """Length of one analysis window."""
    hop_ms: Annotated[Milliseconds, Field(gt=0)] | None = None
    """Time from one window to the next."""
    fft_samples: Annotated[int, Field(gt=0)] | None = None
    """Points of the FFT; the window is padded with zeros up to it."""
    n_mels: Annotated[int, Field(gt=0)] | None = None
    """Mel bands."""
    f_min_hz: Annotated[Hertz, Field(ge=0)] | None = None
    """Lower edge of the lowest mel band."""
    f_max_hz: Annotated[Hertz, Field(gt=0)] | None = None
    """Upper edge of the highest mel band; at most half the sampling rate."""
    mel_scale: Literal["htk", "slaney"] | None = None
    """Formula of the mel scale."""
    mel_triangles: Literal["mel", "hz"] | None = None
    """Whether bands are triangles over mel (TensorFlow) or over Hz (librosa)."""
    centred: bool | None = None
    """Centre the frames on their time, with padding at both ends of the clip, or start them there."""
    padding: Literal["zeros", "reflect"] | None = None
    """What lies beyond the ends of a centred clip; librosa reflected until 2021 and pads zeros since."""
    rate_hz: Annotated[int, Field(gt=0, json_schema_extra={"unit": "Hz"})] | None = None
    """Sampling rate of the front end; audio of another rate is resampled. Times in ms keep their length."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        self.front_end()
        return self

    def front_end(self) -> FrontEnd:
        """The preset with the changes.

        Raises:
            FrontEndError: the values contradict each other; all problems are listed.
        """
        base = PRESETS[self.preset]
        return replace(base, **{**self._timing(base), **self._given()})

    def implied(self) -> dict[str, Any]:
        """The value that each empty parameter takes; forms show it."""
        found = self.front_end()
        rate_hz = found.rate_hz
        times = {
            "clip_s": found.clip_samples / rate_hz,
            "window_ms": 1000.0 * found.window_samples / rate_hz,
            "hop_ms": 1000.0 * found.hop_samples / rate_hz,
        }
        return {**asdict(found), **times}

    def _given(self) -> dict[str, Any]:
        same = (name for name in type(self).model_fields if name in FrontEnd.__dataclass_fields__)
        return {name: getattr(self, name) for name in same if getattr(self, name) is not None}

    def _timing(self, base: FrontEnd) -> dict[str, Any]:
        rate_hz = self.rate_hz or base.rate_hz

        def samples(given_s: float | None, usual: int) -> int:
            return round(rate_hz * (usual / base.rate_hz if given_s is None else given_s))

        window = samples(_seconds(self.window_ms), base.window_samples)
        return {
            "clip_samples": samples(self.clip_s, base.clip_samples),
            "window_samples": window,
            "hop_samples": samples(_seconds(self.hop_ms), base.hop_samples),
            "fft_samples": max(base.fft_samples, 1 << (window - 1).bit_length()) if window > 0 else base.fft_samples,
            "f_max_hz": min(base.f_max_hz, rate_hz / 2),
        }


class MfccParams(FeatureParams):
    """How to compute MFCC."""

    preset: MfccPreset = "s1-40x98"
    """Front end of a paper, named after the shape of a one-second clip; the values below override it one by one."""
    n_mfcc: Annotated[int, Field(gt=0)] | None = None
    """Cepstral coefficients kept; at most the number of mel bands."""


class LogMelParams(FeatureParams):
    """How to compute log-mel bands."""

    preset: LogMelPreset = "s3-96x64"
    """Front end of a paper (s3: four patches of 96 frames in 3.84 s; s2: one matrix of 128 bands for pictures of 3 s,
    with the windows of its text or of its repository; bc: 40 bands of BC-ResNet); the values below override it."""
    patch_frames: Annotated[int, Field(ge=0)] | None = None
    """Cut the frames into patches of this many; 0 leaves one matrix per clip."""


@node("ossicle.mfcc", version=1, category="Features", title="MFCC")
def mfcc(audio: AudioSet, params: MfccParams, ctx: Context) -> FeatureSet:
    """Mel-frequency cepstral coefficients of every clip.

    Features float32 (clips, n_mfcc, frames). Background tracks have none. Audio of another rate than the front end's
    is resampled (soxr).
    """
    return _extract(audio, params.front_end(), ctx)


@node("ossicle.log_mel", version=1, category="Features", title="Log-mel")
def log_mel(audio: AudioSet, params: LogMelParams, ctx: Context) -> FeatureSet:
    """Logarithms of mel bands of every clip, cut into patches.

    Features float32 (clips, patches, n_mels, frames of a patch), or (clips, n_mels, frames) without patches.
    """
    return _extract(audio, params.front_end(), ctx)


def _seconds(value_ms: float | None) -> float | None:
    return None if value_ms is None else value_ms / 1000.0


def _extract(audio: AudioSet, front_end: FrontEnd, ctx: Context) -> FeatureSet:
    from engine.audio import FRAME_FILE, table_of, write_feature_table, write_frames

    table = table_of(audio).clips()
    if not len(table):
        raise OssicleError(
            "the audio set has no clips with a class",
            "at least one clip beside background tracks",
            "Check the folder that ingest reads and the messages of that node",
        )
    _tell_lengths(table, audio.meta.rate_hz, front_end, ctx)

    def make(made: Path) -> None:
        write_frames(made, len(table), front_end.shape, _blocks(audio, table, front_end, ctx))

    folder = ctx.folder("features")
    ctx.link(ctx.memo(_depends_on(audio, table, front_end), make) / FRAME_FILE, folder / FRAME_FILE)
    write_feature_table(folder, table)
    return FeatureSet(folder, _describe(audio, table, front_end))


def _depends_on(audio: AudioSet, table: ClipTable, front_end: FrontEnd) -> dict[str, Any]:
    """All that decides the features: the waveforms in their order and the front end; not labels, subsets or folds."""
    clips = hashlib.sha256("".join(table.sha256.tolist()).encode()).hexdigest()
    return {
        "what": "features", "version": FRAMES_VERSION, "front_end": asdict(front_end), "rate_hz": audio.meta.rate_hz,
        "clips": clips,
    }  # fmt: skip


def _blocks(
    audio: AudioSet, table: ClipTable, front_end: FrontEnd, ctx: Context
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    from nodes.dsp.frontend import compute

    block_clips = max(1, min(BLOCK_CLIPS, BLOCK_SAMPLES // front_end.clip_samples))
    for rows, clips in _waveforms(audio, table, front_end, block_clips):
        try:
            yield rows, compute(front_end, clips, ctx.threads)
        except FrontEndError as error:
            raise _told(error) from error
        ctx.progress(rows.stop / len(table), f"{rows.stop:,} of {len(table):,} clips")


def _waveforms(
    audio: AudioSet, table: ClipTable, front_end: FrontEnd, block_clips: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Blocks (clips, clip_samples) at the front end's rate, with their rows of the table."""
    import numpy as np

    from engine.audio import batches

    rate_hz = audio.meta.rate_hz
    if rate_hz == front_end.rate_hz:
        yield from batches(audio, table, front_end.clip_samples, block_clips)
        return
    for first in range(0, len(table), block_clips):
        rows = slice(first, min(first + block_clips, len(table)))
        yield rows, _resampled(audio, table.take(np.arange(rows.start, rows.stop)), front_end)


def _source_samples(front_end: FrontEnd, rate_hz: int) -> int:
    return -(-front_end.clip_samples * rate_hz // front_end.rate_hz)


def _resampled(audio: AudioSet, table: ClipTable, front_end: FrontEnd) -> NDArray[np.float32]:
    import numpy as np

    from engine.audio import waveforms
    from nodes.dsp.frontend import fit

    scale = np.float32(1.0 / 32768.0)
    return np.stack([fit(front_end, clip * scale, audio.meta.rate_hz) for clip in waveforms(audio, table)])


def _told(error: FrontEndError) -> OssicleError:
    what, expected, remedy = ("; ".join(parts) for parts in zip(*error.problems, strict=True))
    return OssicleError(what, expected, remedy)


def _tell_lengths(table: ClipTable, rate_hz: int, front_end: FrontEnd, ctx: Context) -> None:
    samples = _source_samples(front_end, rate_hz)
    shorter, longer = int((table.samples < samples).sum()), int((table.samples > samples).sum())
    seconds = front_end.clip_samples / front_end.rate_hz
    if shorter or longer:
        ctx.log(f"of {len(table):,} clips {shorter:,} are padded and {longer:,} cut to {seconds:g} s")


def _describe(audio: AudioSet, table: ClipTable, front_end: FrontEnd) -> FeatureMeta:
    size = " x ".join(map(str, front_end.shape))
    return FeatureMeta(
        about=f"{len(table):,} clips · {size} · {front_end.layout.replace(',', ' x ')}",
        front_end=asdict(front_end),
        layout=front_end.layout,
        shape=front_end.shape,
        classes=audio.meta.classes,
        counts={"clips": len(table), **table.subset_counts()},
    )
