"""Printed numbers of the open workflow held against ours, as rows of a table. Reads files: call it in a thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from engine.artifact import Artifact, load
from engine.claim import Verdict, row_json
from engine.claim_source import verdicts
from engine.errors import OssicleError
from engine.record import RunRecord
from engine.registry import Registry
from engine.report_claims import run_verdicts
from engine.runs import WORKFLOW, home_of, load_run
from engine.workflow import Workflow
from engine.workflow import load as load_workflow

Ends = Iterator[tuple[tuple[str, str], Artifact]]
CSV: Final = (
    "workflow", "source", "what", "state", "printed", "value", "ours", "low", "high", "spread", "runs", "difference",
    "unit", "tolerance", "why", "needs", "slips", "note", "at",
)  # fmt: skip
"""Columns of an exported table: names of `row_json`."""


def of_project(workflow: Workflow, registry: Registry, base: Path) -> list[Verdict]:
    """Every claim judged by definitions and by all finished runs of the project, as `ossicle claims` does."""
    return verdicts(workflow, registry, home_of(base))


def of_run(folder: Path) -> list[Verdict]:
    """The claims of one run's workflow, judged by that run alone, as its report does.

    Raises:
        OssicleError: the folder holds no run any more.
    """
    record = load_run(folder)
    return run_verdicts(record.id, load_workflow(folder / WORKFLOW), dict(_artifacts(record)))


def _artifacts(record: RunRecord) -> Ends:
    for node in record.nodes:
        for port, path in record.artifacts(node).items():
            try:
                yield (node, port), load(path)
            except (OssicleError, OSError, ValueError):
                continue  # collected as garbage meanwhile: as if the run had not got there


def csv_rows(workflow: str, found: Sequence[Verdict]) -> list[list[str]]:
    """A table with a heading, numbers unrounded, empty where there is none."""
    rows = [row_json(workflow, verdict) for verdict in found]
    return [list(CSV), *([_cell(row[name]) for name in CSV] for row in rows)]


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
