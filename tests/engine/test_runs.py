"""Run folders: what they hold, finding them, and what a killed run looks like."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from engine.environment import packages
from engine.errors import OssicleError
from engine.fault import Fault
from engine.runs import find_run, last_nodes, list_runs, load_run, pin, referenced
from engine.workflow import load

NODES = {"a": ("fake.constant", {"value": 3}), "n": ("fake.negate", {}), "f": ("fake.fail", {"how": "boom"})}
LINKS = ("a.number -> n.number", "n.number -> f.number")


@pytest.fixture
def graph(workflow_of: Callable[..., Any]) -> Any:
    return workflow_of(NODES, LINKS)


def test_a_run_folder_tells_everything(project: Any, graph: Any) -> None:
    record = project.run(graph)
    assert sorted(path.name for path in record.folder.iterdir()) == sorted(
        ["workflow.json", "environment.json", "events.jsonl", "record.json", "log.txt", "outputs"]
    )
    assert load(record.folder / "workflow.json") == graph
    environment = json.loads((record.folder / "environment.json").read_text())
    assert environment["packages"]["pydantic"] == packages()["pydantic"]
    assert environment["machine"]["cores"] >= 1
    link = record.folder / "outputs" / "n" / "number" / "number.json"
    assert json.loads(link.read_text()) == {"value": -3.0}


def test_the_record_reads_back_equal(project: Any, graph: Any) -> None:
    record = project.run(graph, to="n")
    assert load_run(record.folder) == record
    assert json.loads(json.dumps(record.to_json()))["nodes"]["n"]["artifacts"]["number"] == str(
        record.artifacts("n")["number"]
    )


def test_versions_equal_what_the_packages_say() -> None:
    from importlib.metadata import version

    for name in ("numpy", "pydantic", "h5py", "pytest"):
        assert packages()[name] == version(name)


def test_runs_are_found_by_part_folder_and_last(project: Any, workflow_of: Callable[..., Any]) -> None:
    workflow = workflow_of({"a": ("fake.constant", {})})
    one, two = project.run(workflow, run_id="alpha-one"), project.run(workflow, run_id="alpha-two")
    assert [record.id for record in list_runs(project.home)] == ["alpha-two", "alpha-one"]
    assert find_run(project.home, "last").id == "alpha-two"
    assert find_run(project.home, "one") == one
    assert find_run(project.home, str(two.folder)) == two
    with pytest.raises(OssicleError, match=r"several runs fit 'alpha'.*alpha-"):
        find_run(project.home, "alpha")
    with pytest.raises(OssicleError, match=r"there is no run 'alpha-tow'.*alpha-two"):
        find_run(project.home, "alpha-tow")


def test_no_runs_at_all(project: Any) -> None:
    assert list_runs(project.home) == []
    with pytest.raises(OssicleError, match="none yet"):
        find_run(project.home, "last")


def test_a_run_in_progress_shows_its_nodes(project: Any, workflow_of: Callable[..., Any]) -> None:
    nodes = {"a": ("fake.constant", {}), "z": ("fake.sleep", {"seconds": 60})}
    cancel, seen = threading.Event(), list[Any]()

    def look() -> None:
        while not (project.base / "z.sleeping").exists():
            threading.Event().wait(0.005)
        seen.append(find_run(project.home, "last"))
        cancel.set()

    thread = threading.Thread(target=look)
    thread.start()
    project.run(workflow_of(nodes, ("a.number -> z.number",)), cancel)
    thread.join()
    assert seen[0].state == "running"
    assert {name: node.state for name, node in seen[0].nodes.items()} == {"a": "done", "z": "running"}
    assert seen[0].nodes["a"].outputs and seen[0].nodes["a"].recipe is not None


def test_a_killed_run_is_put_together_from_its_events(project: Any, graph: Any) -> None:
    record = project.run(graph)
    raw = json.loads((record.folder / "record.json").read_text())
    raw["state"] = "running"
    raw["nodes"] = {name: {**node, "state": "waiting", "outputs": {}} for name, node in raw["nodes"].items()}
    (record.folder / "record.json").write_text(json.dumps(raw))
    with (record.folder / "events.jsonl").open("a") as file:
        file.write('{"kind": "finished", "ru')  # torn by the kill
    found = load_run(record.folder)
    assert found.state == "interrupted"
    assert {name: node.outputs for name, node in found.nodes.items()} == {
        name: node.outputs for name, node in record.nodes.items()
    }
    assert found.nodes["a"].recipe == record.nodes["a"].recipe


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": 1}'])
def test_a_damaged_record_is_told(project: Any, graph: Any, text: str) -> None:
    record = project.run(graph)
    (record.folder / "record.json").write_text(text)
    with pytest.raises(OssicleError, match="holds no run"):
        load_run(record.folder)


def test_what_recent_and_pinned_runs_use_is_referenced(project: Any, workflow_of: Callable[..., Any]) -> None:
    records = [project.run(workflow_of({"a": ("fake.constant", {"value": v})})) for v in range(3)]
    keys = [record.nodes["a"].outputs["number"] for record in records]
    assert referenced(project.home, recent=1) == {keys[2]}
    pin(records[0])
    assert load_run(records[0].folder).pinned
    assert referenced(project.home, recent=1) == {keys[0], keys[2]}
    pin(records[0], pinned=False)
    assert referenced(project.home, recent=2) == {keys[1], keys[2]}


def test_last_nodes_reach_back_over_partial_runs(project: Any, graph: Any) -> None:
    project.run(graph)
    project.run(graph, to="a")
    found = last_nodes(project.home, graph.name, project.base, ["a", "n", "f", "new"])
    assert {name: node.state for name, node in found.items()} == {"a": "cached", "n": "done", "f": "failed"}


def test_the_home_can_be_moved(project: Any, graph: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("OSSICLE_HOME", str(tmp_path / "elsewhere"))
    record = project.run(graph)
    assert record.home == tmp_path / "elsewhere"
    (tmp_path / "elsewhere").rename(tmp_path / "moved")
    found = load_run(tmp_path / "moved" / "runs" / record.id)
    assert (found.artifacts("n")["number"] / "number.json").exists()


def test_faults_read_back() -> None:
    fault = Fault("a", "b", "c", "trace")
    assert Fault.from_json(fault.to_json()) == fault
    assert str(fault) == str(fault.error()) == "a. Expected: b. c."
