"""For tests of the panels: a project folder with several real runs, and a session without a runner."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication

from engine.registry import Registry
from engine.runner import LocalRunner, Request
from engine.workflow import Workflow, load, with_values
from studio.model.document import Document
from studio.run.session import Session


@dataclass(frozen=True)
class Project:
    """A project folder: its workflow file and the ids of its runs, the oldest first."""

    file: Path
    workflow: Workflow
    runs: tuple[str, ...]

    @property
    def home(self) -> Path:
        """Its data folder."""
        return self.file.parent / ".ossicle"


@pytest.fixture(scope="session")
def several_runs(small_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small run, the same with fewer epochs, and one whose recordings are missing."""
    folder = tmp_path_factory.mktemp("several") / "project"
    shutil.copytree(small_run.file.parent, folder, symlinks=True)
    file, runs = folder / small_run.file.name, [small_run.record.id]
    for values in ({"train-1.epochs": 2}, {"data": "nowhere"}):
        request = Request(with_values(small_run.workflow, values), folder)
        runs.append(LocalRunner().run(request, lambda _event: None, threading.Event()).id)
    return Project(file, small_run.workflow, tuple(runs))


@pytest.fixture
def project(several_runs: Project, tmp_path: Path) -> Project:
    """A copy of it, to be changed."""
    folder = tmp_path / "project"
    shutil.copytree(several_runs.file.parent, folder, symlinks=True)
    return Project(folder / several_runs.file.name, several_runs.workflow, several_runs.runs)


@pytest.fixture
def opened(dark: QApplication, registry: Registry, project: Project) -> Iterator[Session]:
    """A session of the opened project; no runner is started."""
    document = Document(registry)
    document.show(load(project.file), project.file)
    session = Session(document)
    yield session
    session.close()
