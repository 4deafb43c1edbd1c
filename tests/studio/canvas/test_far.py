"""From afar: the same graph in batches. What is done there is done to the items too, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QGraphicsItem
from pytestqt.qtbot import QtBot

from engine.registry import Registry
from engine.theme import STATES, TOKENS
from studio.bench_editor import graph, step
from studio.canvas import far, ink
from studio.canvas.canvas import Canvas
from studio.look import theme
from studio.look.theme import colour, state_colour
from studio.model import edit
from studio.model.document import Document
from studio.run.state import NodeState

NO_CONTENTS = QGraphicsItem.GraphicsItemFlag.ItemHasNoContents


@pytest.fixture
def document(dark: Any) -> Document:
    return Document(Registry({step.id: step}))


@pytest.fixture
def canvas(document: Document, qtbot: QtBot) -> Canvas:
    made = Canvas(document)
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    document.show(graph(400))
    return made


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine so slow that a slice of time makes one item."""
    monkeypatch.setattr("studio.canvas.canvas.SLICE_S", 0.0)


def pixel(canvas: Canvas, at: QPointF) -> QColor:
    return canvas.viewer.grab().toImage().pixelColor(canvas.viewer.to_view(at).toPoint())


def test_a_large_graph_is_seen_from_afar_before_its_items_are_made(
    slow: None, canvas: Canvas, document: Document
) -> None:
    assert canvas.is_far and len(canvas.graph.boxes) < 400
    spot = canvas.far.spots["n-399"]
    assert pixel(canvas, spot.stripe.center() + QPointF(0, 1)) != colour("canvas")
    canvas.finish()
    assert len(canvas.graph.boxes) == 400 and len(canvas.graph.wires) == len(document.workflow.links)
    assert canvas.to_workflow() == document.workflow


def test_items_are_made_in_the_background(canvas: Canvas, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: len(canvas.graph.boxes) == 400 and canvas._building is None)
    assert not canvas._timer.isActive()


def test_near_what_the_window_shows_is_made_first(slow: None, canvas: Canvas, document: Document) -> None:
    canvas.viewer.look(QPointF(252 * 15 - 20, 144 * 15 - 20), 1.0)
    canvas.show_workflow(document.workflow, fit=False)
    seen = canvas.boxes_in(canvas.viewer.seen())
    assert not canvas.is_far and len(seen) >= 20 and set(canvas.graph.boxes) == seen
    inner = {link for link in document.workflow.links if link.source in seen and link.target in seen}
    assert inner and set(canvas.graph.wires) == inner
    assert canvas.to_workflow() == document.workflow


def test_items_from_afar_have_no_contents_and_near_they_have(canvas: Canvas) -> None:
    canvas.finish()
    items = [*canvas.graph.boxes.values(), *canvas.graph.wires.values()]
    assert all(item.flags() & NO_CONTENTS and item.isVisible() for item in items)
    canvas.zoom = 1.0
    assert not canvas.is_far and not any(item.flags() & NO_CONTENTS for item in items)
    canvas.set_far(True)
    assert canvas.is_far and all(item.flags() & NO_CONTENTS for item in items)
    canvas.set_far(None)
    assert not canvas.is_far


def test_items_made_by_an_edit_from_afar_have_no_contents_either(canvas: Canvas, document: Document) -> None:
    canvas.finish()
    document.edit("Add", lambda workflow: edit.add_node(workflow, step, (0, -300))[0])
    assert canvas.graph.boxes["step-1"].flags() & NO_CONTENTS and "step-1" in canvas.far.spots


def test_a_drag_from_afar_moves_box_and_wires_and_loses_none(canvas: Canvas, document: Document) -> None:
    canvas.finish()
    view, count = canvas.viewer.viewport(), len(canvas.graph.wires)
    start = canvas.viewer.to_view(canvas.far.spots["n-210"].area.center()).toPoint()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
    for step_px in (10, 40, 90):
        QTest.mouseMove(view, start + QPointF(step_px, 30).toPoint())
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=start + QPointF(90, 30).toPoint())
    box, spot = canvas.graph.boxes["n-210"], canvas.far.spots["n-210"]
    assert spot.area == box.outline() and spot.area.x() > 252 * 10
    assert len(canvas.graph.wires) == count and all(wire.isVisible() for wire in canvas.graph.wires.values())
    for link, (_kind, line) in canvas.far.lines.items():
        wire = canvas.graph.wires[link]
        assert (line.p1(), line.p2()) == (wire.source.middle(), wire.target.middle())
    assert document.undo_text == "Move n-210" and canvas.to_workflow() == document.workflow
    document.undo()
    assert canvas.far.spots["n-210"].area == canvas.graph.boxes["n-210"].outline()


def test_states_colour_the_boxes(canvas: Canvas) -> None:
    canvas.finish()
    canvas.viewer.look(QPointF(-20, -20), 0.3)
    canvas.set_states({"n-0": NodeState("failed"), "n-1": NodeState("running", 0.5)})
    for name, state in (("n-0", "failed"), ("n-1", "running")):
        corner = canvas.far.spots[name].area.bottomLeft() + QPointF(8, -12)
        assert pixel(canvas, corner) == ink.mixed(state_colour(state), colour("panel"), far.TINT)
    canvas.document.select(["n-0"])
    assert pixel(canvas, canvas.far.spots["n-0"].area.bottomLeft() + QPointF(30, 0)) == colour("accent")


def test_tiny_boxes_are_plain_but_still_coloured(canvas: Canvas) -> None:
    canvas.finish()
    canvas.viewer.look(QPointF(0, 0), 0.07)
    canvas.set_states({"n-0": NodeState("failed")})
    assert pixel(canvas, canvas.far.spots["n-0"].area.center()).red() > 150
    assert pixel(canvas, canvas.far.spots["n-1"].area.center()).red() < 150


def test_the_ground_may_change_meanwhile(canvas: Canvas, dark: Any) -> None:
    canvas.viewer.look(QPointF(-20, -20), 0.3)
    at = canvas.far.spots["n-0"].area.bottomLeft() + QPointF(8, -12)
    assert pixel(canvas, at) == QColor(TOKENS["panel"].dark)
    theme.apply(dark, "light")
    assert pixel(canvas, at) == QColor(TOKENS["panel"].light)


def test_small_graphs_are_painted_box_by_box_much_longer(canvas: Canvas, document: Document) -> None:
    document.show(graph(12))
    canvas.zoom = 0.4
    assert not canvas.is_far
    canvas.zoom = 0.2
    assert canvas.is_far


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_colour_from_afar(canvas: Canvas, state: str) -> None:
    canvas.viewer.look(QPointF(-20, -20), 0.3)
    canvas.set_states({"n-0": NodeState(state)})
    assert not canvas.viewer.grab().isNull()
    assert canvas.far.spots["n-0"].state == state
