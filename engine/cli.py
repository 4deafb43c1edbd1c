"""The `ossicle` command: finds the sub-command, imports only that one, and turns errors into words and exit codes."""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.metadata import version as distribution_version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from engine.console import say, say_error
from engine.errors import OssicleError
from engine.fault import disk_error

GROUP = "ossicle.commands"
DONE, NODE_FAILED, USAGE, CANCELLED = 0, 1, 2, 130
ABOUT = """Edge-audio machine learning: from recordings to a measured, deployed model.

A workflow file holds a graph of tools; `ossicle run FILE` runs what is not done yet.

Exit codes: 0 done, 1 a node failed, 2 usage or validation, 130 cancelled.

Examples:
ossicle run demo
ossicle nodes
ossicle run --help
"""
BUILT_IN: Final[Mapping[str, str]] = {
    "run": "engine.commands.run:run",
    "sweep": "engine.commands.sweep:sweep",
    "sweeps": "engine.commands.sweep:sweeps",
    "validate": "engine.commands.graph:validate",
    "nodes": "engine.commands.nodes:nodes",
    "describe": "engine.commands.nodes:describe",
    "show": "engine.commands.look:show",
    "runs": "engine.commands.look:runs",
    "verify": "engine.commands.look:verify",
    "claims": "engine.commands.claims:claims",
    "diff": "engine.commands.diff:diff",
    "export-python": "engine.commands.graph:export_python",
    "store": "engine.commands.store:app",
    "server": "engine.commands.server:app",
    "serve": "engine.commands.serve:serve",
    "new-plugin": "engine.commands.plugins:new_plugin",
    "check-plugin": "engine.commands.plugins:check_plugin",
    "bench": "engine.commands.bench:bench",
    "runner": "engine.commands.run:runner",
}
HIDDEN = ("runner",)
ORDERLY = ("prefect", "torch", "PySide6", "multiprocessing", "concurrent.futures")
"""Modules with threads, processes or files of their own: with one of them loaded the interpreter ends in order."""


@dataclass(frozen=True)
class Entry:
    """A sub-command that is not imported yet: its name and where it is ("module:attribute")."""

    name: str
    value: str

    @property
    def summary(self) -> str:
        """First line of its help, read from the source without importing it."""
        module, _, attribute = self.value.partition(":")
        return summary_in(module, attribute) or f"({self.value})"

    def load(self) -> Any:
        """Import it.

        Raises:
            OssicleError: it cannot be imported; says what is missing.
        """
        try:
            return EntryPoint(self.name, self.value, GROUP).load()
        except ImportError as error:
            raise OssicleError(
                f"`ossicle {self.name}` cannot be loaded ({error})",
                f"{self.value} with all it needs",
                "Install what is missing (`pip install 'ossicle[all]'`), or uninstall the plugin that brings it",
            ) from error


def summary_in(module: str, attribute: str) -> str:
    """First line of a function's docstring (of the module's for anything else), from the source text."""
    try:
        spec = find_spec(module)
        tree = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8")) if spec is not None else ast.Module([], [])
    except (ImportError, OSError, SyntaxError, ValueError):
        return ""
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == attribute]
    return (ast.get_docstring(found[0] if found else tree) or "").partition("\n")[0].partition(". ")[0].rstrip(".")


@functools.cache
def entries() -> Mapping[str, Entry]:
    """All sub-commands by name: ours, then those of the tools and plugins. Ours cannot be replaced."""
    found = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    values = {**{point.name: point.value for point in found}, **BUILT_IN}
    names = [*BUILT_IN, *(point.name for point in found if point.name not in BUILT_IN)]
    return {name: Entry(name, values[name]) for name in names}


def help_text(doc: str) -> str:
    """A docstring as help: each example on a line of its own, never wrapped, so that it works when pasted."""
    text, mark, examples = doc.partition("Examples:")
    lines = [part.strip() for line in examples.splitlines() for part in line.split(";") if part.strip()]
    return text.rstrip() + ("\n\n\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines) if mark else "")


class LazyGroup(TyperGroup):
    """A group whose members are imported when they are called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help."""
        return [name for name in entries() if name not in HIDDEN]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one sub-command.

        Raises:
            OssicleError: there is none of that name; names near ones.
        """
        entry = entries().get(cmd_name)
        if entry is not None:
            return command_of(entry)
        if ctx.resilient_parsing:
            return None
        near = difflib.get_close_matches(cmd_name, entries(), n=3) or list(BUILT_IN)[:4]
        raise OssicleError(
            f"there is no command {cmd_name!r}", f"a command, such as {', '.join(near)}", "`ossicle --help` lists all"
        )

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of the help, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entries()[name].summary) for name in self.list_commands(ctx)])


def command_of(entry: Entry) -> Any:
    """The parser of a sub-command: of a plain function, or of a Typer group."""
    found: Callable[..., Any] | typer.Typer = entry.load()
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(entry.name, help=help_text(inspect.getdoc(found) or ""))(found)
    return typer.main.get_command(app)


def _say_version(wanted: bool) -> None:
    if wanted:
        say(f"ossicle {distribution_version('ossicle')}")
        raise typer.Exit


def build() -> Any:
    """The parser of the whole command line."""
    app = typer.Typer(
        cls=LazyGroup,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    app.callback(help=help_text(ABOUT))(_options)
    return typer.main.get_command(app)


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version and stop.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    """Options of `ossicle` itself."""


def call(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    try:
        _require_one_house()
        code = build().main(args=list(arguments) or ["--help"], prog_name="ossicle", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except OssicleError as error:
        say_error(error)
        return USAGE
    except (typer.TyperException, typer.Abort) as error:
        return _usage(error)
    except OSError as error:
        say_error(disk_error(error, Path.cwd()) or _file_error(error))
        return USAGE
    except KeyboardInterrupt:
        return CANCELLED


def _usage(error: Exception) -> int:
    if isinstance(error, typer.Abort):
        return CANCELLED
    context = getattr(error, "ctx", None)
    told = error.format_message() if isinstance(error, typer.BadParameter) else str(getattr(error, "message", error))
    usage = context.get_usage().removeprefix("Usage: ") if context is not None else "ossicle COMMAND"
    path = context.command_path if context is not None else "ossicle"
    say_error(OssicleError(told, usage, f"`{path} --help` explains it"))
    return USAGE


def _file_error(error: OSError) -> OssicleError:
    return OssicleError(
        f"{error.filename or 'a file'}: {error.strerror or error}",
        "a path that exists and that you may use",
        "Check the path and its permissions",
    )


def _require_one_house() -> None:
    """Another distribution may bring a top-level package `nodes` and overwrite ours without a word."""
    house = Path(__file__).resolve().parent.parent
    spec = find_spec("nodes")
    places = [Path(place).resolve() for place in (spec.submodule_search_locations or ())] if spec is not None else []
    if house / "nodes" not in places:
        raise OssicleError(
            f"the package 'nodes' comes from {places[0] if places else 'nowhere'}",
            f"{house / 'nodes'}, beside the engine",
            "Install Ossicle into a virtual environment of its own (`python -m venv`, or pipx)",
        )


def main() -> None:
    """The console script."""
    code = call(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(code) from None
    if _may_leave_at_once():
        sys.stderr.flush()
        os._exit(code)  # taking modules apart takes 50 ms, a sixth of what listing the nodes takes
    raise SystemExit(code)


def _may_leave_at_once() -> bool:
    """Whether nothing waits for an orderly end: a command of our own, no threads, nothing large loaded."""
    is_ours = len(sys.argv) > 1 and sys.argv[1] in BUILT_IN
    return is_ours and threading.active_count() == 1 and not any(name in sys.modules for name in ORDERLY)


if __name__ == "__main__":
    main()
