"""Two runs side by side: figures with their differences, parameters, environment, training curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.artifact import Artifact, Deployment, Firmware, Model
from engine.errors import OssicleError
from engine.evidence import SHARES, metric_text, rows_of_curves, rows_of_events, words
from engine.lineage import compare_values, diff_runs, environment_of
from engine.record import RunRecord
from engine.registry import Registry
from engine.runs import EVENTS
from studio.model.graph_diff import differences
from studio.panels.run_facts import Figure, RunFacts, artifacts, figure_of
from studio.run.history import events_of

Verdict = Literal["better", "worse", "same", "unclear", "changed"]
TIMES: Final = ("_us", "_ms")
SIZES: Final = ("_bytes", "parameters")
TIMES_VARY: Final = 0.05
OUTSIDE: Final = ("source", "the plugin")
"""How changes of a recipe begin that no parameter tells."""
CURVES_FILE: Final = "curves.json"
Rows = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Line:
    """One row of the comparison: name, both sides, the difference, and what it means."""

    name: str
    before: str
    after: str
    difference: str = ""
    verdict: Verdict = "changed"
    why: str = ""


@dataclass(frozen=True)
class Section:
    """Rows under a heading; `none` is said where there are no rows."""

    title: str
    lines: tuple[Line, ...]
    none: str = ""


@dataclass(frozen=True)
class Pair:
    """Training curves of one node in both runs."""

    node: str
    before: Rows
    after: Rows


@dataclass(frozen=True)
class Compared:
    """Everything about two runs; `before` is the older one."""

    before: RunFacts
    after: RunFacts
    sections: tuple[Section, ...]
    curves: tuple[Pair, ...]

    def text(self) -> str:
        """The whole comparison as tab-separated text."""
        lines = [f"\t{self.before.record.id}\t{self.after.record.id}\tdifference"]
        for section in self.sections:
            lines.append(section.title)
            lines += ["\t".join((row.name, row.before, row.after, row.difference)) for row in section.lines]
        return "\n".join(lines)


def compare(one: RunFacts, other: RunFacts, registry: Registry) -> Compared:
    """Compare two runs, the older with the newer."""
    a, b = sorted((one, other), key=lambda facts: (facts.record.started_s, facts.record.id))
    sections = (
        Section("Figures", tuple(_figure_lines(a.record, b.record)), "Neither run measured anything."),
        Section("Parameters", tuple(_parameter_lines(a, b, registry)), "All parameters are the same."),
        Section("Nodes", tuple(_state_lines(a.record, b.record)), "Every node ended alike."),
        Section("Environment", tuple(_environment_lines(a.record, b.record)), "The same machine and packages."),
    )
    return Compared(a, b, sections, tuple(_curves(a.record, b.record)))


# ---- figures


def _figure_lines(a: RunRecord, b: RunRecord) -> Iterator[Line]:
    old, new = _figures(a), _figures(b)
    for node, name in dict.fromkeys([*old, *new]):
        before, after = old.get((node, name)), new.get((node, name))
        label = f"{node} · {words(name)}"
        if before is None or after is None:
            yield Line(label, _told(before), _told(after))
        else:
            difference, verdict, why = judge(name, before, after)
            yield Line(label, _told(before), _told(after), difference, verdict, why)


def _figures(record: RunRecord) -> dict[tuple[str, str], Figure]:
    found: dict[tuple[str, str], Figure] = {}
    for node, artifact in artifacts(record):
        metrics = _metrics(artifact)
        for name in metrics:
            figure = None if name.endswith(("_low", "_high")) else figure_of(name, metrics, node)
            if figure is not None:
                found[node, name] = figure
    return found


def _metrics(artifact: Artifact) -> dict[str, float]:
    meta: Any = artifact.meta
    own: dict[str, float] = {}
    if isinstance(artifact, Model):
        own = {"parameters": meta.parameters, "size_bytes": meta.size_bytes}
    elif isinstance(artifact, Deployment):
        own = {"latency_us": meta.latency_us, "memory_bytes": meta.memory_bytes}
    elif isinstance(artifact, Firmware):
        own = {"flash_bytes": meta.flash_bytes, "ram_bytes": meta.ram_bytes}
    return {name: value for name, value in own.items() if value} | dict(getattr(meta, "metrics", {}))


def _told(figure: Figure | None) -> str:
    if figure is None:
        return ""
    return f"{figure.text} ({figure.interval})" if figure.interval else figure.text


def judge(name: str, a: Figure, b: Figure) -> tuple[str, Verdict, str]:
    """The difference in words, whether it is for the better, and why that is said.

    Overlapping 95 % intervals do not tell the runs apart, nor do timings that are close: nothing is claimed then.
    """
    if a.value == b.value:
        return "same", "same", ""
    told = _change(name, a.value, b.value)
    if a.low is not None and a.high is not None and b.low is not None and b.high is not None:
        if a.low <= b.high and b.low <= a.high:
            return told, "unclear", "the 95 % intervals overlap: chance may explain the difference"
        return told, "better" if b.value > a.value else "worse", "the 95 % intervals do not overlap"
    if name.endswith(TIMES) and abs(b.value - a.value) < TIMES_VARY * a.value:
        return told, "unclear", f"timings vary by some {TIMES_VARY:.0%} from run to run"
    if name.endswith((*TIMES, *SIZES)):
        return told, "better" if b.value < a.value else "worse", "less is better"
    return told, "changed", ""


def _change(name: str, a: float, b: float) -> str:
    """ "+1.20 points" for shares, "−8.3 %" for everything else."""
    sign, size = "+" if b > a else "−", abs(b - a)
    if any(part in name for part in SHARES) and 0 <= a <= 1 and 0 <= b <= 1:
        return f"{sign}{100 * size:.2f} points"
    return f"{sign}{100 * size / abs(a):.1f} %" if a else f"{sign}{metric_text(name, size)}"


# ---- parameters, states, environment


def _parameter_lines(a: RunFacts, b: RunFacts, registry: Registry) -> Iterator[Line]:
    if a.workflow is not None and b.workflow is not None:
        for item in differences(a.workflow, b.workflow, registry):
            yield Line(item.where, item.before, item.after)
    for change in diff_runs(a.record, b.record):
        is_node = change.where in a.record.nodes and change.where in b.record.nodes
        if is_node and not change.before and change.after.startswith(OUTSIDE):
            yield Line(change.where, "", change.after)


def _state_lines(a: RunRecord, b: RunRecord) -> Iterator[Line]:
    for name in a.nodes.keys() & b.nodes.keys():
        old, new = a.nodes[name], b.nodes[name]
        if _ended(old.state) != _ended(new.state):
            why = new.error.what if new.error is not None else old.error.what if old.error is not None else ""
            yield Line(name, old.state, new.state, "", "changed", why)


def _ended(state: str) -> str:
    return "done" if state == "cached" else state


def _environment_lines(a: RunRecord, b: RunRecord) -> Iterator[Line]:
    for change in compare_values("", environment_of(a), environment_of(b)):
        yield Line(change.where.lstrip("."), change.before, change.after)


# ---- curves


def _curves(a: RunRecord, b: RunRecord) -> Iterator[Pair]:
    old, new = _rows(a), _rows(b)
    for node in dict.fromkeys([*new, *old]):
        yield Pair(node, old.get(node, ()), new.get(node, ()))


def _rows(record: RunRecord) -> dict[str, Rows]:
    """Curves by node: those that a model keeps (a cached node tells nothing), else those of the events."""
    kept: dict[str, Rows] = {}
    for node, artifact in artifacts(record):
        if isinstance(artifact, Model) and (artifact.path / CURVES_FILE).is_file():
            try:
                kept[node] = rows_of_curves(artifact.json(CURVES_FILE))
            except (OssicleError, OSError, ValueError, KeyError, TypeError):
                continue
    told = rows_of_events(events_of(record.folder / EVENTS))
    return {**{node: rows for node, rows in told.items() if len(rows) > 1}, **kept}
