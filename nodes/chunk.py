"""Cut recordings into chunks of one length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from engine import AudioSet, Context, OssicleError, Params, Seconds, node
from engine.audio import BACKGROUND, AudioWriter, Clip, table_of, waveforms
from engine.params import Decibels
from nodes.clips import audio_set

if TYPE_CHECKING:
    from nodes.dsp.chunk import Samples

TELL_EVERY = 64
LEAST_S = 0.01


class ChunkParams(Params):
    """How long a chunk is, how far the next one begins, and how loud it is."""

    chunk_s: Annotated[Seconds, Field(ge=LEAST_S, le=3600)] = 3.0
    """Length of every chunk."""
    hop_s: Annotated[Seconds, Field(ge=0, le=3600)] = 0.0
    """From one chunk to the next; 0 takes half a chunk. A tail shorter than a chunk is left out."""
    short: Literal["pad", "drop"] = "pad"
    """A recording shorter than a chunk: zeros behind it, or leave it out."""
    level: Literal["keep", "peak"] = "keep"
    """peak: scale every chunk to one peak level."""
    peak_dbfs: Annotated[Decibels, Field(ge=-60, le=0)] = -3.0
    """Largest sample of a chunk, below full scale."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if 0 < self.hop_s < LEAST_S:
            raise ValueError(
                f"hop_s {self.hop_s:g} would cut a recording into more chunks than anybody can store; "
                f"expected 0 (half a chunk) or at least {LEAST_S:g}; raise it"
            )
        return self


@node("ossicle.chunk", version=1, category="Data")
def chunk(audio: AudioSet, params: ChunkParams, ctx: Context) -> AudioSet:
    """Recordings cut into chunks of one length; each inherits label, speaker, source, subset and fold.

    Benchmark tells scores per chunk and, by majority vote, per recording. Background tracks stay whole.
    """
    table, folder = table_of(audio), ctx.folder("audio")
    left_out = 0
    with AudioWriter(folder) as writer:
        for row, samples in enumerate(waveforms(audio, table)):
            cut = list(_cut(table.row(row), samples, params, audio.meta.rate_hz))
            left_out += not cut
            for clip, part in cut:
                writer.add(clip, part)
            if row % TELL_EVERY == 0:
                ctx.progress(row / len(table), f"{row:,} of {len(table):,} recordings")
    if writer.table is None or not len(writer.table.clips()):
        raise OssicleError(
            f"no recording is as long as a chunk of {params.chunk_s:g} s",
            "recordings of at least one chunk",
            "Lower chunk_s, or set short to pad",
        )
    if left_out:
        ctx.log(f"left out, shorter than a chunk: {left_out:,}", "warning")
    present = set(writer.table.label.tolist())
    classes = [name for name in audio.meta.classes if name in present]
    made = audio_set(folder, writer.table, audio.meta.rate_hz, classes, audio.meta.problems, audio.meta.licence)
    ctx.log(made.meta.about)
    return made


def _cut(clip: Clip, samples: Samples, params: ChunkParams, rate_hz: int) -> Iterator[tuple[Clip, Samples]]:
    """The chunks of one recording."""
    from nodes.dsp.chunk import chunks, levelled

    if clip.subset == BACKGROUND:
        yield clip, samples
        return
    size = round(params.chunk_s * rate_hz)
    hop = max(1, round((params.hop_s or params.chunk_s / 2) * rate_hz))
    for first, part in chunks(samples, size, hop, fills=params.short == "pad"):
        begins_s = first / rate_hz
        own = replace(
            clip,
            clip_id=f"{clip.clip_id}@{begins_s:.3f}s",
            source=clip.source or clip.clip_id,
            start_s=clip.start_s + begins_s,
        )
        yield own, levelled(part, 10.0 ** (params.peak_dbfs / 20.0)) if params.level == "peak" else part
