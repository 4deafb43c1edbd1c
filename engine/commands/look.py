"""`ossicle show`, `runs` and `verify`: what there is, where it comes from, and whether it can be had again."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.artifact import DESCRIPTION_FILE, Artifact, load, read_description
from engine.commands.common import JsonOption, ProjectOption
from engine.console import clean_output, count, duration, paint, progress, say, say_json, size, table
from engine.errors import OssicleError
from engine.lineage import Origin, lineage
from engine.plain import run_json
from engine.record import RunRecord
from engine.runs import find_run, home_of, list_runs
from engine.store import Store, open_store
from engine.svg import Figure
from engine.sweep_record import SweepRecord, find_sweep, matching
from engine.theme import state

if TYPE_CHECKING:
    from engine.evidence import Drawn

HERE = Path()


def show(
    what: Annotated[
        str,
        typer.Argument(
            metavar="ARTIFACT|RUN|SWEEP", help="An artifact's folder or content key, a run, a sweep, or last."
        ),
    ] = "last",
    plots: Annotated[str, typer.Option(metavar="FOLDER", help="Write the plots there as SVG files.")] = "",
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show an artifact's facts and where it comes from, a run node by node, or a sweep point by point.

    Examples:
    ossicle show
    ossicle show last --plots plots
    ossicle show last --json
    """
    home = home_of(project)
    if what != "last" and matching(home, what):
        _show_sweep(find_sweep(home, what), plots, as_json)
        return
    artifact = find_artifact(what, open_store(home / "store"))
    if artifact is not None:
        shown = _artifact_json(artifact)
        say_json(shown) if as_json else _say_artifact(artifact, shown)
        figures = _artifact_figures(artifact)
    else:
        record = find_run(home, what)
        say_json(run_json(record)) if as_json else _say_run(record)
        figures = _run_figures(record) if plots else []
    if plots:
        for path in write_figures(figures, Path(plots)):
            say(f"wrote {path}", error=as_json)


def _show_sweep(record: SweepRecord, plots: str, as_json: bool) -> None:
    from engine.commands.sweep import show_points
    from engine.plain import sweep_json
    from engine.sweep_report import confusion_figures, dot_figures
    from engine.sweep_summary import summarise

    say_json(sweep_json(record)) if as_json else show_points(record)
    if plots:
        summary = summarise(record)
        for path in write_figures([*dot_figures(summary), *confusion_figures(summary)], Path(plots)):
            say(f"wrote {path}", error=as_json)


def find_artifact(what: str, store: Store) -> Artifact | None:
    """An artifact by its folder or (the beginning of) its content key; None if nothing fits."""
    for folder in (Path(what), Path(what).parent):
        if (folder / DESCRIPTION_FILE).is_file():
            return load(folder.resolve())
    if len(what) < 6:
        return None
    found = [key for key in store.content_keys() if key.startswith(what)]
    return store.open(found[0]) if len(found) == 1 else None


def _store_of(artifact: Artifact) -> Store | None:
    root = artifact.path.parent.parent.parent
    return open_store(root) if (root / "objects").is_dir() else None


def _origins(artifact: Artifact) -> tuple[Origin, ...]:
    store = _store_of(artifact)
    if store is None:
        return ()
    try:
        return lineage(store, artifact.path.name)
    except OssicleError:  # a copy outside any store, or a store that has forgotten: facts alone
        return ()


def _artifact_json(artifact: Artifact) -> dict[str, Any]:
    raw = read_description(artifact.path)
    made = [
        {"artifact": o.content_key, "type": o.recipe.type, "version": o.recipe.version, "params": o.recipe.params,
         "inputs": {port: list(keys) for port, keys in o.recipe.inputs.items()}, "source": o.recipe.fingerprint}
        for o in _origins(artifact)
    ]  # fmt: skip
    return {
        "folder": str(artifact.path),
        "kind": raw["kind"],
        "meta": raw["meta"],
        "files": raw["files"],
        "lineage": made,
    }


def _say_artifact(artifact: Artifact, shown: dict[str, Any]) -> None:
    from engine.evidence import facts_of, plain

    say(f"{paint(shown['kind'], 'bold', sys.stdout)}  {artifact.path}")
    say(table(("", ""), [(f"  {name}", value) for name, value in facts_of(artifact)]).lstrip())
    say("\n" + table(("file", "size", "sha256"), [_file_row(*item) for item in shown["files"].items()], right=(1,)))
    for problem in artifact.meta.problems[:20]:
        say(f"  left out: {problem.file}: {problem.what}")
    rows = [
        (o["artifact"][:12], o["type"], " ".join(f"{name}={plain(value)}" for name, value in _told(o).items()))
        for o in shown["lineage"]
    ]
    if rows:
        say("\nmade by, back to the source:\n" + table(("artifact", "node type", "with"), rows))


def _told(origin: dict[str, Any]) -> dict[str, Any]:
    """Parameters worth a line: those that are not empty."""
    return {name: value for name, value in origin["params"].items() if value not in (None, "", [], {})}


def _file_row(name: str, entry: dict[str, Any]) -> tuple[str, str, str]:
    return name, size(entry["size_bytes"]), entry["sha256"][:12]


def _say_run(record: RunRecord) -> None:
    look = state(record.state)
    words = paint(f"{look.mark} {look.word}", look.token, sys.stdout)
    head = paint(record.id, "bold", sys.stdout)
    say(f"{head}  {record.workflow}  {words} in {duration(record.seconds)} ({record.runner})")
    rows = [
        (name, f"{state(node.state).mark} {node.state}", duration(node.seconds), port, path)
        for name, node in record.nodes.items()
        for port, path in _folders(record, name).items()
    ]
    say(table(("node", "state", "took", "output", "folder"), rows, right=(2,)))
    for node in record.nodes.values():
        if node.error is not None:
            say(f"{node.node}: {node.error}")
    say(f"{record.folder / 'report.html'}")


def _folders(record: RunRecord, node: str) -> dict[str, str]:
    """Folders by output port; one empty row for a node without results."""
    return {port: str(path) for port, path in record.artifacts(node).items()} or {"": ""}


def _artifact_figures(artifact: Artifact) -> list[Figure]:
    from engine.evidence import figures_of

    drawn = figures_of(artifact, artifact.path.name[:8])
    return _drawn(drawn)


def _run_figures(record: RunRecord) -> list[Figure]:
    from engine.report import run_figures, run_graph
    from engine.report_sections import gather

    told = gather(record)
    return [run_graph(told), *_drawn(run_figures(told))]


def _drawn(drawn: Drawn) -> list[Figure]:
    for words in drawn.missing:
        say(words, error=True)
    return list(drawn.figures)


def write_figures(figures: list[Figure], folder: Path) -> Iterator[Path]:
    """Write figures as SVG files that need nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, figure in enumerate(figures, 1):
        words = "".join(letter if letter.isalnum() else "-" for letter in figure.title.lower()).split("-")
        path = folder / f"{number:02d}-{'-'.join(filter(None, words))[:60]}.svg"
        path.write_text(figure.standalone(), encoding="utf-8")
        yield path


def runs(
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 20,
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """List the runs of a project, the newest first.

    Examples:
    ossicle runs
    ossicle runs --json
    """
    found = list_runs(home_of(project), limit)
    if as_json:
        say_json([_run_row(record) for record in found])
        return
    rows = [
        (r.id, f"{state(r.state).mark} {r.state}", when(r.started_s), duration(r.seconds), count(len(r.nodes), "node"))
        for r in found
    ]
    say(table(("run", "state", "started", "took", ""), rows, right=(3,)) if rows else "no runs yet")


def _run_row(record: RunRecord) -> dict[str, Any]:
    return {
        "run": record.id,
        "workflow": record.workflow,
        "state": record.state,
        "started_s": record.started_s,
        "seconds": record.seconds,
        "nodes": {name: node.state for name, node in record.nodes.items()},
        "folder": str(record.folder),
    }


def when(time_s: float) -> str:
    """A moment as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_s))


def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or last.")] = "last",
    relative: Annotated[float, typer.Option(min=0.0, help="Numbers may differ by this share.")] = 1e-5,
    absolute: Annotated[float, typer.Option(min=0.0, help="Numbers may differ by this much.")] = 1e-6,
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Run a run again from nothing and say what came out identical, within tolerance, or different, and where.

    Exit code 1 if something is different.

    Examples:
    ossicle verify last
    ossicle verify last --json
    """
    from engine.compare import Tolerance
    from engine.runner import LocalRunner
    from engine.verify import verify_run

    record = find_run(home_of(project), run)
    with clean_output(), progress(sys.stderr) as sink:
        found = verify_run(record, LocalRunner(), sink, threading.Event(), Tolerance(relative, absolute))
    if as_json:
        say_json({**asdict(found), "verdict": found.verdict})
    else:
        rows = [
            (f"{f.node}.{f.port}", f.verdict, f.where, f"{f.difference:.3g}" if f.difference else "")
            for f in found.findings
        ]
        say(table(("output", "verdict", "where", "difference"), rows))
        for change in found.environment:
            say(f"  {change.where}: {change.before or '(none)'} -> {change.after or '(none)'}")
        say(f"{record.id}: {found.verdict} (tolerance: {found.tolerance})")
    raise typer.Exit(1 if found.verdict == "different" else 0)
