"""For tests of the window: real node types, a document, and one small real run of the keyword graph."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from engine.artifact import Artifact, load
from engine.record import RunRecord
from engine.registry import Registry, load_registry
from engine.resource import project
from engine.runner import LocalRunner, Request
from engine.workflow import Workflow, to_text, with_values
from engine.workflow import load as load_workflow
from studio.look import theme
from studio.model.document import Document

NAMES = "(?P<label>[0-9])_(?P<speaker>[a-z]+)_[0-9]+"


@pytest.fixture(scope="session")
def registry() -> Registry:
    """Every installed node type."""
    return load_registry()


@pytest.fixture(scope="session", autouse=True)
def older_objects_are_left_alone() -> None:
    """What other tests have loaded is not looked through after every test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def collected_between_tests() -> Iterator[None]:
    """As in the window: no collection in the middle of a paint or in a thread, where Qt's objects must not die."""
    gc.disable()
    yield
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    gc.enable()


@pytest.fixture(autouse=True)
def shared_colours_stay_as_they_are() -> Iterator[None]:
    """Whoever changes a colour that the theme hands out changes it for everybody; the test that did it fails."""
    yield
    for token in theme.table.TOKENS:
        assert theme.colour(token).alphaF() == 1.0, f"the colour {token} was changed: ask for it with its alpha"


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, recent files and journals of a test stay in its own folder."""
    monkeypatch.setenv("OSSICLE_SETTINGS", str(tmp_path / "settings"))


@pytest.fixture
def dark(qapp: QApplication) -> QApplication:
    """The application, dark."""
    theme.apply(qapp, "dark")
    return qapp


@pytest.fixture
def document(qapp: QApplication, registry: Registry) -> Document:
    """An empty document."""
    return Document(registry)


@dataclass(frozen=True)
class SmallRun:
    """A finished run of a small graph: its file, its record, its artifacts by "node.port"."""

    file: Path
    workflow: Workflow
    record: RunRecord
    artifacts: dict[str, Artifact]


def small_workflow(recordings: Path, folder: Path) -> Path:
    """The spoken digits project on 60 recordings (6 speakers), trained for a moment; its file."""
    clips = folder / "digits"
    clips.mkdir()
    for path in sorted((recordings / "fsdd" / "recordings").glob("*_[01].wav")):
        if path.name[0] in "0123":
            (clips / path.name).symlink_to(path)
    values = {"data": str(clips), "train-1.architecture": "seed_cnn", "train-1.epochs": 3}
    small = with_values(load_workflow(project("spoken_digits.workflow.json")), values)
    file = folder / "digits.workflow.json"
    file.write_text(to_text(small), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def make_small(recordings: Path) -> Callable[[Path], Path]:
    """Writes the small workflow and its recordings into a folder; the file."""
    return lambda folder: small_workflow(recordings, folder)


@pytest.fixture(scope="session")
def small_run(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """The small workflow, run once per session."""
    folder = tmp_path_factory.mktemp("small")
    file = small_workflow(recordings, folder)
    workflow = load_workflow(file)
    record = LocalRunner().run(Request(workflow, folder), lambda _event: None, threading.Event())
    assert record.state == "done", json.dumps(record.to_json(), indent=1)
    artifacts = {f"{node}.{port}": load(path) for node in record.nodes for port, path in record.artifacts(node).items()}
    return SmallRun(file, workflow, record, artifacts)
