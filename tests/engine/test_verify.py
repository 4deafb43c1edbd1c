"""A run repeated from nothing: identical, within tolerance, different, and where."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.compare import Tolerance
from engine.event import Event
from engine.runner import LocalRunner
from engine.verify import Verification, verify_run

NODES = {"r": ("fake.read", {}), "c": ("fake.count", {}), "n": ("fake.negate", {}), "x": ("fake.send", {})}
LINKS = ("r.text -> c.text", "c.number -> n.number", "n.number -> x.number")


@pytest.fixture
def record(project: Any, workflow_of: Callable[..., Any]) -> Any:
    (project.base / "text.txt").write_text("abc")
    return project.run(workflow_of(NODES, LINKS))


def verify(project: Any, record: Any, **options: Any) -> Verification:
    events: list[Event] = []
    return verify_run(record, LocalRunner(), events.append, threading.Event(), registry=project.registry, **options)


def verdicts(found: Verification) -> dict[str, str]:
    return {finding.node: finding.verdict for finding in found.findings}


def test_an_honest_run_is_identical_and_nothing_is_sent_again(project: Any, record: Any) -> None:
    project.executed()
    found = verify(project, record)
    assert found.verdict == "identical"
    assert verdicts(found) == {"r": "identical", "c": "identical", "n": "identical", "x": "not repeated"}
    assert sorted(project.executed()) == ["c", "n", "r"]
    assert found.environment == ()
    assert [path.name for path in project.home.iterdir() if path.name.startswith("verify")] == []


def test_a_changed_source_shows(project: Any, record: Any) -> None:
    (project.base / "text.txt").write_text("abcd")
    found = verify(project, record)
    assert found.verdict == "different"
    places = {finding.node: finding.where for finding in found.findings}
    assert places["r"] == "text.txt: other bytes"
    assert places["c"] in ("meta.value", "number.json.value")
    assert {finding.node: finding.difference for finding in found.findings}["n"] == 1.0


def test_a_small_difference_is_within_a_wide_tolerance(project: Any, record: Any) -> None:
    (project.base / "text.txt").write_text("abcd")
    found = verify(project, record, tolerance=Tolerance(relative=0.5))
    assert (verdicts(found)["c"], verdicts(found)["n"]) == ("within tolerance", "within tolerance")
    assert str(found.tolerance) == "relative 0.5, absolute 1e-06"


def test_a_failure_and_a_missing_artifact_show(project: Any, record: Any) -> None:
    project.store.evict(record.nodes["c"].outputs["number"])
    (project.base / "text.txt").write_text("abcd")
    assert verdicts(verify(project, record))["c"] == "missing"
    (project.base / "text.txt").unlink()
    found = verify(project, record)
    assert verdicts(found)["r"] == "failed"
    assert "does not exist" in found.findings[0].where


def test_a_partial_run_is_repeated_as_far(project: Any, record: Any, workflow_of: Callable[..., Any]) -> None:
    partial = project.run(workflow_of(NODES, LINKS), to="c")
    assert verdicts(verify(project, partial)) == {"r": "identical", "c": "identical"}


def test_another_environment_shows(project: Any, record: Any) -> None:
    path = record.folder / "environment.json"
    path.write_text(path.read_text().replace('"python": "3', '"python": "2'))
    changes = verify(project, replace(record)).environment
    assert [change.where for change in changes] == ["environment.python"]
