"""Where our number for a claim comes from: definitions alone, or the finished runs of a project."""

from __future__ import annotations

import difflib
import inspect
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from engine.artifact import Artifact, AudioMeta, FeatureMeta, ModelMeta, Report, load
from engine.claim import Claim, Missing, Ours, Place, Verdict, judge
from engine.claim_check import unchecked, wrong_place
from engine.context import Context
from engine.errors import OssicleError
from engine.execute import outputs_of
from engine.node import NodeSpec
from engine.params import Params
from engine.record import RunRecord
from engine.registry import Registry
from engine.runs import WORKFLOW, list_runs
from engine.sweep_record import points_of, value_text
from engine.sweep_summary import ENDS, Spread
from engine.validate import resolve
from engine.workflow import Workflow
from engine.workflow import load as load_workflow

REPORT_FILE: Final = "report.json"
DATA: Final = "data"
"""The variable that says where the recordings are: it may differ from the file's."""
MOST_RUNS: Final = 500


@dataclass(frozen=True)
class Numbers:
    """The figures of one artifact: its metrics by name, and its report.json by path."""

    metrics: Mapping[str, float]
    document: Any = None

    def find(self, metric: str) -> float | None:
        """A figure by its name among the metrics, else by its path in the document; None if there is none."""
        if metric in self.metrics:
            return self.metrics[metric]
        found = _inside(self.document, metric)
        is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
        return float(found) if is_number else None

    def near(self, metric: str) -> str:
        """Names like that one."""
        return ", ".join(difflib.get_close_matches(metric, self.metrics, n=3, cutoff=0.3) or [*self.metrics][:3])


def _inside(whole: Any, path: str) -> Any:
    """A value within a document: keys joined by dots (keys may hold dots); rows of a list by their `name` or number."""
    if not path:
        return whole
    if isinstance(whole, list):
        whole = {str(row.get("name", index)) if isinstance(row, Mapping) else str(index): row
                 for index, row in enumerate(whole)}  # fmt: skip
    if not isinstance(whole, Mapping):
        return None
    fitting = [key for key in whole if path == key or path.startswith(f"{key}.")]
    return _inside(whole[max(fitting, key=len)], path[len(max(fitting, key=len)) + 1 :]) if fitting else None


def numbers_of(artifact: Artifact) -> Numbers:
    """The figures of an artifact: its metrics, its counts, how many classes it has, and its report."""
    meta = artifact.meta
    facts = {"classes": float(len(meta.classes))} if isinstance(meta, (AudioMeta, FeatureMeta, ModelMeta)) else {}
    facts |= {name: float(count) for name, count in getattr(meta, "counts", {}).items()}
    is_report = isinstance(artifact, Report) and (artifact.path / REPORT_FILE).is_file()
    document = artifact.json(REPORT_FILE) if is_report else None
    return Numbers({**facts, **getattr(meta, "metrics", {})}, document)


# ---- what follows from definitions alone


def is_closed(spec: NodeSpec) -> bool:
    """Whether a node's reports follow from its parameters alone: nothing flows in, nothing outside the graph counts."""
    is_alone = not spec.inputs and spec.fingerprint is None and not spec.needs and spec.isolation == "none"
    return is_alone and bool(spec.outputs) and all(issubclass(port.type, Report) for port in spec.outputs)


def computed(workflow: Workflow, node: str, spec: NodeSpec) -> Mapping[str, Numbers]:
    """The figures of a closed node by output port. Leaves nothing behind.

    Raises:
        OssicleError: its parameters are wrong, or it fails.
    """
    params = resolve(workflow.nodes[node], spec, workflow.variables)
    if not isinstance(params, Params):
        raise OssicleError(
            f"{node} has wrong parameters", "a valid node", "`ossicle validate FILE` lists what is wrong"
        )
    with tempfile.TemporaryDirectory(prefix="ossicle-") as folder:
        values = {"params": params}
        names = inspect.signature(spec.function).parameters
        context = Context.for_test(Path(folder), node=node)
        returned = spec(**{name: values.get(name, context) for name in names})
        return {port: numbers_of(artifact) for port, artifact in outputs_of(spec, returned).items()}


# ---- what has been measured


@dataclass(frozen=True)
class Measured:
    """One finished run: its figures by node and port, the values of the swept variables, and changed settings."""

    run: str
    numbers: Mapping[tuple[str, str], Numbers]
    point: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def measured(home: Path, workflow: Workflow, places: Iterable[tuple[str, str]]) -> list[Measured]:
    """The finished runs of a workflow in a project, the newest first, with their figures at these places."""
    wanted = set(places)
    found = []
    for record in list_runs(home, MOST_RUNS) if wanted else ():
        if record.workflow == workflow.name and record.state == "done":
            ran = load_workflow(record.folder / WORKFLOW)
            found.append(measured_in(record.id, dict(_numbers_in(record, wanted)), ran, workflow))
    return [run for run in found if run.numbers]


def measured_in(run: str, numbers: Mapping[tuple[str, str], Numbers], ran: Workflow, file: Workflow) -> Measured:
    """What a run of the workflow `ran` measured, as seen from the file's workflow."""
    point = tuple(value_text(_value(ran, name)) for name in file.sweep)
    return Measured(run, numbers, point, tuple(_changes(file, ran)))


def _numbers_in(record: RunRecord, wanted: Iterable[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], Numbers]]:
    for node, port in wanted:
        folder = record.artifacts(node).get(port) if node in record.nodes else None
        if folder is not None:
            try:
                yield (node, port), numbers_of(load(folder))
            except (OssicleError, OSError, ValueError):
                continue  # collected as garbage, or damaged: as if it had not been run


def _value(workflow: Workflow, name: str) -> JsonValue:
    node, dot, parameter = name.partition(".")
    if not dot:
        return workflow.variables.get(name)
    return workflow.nodes[node].params.get(parameter) if node in workflow.nodes else None


def _changes(file: Workflow, ran: Workflow) -> Iterator[str]:
    """Settings of a run that are not the file's, but for the place of the data and what the file sweeps over."""
    free = {DATA, *file.sweep}
    for name in sorted(file.variables.keys() | ran.variables.keys()):
        if name not in free and file.variables.get(name) != ran.variables.get(name):
            yield f"{name} = {value_text(ran.variables.get(name))}"
    if set(file.links) != set(ran.links):
        yield "other links"
    for node in sorted(file.nodes.keys() | ran.nodes.keys()):
        yield from _node_changes(node, file, ran, free)


def _node_changes(node: str, file: Workflow, ran: Workflow, free: set[str]) -> Iterator[str]:
    mine, theirs = file.nodes.get(node), ran.nodes.get(node)
    if mine is None or theirs is None or mine.type != theirs.type or mine.mode != theirs.mode:
        yield f"another node {node}"
        return
    for name in sorted(mine.params.keys() | theirs.params.keys()):
        if f"{node}.{name}" not in free and mine.params.get(name) != theirs.params.get(name):
            yield f"{node}.{name} = {value_text(theirs.params.get(name))}"


def our_mean(claim: Claim, place: Place, runs: Sequence[Measured], workflow: Workflow) -> Ours | Missing:
    """Our number from runs: of the newest one, or the mean over the points of the file's sweep."""
    chosen = _newest_by_point([run for run in runs if (place.node, place.port) in run.numbers], workflow)
    tables = [run.numbers[place.node, place.port] for run in chosen]
    values = [value for table in tables if (value := table.find(place.metric)) is not None]
    if not values:
        return _no_run(claim, workflow) if not tables else unknown_metric(place, tables[0])
    spread = Spread.of(values)
    low, high = spread.low, spread.high
    if len(values) == 1:
        low, high = (tables[0].find(f"{place.metric}{end}") for end in ENDS)
    obstacle = _obstacle(claim, tables, chosen, workflow)
    return Ours(spread.mean, low, high, spread.sd, len(values), _origin(chosen), obstacle)


def _newest_by_point(runs: Sequence[Measured], workflow: Workflow) -> list[Measured]:
    """One run per point of the sweep, with the file's own settings where there is such a run."""
    ordered = sorted(runs, key=lambda run: len(run.changes) > 0)  # stable: the newest first among equals
    points = {tuple(map(value_text, point.values.values())) for point in points_of(workflow.sweep)}
    found: dict[tuple[str, ...], Measured] = {}
    for run in ordered:
        if run.point in points:
            found.setdefault(run.point, run)
    return list(found.values())


def _origin(runs: Sequence[Measured]) -> str:
    return f"run {runs[0].run}" if len(runs) == 1 else f"mean of {len(runs)} runs, the newest {runs[0].run}"


def _obstacle(claim: Claim, tables: Sequence[Numbers], runs: Sequence[Measured], workflow: Workflow) -> str:
    """Why these runs do not measure what was printed; empty if they do."""
    changes = sorted({change for run in runs for change in run.changes})
    if changes:
        shown = ", ".join(changes[:3]) + (", …" if len(changes) > 3 else "")
        return f"measured with other settings than the file's: {shown}"
    wanted = max(claim.runs, len(points_of(workflow.sweep)))
    counts = [int(found) for table in tables if (found := table.find("clips")) is not None]
    if claim.clips and set(counts) != {claim.clips} and sum(counts) != claim.clips:
        told = f"{counts[0]:,} clips" if counts else "an unknown number of clips"
        return f"measured on other data: {told}, the print's are {claim.clips:,}"
    if claim.needs and not claim.clips:
        return f"measured on what is here; only {claim.needs} would tell"
    return f"{len(runs)} of {wanted} trainings" if len(runs) < wanted else ""


def _no_run(claim: Claim, workflow: Workflow) -> Missing:
    command = f"ossicle {'sweep' if workflow.sweep else 'run'} {workflow.name}"
    data = f" --set {DATA}=…" if DATA in workflow.variables else ""
    needs = f"needs {claim.needs}, then a run" if claim.needs else "needs a run"
    return Missing(f"{needs}: `{command}{data}`")


def unknown_metric(place: Place, table: Numbers) -> Missing:
    """The claim names a figure that the artifact does not have."""
    return Missing(f"{place.node}.{place.port} has no {place.metric!r}; it has {table.near(place.metric)} …", True)


# ---- verdicts


def verdicts(workflow: Workflow, registry: Registry, home: Path) -> list[Verdict]:
    """Every claim of a workflow, judged by what can be computed now and by the finished runs of the project.

    Args:
        home: the project's data folder; it need not exist.
    """
    closed = _closed_tables(workflow, registry)
    places = [place for claim in workflow.claims if (place := claim.place) is not None and place.node not in closed]
    runs = measured(home, workflow, ((place.node, place.port) for place in places))
    return [judge(claim, _found(claim, closed, runs, workflow, registry)) for claim in workflow.claims]


def measured_nodes(workflow: Workflow, registry: Registry) -> set[str]:
    """Nodes that claims point at and that have to be run, since they do not follow from definitions alone."""
    named = {place.node for claim in workflow.claims if (place := claim.place) is not None}
    specs = {name: registry.find(workflow.nodes[name].type) for name in named & workflow.nodes.keys()}
    return {name for name, spec in specs.items() if spec is not None and not is_closed(spec)}


def _closed_tables(workflow: Workflow, registry: Registry) -> dict[str, Mapping[str, Numbers] | OssicleError]:
    found: dict[str, Mapping[str, Numbers] | OssicleError] = {}
    for node in {place.node for claim in workflow.claims if (place := claim.place) is not None}:
        placed = workflow.nodes.get(node)
        spec = registry.find(placed.type) if placed is not None else None
        if spec is not None and is_closed(spec):
            try:
                found[node] = computed(workflow, node, spec)
            except OssicleError as error:
                found[node] = error
    return found


def _found(
    claim: Claim,
    closed: Mapping[str, Mapping[str, Numbers] | OssicleError],
    runs: Sequence[Measured],
    workflow: Workflow,
    registry: Registry,
) -> Ours | Missing:
    place = claim.place
    if place is None:
        return Missing(unchecked(claim), bool(claim.at))
    if (nowhere := wrong_place(claim, workflow, registry)) is not None:
        return Missing(f"the claim points at {claim.at}: {nowhere.what}", True)
    if place.node not in closed:
        return our_mean(claim, place, runs, workflow)
    tables = closed[place.node]
    if isinstance(tables, OssicleError):
        return Missing(f"{place.node} failed: {tables.what}", True)
    value = tables[place.port].find(place.metric)
    return unknown_metric(place, tables[place.port]) if value is None else Ours(value)
