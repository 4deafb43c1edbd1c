"""What several sub-commands share: finding a workflow file, reading --set."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from engine.errors import OssicleError
from engine.resource import PAPERS, SUFFIX, papers, project, projects

if TYPE_CHECKING:
    from engine.workflow import Workflow

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A workflow file, or the name of a shipped project.", show_default=False)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A parameter (node.param=value) or a variable (name=value); may be repeated. Values are JSON, else text.",
        show_default=False,
    ),
]
ProjectOption = Annotated[
    Path, typer.Option("--project", metavar="FOLDER", help="Folder of the workflow files.", show_default="this folder")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for a program to read.")]


def group(about: str | None) -> typer.Typer:
    """A command that only holds others."""
    return typer.Typer(help=about, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Opened:
    """A workflow and where it lives: relative paths in it and its data folder start at `base`."""

    workflow: Workflow
    path: Path
    base: Path


def open_workflow(name: str, values: Iterable[str] | None = None) -> Opened:
    """Read a workflow file or a shipped project, with --set applied.

    A shipped project named without a path works in the current folder: the installation is not written to.

    Raises:
        OssicleError: no such file or project, or a --set that does not fit.
    """
    from engine.library import base_of, load_any
    from engine.workflow import load, with_values

    for path in (Path(name), Path(name + SUFFIX)):
        if path.is_file():
            return Opened(with_values(load_any(path), read_values(values)), path, base_of(path.resolve()))
    short = name.removeprefix(f"{PAPERS}/")
    if name in projects() or short in papers():
        path = project(f"{name}{SUFFIX}" if name in projects() else f"{PAPERS}/{short}{SUFFIX}")
        return Opened(with_values(load(path), read_values(values)), path, Path.cwd())
    near = difflib.get_close_matches(name, [*projects(), *papers()], n=3) or list(projects())
    raise OssicleError(
        f"there is no workflow {name!r}",
        f"a file, or a shipped project ({', '.join(near) or 'none is installed'})",
        "Check the path",
    )


def is_workflow(name: str) -> bool:
    """Whether `open_workflow` would find something under that name."""
    known = (*projects(), *papers())
    return Path(name).is_file() or Path(name + SUFFIX).is_file() or name.removeprefix(f"{PAPERS}/") in known


def read_values(texts: Iterable[str] | None) -> dict[str, JsonValue]:
    """The values of --set: JSON where it parses, else the text itself.

    Raises:
        OssicleError: one has no "=".
    """
    values: dict[str, JsonValue] = {}
    for text in texts or ():
        name, mark, value = text.partition("=")
        if not mark or not name:
            raise OssicleError(
                f"--set {text!r} has no name or no value", "node.param=value or variable=value", "Write --set seed=3"
            )
        values[name] = read_value(value)
    return values


def read_value(text: str) -> JsonValue:
    """One value: JSON where it parses, else the text itself (NaN and Infinity stay words)."""
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text
    return value


def _refuse(word: str) -> JsonValue:
    raise ValueError(word)
