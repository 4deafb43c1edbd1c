"""Shared fixtures: a tiny registry of fake nodes, a project folder, and short ways to build and run workflows."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.event import Event
from engine.execute import installed
from engine.record import RunRecord
from engine.registry import Registry, specs_of
from engine.runner import LocalRunner, Request, Runner
from engine.runs import home_of
from engine.store import Store
from engine.sweep import SweepRequest, run_sweep
from engine.sweep_record import SweepRecord
from engine.workflow import Workflow, parse

FAKES = Path(__file__).parent / "fakes"


@pytest.fixture(scope="session")
def fakes_path() -> Iterator[Path]:
    """Put the fake plugin on the path of this process and of its children, as if it were installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FAKES))
        patch.setenv("PYTHONPATH", str(FAKES), prepend=":")
        yield FAKES


@pytest.fixture(scope="session")
def fakes(fakes_path: Path) -> Registry:
    """The fake node types."""
    module = importlib.import_module("ossicle_fakes")
    assert sys.modules["ossicle_fakes"] is module
    return Registry({spec.id: spec for spec in specs_of(module)})


def make_workflow(nodes: Mapping[str, Any], links: tuple[str, ...] = (), name: str = "test") -> Workflow:
    """A workflow from {"a": ("fake.constant", {"value": 1})} and ("a.number -> b.numbers",)."""
    entries = {key: {"type": value[0], "params": value[1]} for key, value in nodes.items()}
    return parse({"format": 1, "name": name, "nodes": entries, "links": list(links)})


@dataclass
class Project:
    """A folder with a workflow; every run's events are kept in `events`."""

    base: Path
    registry: Registry
    runner: Runner = field(default_factory=LocalRunner)
    events: list[Event] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return home_of(self.base)

    @property
    def store(self) -> Store:
        """A store that has digested nothing yet."""
        return Store(self.home / "store")

    def run(self, workflow: Workflow, cancel: threading.Event | None = None, **options: Any) -> RunRecord:
        self.events = []
        request = Request(workflow, self.base, registry=self.registry, **options)
        return self.runner.run(request, self.events.append, cancel or threading.Event())

    def executed(self) -> list[str]:
        """Nodes executed since the last call, in order."""
        path = self.base / "executed.txt"
        names = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return names

    def kinds(self, node: str) -> list[str]:
        """Kinds of a node's events, in order."""
        return [event.kind for event in self.events if event.node == node]


@pytest.fixture
def project(tmp_path: Path, fakes: Registry, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project."""
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    return Project(tmp_path, fakes)


@pytest.fixture(scope="session")
def workflow_of() -> Callable[..., Workflow]:
    """`make_workflow`, for test modules (which cannot import this one)."""
    return make_workflow


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real Prefect server of the test session's own; its home folder."""
    from engine import server

    home = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OSSICLE_SERVER_HOME", str(home))
        server.ensure()
        yield home
        server.stop()


# ---- sweeps


def scored_workflow(**variables: Any) -> Workflow:
    """One node that tells seed and fold."""
    params = {"seed": "{seed}", "fold": "{fold}", "fail_at": "{fail_at}"}
    return parse(
        {
            "name": "Scored",
            "variables": {"seed": 0, "fold": 1, "fail_at": -1, "spare": 0, **variables},
            "nodes": {"score-1": {"type": "fake.score", "params": params}},
        }
    )


def counted_workflow(steps: Any = 20) -> Workflow:
    """Features that all points share ("a"), then something that every point does by itself ("r")."""
    nodes = {
        "a": {"type": "fake.constant", "params": {"value": 3}},
        "n": {"type": "fake.negate"},
        "r": {"type": "fake.resume", "params": {"steps": "{steps}"}},
        "z": {"type": "fake.add", "params": {"offset": 1}},
    }
    links = ["a.number -> n.number", "n.number -> z.numbers", "r.number -> z.numbers"]
    return parse({"name": "counted", "variables": {"steps": steps}, "nodes": nodes, "links": links})


@pytest.fixture(scope="session")
def scored() -> Callable[..., Workflow]:
    """`scored_workflow`, for test modules."""
    return scored_workflow


@pytest.fixture(scope="session")
def counted() -> Callable[..., Workflow]:
    """`counted_workflow`, for test modules."""
    return counted_workflow


@dataclass
class Sweeps:
    """Runs sweeps of a project in this process; the events of the last one are kept."""

    project: Project
    events: list[Event] = field(default_factory=list)

    def __call__(
        self,
        workflow: Workflow,
        over: Any,
        cancel: threading.Event | None = None,
        hear: Callable[[Event], None] | None = None,
        **options: Any,
    ) -> SweepRecord:
        self.events = []

        def sink(event: Event) -> None:
            self.events.append(event)
            if hear is not None:
                hear(event)

        request = SweepRequest(workflow, self.project.base, over, registry=self.project.registry, **options)
        return run_sweep(request, LocalRunner(), sink, cancel or threading.Event())


@pytest.fixture
def sweep(project: Project) -> Sweeps:
    """Runs sweeps of an empty project."""
    return Sweeps(project)


@pytest.fixture
def fakes_installed(fakes_path: Path) -> Iterator[None]:
    """The fake nodes as an installed plugin, here and in child processes."""
    installed.cache_clear()
    yield
    installed.cache_clear()
