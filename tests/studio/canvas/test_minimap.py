"""The map and the zoom bar: where things are on it, and that dragging it moves the view."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.look import theme
from studio.look.theme import state_colour
from studio.model import edit
from studio.run.state import NodeState


def test_every_node_lies_on_the_map_in_its_place(bench) -> None:
    small = bench.extras.minimap
    for box in bench.canvas.graph.boxes.values():
        at = small.to_map(box.outline().center())
        assert small.rect().contains(at.toPoint())
        back = small.to_scene(at)
        assert (back - box.outline().center()).manhattanLength() < 1e-6


def test_a_click_goes_there_and_a_drag_moves_along(bench) -> None:
    canvas, small = bench.canvas, bench.extras.minimap
    canvas.zoom = 1.6
    canvas.centre_on("deploy-1")
    far = small.to_map(canvas.graph.boxes["ingest-1"].outline().center()).toPoint()
    assert not small.seen_on_map.contains(QPointF(far))
    QTest.mousePress(small, Qt.MouseButton.LeftButton, pos=far)
    assert canvas.viewer.seen().contains(canvas.graph.boxes["ingest-1"].outline().center())
    before = canvas.viewer.seen().center()
    QTest.mouseMove(small, far + QPointF(10, 0).toPoint())
    QTest.mouseRelease(small, Qt.MouseButton.LeftButton, pos=far)
    moved = canvas.viewer.seen().center() - before
    assert moved.x() == pytest.approx(10 / small.scale, rel=0.05)
    assert bench.document.undo_text == ""


def test_the_rectangle_is_held_where_it_is_pressed(bench) -> None:
    canvas, small = bench.canvas, bench.extras.minimap
    canvas.zoom = 2.0
    canvas.centre_on("train-1")
    before = canvas.viewer.seen().center()
    corner = (small.seen_on_map.topLeft() + QPointF(2, 2)).toPoint()
    QTest.mousePress(small, Qt.MouseButton.LeftButton, pos=corner)
    assert canvas.viewer.seen().center() == before
    QTest.mouseRelease(small, Qt.MouseButton.LeftButton, pos=corner)


def test_states_are_seen_on_it(bench, qtbot: QtBot) -> None:
    small = bench.extras.minimap
    small.set_states({"train-1": NodeState("failed"), "gone": NodeState("running")})
    box = bench.canvas.graph.boxes["train-1"].outline()
    at = small.to_map(box.center()).toPoint()
    small.set_seen(box.translated(5000, 5000))
    assert QColor(small.grab().toImage().pixel(at)).name() == state_colour("failed").name()


def test_it_follows_edits_and_survives_an_empty_graph(bench) -> None:
    small = bench.extras.minimap
    before = small.whole
    bench.document.edit("move", lambda w: edit.move(w, {"ingest-1": (-4000, 0)}))
    assert small.whole.left() == -4000 and small.whole != before
    bench.document.edit("all gone", lambda w: edit.remove(w, w.nodes))
    assert small.grab().width() == 150
    QTest.mouseClick(small, Qt.MouseButton.LeftButton)


def test_it_is_hidden_by_command_and_where_there_is_no_room(bench, qtbot: QtBot) -> None:
    small = bench.extras.minimap
    assert small.isVisible()
    with qtbot.waitSignal(bench.extras.settled):
        bench.key(Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)
    assert not small.isVisible() and not bench.extras.is_minimap_wanted
    bench.command("view.minimap")
    assert small.isVisible()
    bench.canvas.resize(400, 400)
    qtbot.waitUntil(lambda: not small.isVisible())


def test_light_and_dark_repaint_it(bench, qapp) -> None:
    small = bench.extras.minimap
    dark = QColor(small.grab().toImage().pixel(20, 80))
    theme.apply(qapp, "light")
    light = QColor(small.grab().toImage().pixel(20, 80))
    assert light.lightness() > dark.lightness() + 100
    bench.extras.quick.ask_at(QPointF(), QPoint(20, 20), bench.canvas.viewer)
    corner = QColor(bench.extras.quick.grab().toImage().pixel(30, 12))
    assert corner.lightness() > 200


def test_overlays_stay_in_their_corner_and_apart(bench, qtbot: QtBot) -> None:
    for width, height in ((1400, 800), (640, 420), (2400, 1300)):
        bench.canvas.resize(width, height)
        qtbot.waitUntil(lambda width=width: bench.canvas.width() == width)
        bar, small = bench.extras.zoombar.geometry(), bench.extras.minimap.geometry()
        assert bench.canvas.rect().contains(bar) and bench.canvas.rect().contains(small)
        assert not bar.intersects(small)
        assert bar.bottom() == small.bottom()
