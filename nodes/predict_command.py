"""`ossicle predict`: hear recordings with a deployment or a trained model. Needs no store and no graph."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.artifact import Deployment, Model, read_description
from engine.console import is_colourful, paint, say
from engine.errors import OssicleError, sentence
from engine.record import RunRecord
from engine.runs import RECORD, find_run, home_of

if TYPE_CHECKING:
    from nodes.application import Application
    from nodes.application.sources import Recording

LONGEST_S = 4 * 3600.0
"""Longer recordings are refused: in 16 kHz int16 this is half a gigabyte."""
SOME_FAILED = 1


class EngineName(StrEnum):
    """What computes the network, see `nodes.application.engines`."""

    AUTO = "auto"
    COMPILED = "compiled"
    ONNXRUNTIME = "onnxruntime"


def command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Folder of a deployment or model, or a run (id, folder or last).", show_default=False
        ),
    ],
    audio: Annotated[
        list[Path],
        typer.Argument(metavar="AUDIO", help="Recordings, folders, archives (zip, tar.gz).", show_default=False),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per recording, one per line.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Show this many of the best classes.")] = 1,
    engine: Annotated[
        EngineName, typer.Option(help="The compiled library, onnxruntime, or the library where it can be used.")
    ] = EngineName.AUTO,
) -> None:
    """Say what recordings hold.

    A deployment's compiled library is native code: use --engine onnxruntime for folders you do not trust.

    Any rate, channel count and length: longer recordings are heard in windows, and the surest one is reported. A
    recording that cannot be read is reported, the rest goes on. Exit code 1 if there was one.

    Examples: ossicle predict last clip.wav; ossicle predict last recordings/ more.zip --json
    """
    from nodes.application import ApplicationError, load
    from nodes.application.sources import recordings

    try:
        application = load(find_application(model), engine=engine.value)
    except ApplicationError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    if application.note:
        say(f"{sentence(application.note)} {application.engine.name} hears instead.", error=True)
    failed = show(hear(application, recordings(audio)), as_json=as_json, top=top)
    if failed:
        raise typer.Exit(SOME_FAILED)


@dataclass(frozen=True)
class Heard:
    """What came of one recording; `error` is empty if it could be heard."""

    file: str
    label: str = ""
    score: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)
    start_s: float = 0.0
    windows: int = 0
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values: label, score and scores, or the error."""
        if self.error:
            return {"file": self.file, "label": None, "score": None, "scores": {}, "error": self.error}
        told = {"file": self.file, "label": self.label, "score": self.score, "scores": self.scores}
        return {**told, "start_s": self.start_s, "windows": self.windows}


# ---- the application


def find_application(name: str) -> Path:
    """The folder of a deployment or model: named itself, or the last one that a run made.

    Raises:
        OssicleError: there is no such path or run, or the run made neither.
    """
    path = Path(name)
    if path.exists() and not (path / RECORD).is_file():
        return path
    try:
        record = find_run(home_of(Path.cwd()), name)
    except OssicleError as error:
        raise OssicleError(
            f"{name!r} is neither a path nor a run", "a deployment, a model or a run", error.remedy
        ) from error
    return newest_of(record)


def newest_of(record: RunRecord) -> Path:
    """The last deployment of a run in the order of its graph, else its last model.

    Raises:
        OssicleError: it has neither.
    """
    made = dict(_artifacts(record))
    for kind in (Deployment.kind(), Model.kind()):
        if kind in made:
            return made[kind]
    raise OssicleError(
        f"the run {record.folder.name} made neither a deployment nor a model",
        "a run that reached its train or deploy node",
        "Run the workflow to the end, or name another run",
    )


def _artifacts(record: RunRecord) -> Iterator[tuple[str, Path]]:
    """Kind and folder of every artifact that is still there, in the order of the graph."""
    for node in record.nodes:  # in running order, nodes of sub-graphs by their own ids
        for path in record.artifacts(node).values():
            if path.is_dir():
                yield read_description(path)["kind"], path


# ---- hearing and telling


def hear(application: Application, found: Iterable[Recording]) -> Iterator[Heard]:
    """Hear one recording after another; what cannot be heard carries its error."""
    from nodes.application import ApplicationError
    from nodes.dsp.decode import decode
    from nodes.dsp.errors import SourceError

    rate_hz = application.bundle.front_end.rate_hz
    for recording in found:
        try:
            if recording.problem is not None:
                raise recording.problem
            told = application.predict(decode(recording.path, rate_hz, LONGEST_S), rate_hz)
        except (SourceError, ApplicationError) as error:
            yield Heard(recording.name, error=_words(error.what, error.expected, error.remedy))
        else:
            yield Heard(recording.name, told.label, told.score, dict(told.scores), told.start_s, told.windows)


def _words(*parts: str) -> str:
    what, expected, remedy = parts
    return " ".join(map(sentence, (what, f"Expected: {expected}", remedy)))


def show(rows: Iterable[Heard], *, as_json: bool, top: int) -> int:
    """Print rows as they come: JSON lines, a table on a terminal, or tab-separated lines; how many had an error."""
    tell = _tell_json if as_json else _tell_table if is_colourful(sys.stdout) else _tell_line
    failed = 0
    for number, row in enumerate(rows):
        tell(row, top, number)
        failed += bool(row.error)
    return failed


def _tell_json(row: Heard, _top: int, _number: int) -> None:
    say(json.dumps(row.to_json(), ensure_ascii=False))


def _tell_line(row: Heard, top: int, _number: int) -> None:
    if row.error:
        say(f"{row.file}: {row.error}", error=True)
    else:
        say("\t".join([row.file, *(f"{label}\t{score:.4f}" for label, score in _best(row, top))]))


def _tell_table(row: Heard, top: int, number: int) -> None:
    out = sys.stdout
    if number == 0:
        say(paint(f"{'label':16} {'score':>7}  {'at':>8}  recording", "mute", out))
    if row.error:
        say(f"{paint('error'.ljust(16), 'red', out)} {'':>7}  {'':>8}  {row.file}: {row.error}")
        return
    (label, score), *others = _best(row, top)
    at = f"{row.start_s:.2f} s" if row.windows > 1 else ""
    say(f"{paint(label.ljust(16), 'bold', out)} {score:7.1%}  {at:>8}  {row.file}")
    for label, score in others:
        say(paint(f"{label:16} {score:7.1%}", "mute", out))


def _best(row: Heard, top: int) -> list[tuple[str, float]]:
    return sorted(row.scores.items(), key=lambda item: -item[1])[:top]
