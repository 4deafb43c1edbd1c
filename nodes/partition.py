"""Give every clip a subset, and make sure that nothing stands in two of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from engine import AudioSet, Context, FileProblem, OssicleError, Params, node
from engine.audio import BACKGROUND, SUBSETS, WAVEFORM_FILE, ClipTable, table_of, write_audio_table
from engine.params import FilePath, Percent
from nodes.clips import audio_set

if TYPE_CHECKING:
    from nodes.dsp.split import SplitOptions


class PartitionParams(Params):
    """Which rule, its shares, and what to do about leaks."""

    rule: Literal["given", "lists", "hash", "speaker", "leave_one_speaker_out", "fold", "stratified", "random"] = (
        "given"
    )
    """given: as the data came · lists: list files · hash: Google's · speaker, fold, stratified, random: by groups."""
    validation_percent: Annotated[Percent, Field(ge=0, lt=100)] = 10.0
    """Share of the clips for validation."""
    testing_percent: Annotated[Percent, Field(ge=0, lt=100)] = 10.0
    """Share of the clips for testing."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Decides who goes where, whatever the order of the clips."""
    speakers: tuple[str, ...] = ()
    """leave_one_speaker_out: who is for testing only."""
    test_fold: Annotated[int, Field(ge=1)] = 1
    """fold: the fold for testing; the one before it (for the first, the last) is for validation."""
    folds: Annotated[int, Field(ge=0, le=1000)] = 0
    """fold: make so many folds of whole speakers and recordings; 0 uses the folds the data came with."""
    validation_list: FilePath = ""
    """lists: text file with one clip id per line."""
    testing_list: FilePath = ""
    """lists: text file with one clip id per line."""
    on_leak: Literal["error", "drop", "move", "warn"] = "error"
    """Something in two subsets (error: or in two folds): stop · drop it from training · move it together · say so."""
    same_speaker: Literal["auto", "leak", "allow"] = "auto"
    """Whether a speaker in two subsets is a leak; auto: under the rules that keep speakers apart."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.validation_percent + self.testing_percent >= 100:
            raise ValueError(
                f"validation_percent {self.validation_percent:g} and testing_percent {self.testing_percent:g} leave "
                "nothing for training; expected a sum below 100; lower one of them"
            )
        if self.rule == "lists" and not (self.validation_list or self.testing_list):
            raise ValueError("rule lists has no list file; expected validation_list, testing_list or both; set them")
        return self


def _fingerprint(params: PartitionParams, base: Path) -> dict[str, Any] | None:
    return _entries(params, base) if params.rule == "lists" else None


@node("ossicle.partition", version=1, category="Data", fingerprint=_fingerprint)
def partition(audio: AudioSet, params: PartitionParams, ctx: Context) -> AudioSet:
    """The same clips with subsets for training, validation and testing; the waveforms are shared, not copied.

    A speaker, source recording or identical audio in two subsets is a leak; background tracks stay what they are.
    """
    from nodes.dsp.errors import SourceError

    table = table_of(audio)
    try:
        parted = _parted(table, params, ctx)
    except SourceError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    parted, problems = _without_leaks(parted, params, ctx)
    folder = ctx.folder("audio")
    ctx.link(audio.file(WAVEFORM_FILE), folder / WAVEFORM_FILE)
    write_audio_table(folder, parted)
    _tell(parted, ctx)
    present = set(parted.label.tolist())
    classes = [name for name in audio.meta.classes if name in present]
    return audio_set(folder, parted, audio.meta.rate_hz, classes, [*audio.meta.problems, *problems], audio.meta.licence)


def _parted(table: ClipTable, params: PartitionParams, ctx: Context) -> ClipTable:
    from nodes.dsp.split import split

    is_clip = table.subset != BACKGROUND
    if not is_clip.any():
        raise OssicleError("the audio set has no clips", "clips with labels", "Check what the node before it made")
    subset = table.subset.astype("U10")
    subset[is_clip] = split(table.take(is_clip), params.rule, _options(params, ctx))
    return table.with_columns(subset=subset)


def _options(params: PartitionParams, ctx: Context) -> SplitOptions:
    from nodes.dsp.split import SplitOptions, lists_of

    return SplitOptions(
        validation_percent=params.validation_percent,
        testing_percent=params.testing_percent,
        seed=params.seed,
        speakers=params.speakers,
        test_fold=params.test_fold,
        folds=params.folds,
        lists=lists_of(_entries(params, ctx.base)) if params.rule == "lists" else {},
    )


def _entries(params: PartitionParams, base: Path) -> dict[str, list[str]]:
    lists = {"validation": params.validation_list, "testing": params.testing_list}
    return {subset: _lines((base / Path(name).expanduser()).resolve()) for subset, name in lists.items() if name}


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise OssicleError(
            f"list {path.name} cannot be read ({error})",
            "a text file with one clip id per line",
            "Correct validation_list and testing_list; relative paths start at the workflow file",
        ) from error
    return [line.strip() for line in lines if line.strip()]


def _without_leaks(table: ClipTable, params: PartitionParams, ctx: Context) -> tuple[ClipTable, list[FileProblem]]:
    """Find leaks among the clips (not the background tracks) and do about them what the parameters say."""
    from nodes.dsp.leak import leaks, overlaps

    is_clip = table.subset != BACKGROUND
    clips = table.take(is_clip)
    found = leaks(clips, clips.subset, _counts_speakers(params))
    if params.rule == "fold" and not params.folds and params.on_leak == "error":
        found = overlaps(clips, _counts_speakers(params)) or found
    if not found:
        return table, []
    if params.on_leak == "error":
        raise OssicleError(
            "; ".join(map(str, found)),
            "each in one subset only",
            "Set on_leak to drop or move, or choose a rule that keeps them together (speaker)",
        )
    for leak in found:
        ctx.log(f"leak: {leak} ({params.on_leak})", "warning")
    problems = [FileProblem(file=leak.example, what=f"leak: {leak} ({params.on_leak})") for leak in found]
    return _repaired(table, params), problems


def _repaired(table: ClipTable, params: PartitionParams) -> ClipTable:
    from nodes.dsp.leak import moved_together, without_leaks

    rows = table.subset != BACKGROUND
    clips = table.take(rows)
    with_speakers = _counts_speakers(params)
    if params.on_leak == "drop":
        keep = ~rows
        keep[rows] = without_leaks(clips, clips.subset, with_speakers)
        return table.take(keep)
    if params.on_leak == "move":
        subset = table.subset.copy()
        subset[rows] = moved_together(clips, clips.subset, with_speakers)
        return table.with_columns(subset=subset)
    return table


def _counts_speakers(params: PartitionParams) -> bool:
    from nodes.dsp.split import KEEPS_SPEAKERS_APART

    choices: Mapping[str, bool] = {"leak": True, "allow": False, "auto": params.rule in KEEPS_SPEAKERS_APART}
    return choices[params.same_speaker]


def _tell(table: ClipTable, ctx: Context) -> None:
    counts = table.subset_counts()
    ctx.log(" · ".join(f"{count:,} {name}" for name, count in counts.items()))
    for name in SUBSETS:
        if name not in counts:
            ctx.log(f"no clips for {name}", "warning")
