"""Earlier runs as rows of a table, and the difference of two. Pure but for reading run folders."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.artifact import ReportMeta
from engine.artifact import load as load_artifact
from engine.console import duration
from engine.errors import OssicleError
from engine.evidence import metric_text, words
from engine.lineage import Change, compare_values, diff_runs
from engine.record import RunRecord
from engine.runs import list_runs
from engine.workflow import Workflow, load

MOST_RUNS: Final = 200
HEADLINES: Final = ("accuracy", "uar", "auc", "latency_us", "size_bytes", "flash_bytes", "ram_bytes")
"""Metrics shown in the table, in this order; the others stand in the comparison."""


@dataclass(frozen=True)
class RunRow:
    """One run.

    Attributes:
        metrics: headline figures by "node metric".
        changed: parameters that differ from the present graph: "train-1.width 1.0 (now 1.5)".
    """

    record: RunRecord
    metrics: Mapping[str, float]
    changed: tuple[str, ...]

    @property
    def started(self) -> str:
        """Local date and time."""
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.record.started_s))

    @property
    def took(self) -> str:
        """Duration in words."""
        return duration(self.record.seconds)

    @property
    def nodes(self) -> str:
        """How many nodes ran and how many were known."""
        states = [node.state for node in self.record.nodes.values()]
        run, known = states.count("done"), states.count("cached")
        failed = states.count("failed")
        parts = [f"{run} run", f"{known} cached"] + ([f"{failed} failed"] if failed else [])
        return " · ".join(parts)

    @property
    def headline(self) -> str:
        """The figures in one line."""
        return " · ".join(f"{words(name.split(' ')[-1])} {metric_text(name.split(' ')[-1], value)}"
                          for name, value in self.metrics.items())  # fmt: skip

    @property
    def report(self) -> Path | None:
        """Its report, if it left one."""
        path = self.record.folder / "report.html"
        return path if path.exists() else None


def rows_of(home: Path, workflow: Workflow) -> list[RunRow]:
    """The newest runs of a project's folder, the newest first; runs that cannot be read are left out."""
    return [row_of(record, workflow) for record in list_runs(home, MOST_RUNS)]


def row_of(record: RunRecord, workflow: Workflow) -> RunRow:
    """One run beside the present graph."""
    found = metrics_of(record)
    shown = {name: value for metric in HEADLINES for name, value in found.items() if name.endswith(f" {metric}")}
    return RunRow(record, dict(list(shown.items())[:4]), tuple(changed_from(record, workflow)))


def metrics_of(record: RunRecord) -> dict[str, float]:
    """Every figure that the run's reports, models and deployments name, by "node metric"."""
    found: dict[str, float] = {}
    for node in record.nodes:
        for path in record.artifacts(node).values():
            meta = _meta(path)
            values = getattr(meta, "metrics", {}) if isinstance(meta, ReportMeta) else {}
            found |= {f"{node} {name}": value for name, value in values.items()}
            for name in ("latency_us", "size_bytes", "flash_bytes", "ram_bytes"):
                if getattr(meta, name, 0):
                    found[f"{node} {name}"] = float(getattr(meta, name))
    return found


def _meta(path: Path) -> Any:
    try:
        return load_artifact(path).meta
    except (OssicleError, OSError):
        return None  # collected or damaged: the run's record still tells the rest


def graph_of(record: RunRecord) -> Workflow:
    """The graph as that run had it.

    Raises:
        OssicleError: the snapshot is gone.
    """
    return load(record.folder / "workflow.json")


def changed_from(record: RunRecord, workflow: Workflow) -> list[str]:
    """Parameters and variables in which a run differs from the present graph."""
    try:
        then = graph_of(record)
    except OssicleError:
        return []
    found = list(compare_values("variables", dict(then.variables), dict(workflow.variables)))
    for name, node in then.nodes.items():
        if name in workflow.nodes:
            found += compare_values(name, dict(node.params), dict(workflow.nodes[name].params))
    gone = sorted(then.nodes.keys() ^ workflow.nodes.keys())
    return [f"{c.where.removeprefix('variables.')} {c.before or '–'} (now {c.after or '–'})" for c in found] + gone


@dataclass(frozen=True)
class Measured:
    """One figure of two runs."""

    name: str
    first: float | None
    second: float | None

    @property
    def difference(self) -> float | None:
        """Second less first."""
        return self.second - self.first if self.first is not None and self.second is not None else None


def compare(first: RunRecord, second: RunRecord) -> tuple[Sequence[Change], Sequence[Measured]]:
    """What differs between two runs, and their figures side by side."""
    a, b = metrics_of(first), metrics_of(second)
    measured = [Measured(name, a.get(name), b.get(name)) for name in dict.fromkeys([*a, *b])]
    return diff_runs(first, second), measured
