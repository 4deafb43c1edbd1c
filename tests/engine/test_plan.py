"""What a run would find, without running."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import OssicleError
from engine.plan import Forecast, forecast
from engine.problem import InvalidError

LINKS = ("a.number -> s.numbers", "s.number -> n.number")


def graph(workflow_of: Callable[..., Any], value: float = 1, offset: float = 0) -> Any:
    nodes = {
        "a": ("fake.constant", {"value": value}),
        "s": ("fake.add", {"offset": offset}),
        "n": ("fake.negate", {}),
    }
    return workflow_of(nodes, LINKS)


def states(project: Any, workflow: Any, **options: Any) -> dict[str, tuple[str, str]]:
    found: dict[str, Forecast] = forecast(workflow, project.registry, project.base, project.home, **options)
    return {name: (item.state, item.why) for name, item in found.items()}


def test_states_before_and_after_a_run(project: Any, workflow_of: Callable[..., Any]) -> None:
    workflow = graph(workflow_of)
    assert states(project, workflow) == {
        "a": ("never run", "never run"),
        "s": ("never run", "after a"),
        "n": ("never run", "after s"),
    }
    assert not project.home.exists(), "looking must not write"
    project.run(workflow)
    assert set(states(project, workflow).values()) == {("cached", "")}
    assert states(project, workflow, force=frozenset({"s"})) == {
        "a": ("cached", ""),
        "s": ("stale", "forced"),
        "n": ("unknown", "after s"),
    }


def test_a_changed_parameter_is_told_and_what_follows_is_unknown(project: Any, workflow_of: Callable[..., Any]) -> None:
    project.run(graph(workflow_of))
    assert states(project, graph(workflow_of, offset=2)) == {
        "a": ("cached", ""),
        "s": ("stale", "offset 0.0 -> 2.0"),
        "n": ("unknown", "after s"),
    }


def test_a_damaged_artifact_is_told(project: Any, workflow_of: Callable[..., Any]) -> None:
    record = project.run(graph(workflow_of, offset=5))
    path = record.artifacts("s")["number"] / "number.json"
    path.chmod(0o644)
    path.write_text("")
    assert states(project, graph(workflow_of, offset=5))["s"] == (
        "stale",
        "stored artifact number is damaged or missing",
    )


def test_changed_files_are_told(project: Any, workflow_of: Callable[..., Any]) -> None:
    workflow = workflow_of({"r": ("fake.read", {})})
    assert states(project, workflow)["r"][0] == "failing"
    (project.base / "text.txt").write_text("one")
    project.run(workflow)
    (project.base / "text.txt").write_text("two")
    assert states(project, workflow)["r"] == ("stale", "source changed: text.txt")


def test_a_failed_node_is_told(project: Any, workflow_of: Callable[..., Any]) -> None:
    workflow = workflow_of({"f": ("fake.fail", {})})
    project.run(workflow)
    assert states(project, workflow)["f"] == ("stale", "failed last time")


def test_other_workflows_in_the_same_home_do_not_count(
    project: Any, workflow_of: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    other: Path = tmp_path_factory.mktemp("other")
    project.run(graph(workflow_of, offset=1))
    found = forecast(graph(workflow_of), project.registry, other, project.home)
    assert found["s"].why == "never run"


def test_problems_and_wrong_names_are_errors(project: Any, workflow_of: Callable[..., Any]) -> None:
    with pytest.raises(InvalidError):
        states(project, workflow_of({"a": ("fake.unknown", {})}))
    for options in ({"to": "x"}, {"force": frozenset({"x"})}):
        with pytest.raises(OssicleError, match="no node 'x'"):
            states(project, graph(workflow_of), **options)
