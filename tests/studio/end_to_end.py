"""From an empty canvas to a trained model, by mouse and keyboard alone; then stop, change, run again, undo, save.

test_end_to_end.py runs this file twice, each time in a process of its own, so that no other test's window has the
keyboard: with Qt's own events offscreen, and with a real pointer and keyboard on an X server (OSSICLE_HANDS=real).
OSSICLE_FRAMES=FOLDER keeps a picture of the window after every step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hands import Hands, QtHands, RealHands, pause, spin
from PySide6.QtCore import QPoint, QPointF
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QComboBox, QFileDialog

from engine.registry import load_registry
from engine.workflow import Link, load, to_text
from studio.look import theme
from studio.model.edit import positions
from studio.model.places import WIDTH, port_y
from studio.window import Window

WORDS = ("zero", "one", "two", "three")


@pytest.fixture
def clips(recordings: Path, tmp_path: Path) -> Path:
    """A folder per word with 20 recordings each."""
    folder = tmp_path / "words"
    for digit, word in enumerate(WORDS):
        (folder / word).mkdir(parents=True)
        for path in sorted((recordings / "fsdd" / "recordings").glob(f"{digit}_*.wav"))[:20]:
            (folder / word / path.name).symlink_to(path)
    return folder


@pytest.fixture
def window(qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    """The whole window, its runner without Prefect."""
    monkeypatch.setenv("OSSICLE_RUNNER", "local")
    monkeypatch.setenv("OSSICLE_HOME", str(tmp_path / "data"))
    theme.apply(qapp, "dark")
    made = Window(load_registry())
    made.resize(1400, 900)
    made.show()
    made.open_first(None)
    made.begin()
    made.activateWindow()
    assert spin(made.isActiveWindow, 10), "the window does not get the keyboard"
    yield made
    made.document.note_saved()
    made.close()


class Person:
    """Somebody at the window, and what they have seen."""

    def __init__(self, window: Window, hands: Hands, folder: Path) -> None:
        self.window, self.hands, self.folder = window, hands, folder
        self.frames: list[QImage] = []
        self.view = window.canvas.viewer.viewport()

    def look(self) -> None:
        """Keep a picture of the window."""
        pause(0.1)
        self.frames.append(self.window.grab().toImage())
        self.frames[-1].save(str(self.folder / f"{len(self.frames):02}.png"))

    def point(self, x: float, y: float) -> QPoint:
        """A place of the scene in the view."""
        return self.window.canvas.viewer.mapFromScene(QPointF(x, y))

    def add(self, word: str, node: str, x: float, y: float) -> None:
        """Click on the canvas, tap Space, type, Enter; then drag the box to its place."""
        self.hands.click(self.view, QPoint(self.view.width() // 2, 40))
        self.hands.key(self.view, "Space")
        assert spin(self.window.extras.quick.isVisible, 3), "quick add did not open"
        self.hands.type(self.window.extras.quick.field, word)
        self.hands.key(self.window.extras.quick.field, "Return")
        assert spin(lambda: node in self.window.document.workflow.nodes, 3), f"{node} was not added"
        at = positions(self.window.document.workflow)[node]
        self.hands.drag(self.view, self.point(at[0] + 60, at[1] + 12), self.point(x + 60, y + 12))

    def port(self, node: str, index: int, *, is_output: bool) -> QPoint:
        """A port in the view."""
        x, y = positions(self.window.document.workflow)[node]
        return self.point(x + (WIDTH if is_output else 0), y + port_y(index))

    def link(self, source: str, target: str, index: int, wanted: str) -> None:
        """Drag a wire from the first output to an input."""
        self.hands.drag(self.view, self.port(source, 0, is_output=True), self.port(target, index, is_output=False))
        assert any(str(link) == wanted for link in self.window.document.workflow.links), f"no {wanted}"

    def write(self, node: str, parameter: str, text: str) -> None:
        """Choose a node by a click and type a parameter."""
        x, y = positions(self.window.document.workflow)[node]
        self.hands.click(self.view, self.point(x + 60, y + 12))
        assert spin(lambda: self.window.document.selection.node == node, 3), f"{node} was not selected"
        self.hands.focus(self.window)
        self.window.properties.focus_parameter(node, parameter)
        assert spin(self.has_form, 3), f"{node}.{parameter} did not get the keyboard"
        focus = QApplication.focusWidget()
        assert focus is not None
        if not isinstance(focus, QComboBox):
            self.hands.key(focus, "Ctrl+A")
        self.hands.type(focus, text)
        self.hands.key(focus, "Return")
        found = self.window.document.workflow.nodes[node].params.get(parameter)
        assert str(found) == text, f"{node}.{parameter} is {found!r}, not {text!r}"

    def has_form(self) -> bool:
        """Whether a parameter has the keyboard."""
        focus = QApplication.focusWidget()
        return focus is not None and self.window.properties.isAncestorOf(focus)

    def state(self, node: str) -> str:
        """What the box says."""
        return self.window.session.state(node).state


def build(person: Person, clips: Path) -> None:
    """The keyword graph: five nodes, six wires, three parameters."""
    for word, node, x, y in (
        ("ingest", "ingest-1", -330, -160),
        ("partition", "partition-1", -77, -160),
        ("mfcc", "mfcc-1", 176, -160),
        ("train", "train-1", -77, 33),
        ("benchmark", "benchmark-1", 176, 33),
    ):
        person.add(word, node, x, y)
    person.look()
    person.link("ingest-1", "partition-1", 0, "ingest-1.audio -> partition-1.audio")
    person.link("partition-1", "mfcc-1", 0, "partition-1.audio -> mfcc-1.audio")
    person.link("mfcc-1", "train-1", 0, "mfcc-1.features -> train-1.features")
    person.link("train-1", "benchmark-1", 0, "train-1.model -> benchmark-1.model")
    person.link("mfcc-1", "benchmark-1", 1, "mfcc-1.features -> benchmark-1.features")
    person.write("ingest-1", "source", str(clips))
    person.write("partition-1", "rule", "stratified")
    person.look()


def refuse(person: Person) -> None:
    """A wire that may not be made says why before the button is let go."""
    said: list[str] = []
    feedback = person.window.extras.feedback
    start = person.port("ingest-1", 0, is_output=True)
    end = person.port("benchmark-1", 0, is_output=False)
    person.hands.hold(person.view, start, end, lambda: said.append(feedback.bubble.text))
    assert "Model" in said[0] and "AudioSet" in said[0], said
    assert not any(k.source == "ingest-1" and k.target == "benchmark-1" for k in person.window.document.workflow.links)


def run_and_stop(person: Person) -> None:
    """Run, see curves move, stop in the middle of the training."""
    session = person.window.session
    assert spin(lambda: session.run.runner_state == "warm", 60), session.run
    person.hands.click(person.view, QPoint(person.view.width() // 2, 40))
    person.hands.key(person.view, "R")
    assert spin(lambda: len(session.rows("train-1")) >= 2, 120), (person.state("train-1"), session.run)
    person.look()
    before = len(session.rows("train-1"))
    assert spin(lambda: len(session.rows("train-1")) > before, 60)
    assert person.state("train-1") == "running"
    person.look()
    assert person.frames[-1] != person.frames[-2], "nothing moved"
    person.hands.key(person.view, ".")
    assert spin(lambda: session.run.state == "idle", 60), session.run
    assert person.state("train-1") == "cancelled" and person.state("mfcc-1") in ("done", "cached")


def run_again(person: Person) -> None:
    """A changed parameter: only the changed part is executed."""
    session = person.window.session
    person.write("train-1", "epochs", "2")
    person.hands.click(person.view, QPoint(person.view.width() // 2, 40))
    person.hands.key(person.view, "R")
    assert spin(lambda: person.state("benchmark-1") == "done", 120), (person.state("train-1"), session.run)
    assert spin(lambda: session.run.state == "idle", 30)
    assert [person.state(node) for node in ("ingest-1", "partition-1", "mfcc-1")] == ["cached"] * 3
    assert person.state("train-1") == "done"
    person.look()


def undo_and_save(person: Person, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo everything to the empty canvas, redo everything; save, open again: equal."""
    document = person.window.document
    whole = document.workflow
    for _ in range(200):
        if not document.undo_text:
            break
        person.hands.key(person.view, "Ctrl+Z")
    assert document.workflow.nodes == {} and document.workflow.links == ()
    assert person.window.canvas.to_workflow().nodes == {}
    for _ in range(200):
        if not document.redo_text:
            break
        person.hands.key(person.view, "Ctrl+Shift+Z")
    assert document.workflow == whole == person.window.canvas.to_workflow()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args, **_named: (str(file), ""))
    person.hands.key(person.view, "Ctrl+S")
    assert spin(file.exists, 3)
    assert file.read_text(encoding="utf-8") == to_text(whole)
    assert person.window.files.open(file)
    assert person.window.canvas.to_workflow() == load(file)
    assert to_text(person.window.canvas.to_workflow()) == to_text(whole)
    person.look()


def test_from_an_empty_canvas_to_a_trained_model(
    window: Window, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(os.environ.get("OSSICLE_FRAMES", tmp_path / "frames"))
    folder.mkdir(parents=True, exist_ok=True)
    hands: Hands = RealHands() if os.environ.get("OSSICLE_HANDS") == "real" else QtHands()
    person = Person(window, hands, folder)
    hands.key(window.start, "Ctrl+N")
    assert spin(window.canvas.isVisible, 3)
    pause(0.2)
    build(person, clips)
    assert set(window.document.workflow.links) >= {Link("ingest-1", "audio", "partition-1", "audio")}
    refuse(person)
    run_and_stop(person)
    run_again(person)
    undo_and_save(person, tmp_path / "words.workflow.json", monkeypatch)
