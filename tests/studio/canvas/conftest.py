"""For tests of the canvas and what is around it: a canvas on screen with the keyword graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.errors import OssicleError
from engine.resource import project
from engine.workflow import load
from studio.canvas.canvas import Canvas
from studio.canvas.ends import PortEnd
from studio.canvas.extras import Extras, attach
from studio.commands import Command
from studio.model.document import Document

PLACES = {
    "ingest-1": (0, 0), "partition-1": (260, 0), "mfcc-1": (520, 0), "train-1": (780, 0), "quantize-1": (1040, 0),
    "benchmark-1": (1040, 180), "benchmark-2": (1300, 0), "deploy-1": (1300, 180),
}  # fmt: skip
"""Where the nodes stand, so that tests do not depend on how the project is laid out."""


@dataclass
class Bench:
    """A canvas with everything around it, its commands as real shortcuts, and what they told."""

    canvas: Canvas
    extras: Extras
    errors: list[OssicleError]

    @property
    def document(self) -> Document:
        """The canvas's document."""
        return self.canvas.document

    def key(self, key: Qt.Key, held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key on the canvas."""
        QTest.keyClick(self.canvas.viewer, key, held)

    def pixel(self, at: QPointF) -> QPoint:
        """A point of the scene in the viewport."""
        return self.canvas.viewer.mapFromScene(at)

    def port(self, node: str, port: str, *, is_output: bool) -> QPointF:
        """Middle of a port in the scene."""
        found = self.canvas.graph.port(PortEnd(node, port, is_output))
        assert found is not None
        return found.middle()

    def press(self, at: QPointF, *ways: QPointF, release: bool = True) -> None:
        """Press at a point of the scene, move along points, let go."""
        viewport = self.canvas.viewer.viewport()
        QTest.mouseMove(viewport, self.pixel(at))
        QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=self.pixel(at))
        for way in ways:
            QTest.mouseMove(viewport, self.pixel(way))
        if release:
            QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=self.pixel(ways[-1] if ways else at))

    def run(self, command: Command) -> None:
        """Run a command as the window does: only if it may be, errors told."""
        if not command.enabled():
            return
        try:
            command.run()
        except OssicleError as error:
            self.errors.append(error)

    def command(self, id: str) -> None:
        """Run a command by its id."""
        self.run(next(command for command in self.commands() if command.id == id))

    def commands(self) -> list[Command]:
        """Every command of the canvas and its surroundings."""
        return [*self.canvas.commands(), *self.extras.commands()]


def _bind(bench: Bench) -> None:
    for command in bench.commands():
        action = QAction(command.title, bench.canvas)
        action.setShortcuts([QKeySequence(text) for text in command.shortcuts])
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(lambda _checked=False, command=command: bench.run(command))
        bench.canvas.addAction(action)


@pytest.fixture
def bench(qtbot: QtBot, dark: object, document: Document) -> Iterator[Bench]:
    """The keyword graph on a canvas at 100 %, with the focus."""
    workflow = load(project("keyword_spotting.workflow.json"))
    layout = {"positions": {name: [float(x), float(y)] for name, (x, y) in PLACES.items()}}
    document.show(workflow.model_copy(update={"layout": layout}))
    yield from _bench(qtbot, document)


@pytest.fixture
def empty(qtbot: QtBot, dark: object, document: Document) -> Iterator[Bench]:
    """An empty canvas."""
    yield from _bench(qtbot, document)


def _bench(qtbot: QtBot, document: Document) -> Iterator[Bench]:
    canvas = Canvas(document)
    qtbot.addWidget(canvas)
    canvas.resize(1400, 800)
    extras = attach(canvas)
    made = Bench(canvas, extras, [])
    extras.failed.connect(made.errors.append)
    _bind(made)
    with qtbot.waitActive(canvas):
        canvas.show()
        canvas.activateWindow()
    canvas.finish()
    canvas.viewer.setFocus()
    yield made
    extras.marks.finish()
