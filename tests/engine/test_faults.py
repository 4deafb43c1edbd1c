"""Kills, full and read-only disks, two runs at once, flipped bytes: a clear error or recovery, nothing lost."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import OssicleError
from engine.runs import find_run, list_runs
from engine.workflow import save

KILLS = 20
NODES = {
    "r": ("fake.read", {}),
    "u": ("fake.upper", {}),
    "c": ("fake.count", {}),
    "n": ("fake.negate", {}),
    "f": ("fake.fill", {"size_bytes": 1 << 18, "pause_s": 0.06}),
    "g": ("fake.fill", {"size_bytes": 1 << 18, "pause_s": 0.04, "seed": 1}),
    "k": ("fake.fill", {"size_bytes": 1 << 16, "pause_s": 0.03, "seed": 2}),
}
LINKS = ("r.text -> u.text", "u.text -> c.text", "c.number -> n.number", "n.number -> g.number", "n.number -> k.number")


def start(project: Any, workflow: Any) -> subprocess.Popen[str]:
    """Run the workflow in a process of its own; returns once the run has begun."""
    path = project.base / "graph.workflow.json"
    save(workflow, path)
    program = Path(sys.modules["ossicle_fakes"].__file__ or "").with_name("run_fakes.py")
    child = subprocess.Popen([sys.executable, "-P", str(program), str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["kind"] == "run_started"
    return child


def outputs(record: Any) -> dict[str, dict[str, str]]:
    return {name: dict(node.outputs) for name, node in record.nodes.items()}


@pytest.fixture
def graph(project: Any, workflow_of: Callable[..., Any]) -> Any:
    (project.base / "text.txt").write_text("Grüße, " * 2000)
    return workflow_of(NODES, LINKS)


@pytest.fixture(scope="module")
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory, fakes: Any, workflow_of: Callable[..., Any]
) -> tuple[Any, int]:
    """The record of a run that nobody disturbs, and how many events it had."""
    base = tmp_path_factory.mktemp("reference")
    (base / "text.txt").write_text("Grüße, " * 2000)
    child = start(SimpleNamespace(base=base), workflow_of(NODES, LINKS))
    lines, _ = child.communicate()
    assert child.returncode == 0
    return find_run(base / ".ossicle", "last"), len(lines.splitlines())


@pytest.mark.parametrize("moment", range(KILLS))
def test_killed_at_any_moment_the_next_run_finishes_the_rest(
    project: Any, graph: Any, uninterrupted: tuple[Any, int], moment: int
) -> None:
    """The moment: a random number of events, and up to 8 ms more."""
    reference, events = uninterrupted
    dice = random.Random(moment)
    child = start(project, graph)
    assert child.stdout is not None
    for _ in range(dice.randrange(events)):
        child.stdout.readline()
    time.sleep(dice.uniform(0, 0.008))
    child.kill()
    child.communicate()
    finished = {name for name, node in reference.nodes.items() if project.store.find(node.recipe.key) is not None}
    project.executed()
    assert project.store.verify() == ()
    record = project.run(graph)
    assert record.state == "done"
    assert set(project.executed()) == set(NODES) - finished
    assert outputs(record) == outputs(reference)
    assert project.store.verify() == ()
    assert not list((project.store.root / "tmp").glob("?" * 64)), "work of the killed run is cleaned up"


def test_a_killed_run_is_called_interrupted_and_shows_what_it_did(project: Any, graph: Any) -> None:
    child = start(project, graph)
    assert child.stdout is not None
    for line in child.stdout:
        if json.loads(line)["kind"] == "finished":
            break
    child.kill()
    child.communicate()
    record = find_run(project.home, "last")
    assert record.state == "interrupted"
    assert "done" in {node.state for node in record.nodes.values()}
    project.run(graph)
    assert [found.state for found in list_runs(project.home)] == ["done", "interrupted"]


def test_a_killed_node_goes_on_from_its_checkpoint(project: Any, workflow_of: Callable[..., Any]) -> None:
    workflow = workflow_of({"t": ("fake.resume", {})})
    child = start(project, workflow)
    assert child.stdout is not None
    for line in child.stdout:
        if json.loads(line)["values"].get("fraction", 0) > 0.3:
            break
    child.kill()
    child.communicate()
    record = project.run(workflow)
    (text,) = [str(event.values["text"]) for event in project.events if event.kind == "log"]
    assert int(text.removeprefix("from step ")) > 30
    assert project.store.open(record.nodes["t"].outputs["number"]).json("number.json") == {"value": 100}
    assert list((project.store.root / "scratch").iterdir()) == []


def test_two_processes_at_once_compute_each_node_once(project: Any, graph: Any) -> None:
    children = [start(project, graph) for _ in range(2)]
    kinds = [[json.loads(line)["kind"] for line in (child.stdout or ())] for child in children]
    assert [child.wait() for child in children] == [0, 0]
    assert sorted(project.executed()) == sorted(NODES)
    assert sum(events.count("finished") for events in kinds) == len(NODES)
    assert sum(events.count("cached") for events in kinds) == len(NODES)
    first, second = list_runs(project.home)
    assert outputs(first) == outputs(second)


def test_the_survivor_takes_over_from_a_killed_process(project: Any, graph: Any) -> None:
    first = start(project, graph)
    while not (project.base / "executed.txt").exists():
        time.sleep(0.002)
    second = start(project, graph)
    first.kill()
    first.communicate()
    second.communicate()
    assert second.returncode == 0
    assert project.store.verify() == ()


@pytest.mark.parametrize("hears", [True, False], ids=["hears", "deaf"])
def test_a_node_in_its_own_process_ends_with_its_runner(
    project: Any, workflow_of: Callable[..., Any], hears: bool
) -> None:
    nodes = {"a": ("fake.constant", {}), "z": ("fake.sleep_apart", {"seconds": 60, "hears": hears})}
    child = start(project, workflow_of(nodes, ("a.number -> z.number",)))
    while not (project.base / "z.sleeping").exists():
        time.sleep(0.005)
    process = Path("/proc", (project.base / "pid").read_text())
    assert process.exists()
    child.kill()
    child.communicate()
    wait_until(lambda: not process.exists())
    assert project.store.verify() == ()
    assert [result.recipe.type for result in project.store.results()] == ["fake.constant"]


def wait_until(is_true: Callable[[], bool], seconds: float = 30) -> None:
    end_s = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end_s
        time.sleep(0.01)


# ---- disks


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Mounts (or remounts) a small disk of its own as OSSICLE_HOME."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def mount(options: str) -> Path:
        nonlocal mounted
        again = "remount," * mounted
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode and not mounted:
            pytest.skip(f"this test mounts a small disk, which is not allowed here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        mounted = True
        monkeypatch.setenv("OSSICLE_HOME", str(folder))
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_the_next_run_goes_on(
    project: Any, workflow_of: Callable[..., Any], disk: Callable[..., Path]
) -> None:
    disk("size=2m")
    nodes = {"a": ("fake.constant", {}), "f": ("fake.fill", {"size_bytes": 1 << 23}), "n": ("fake.count", {})}
    workflow = workflow_of({**nodes, "n": ("fake.negate", {})}, ("a.number -> f.number", "a.number -> n.number"))
    record = project.run(workflow, workers=1)  # while f fills the disk, n would find no room either
    assert {name: node.state for name, node in record.nodes.items()} == {"a": "done", "n": "done", "f": "failed"}
    error = record.nodes["f"].error
    assert "is full" in error.what and "ossicle store gc" in error.remedy and not error.is_unexpected
    assert project.store.verify() == ()
    assert list((project.store.root / "tmp").iterdir()) == [], "what could not be finished takes no space"
    disk("size=64m")
    again = project.run(workflow)
    assert {name: node.state for name, node in again.nodes.items()} == {"a": "cached", "n": "cached", "f": "done"}


@pytest.mark.parametrize("free_pages", [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32])
def test_whatever_write_meets_the_full_disk_nothing_is_lost(
    project: Any, workflow_of: Callable[..., Any], disk: Callable[..., Path], free_pages: int
) -> None:
    folder = disk("size=4m")
    workflow = workflow_of(
        {"a": ("fake.constant", {}), "n": ("fake.negate", {}), "s": ("fake.add", {})},
        ("a.number -> n.number", "n.number -> s.numbers"),
    )
    ballast = folder / "ballast"
    page = os.sysconf("SC_PAGE_SIZE")
    ballast.write_bytes(bytes(shutil.disk_usage(folder).free - free_pages * page))
    try:
        record = project.run(workflow)
    except OssicleError as error:
        assert "is full" in error.what
    else:
        errors = [node.error for node in record.nodes.values() if node.error is not None]
        assert (record.state == "done") == (not errors)
        assert all("is full" in error.what for error in errors)
    ballast.unlink()
    assert project.store.verify() == ()
    assert project.run(workflow).state == "done"
    assert project.store.verify() == ()


def test_a_read_only_project_is_told(project: Any, graph: Any, disk: Callable[..., Path]) -> None:
    folder = disk("size=8m")
    disk("ro")
    with pytest.raises(OssicleError, match=r"cannot be written \(Read-only file system\)") as caught:
        project.run(graph)
    assert str(folder) in caught.value.what + caught.value.expected
    assert "OSSICLE_HOME" in caught.value.remedy


def test_a_read_only_store_serves_what_it_has(
    project: Any, workflow_of: Callable[..., Any], disk: Callable[..., Path], tmp_path: Path
) -> None:
    """The store alone is read-only; run folders lie beside it on a disk that can be written."""
    folder = disk("size=8m")
    workflow = workflow_of({"a": ("fake.constant", {})})
    project.run(workflow)
    home = tmp_path / "home"
    home.mkdir()
    (home / "store").symlink_to(folder / "store")
    disk("ro")
    assert project.run(workflow, home=home).nodes["a"].state == "cached"
    other = project.run(workflow_of({"b": ("fake.constant", {"value": 7})}), home=home)
    assert other.state == "failed"
    assert "Read-only file system" in other.nodes["b"].error.what
    assert not other.nodes["b"].error.is_unexpected


# ---- damage


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(raw))


def test_a_flipped_byte_in_a_shared_file_heals_every_artifact_that_has_it(project: Any, graph: Any) -> None:
    record = project.run(graph)
    shared = record.artifacts("r")["text"] / "text.txt"
    assert shared.samefile(record.artifacts("u")["text"] / "source.txt")
    flip(shared)
    assert len(project.store.verify()) == 2
    project.executed()
    again = project.run(graph, force=frozenset({"c"}))
    assert again.state == "done"
    assert project.executed() == ["r", "u", "c"]
    assert outputs(again) == outputs(record)
    assert project.store.verify() == ()
    told = [str(event.values["text"]) for event in project.events if event.kind == "log"]
    assert len(told) == 2 and all("making it anew" in text for text in told)


def test_repair_evicts_and_the_next_run_makes_anew(project: Any, graph: Any) -> None:
    record = project.run(graph)
    flip(record.artifacts("n")["number"] / "number.json")
    assert [damage.what for damage in project.store.verify(repair=True)] == ["number.json differs from its digest"]
    project.executed()
    again = project.run(graph)
    assert project.executed() == ["n"]
    assert outputs(again) == outputs(record)
