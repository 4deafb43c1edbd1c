"""Recordings made of an audio set's clips: what nodes that listen hear."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine import AudioSet
    from engine.audio import ClipTable
    from nodes.judge.scene import Layout, Samples, Scene


def scene_of(audio: AudioSet, subset: str, rate_hz: int, layout: Layout) -> Scene:
    """Clips of a subset ("all" takes every one) over the set's background tracks, at a rate.

    Raises:
        OssicleError: the subset is empty.
        JudgeError: none of its clips can be placed.
    """
    from engine.audio import BACKGROUND, table_of
    from nodes.evaluate import empty_subset
    from nodes.judge.scene import compose
    from nodes.learn.augment import coloured_tracks

    table = table_of(audio)
    rows = table.clips() if subset == "all" else table.of_subset(subset)
    if not len(rows):
        raise empty_subset(subset, table)
    clips = list(zip(rows.label.tolist(), _at_rate(audio, rows, rate_hz), strict=True))
    tracks = _at_rate(audio, table.of_subset(BACKGROUND), rate_hz) or list(coloured_tracks(rate_hz))
    return compose(clips, tracks, rate_hz, layout)


def _at_rate(audio: AudioSet, table: ClipTable, rate_hz: int) -> list[Samples]:
    import numpy as np
    import soxr

    from engine.audio import waveforms

    floats = (samples.astype(np.float32) / np.float32(32768) for samples in waveforms(audio, table))
    if audio.meta.rate_hz == rate_hz:
        return list(floats)
    return [soxr.resample(samples, audio.meta.rate_hz, rate_hz) for samples in floats]
