"""Back to the sources, and what differs between runs."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import OssicleError
from engine.lineage import Change, diff_runs, lineage, lineage_in_run

NODES = {"r": ("fake.read", {}), "u": ("fake.upper", {}), "c": ("fake.count", {}), "o": ("fake.constant", {"value": 8})}
LINKS = ("r.text -> u.text", "u.text -> c.text")


@pytest.fixture
def graph(project: Any, workflow_of: Callable[..., Any]) -> Any:
    (project.base / "text.txt").write_text("abc")
    return workflow_of({**NODES, "s": ("fake.add", {})}, (*LINKS, "c.number -> s.numbers", "o.number -> s.numbers"))


def test_an_artifact_leads_back_to_its_files(project: Any, graph: Any) -> None:
    record = project.run(graph)
    key = record.nodes["s"].outputs["number"]
    for found in (lineage(project.store, key), lineage_in_run(record, key)):
        assert [origin.recipe.type for origin in found][0] == "fake.add"
        assert {origin.recipe.type for origin in found if origin.is_source} == {"fake.read", "fake.constant"}
        (source,) = [origin for origin in found if origin.recipe.type == "fake.read"]
        assert list(source.recipe.fingerprint) == ["text.txt"]  # type: ignore[arg-type]
    assert [origin.node for origin in lineage_in_run(record, key)] == ["s", "c", "o", "u", "r"]


def test_a_result_that_comes_round_again_ends_at_its_first_maker(project: Any, workflow_of: Callable[..., Any]) -> None:
    nodes = {"a": ("fake.constant", {"value": 2}), "n": ("fake.negate", {}), "m": ("fake.negate", {})}
    record = project.run(workflow_of(nodes, ("a.number -> n.number", "n.number -> m.number")))
    key = record.nodes["m"].outputs["number"]
    assert key == record.nodes["a"].outputs["number"]
    for found in (lineage(project.store, key), lineage_in_run(record, key)):
        assert [origin.recipe.type for origin in found] == ["fake.constant"]


def test_a_long_chain_is_no_problem(project: Any, workflow_of: Callable[..., Any]) -> None:
    nodes = {"n0": ("fake.constant", {}), **{f"n{i}": ("fake.add", {"offset": 1}) for i in range(1, 60)}}
    record = project.run(workflow_of(nodes, tuple(f"n{i}.number -> n{i + 1}.numbers" for i in range(59))))
    assert len(lineage(project.store, record.nodes["n59"].outputs["number"])) == 60


def test_an_unknown_artifact_is_told(project: Any, graph: Any) -> None:
    record = project.run(graph)
    for ask in (lambda: lineage(project.store, "f" * 64), lambda: lineage_in_run(record, "f" * 64)):
        with pytest.raises(OssicleError, match="not known"):
            ask()


def test_equal_runs_have_no_differences(project: Any, graph: Any) -> None:
    assert diff_runs(project.run(graph), project.run(graph)) == ()


def test_differences_are_told_where_they_are(project: Any, graph: Any, workflow_of: Callable[..., Any]) -> None:
    a = project.run(graph)
    nodes = {**NODES, "o": ("fake.constant", {"value": 9}), "x": ("fake.fail", {})}
    (project.base / "text.txt").write_text("abd")
    b = project.run(workflow_of(nodes, LINKS))
    (b.folder / "environment.json").write_text((a.folder / "environment.json").read_text().replace("CPython", "PyPy"))
    found = diff_runs(a, b)
    assert Change("environment.implementation", "CPython", "PyPy") in found
    assert Change("o", "", "value 8.0 -> 9.0") in found
    assert Change("o.number.value", "8.0", "9.0") in found
    assert Change("r", "", "source changed: text.txt") in found
    assert Change("r.text", "content", "other content, same description") in found
    assert Change("s", "fake.add", "") in found
    assert Change("x", "", "fake.fail") in found
    assert not [change for change in found if change.where.startswith("c.")], "three letters then as now"
