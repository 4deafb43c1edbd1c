"""Running from the window in tests: one warm runner per module without Prefect, the small project, waiting."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from engine.registry import Registry, load_registry, specs_of
from engine.workflow import Workflow, parse, save
from studio.model.document import Document
from studio.run.child import Child
from studio.run.session import Session

FAKES = Path(__file__).parents[2] / "engine" / "fakes"


@pytest.fixture(scope="session", autouse=True)
def alone() -> Iterator[None]:
    """Runners of these tests touch no Prefect and know the fake node types."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OSSICLE_RUNNER", "local")
        patch.delenv("OSSICLE_HOME", raising=False)
        patch.syspath_prepend(str(FAKES))
        patch.setenv("PYTHONPATH", str(FAKES), prepend=":")
        yield


@pytest.fixture(scope="session")
def both(alone: None) -> Registry:
    """Installed and fake node types."""
    module = importlib.import_module("ossicle_fakes")
    assert sys.modules["ossicle_fakes"] is module
    return Registry({**load_registry().specs, **{spec.id: spec for spec in specs_of(module)}})


class Heard(QObject):
    """What a session told."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.notices: list[Any] = []
        self.log: list[Any] = []
        self.states: list[frozenset[str]] = []
        self.metrics: list[frozenset[str]] = []
        session.told.connect(self.notices.append)
        session.logged.connect(self.log.extend)
        session.states_changed.connect(self.states.append)
        session.metrics_changed.connect(self.metrics.append)


@pytest.fixture(scope="module")
def child(qapp: QApplication, alone: None) -> Iterator[Child]:
    """One warm runner for a module."""
    child = Child()
    child.start()
    yield child
    child.close()


@pytest.fixture
def make_session(qapp: QApplication, both: Registry) -> Iterator[Callable[..., Session]]:
    """Makes sessions and closes what is theirs alone."""
    made: list[Session] = []

    def make(child: Child, workflow: Workflow | None = None, path: Path | None = None) -> Session:
        document = Document(both)
        if workflow is not None and path is not None:
            save(workflow, path)
        if path is not None:
            document.open(path)
        session = Session(document, child=child)
        session.heard = Heard(session)  # type: ignore[attr-defined]
        made.append(session)
        return session

    yield make
    for session in made:
        for timer in session.findChildren(QTimer):
            timer.stop()
        if session.is_active:
            session.child.kill()
        session.child.heard.disconnect(session._hear)
        session.child.died.disconnect(session._died)
        session.child.state_changed.disconnect(session._child_changed)
        session._planner.stop()
        session._background.wait()


@pytest.fixture
def flow() -> Callable[..., Workflow]:
    """A workflow from {"a": ("fake.constant", {})} and ("a.number -> z.number",)."""

    def make(nodes: dict[str, Any], links: tuple[str, ...] = (), name: str = "test") -> Workflow:
        entries = {key: {"type": value[0], "params": value[1]} for key, value in nodes.items()}
        return parse({"format": 1, "name": name, "nodes": entries, "links": list(links)})

    return make
