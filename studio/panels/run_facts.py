"""Earlier runs as a table shows them: record, graph, headline figures. Read in threads, kept while nothing changes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.artifact import Artifact, Deployment, Firmware, Model, Report, load
from engine.console import size
from engine.errors import OssicleError
from engine.evidence import metric_text
from engine.record import RunRecord
from engine.runs import PIN, RECORD, WORKFLOW, load_run
from engine.workflow import Workflow
from engine.workflow import load as load_workflow

MOST: Final = 200
REPORT_FILE: Final = "report.html"
FIRST: Final = 30
"""Read before the rest, so that something is seen at once."""


@dataclass(frozen=True)
class Figure:
    """One measured number, its 95 % interval if there is one, and the node that told it."""

    value: float
    text: str
    node: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> str:
        """ "94.1 to 97.6" in the unit of the text; "" if the ends are not known."""
        if self.low is None or self.high is None:
            return ""
        is_share = self.text.endswith("%") and abs(self.value) <= 1
        return f"{100 * self.low:.1f} to {100 * self.high:.1f}" if is_share else f"{self.low:.4g} to {self.high:.4g}"


@dataclass(frozen=True)
class RunFacts:
    """One run.

    Attributes:
        workflow: the graph as it ran; None if its file is gone.
        figures: accuracy, size and latency, as far as they were measured.
    """

    record: RunRecord
    workflow: Workflow | None = None
    figures: Mapping[str, Figure] = field(default_factory=dict)
    has_report: bool = False

    @property
    def counts(self) -> Mapping[str, int]:
        """How many nodes ended in each state."""
        found: dict[str, int] = {}
        for node in self.record.nodes.values():
            found[node.state] = found.get(node.state, 0) + 1
        return found

    @property
    def report(self) -> Path:
        """Where its report is."""
        return self.record.folder / REPORT_FILE


def folders(home: Path) -> list[Path]:
    """All run folders, the newest first; one that vanishes meanwhile is left out."""
    found: list[tuple[int, str, Path]] = []
    for record in (home / "runs").glob(f"*/{RECORD}"):
        try:
            found.append(((record.parent / WORKFLOW).stat().st_mtime_ns, record.parent.name, record.parent))
        except OSError:
            continue
    return [path for _time, _name, path in sorted(found, reverse=True)]


def read_runs(home: Path, limit: int = MOST) -> list[RunFacts]:
    """The newest runs, the newest first; damaged ones are left out."""
    found: list[RunFacts] = []
    for folder in folders(home)[:limit]:
        try:
            found.append(_read(folder, *_stamp(folder)))
        except (OssicleError, OSError):
            continue
    return found


def _stamp(folder: Path) -> tuple[int, bool, bool]:
    """What tells that a run has to be read anew: its record's time, its pin, its report."""
    return (folder / RECORD).stat().st_mtime_ns, (folder / PIN).exists(), (folder / REPORT_FILE).exists()


def _read(folder: Path, time_ns: int, is_pinned: bool, has_report: bool) -> RunFacts:
    known = _read_once(folder, time_ns, is_pinned, has_report)
    if known.record.state == "running":  # its events tell more each time
        return RunFacts(load_run(folder), known.workflow)
    return known


@functools.lru_cache(maxsize=4 * MOST)
def _read_once(folder: Path, _time_ns: int, _is_pinned: bool, has_report: bool) -> RunFacts:
    record = load_run(folder)
    return RunFacts(record, _graph(folder), headlines(record), has_report)


def _graph(folder: Path) -> Workflow | None:
    try:
        return load_workflow(folder / WORKFLOW)
    except OssicleError:
        return None


def write_report(facts: RunFacts) -> None:
    """Write the report of a run that has none."""
    from engine.report import write_report as write

    write(facts.record)


# ---- figures


def headlines(record: RunRecord) -> dict[str, Figure]:
    """Accuracy, size and latency: of the last node that tells each."""
    found: dict[str, Figure] = {}
    for node, artifact in artifacts(record):
        for kind, tell in _HEADLINES.items():
            if isinstance(artifact, kind):
                found |= {name: figure for name, figure in tell(node, artifact.meta) if figure is not None}
    return found


def artifacts(record: RunRecord) -> Iterator[tuple[str, Artifact]]:
    """What a run made, in running order; what is gone is left out."""
    for name in record.nodes:
        for path in record.artifacts(name).values():
            found = _artifact(path)
            if found is not None:
                yield name, found


@functools.lru_cache(maxsize=2048)
def _artifact(path: Path) -> Artifact | None:
    try:
        return load(path)
    except OssicleError:
        return None


def figure_of(name: str, metrics: Mapping[str, float], node: str = "") -> Figure | None:
    """A metric with the interval that stands beside it."""
    if name not in metrics:
        return None
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return Figure(metrics[name], metric_text(name, metrics[name]), node, low, high)


def _of_report(node: str, meta: Any) -> Iterator[tuple[str, Figure | None]]:
    yield "accuracy", figure_of("accuracy", meta.metrics, node)


def _of_model(node: str, meta: Any) -> Iterator[tuple[str, Figure | None]]:
    yield "size", Figure(meta.size_bytes, size(meta.size_bytes), node)


def _of_deployment(node: str, meta: Any) -> Iterator[tuple[str, Figure | None]]:
    if meta.latency_us:
        yield "latency", Figure(meta.latency_us, metric_text("latency_us", meta.latency_us), node)


def _of_firmware(node: str, meta: Any) -> Iterator[tuple[str, Figure | None]]:
    yield "size", Figure(meta.flash_bytes, size(meta.flash_bytes), node)


_HEADLINES: Final[Mapping[type[Artifact], Callable[[str, Any], Iterator[tuple[str, Figure | None]]]]] = {
    Report: _of_report,
    Model: _of_model,
    Deployment: _of_deployment,
    Firmware: _of_firmware,
}
