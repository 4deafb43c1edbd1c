"""One conformance suite over every runner: equal artifacts, equal events per node, the same verbs."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import OssicleError
from engine.event import Event, read_events
from engine.problem import InvalidError
from engine.runner import LocalRunner, Request, Runner
from engine.runs import EVENTS, find_run

RUNNERS = ("local", "prefect", "dask")

NODES = {
    "a": ("fake.constant", {"value": 2.5}),
    "b": ("fake.constant", {"value": 4}),
    "s": ("fake.add", {"offset": 1}),
    "p": ("fake.split", {}),
    "n": ("fake.negate", {}),
    "m": ("fake.negate", {}),
    "t": ("fake.add", {}),
}
LINKS = (
    "a.number -> s.numbers",
    "b.number -> s.numbers",
    "s.number -> p.number",
    "p.whole -> n.number",
    "p.fraction -> m.number",
    "n.number -> t.numbers",
    "m.number -> t.numbers",
)


@pytest.fixture(scope="session")
def dask_address(fakes_path: Path) -> Iterator[str]:
    """A real Dask cluster of two worker processes."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(params=RUNNERS)
def project(request: pytest.FixtureRequest, project: Any) -> Any:
    """The project, run by each runner in turn."""
    project.runner = runner_of(request)
    return project


def runner_of(request: pytest.FixtureRequest) -> Runner:
    if request.param == "local":
        return LocalRunner()
    from engine.flow import PrefectRunner

    request.getfixturevalue("prefect_server")
    return PrefectRunner(request.param, request.getfixturevalue("dask_address") if request.param == "dask" else "")


def graph(workflow_of: Callable[..., Any], **params: Any) -> Any:
    nodes = {name: (kind, {**values, **params.get(name, {})}) for name, (kind, values) in NODES.items()}
    return workflow_of(nodes, LINKS)


def value(project: Any, record: Any, node: str, port: str = "number") -> float:
    return float(project.store.open(record.nodes[node].outputs[port]).json("number.json")["value"])


def node_states(record: Any) -> dict[str, str]:
    return {name: node.state for name, node in record.nodes.items()}


class TestConformance:
    """What every runner does alike."""

    def test_a_graph_runs_and_then_is_cached(self, project: Any, workflow_of: Callable[..., Any]) -> None:
        record = project.run(graph(workflow_of))
        assert record.state == "done"
        assert set(node_states(record).values()) == {"done"}
        assert (value(project, record, "t"), value(project, record, "p", "fraction")) == (-7.5, 0.5)
        assert sorted(project.executed()) == sorted(NODES)
        again = project.run(graph(workflow_of))
        assert set(node_states(again).values()) == {"cached"}
        assert project.executed() == []
        assert {n: r.outputs for n, r in again.nodes.items()} == {n: r.outputs for n, r in record.nodes.items()}

    def test_artifacts_equal_the_local_runners(
        self, project: Any, workflow_of: Callable[..., Any], tmp_path: Any
    ) -> None:
        record = project.run(graph(workflow_of))
        project.runner, home = LocalRunner(), tmp_path / "other"
        local = project.run(graph(workflow_of), home=home)
        assert {n: r.outputs for n, r in local.nodes.items()} == {n: r.outputs for n, r in record.nodes.items()}

    def test_events_come_in_order(self, project: Any, workflow_of: Callable[..., Any]) -> None:
        record = project.run(graph(workflow_of))
        assert (project.events[0].kind, project.events[-1].kind) == ("run_started", "run_finished")
        for name in NODES:
            middle = ["metric"] if NODES[name][0] == "fake.add" else []
            assert project.kinds(name) == ["queued", "started", *middle, "finished"]
        assert read_events(record.folder / EVENTS) == project.events
        places = {(event.kind, event.node): place for place, event in enumerate(project.events)}
        for link in LINKS:
            source, target = link.split(".")[0], link.split("-> ")[1].split(".")[0]
            assert places["finished", source] < places["queued", target]
        project.run(graph(workflow_of))
        assert all(project.kinds(name) == ["cached"] for name in NODES)

    def test_an_equal_result_upstream_stops_there(self, project: Any, workflow_of: Callable[..., Any]) -> None:
        project.run(graph(workflow_of))
        project.executed()
        record = project.run(graph(workflow_of, a={"note": "same value"}))
        assert project.executed() == ["a"]
        assert {name for name, state in node_states(record).items() if state == "done"} == {"a"}
        assert record.nodes["a"].reason == "note  -> same value"

    def test_a_change_runs_what_follows(self, project: Any, workflow_of: Callable[..., Any]) -> None:
        project.run(graph(workflow_of))
        project.executed()
        record = project.run(graph(workflow_of, s={"offset": 2}))
        # the fraction stays 0.5, so its branch is not executed again
        assert sorted(project.executed()) == ["n", "p", "s", "t"]
        assert (record.nodes["s"].reason, record.nodes["n"].reason) == ("offset 1.0 -> 2.0", "input number changed")

    def test_to_runs_only_what_is_needed(self, project: Any, workflow_of: Callable[..., Any]) -> None:
        record = project.run(graph(workflow_of), to="s")
        assert sorted(record.nodes) == ["a", "b", "s"]
        assert record.to == "s"

    def test_force_executes_and_cuts_off(self, project: Any, workflow_of: Callable[..., Any]) -> None:
        project.run(graph(workflow_of))
        project.executed()
        record = project.run(graph(workflow_of), force=frozenset({"s"}))
        assert project.executed() == ["s"]
        assert record.nodes["s"].reason == "forced"

    def test_a_failure_stops_only_what_depends_on_it(self, project: Any, workflow_of: Callable[..., Any]) -> None:
        nodes = {
            "a": ("fake.constant", {}),
            "f": ("fake.fail", {"how": "boom"}),
            "g": ("fake.negate", {}),
            "h": ("fake.negate", {}),
            "n": ("fake.negate", {}),
        }
        links = ("a.number -> f.number", "f.number -> g.number", "g.number -> h.number", "a.number -> n.number")
        record = project.run(workflow_of(nodes, links))
        assert record.state == "failed"
        assert node_states(record) == {"a": "done", "f": "failed", "g": "skipped", "h": "skipped", "n": "done"}
        assert project.kinds("f") == ["queued", "started", "failed"]
        assert project.kinds("h") == ["skipped"]
        assert record.nodes["f"].error.what.startswith("ZeroDivisionError")
        assert "ossicle_fakes.py" in (record.folder / "log.txt").read_text()

    def test_cancel_stops_and_the_next_run_goes_on(self, project: Any, workflow_of: Callable[..., Any]) -> None:
        nodes = {"a": ("fake.constant", {}), "z": ("fake.sleep", {"seconds": 60}), "n": ("fake.negate", {})}
        workflow = workflow_of(nodes, ("a.number -> z.number", "z.number -> n.number"))
        record = cancel_when_asleep(project, workflow, by_file=False)
        assert record.state == "cancelled"
        assert node_states(record) == {"a": "done", "z": "cancelled", "n": "cancelled"}
        assert project.kinds("z")[-1] == "cancelled"
        assert find_run(project.home, "last").state == "cancelled"
        quick = workflow_of({**nodes, "z": ("fake.sleep", {"seconds": 0})}, ("a.number -> z.number",))
        assert node_states(project.run(quick, to="z")) == {"a": "cached", "z": "done"}

    def test_a_file_in_the_run_folder_cancels(self, project: Any, workflow_of: Callable[..., Any]) -> None:
        nodes = {"a": ("fake.constant", {}), "z": ("fake.sleep", {"seconds": 60})}
        record = cancel_when_asleep(project, workflow_of(nodes, ("a.number -> z.number",)), by_file=True)
        assert record.state == "cancelled"

    def test_a_damaged_artifact_is_made_anew_in_the_same_run(
        self, project: Any, workflow_of: Callable[..., Any]
    ) -> None:
        record = project.run(graph(workflow_of))
        flip(record.artifacts("s")["number"] / "number.json")
        flip(record.artifacts("a")["number"] / "number.json")
        project.executed()
        again = project.run(graph(workflow_of), force=frozenset({"p"}))
        assert again.state == "done"
        assert sorted(project.executed()) == ["a", "p", "s"]
        assert project.kinds("s")[:3] == ["cached", "log", "queued"]
        assert project.store.verify() == ()
        assert {n: r.outputs for n, r in again.nodes.items()} == {n: r.outputs for n, r in record.nodes.items()}

    def test_nodes_with_a_process_of_their_own(self, project: Any, workflow_of: Callable[..., Any]) -> None:
        nodes = {"a": ("fake.constant", {}), "z": ("fake.sleep_apart", {"seconds": 0.01}), "c": ("fake.crash", {})}
        record = project.run(workflow_of(nodes, ("a.number -> z.number", "a.number -> c.number")))
        assert node_states(record) == {"a": "done", "z": "done", "c": "failed"}
        assert (project.kinds("z")[0], project.kinds("z")[-1]) == ("queued", "finished")


def cancel_when_asleep(project: Any, workflow: Any, by_file: bool) -> Any:
    """Run, and ask for the end as soon as node z sleeps."""
    cancel = threading.Event()

    def watch() -> None:
        while not (project.base / "z.sleeping").exists():
            time.sleep(0.005)
        (project.home / "runs" / "given" / "cancel").touch() if by_file else cancel.set()

    thread = threading.Thread(target=watch)
    thread.start()
    record = project.run(workflow, cancel, run_id="given")
    thread.join()
    return record


def flip(path: Any) -> None:
    raw = bytearray(path.read_bytes())
    raw[-2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(raw))


def test_bypassed_and_muted_nodes(project: Any, workflow_of: Callable[..., Any]) -> None:
    workflow = graph(workflow_of)
    modes = {"n": "bypassed", "m": "muted"}
    nodes = {name: node.model_copy(update={"mode": modes.get(name, "active")}) for name, node in workflow.nodes.items()}
    record = project.run(workflow.model_copy(update={"nodes": nodes}))
    assert sorted(record.nodes) == ["a", "b", "p", "s", "t"]
    assert value(project, record, "t") == 7.0


def test_problems_are_told_and_nothing_is_written(project: Any, workflow_of: Callable[..., Any]) -> None:
    with pytest.raises(InvalidError):
        project.run(workflow_of({"n": ("fake.negate", {})}))
    assert not project.home.exists()


def test_a_fingerprint_that_fails_fails_its_node(project: Any, workflow_of: Callable[..., Any]) -> None:
    record = project.run(workflow_of({"r": ("fake.read", {}), "a": ("fake.constant", {})}))
    assert node_states(record) == {"r": "failed", "a": "done"}
    assert record.nodes["r"].error.what == "text.txt does not exist"
    assert project.kinds("r") == ["failed"]


def test_a_disk_that_keeps_damaging_is_given_up(project: Any, workflow_of: Callable[..., Any]) -> None:
    """A sink that flips a byte of every artifact of `a` as soon as it is there."""
    workflow = workflow_of({"a": ("fake.constant", {}), "n": ("fake.negate", {})}, ("a.number -> n.number",))
    record = project.run(workflow, to="a")
    path = record.artifacts("a")["number"] / "number.json"
    append = project.events.append

    def spoil(event: Event) -> None:
        append(event)
        if event.node == "a" and event.kind in ("finished", "cached"):
            flip(path)

    request = Request(workflow, project.base, registry=project.registry)
    record = project.runner.run(request, spoil, threading.Event())
    assert node_states(record) == {"a": "done", "n": "failed"}
    assert "was damaged 4 times" in record.nodes["n"].error.what


def test_reports_come_after_the_record_and_may_fail(project: Any, workflow_of: Callable[..., Any]) -> None:
    seen: list[Any] = []

    def broken(record: Any) -> None:
        seen.append(find_run(project.home, record.id).state)
        raise RuntimeError("no ink")

    record = project.run(workflow_of({"a": ("fake.constant", {})}), after=(broken, seen.append))
    assert seen == ["done", record]
    assert [event.kind for event in project.events[-2:]] == ["log", "run_finished"]
    assert "no ink" in str(project.events[-2].values["text"])


@pytest.mark.parametrize("heard", range(1, 12))
def test_a_listener_that_goes_away_ends_the_run(project: Any, workflow_of: Callable[..., Any], heard: int) -> None:
    """Whichever event it is that cannot be told, and in whichever thread: an end, and no hanging."""
    seen: list[Event] = []

    def listen(event: Event) -> None:
        seen.append(event)
        if len(seen) > heard:
            raise BrokenPipeError("gone")

    request = Request(graph(workflow_of), project.base, registry=project.registry)
    with pytest.raises(BrokenPipeError):
        project.runner.run(request, listen, threading.Event())
    assert find_run(project.home, "last").state in ("interrupted", "failed")
    assert project.store.verify() == ()
    assert project.run(graph(workflow_of)).state == "done"


def test_run_ids(project: Any, workflow_of: Callable[..., Any]) -> None:
    workflow = workflow_of({"a": ("fake.constant", {})}, name="Große Probe 1")
    names = [project.run(workflow).id for _ in range(3)]
    assert len(set(names)) == 3 and all("gro-e-probe-1" in name for name in names)
    assert project.run(workflow, run_id="mine").id == "mine"
    with pytest.raises(OssicleError, match="mine already"):
        project.run(workflow, run_id="mine")


def test_threads_are_shared_between_nodes_at_once(project: Any, workflow_of: Callable[..., Any]) -> None:
    from engine.environment import cores

    nodes = {f"a{number}": ("fake.constant", {"value": number}) for number in range(4)}
    project.run(workflow_of(nodes), workers=2)
    threads = [event.values["threads"] for event in project.events if event.kind == "started"]
    assert all(count == max(1, cores() // 2) for count in threads[:3])
    project.run(workflow_of({"b": ("fake.constant", {"value": 9})}), workers=2)
    assert [event.values["threads"] for event in project.events if event.kind == "started"] == [cores()]


def test_two_runs_at_once_share_the_work(project: Any, workflow_of: Callable[..., Any]) -> None:
    nodes = {"a": ("fake.constant", {}), **{f"z{n}": ("fake.sleep", {"seconds": 0.05 + n / 1e4}) for n in range(4)}}
    workflow = workflow_of(nodes, tuple(f"a.number -> z{n}.number" for n in range(4)))
    records: list[Any] = []
    runs = [threading.Thread(target=lambda: records.append(project.run(workflow))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [record.state for record in records] == ["done", "done"]
    assert sorted(project.executed()) == sorted(nodes)
    pairs = itertools.chain.from_iterable(record.nodes.values() for record in records)
    assert sorted(node.state for node in pairs) == ["cached"] * 5 + ["done"] * 5
