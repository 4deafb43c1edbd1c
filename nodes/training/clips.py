"""Where a training's batches come from: fixed features, or waveforms changed on the fly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import AudioSet, Context, FeatureSet, OssicleError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.audio import ClipTable
    from nodes.learn.augment import Waves
    from nodes.learn.compute import Compute
    from nodes.learn.recipe import Recipe
    from nodes.learn.source import Source
    from nodes.training.task import Task


def source_of(
    features: FeatureSet,
    plain: NDArray[np.float32],
    audio: AudioSet | None,
    task: Task,
    recipe: Recipe,
    seed: int,
    ctx: Context,
    compute: Compute | None = None,
) -> Source:
    """Batches of the training clips: changed anew at every showing if there is audio and the recipe changes it.

    Raises:
        OssicleError: the features are not all finite, or the audio lacks some of the clips.
    """
    from nodes.learn.compute import CPU, fits
    from nodes.learn.device_waves import DeviceWaveSource
    from nodes.learn.source import FeatureSource, Labels, WaveSource

    _check_finite(plain, task)
    compute = compute or CPU
    labels = Labels(
        task.truth, len(task.classes), recipe.batch, recipe.label_smoothing, seed, repeats=recipe.balance == "repeat"
    )
    if audio is not None and recipe.augmentation.changes_waveforms:
        from nodes.dsp.parameters import FrontEnd

        front_end = FrontEnd(**features.meta.front_end)
        waves = _waves(audio, task, front_end.clip_samples, front_end.rate_hz, ctx)
        if compute.is_cuda and fits(waves.clips.nbytes, compute):
            return DeviceWaveSource(waves, front_end, labels, recipe.augmentation, compute.device)
        return WaveSource(waves, front_end, labels, recipe.augmentation)
    if recipe.augmentation.changes_waveforms:
        ctx.log("no audio is wired: clips are not shifted and get no noise; masks and mixing only")
    return FeatureSource(plain, labels, recipe.augmentation, compute.device if fits(plain.nbytes, compute) else "cpu")


def _check_finite(plain: NDArray[np.float32], task: Task) -> None:
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        odd = np.flatnonzero(~np.isfinite(plain.reshape(len(plain), -1).sum(1)))
    if len(odd):
        raise OssicleError(
            f"the features of {len(odd):,} training clips are not finite, the first is {task.table.clip_id[odd[0]]}",
            "numbers",
            "Make the features again; a log_offset of 0 gives minus infinity for silence",
        )


def _waves(audio: AudioSet, task: Task, clip_samples: int, rate_hz: int, ctx: Context) -> Waves:
    """Training waveforms and noise tracks at the front end's rate."""
    import numpy as np

    from engine.audio import BACKGROUND, table_of, waveforms
    from nodes.learn.augment import Waves, coloured_tracks

    table = table_of(audio)
    clips = np.zeros((len(task.table), clip_samples), np.int16)
    rows = table.take(_rows_of(task.table, table))
    for line, samples in zip(clips, waveforms(audio, rows), strict=True):
        kept = _at_rate(samples, audio.meta.rate_hz, rate_hz)[:clip_samples]
        line[: len(kept)] = kept
        ctx.check()
    tracks = tuple(
        _at_rate(samples, audio.meta.rate_hz, rate_hz).astype(np.float32) / 32768.0
        for samples in waveforms(audio, table.of_subset(BACKGROUND))
    )
    if not tracks:
        ctx.log("the audio has no background tracks: white and pink noise is made instead")
    return Waves(clips, tracks or coloured_tracks(rate_hz), rate_hz)


def _rows_of(wanted: ClipTable, table: ClipTable) -> NDArray[np.int64]:
    import numpy as np

    place = {clip: row for row, clip in enumerate(table.clip_id.tolist())}
    missing = [clip for clip in wanted.clip_id.tolist() if clip not in place]
    if missing:
        raise OssicleError(
            f"the audio lacks {len(missing):,} of the training clips, the first is {missing[0]!r}",
            "the audio that the features were made from",
            "Wire the same node to the features and to train",
        )
    return np.array([place[clip] for clip in wanted.clip_id.tolist()], np.int64)


def _at_rate(samples: NDArray[np.int16], given_hz: int, wanted_hz: int) -> NDArray[np.int16]:
    if given_hz == wanted_hz:
        return samples
    import soxr

    resampled: NDArray[np.int16] = soxr.resample(samples, given_hz, wanted_hz)
    return resampled
