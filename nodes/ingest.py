"""Ingest recordings from a folder, an archive, an address or a table into one audio set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from engine import AudioSet, Context, FileProblem, OssicleError, Params, Seconds, node
from engine.audio import AudioWriter, Clip
from engine.params import Bytes, FilePath, Percent
from nodes.clips import audio_set
from nodes.source import UNPACK_SHARE, Opened, opened, outside

if TYPE_CHECKING:
    from nodes.dsp.layout import FileIssue, Item, LayoutOptions, Listing
    from nodes.dsp.read import Outcome
    from nodes.dsp.tree import Tree

TEN_WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
TELL_EVERY = 64


class IngestParams(Params):
    """Where recordings are, how their labels are found, and what becomes of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Source", ["source", "layout", "rate_hz", "licence"]],
                ["Speech Commands", ["words", "unknown_percent", "silence_percent", "silence_s"]],
                ["Labels", ["classes", "name_pattern", "table", "class_map", "limit_per_class", "seed"]],
                ["Checks and limits", [
                    "strict", "min_classes", "max_clip_s", "sha256", "max_unpacked_bytes", "max_files", "max_ratio",
                ]],
            ]
        }
    )  # fmt: skip

    source: FilePath = ""
    """Folder, CSV table, archive (tar, tar.gz, zip), http(s) address, speech_commands_v0.01 or _v0.02."""
    layout: Literal["auto", "folder", "names", "speech_commands", "esc50", "urbansound8k", "csv"] = "auto"
    """How labels are found: class folders, file names, Speech Commands, a table; auto looks and says what it found."""
    rate_hz: Annotated[int, Field(ge=1000, le=192_000, json_schema_extra={"unit": "Hz"})] = 16_000
    """Sampling rate of the result; other rates are resampled."""
    words: tuple[str, ...] = TEN_WORDS
    """Speech Commands: the keywords; other words become `unknown`. Empty: every word is a class."""
    unknown_percent: Annotated[Percent, Field(ge=0, le=1000)] = 10.0
    """Speech Commands: clips of other words, as a share of the keyword clips of each subset."""
    silence_percent: Annotated[Percent, Field(ge=0, le=1000)] = 10.0
    """Speech Commands: silent clips, as a share of the keyword clips of each subset."""
    silence_s: Annotated[Seconds, Field(gt=0, le=60)] = 1.0
    """Speech Commands: length of a silent clip."""
    classes: tuple[str, ...] = ()
    """Other layouts: classes to keep, in this order. Empty keeps all."""
    name_pattern: str = ""
    r"""Regular expression for file names without extension; named groups label, speaker, source, subset, fold."""
    table: str = ""
    """Table layouts: path of the table inside the source, if it is not the usual one."""
    class_map: FilePath = ""
    """JSON file that gives labels in a table their class names: {"0": "cough"}."""
    limit_per_class: Annotated[int, Field(ge=0)] = 0
    """At most so many clips per class, chosen by the seed whatever the order of files. 0 takes all."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Chooses the unknown clips and, with a limit, the clips."""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{64})?$")] = ""
    """Digest the archive must have."""
    strict: bool = False
    """Stop at the first file that cannot be used, instead of leaving it out and reporting it."""
    min_classes: Annotated[int, Field(ge=1)] = 2
    """Fewer classes than this is an error."""
    max_clip_s: Annotated[Seconds, Field(gt=0, le=36_000)] = 3600.0
    """A longer recording is left out and reported."""
    max_unpacked_bytes: Annotated[Bytes, Field(gt=0)] = 40_000_000_000
    """An archive that unpacks to more is refused."""
    max_files: Annotated[int, Field(gt=0)] = 2_000_000
    """An archive with more members is refused."""
    max_ratio: Annotated[float, Field(gt=1)] = 200.0
    """An archive that expands more times than this is refused (audio: up to 10, bombs: 1000)."""
    licence: str = ""
    """Licence of the recordings, kept with them."""

    @field_validator("name_pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(
                f"{pattern!r} is no regular expression ({error}); expected for example "
                r"(?P<label>\d)_(?P<speaker>\w+)_(?P<take>\d+); correct it"
            ) from error
        return pattern


def _fingerprint(params: IngestParams, base: Path) -> dict[str, Any]:
    """What the result depends on outside the graph: the source, and the class map's content."""
    state = outside(params, base)
    return {**state, "class_map": _class_map((base / params.class_map).resolve())} if params.class_map else state


@node("ossicle.ingest", version=1, category="Data", fingerprint=_fingerprint)
def ingest(params: IngestParams, ctx: Context) -> AudioSet:
    """Recordings as one audio set: mono int16 at one rate, with label, speaker, source, subset and fold.

    Files that cannot be used are left out and listed with the reason. Speech Commands comes with the subsets of its
    list files (or of Google's hash rule), `unknown` and `silence`; noise tracks become the subset `background`.
    """
    from nodes.dsp.errors import SourceError

    try:
        with opened(params, ctx) as place:
            return _ingested(place, params, ctx)
    except SourceError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


def _ingested(place: Opened, params: IngestParams, ctx: Context) -> AudioSet:
    from nodes.dsp.tree import scan

    tree = scan(place.folder)
    listing = _listed(tree, place, params, ctx)
    problems = _problems([*place.issues, *listing.issues], params)
    _check_listing(tree, listing, problems, params)
    folder = ctx.folder("audio")
    with AudioWriter(folder) as writer:
        problems += _write(writer, tree, listing.items, params, ctx)
    if writer.table is None:
        raise AssertionError("a closed writer has a table")
    _check_classes(set(writer.table.clips().label.tolist()), problems, params)
    present = set(writer.table.label.tolist())
    classes = [name for name in listing.classes if name in present]
    made = audio_set(folder, writer.table, params.rate_hz, classes, problems, params.licence)
    ctx.log(made.meta.about)
    if made.meta.counts["duplicates"]:
        ctx.log(f"{made.meta.counts['duplicates']:,} clips are byte-equal copies of another")
    return made


def _listed(tree: Tree, place: Opened, params: IngestParams, ctx: Context) -> Listing:
    from nodes.dsp.layouts import detect, list_clips

    options = _options(params, place, ctx)
    layout = detect(tree, options) if params.layout == "auto" else params.layout
    ctx.log(f"layout: {layout}" + (" (found by looking)" if params.layout == "auto" else ""))
    return list_clips(tree, layout, options)


def _options(params: IngestParams, place: Opened, ctx: Context) -> LayoutOptions:
    from nodes.dsp.layout import LayoutOptions

    return LayoutOptions(
        words=params.words,
        classes=params.classes,
        unknown_percent=params.unknown_percent,
        silence_percent=params.silence_percent,
        seed=params.seed,
        limit_per_class=params.limit_per_class,
        name_pattern=params.name_pattern,
        table=params.table or place.table,
        class_map=_class_map(ctx.resolve(params.class_map)) if params.class_map else {},
    )


def _class_map(path: Path) -> dict[str, str]:
    import json

    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OssicleError(
            f"class_map {path.name} cannot be read ({error})", 'a JSON object like {"0": "cough"}', "Correct the file"
        ) from error
    if not isinstance(raw, dict):
        raise OssicleError(f"class_map {path.name} holds no object", '{"0": "cough"}', "Correct the file")
    return {str(key): str(value) for key, value in raw.items()}


def _problems(issues: Sequence[FileIssue], params: IngestParams) -> list[FileProblem]:
    if params.strict and issues:
        raise _stopped(issues[0].file, issues[0].what)
    return [FileProblem(file=issue.file, what=issue.what) for issue in issues]


def _stopped(file: str, what: str) -> OssicleError:
    return OssicleError(
        f"{file}: {what}", "every file to be usable (strict)", "Mend or delete it, or set strict to false"
    )


def _check_listing(tree: Tree, listing: Listing, problems: list[FileProblem], params: IngestParams) -> None:
    if not tree.audio:
        raise OssicleError(
            f"{params.source} holds no audio ({len(tree.files)} other files)",
            "WAV, FLAC, Ogg or MP3 files, in one folder per class or with a table",
            "Check source",
        )
    _check_classes(set(listing.classes), problems, params)


def _check_classes(found: set[str], problems: list[FileProblem], params: IngestParams) -> None:
    if len(found) >= params.min_classes:
        return
    first = (
        f"; {len(problems)} files were left out, the first: {problems[0].file}: {problems[0].what}" if problems else ""
    )
    raise OssicleError(
        f"{params.source} gives {len(found)} class(es) ({', '.join(sorted(found)) or 'none'}{first})",
        f"at least {params.min_classes}",
        "Put each class into a folder of its own, set layout or name_pattern, or lower min_classes",
    )


def _write(
    writer: AudioWriter, tree: Tree, items: Sequence[Item], params: IngestParams, ctx: Context
) -> list[FileProblem]:
    """Decode all items into the writer, in order; what cannot be decoded is returned."""
    from nodes.dsp.read import Wave

    problems: list[FileProblem] = []
    outcomes = _outcomes(tree, items, params, ctx)
    for number, (item, outcome) in enumerate(zip(items, outcomes, strict=True)):
        if number % TELL_EVERY == 0:
            share = UNPACK_SHARE + (1 - UNPACK_SHARE) * number / len(items)
            ctx.progress(share, f"reading {number:,} of {len(items):,} clips")
        if isinstance(outcome, Wave):
            writer.add(_clip(item), outcome.samples, outcome.sha256)
        elif params.strict:
            raise _stopped(item.clip_id, outcome.what)
        else:
            problems.append(FileProblem(file=item.clip_id, what=outcome.what))
    return problems


def _outcomes(tree: Tree, items: Sequence[Item], params: IngestParams, ctx: Context) -> Iterator[Outcome]:
    """A waveform or an error per item; items without a file are silence."""
    from nodes.dsp.read import read_all, silence

    still = silence(round(params.silence_s * params.rate_hz))
    decoded = read_all(
        (tree.path(item.path) for item in items if item.path), params.rate_hz, params.max_clip_s, ctx.threads
    )
    return (next(decoded) if item.path else still for item in items)


def _clip(item: Item) -> Clip:
    return Clip(item.clip_id, item.label, item.speaker, item.source, item.subset, item.fold, item.start_s)
