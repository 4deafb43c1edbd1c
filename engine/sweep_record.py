"""What is kept about a sweep: its points, the run of each, and how they ended. `sweeps/<id>/sweep.json` holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import JsonValue

from engine.errors import OssicleError
from engine.fault import Fault
from engine.lock import is_locked
from engine.record import Record, RunState, the_one
from engine.workflow import write_atomic

RECORD: Final = "sweep.json"
SUMMARY: Final = "summary.json"
REPORT: Final = "report.html"
WORKFLOW: Final = "workflow.json"
LOCK: Final = "lock"
EVENTS: Final = "events.jsonl"
"""What the sweep itself told since it was last begun; its runs' events lie in their own folders."""
LONGEST_VALUE: Final = 24
Over = Mapping[str, Sequence[JsonValue]]
Values = Mapping[str, JsonValue]
PointState = Literal["waiting", "running", "done", "failed", "cancelled"]
SweepState = RunState


@dataclass(frozen=True)
class Point:
    """One combination of values, and its run.

    Attributes:
        number: from 1, in the order of the sweep.
        run: id of its latest run; empty before that.
        nodes: how many nodes of that run ended in which state.
        node: the node that failed, if one did.
        error: why it failed.
    """

    number: int
    values: Values
    state: PointState = "waiting"
    run: str = ""
    seconds: float = 0.0
    nodes: Mapping[str, int] = field(default_factory=dict)
    node: str = ""
    error: Fault | None = None

    @property
    def name(self) -> str:
        """Its values in words: "seed=3 fold=2"."""
        return name_of(self.values)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "point": self.number,
            "name": self.name,
            "values": dict(self.values),
            "state": self.state,
            "run": self.run,
            "seconds": self.seconds,
            "nodes": dict(self.nodes),
            "node": self.node,
            "error": self.error.to_json() if self.error else None,
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Point:
        """Read back what `to_json` wrote."""
        error = Fault.from_json(raw["error"]) if raw["error"] else None
        return Point(
            raw["point"], raw["values"], raw["state"], raw["run"], raw["seconds"], raw["nodes"], raw["node"], error
        )


@dataclass(frozen=True, kw_only=True)
class SweepRecord(Record):
    """One sweep.

    Attributes:
        over: values by variable ("seed") or parameter ("train-1.epochs"); the last one changes first.
    """

    over: Over
    points: tuple[Point, ...]

    def run_folder(self, point: Point) -> Path:
        """Folder of a point's latest run."""
        return self.home / "runs" / point.run

    def in_state(self, *states: PointState) -> list[Point]:
        """The points in one of these states."""
        return [point for point in self.points if point.state in states]

    def with_point(self, point: Point) -> SweepRecord:
        """The same with one point replaced."""
        return replace(self, points=tuple(point if old.number == point.number else old for old in self.points))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "sweep": self.id,
            **self.head_json(),
            "over": {name: list(values) for name, values in self.over.items()},
            "points": [point.to_json() for point in self.points],
        }

    @staticmethod
    def from_json(folder: Path, raw: Mapping[str, Any]) -> SweepRecord:
        """Read back what `to_json` wrote; the folder may have been moved since."""
        points = tuple(map(Point.from_json, raw["points"]))
        return SweepRecord(**Record.head_of(folder, raw), over=raw["over"], points=points)

    def save(self) -> None:
        """Write sweep.json, atomically."""
        write_atomic(self.folder / RECORD, json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n")


def points_of(over: Over) -> tuple[Point, ...]:
    """Every combination of the values; the last variable changes first."""
    combinations = product(*over.values())
    return tuple(
        Point(number, dict(zip(over, values, strict=True))) for number, values in enumerate(combinations, start=1)
    )


def name_of(values: Values) -> str:
    """Values in words: "seed=3 fold=2"."""
    return " ".join(f"{name}={value_text(value)}" for name, value in values.items())


def value_text(value: JsonValue) -> str:
    """One value in a few letters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


# ---- looking at sweeps


def sweep_folders(home: Path) -> list[Path]:
    """All sweep folders, the latest written first."""
    found = [(path.stat().st_mtime_ns, path.parent) for path in (home / "sweeps").glob(f"*/{RECORD}")]
    return [folder for _, folder in sorted(found, reverse=True)]


def load_sweep(folder: Path) -> SweepRecord:
    """The record of a sweep; one that was killed is "interrupted".

    Raises:
        OssicleError: there is no sweep in that folder.
    """
    try:
        record = SweepRecord.from_json(folder, json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OssicleError(
            f"{folder} holds no sweep ({error})", f"a sweep folder with {RECORD}", "`ossicle sweeps` lists them"
        ) from error
    if record.state == "running" and not is_locked(folder / LOCK):
        return replace(record, state="interrupted")
    return record


def list_sweeps(home: Path, limit: int | None = None) -> list[SweepRecord]:
    """The latest sweeps, the latest first."""
    return [load_sweep(folder) for folder in sweep_folders(home)[:limit]]


def matching(home: Path, name: str) -> list[Path]:
    """Sweep folders that a name means: its id, a beginning of it, or its folder."""
    if (Path(name) / RECORD).is_file():
        return [Path(name).resolve()]
    folders = sweep_folders(home)
    exact = [folder for folder in folders if folder.name == name]
    return exact or [folder for folder in folders if name and folder.name.startswith(name)]


def find_sweep(home: Path, name: str) -> SweepRecord:
    """A sweep by its id, an unambiguous beginning of it, or its folder.

    Raises:
        OssicleError: none or several fit; names near ones.
    """
    return load_sweep(the_one(matching(home, name), name, sweep_folders(home), home, "sweep"))


def siblings(home: Path, runs: Iterable[str]) -> set[str]:
    """Runs of the sweeps that any of these runs belongs to: a sweep's points are kept or let go together."""
    wanted = set(runs)
    groups = (_runs_in(folder) for folder in sweep_folders(home))
    return {run for group in groups if group & wanted for run in group}


def _runs_in(folder: Path) -> set[str]:
    try:
        return {point.run for point in load_sweep(folder).points if point.run}
    except OssicleError:
        return set()


def states_text(counts: Mapping[str, int]) -> Iterator[str]:
    """ "2 done", "4 cached"."""
    return (f"{number} {state}" for state, number in counts.items())
