"""What the points of a sweep have in common and how far apart they lie: every metric's mean, spread and interval."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any, Final

from pydantic import JsonValue

from engine.artifact import Artifact, Report
from engine.artifact import load as load_artifact
from engine.errors import OssicleError
from engine.runs import load_run
from engine.sweep_record import SUMMARY, Point, SweepRecord
from engine.workflow import write_atomic

CONFIDENCE: Final = 0.95
ENDS: Final = ("_low", "_high")
Matrix = list[list[float]]


@dataclass(frozen=True)
class Spread:
    """Figures of several points. The interval is of the mean (Student's t); none for a single figure."""

    n: int
    mean: float
    sd: float | None
    min: float
    max: float
    low: float | None
    high: float | None

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Mean, sample standard deviation (n - 1), extremes and 95 % interval of at least one figure."""
        mean, n = fmean(values), len(values)
        if n == 1:
            return Spread(1, mean, None, mean, mean, None, None)
        sd = stdev(values)
        half = t_quantile(n - 1) * sd / math.sqrt(n)
        return Spread(n, mean, sd, min(values), max(values), mean - half, mean + half)


def t_quantile(freedom: int) -> float:
    """How many standard errors a 95 % interval reaches to each side."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))


@dataclass(frozen=True)
class Group:
    """The points that share one value of one variable."""

    value: JsonValue
    spread: Spread


@dataclass(frozen=True)
class Metric:
    """One figure over all points.

    Attributes:
        values: by point number; points without it are left out.
        by: per variable (where there are several) the points of each of its values.
        between: per such variable how far the means of its values lie apart ("over seeds, each the mean of 10 folds").
    """

    spread: Spread
    values: Mapping[int, float]
    by: Mapping[str, Sequence[Group]]
    between: Mapping[str, Spread]


@dataclass(frozen=True)
class Pooled:
    """Confusion matrices added up: truth in rows, prediction in columns."""

    classes: Sequence[str]
    matrix: Matrix
    reports: int

    @property
    def right(self) -> float:
        """Share of right answers among all."""
        total = sum(map(sum, self.matrix))
        return sum(row[i] for i, row in enumerate(self.matrix)) / total if total else 0.0


@dataclass(frozen=True)
class Result:
    """One output of the graph over all points."""

    node: str
    port: str
    kind: str
    title: str
    metrics: Mapping[str, Metric]
    confusion: Pooled | None = None

    @property
    def name(self) -> str:
        """Node and port."""
        return f"{self.node}.{self.port}"


@dataclass(frozen=True)
class Summary:
    """What came out of a sweep, reports first."""

    record: SweepRecord
    results: tuple[Result, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values: what summary.json holds."""
        done = [point.number for point in self.record.in_state("done")]
        return {
            "sweep": self.record.id,
            "workflow": self.record.workflow,
            "over": {name: list(values) for name, values in self.record.over.items()},
            "points": len(self.record.points),
            "done": len(done),
            "failed": [point.number for point in self.record.in_state("failed")],
            "confidence": CONFIDENCE,
            "results": [_result_json(result) for result in self.results],
        }


def _result_json(result: Result) -> dict[str, Any]:
    return {
        "node": result.node,
        "port": result.port,
        "type": result.kind,
        "title": result.title,
        "metrics": {name: _metric_json(metric) for name, metric in result.metrics.items()},
        "confusion": {**asdict(result.confusion), "right": result.confusion.right} if result.confusion else None,
    }


def _metric_json(metric: Metric) -> dict[str, Any]:
    return {
        **asdict(metric.spread),
        "values": {str(number): value for number, value in metric.values.items()},
        "by": {name: [{"value": g.value, **asdict(g.spread)} for g in groups] for name, groups in metric.by.items()},
        "between": {name: asdict(spread) for name, spread in metric.between.items()},
    }


def summarise(record: SweepRecord) -> Summary:
    """Gather the metrics of every point that is done, from every artifact that has some."""
    found: dict[tuple[str, str], dict[int, Artifact]] = {}
    for point in record.in_state("done"):
        for place, artifact in _measured(record, point):
            found.setdefault(place, {})[point.number] = artifact
    results = (_result(record, node, port, artifacts) for (node, port), artifacts in found.items())
    return Summary(record, tuple(sorted(results, key=lambda result: result.kind != Report.kind())))


def write_summary(record: SweepRecord) -> None:
    """Write summary.json and the report of a sweep into its folder."""
    from engine.sweep_report import write_sweep_report

    summary = summarise(record)
    write_atomic(record.folder / SUMMARY, json.dumps(summary.to_json(), ensure_ascii=False, indent=1) + "\n")
    write_sweep_report(summary)


def _measured(record: SweepRecord, point: Point) -> Iterator[tuple[tuple[str, str], Artifact]]:
    """The artifacts of a point's run that have metrics, with node and port; one that is gone is left out."""
    try:
        run = load_run(record.run_folder(point))
    except OssicleError:
        return
    for node in run.nodes:
        for port, path in run.artifacts(node).items():
            try:
                artifact = load_artifact(path)
            except OssicleError:
                continue
            if metrics_of(artifact):
                yield (node, port), artifact


def metrics_of(artifact: Artifact) -> dict[str, float]:
    """Finite figures of an artifact; the ends of one point's own interval are none of the sweep's."""
    found: Mapping[str, float] = getattr(artifact.meta, "metrics", {})
    ends = {f"{name}{end}" for name in found for end in ENDS}
    return {name: float(value) for name, value in found.items() if name not in ends and math.isfinite(value)}


def _result(record: SweepRecord, node: str, port: str, artifacts: Mapping[int, Artifact]) -> Result:
    columns: dict[str, dict[int, float]] = {}
    for number, artifact in artifacts.items():
        for name, value in metrics_of(artifact).items():
            columns.setdefault(name, {})[number] = value
    last = [*artifacts.values()][-1]
    metrics = {name: metric_of(record, values) for name, values in columns.items()}
    return Result(node, port, last.kind(), getattr(last.meta, "title", ""), metrics, _pooled(artifacts.values()))


def metric_of(record: SweepRecord, values: Mapping[int, float]) -> Metric:
    """One figure over all points; by variable where there are several with more than one value."""
    several = [name for name, chosen in record.over.items() if len(chosen) > 1]
    by = {name: _groups(record, name, values) for name in several if len(several) > 1}
    between = {name: Spread.of([group.spread.mean for group in groups]) for name, groups in by.items()}
    return Metric(Spread.of([*values.values()]), values, by, between)


def _groups(record: SweepRecord, name: str, values: Mapping[int, float]) -> list[Group]:
    found: dict[str, list[float]] = {}
    for point in record.points:
        if point.number in values:
            found.setdefault(json.dumps(point.values[name]), []).append(values[point.number])
    return [Group(json.loads(value), Spread.of(chosen)) for value, chosen in found.items()]


def _pooled(artifacts: Iterable[Artifact]) -> Pooled | None:
    """All confusion matrices added up by the names of the classes; None if there is none."""
    cells: dict[tuple[str, str], float] = {}
    classes: dict[str, None] = {}
    reports = 0
    for artifact in artifacts:
        found = _confusion(artifact)
        if found is None:
            continue
        reports += 1
        classes |= dict.fromkeys(found[0])
        for truth, row in zip(*found, strict=False):
            for answer, number in zip(found[0], row, strict=False):
                cells[truth, answer] = cells.get((truth, answer), 0) + number
    if not reports:
        return None
    return Pooled([*classes], [[cells.get((truth, answer), 0) for answer in classes] for truth in classes], reports)


def _confusion(artifact: Artifact) -> tuple[list[str], Matrix] | None:
    if not isinstance(artifact, Report):
        return None
    try:
        raw = artifact.json("report.json")
        classes, matrix = [str(name) for name in raw["classes"]], [[float(v) for v in row] for row in raw["confusion"]]
    except (OssicleError, OSError, KeyError, ValueError, TypeError):
        return None
    return (classes, matrix) if len(matrix) == len(classes) else None
