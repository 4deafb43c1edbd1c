"""Every gesture on the canvas with real mouse events: one edit each, and none where nothing was meant."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QContextMenuEvent, QHelpEvent, QKeyEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QGraphicsRectItem, QToolTip
from pytestqt.qtbot import QtBot

from engine.workflow import Link, parse
from studio.canvas.canvas import Canvas
from studio.canvas.ends import PortEnd
from studio.model.document import Document

LEFT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
NONE, SHIFT, ALT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier
RAW = {
    "nodes": {
        "ingest-1": {"type": "ossicle.ingest"},
        "mfcc-1": {"type": "ossicle.mfcc"},
        "mfcc-2": {"type": "ossicle.mfcc"},
        "train-1": {"type": "ossicle.train"},
    },
    "links": ["ingest-1.audio -> mfcc-1.audio", "mfcc-1.features -> train-1.features"],
    "layout": {
        "positions": {"ingest-1": [0, 0], "mfcc-1": [297, 0], "mfcc-2": [297, 198], "train-1": [594, 0]},
        "notes": {"note:1": {"text": "x", "x": 0, "y": 300, "width": 100, "height": 50}},
    },
}
FIRST = Link("ingest-1", "audio", "mfcc-1", "audio")


class Hand:
    """A mouse over a canvas, in scene coordinates."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.view = canvas.viewer.viewport()

    def px(self, at: QPointF) -> QPoint:
        return self.canvas.viewer.to_view(at).toPoint()

    def port(self, node: str, name: str, *, is_output: bool) -> QPointF:
        port = self.canvas.graph.port(PortEnd(node, name, is_output))
        assert port is not None
        return port.middle()

    def box(self, node: str) -> QPointF:
        return self.canvas.graph.boxes[node].outline().center()

    def press(self, at: QPointF, held: Any = NONE, button: Any = LEFT) -> None:
        QTest.mouseMove(self.view, self.px(at))
        QTest.mousePress(self.view, button, held, self.px(at))

    def move(self, at: QPointF) -> None:
        QTest.mouseMove(self.view, self.px(at))

    def release(self, at: QPointF, held: Any = NONE, button: Any = LEFT) -> None:
        QTest.mouseRelease(self.view, button, held, self.px(at))

    def drag(self, start: QPointF, end: QPointF, held: Any = NONE, button: Any = LEFT) -> None:
        self.press(start, held, button)
        for part in (0.3, 0.7, 1.0):
            self.move(start + (end - start) * part)
        self.release(end, held, button)

    def click(self, at: QPointF, held: Any = NONE) -> None:
        self.press(at, held)
        self.release(at, held)


@pytest.fixture
def canvas(document: Document, qtbot: QtBot) -> Canvas:
    made = Canvas(document)
    qtbot.addWidget(made)
    made.resize(1100, 700)
    made.show()
    document.show(parse(RAW))
    made.finish()
    made.zoom = 1.0
    return made


@pytest.fixture
def hand(canvas: Canvas) -> Hand:
    return Hand(canvas)


class Feedback:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def start(self, end: PortEnd) -> None:
        self.told.append(("start", str(end)))

    def over(self, end: PortEnd | None, at: QPointF) -> None:
        self.told.append(("over", str(end)))

    def stop(self) -> None:
        self.told.append(("stop",))


# ---- wires


def test_a_wire_drawn_to_a_port_that_fits_is_a_link(canvas: Canvas, hand: Hand, document: Document) -> None:
    canvas.drag_feedback = feedback = Feedback()
    hand.drag(hand.port("ingest-1", "audio", is_output=True), hand.port("mfcc-2", "audio", is_output=False))
    assert Link("ingest-1", "audio", "mfcc-2", "audio") in document.workflow.links
    assert len(canvas.graph.wires) == 3 and document.undo_text == "Wire ingest-1 to mfcc-2"
    assert feedback.told[0] == ("start", "ingest-1.audio") and feedback.told[-1] == ("stop",)
    assert ("over", "mfcc-2.audio") in feedback.told
    document.undo()
    assert document.workflow == parse(RAW) and len(canvas.graph.wires) == 2


def test_it_may_be_drawn_from_the_input_too(canvas: Canvas, hand: Hand, document: Document) -> None:
    hand.drag(hand.port("mfcc-2", "audio", is_output=False), hand.port("ingest-1", "audio", is_output=True))
    assert Link("ingest-1", "audio", "mfcc-2", "audio") in document.workflow.links


def test_a_wire_that_does_not_fit_is_red_and_not_made(canvas: Canvas, hand: Hand, document: Document) -> None:
    end = hand.port("train-1", "features", is_output=False)
    hand.press(hand.port("ingest-1", "audio", is_output=True))
    hand.move(end)
    assert canvas.viewer.live.isVisible() and canvas.viewer.live.verdict is False
    hand.release(end)
    assert document.workflow == parse(RAW) and not document.undo_text and not canvas.viewer.live.isVisible()


def test_a_wire_dropped_on_a_box_takes_the_port_that_fits(canvas: Canvas, hand: Hand, document: Document) -> None:
    hand.drag(hand.port("ingest-1", "audio", is_output=True), hand.box("train-1"))
    assert Link("ingest-1", "audio", "train-1", "audio") in document.workflow.links


def test_a_wire_dropped_on_empty_canvas_asks_what_to_add(canvas: Canvas, hand: Hand, qtbot: QtBot) -> None:
    end = QPointF(594, 330)
    with qtbot.waitSignal(canvas.add_requested) as asked:
        hand.drag(hand.port("mfcc-2", "features", is_output=True), end)
    assert asked.args is not None and asked.args[1] == PortEnd("mfcc-2", "features", True)
    assert abs(asked.args[0].x() - end.x()) < 2 and abs(asked.args[0].y() - end.y()) < 2


def test_a_single_input_gives_its_old_wire_up(canvas: Canvas, hand: Hand, document: Document) -> None:
    hand.drag(hand.port("mfcc-2", "features", is_output=True), hand.port("train-1", "features", is_output=False))
    assert Link("mfcc-2", "features", "train-1", "features") in document.workflow.links
    assert Link("mfcc-1", "features", "train-1", "features") not in document.workflow.links


def test_a_wire_is_taken_off_its_input_and_moved(canvas: Canvas, hand: Hand, document: Document) -> None:
    hand.drag(hand.port("mfcc-1", "audio", is_output=False), hand.port("mfcc-2", "audio", is_output=False))
    assert FIRST not in document.workflow.links
    assert Link("ingest-1", "audio", "mfcc-2", "audio") in document.workflow.links
    assert document.undo_text == "Move wire"
    document.undo()
    assert document.workflow == parse(RAW)


def test_a_wire_taken_off_and_dropped_is_removed(canvas: Canvas, hand: Hand, document: Document) -> None:
    hand.drag(hand.port("mfcc-1", "audio", is_output=False), QPointF(200, 400))
    assert FIRST not in document.workflow.links and document.undo_text == "Remove wire"


@pytest.mark.parametrize("goal", ["mfcc-1", "train-1"])
def test_a_wire_put_back_or_refused_stays_as_it_was(canvas: Canvas, hand: Hand, document: Document, goal: str) -> None:
    start = hand.port("mfcc-1", "audio", is_output=False)
    hand.press(start)
    hand.move(QPointF(200, 300))
    assert not canvas.graph.wires[FIRST].isVisible()
    end = start if goal == "mfcc-1" else hand.port("train-1", "features", is_output=False)
    hand.move(end)
    hand.release(end)
    assert document.workflow == parse(RAW) and not document.undo_text and canvas.graph.wires[FIRST].isVisible()


def test_escape_gives_a_wire_up(canvas: Canvas, hand: Hand, document: Document) -> None:
    hand.press(hand.port("ingest-1", "audio", is_output=True))
    hand.move(hand.port("mfcc-2", "audio", is_output=False))
    QTest.keyClick(canvas.viewer, Qt.Key.Key_Escape)
    hand.release(hand.port("mfcc-2", "audio", is_output=False))
    assert document.workflow == parse(RAW) and not canvas.viewer.live.isVisible()


def test_a_wire_clicked_is_selected_and_told(canvas: Canvas, hand: Hand, document: Document, qtbot: QtBot) -> None:
    middle = canvas.graph.wires[FIRST].path().pointAtPercent(0.5)
    with qtbot.waitSignal(canvas.wire_clicked) as clicked:
        hand.click(middle)
    assert clicked.args == [FIRST] and document.selection.links == {FIRST} and canvas.graph.wires[FIRST].is_chosen
    canvas.delete_selection()
    assert FIRST not in document.workflow.links and FIRST not in canvas.graph.wires


def test_a_wire_dragged_near_its_input_is_taken_off(canvas: Canvas, hand: Hand, document: Document) -> None:
    near = canvas.graph.wires[FIRST].path().pointAtPercent(0.84)
    hand.drag(near, QPointF(200, 400))
    assert FIRST not in document.workflow.links


def test_the_knife_cuts_what_it_crosses(canvas: Canvas, hand: Hand, document: Document) -> None:
    hand.drag(QPointF(240, -40), QPointF(240, 160), held=ALT | SHIFT)
    assert FIRST not in document.workflow.links and len(document.workflow.links) == 1
    assert document.undo_text == "Cut wire" and canvas.viewer.knife is None


# ---- boxes


def test_a_box_moved_is_one_step_on_the_grid(canvas: Canvas, hand: Hand, document: Document) -> None:
    hand.drag(hand.box("mfcc-2"), hand.box("mfcc-2") + QPointF(58, -31))
    assert document.workflow.layout["positions"]["mfcc-2"] == [352, 165]  # type: ignore[index,call-overload]
    assert document.undo_text == "Move mfcc-2"
    document.undo()
    assert document.workflow == parse(RAW) and canvas.graph.boxes["mfcc-2"].x() == 297
    assert not document.undo_text


def test_several_boxes_and_notes_move_together(canvas: Canvas, hand: Hand, document: Document) -> None:
    document.select(["mfcc-1", "train-1"], marks=["note:1"])
    hand.drag(hand.box("mfcc-1"), hand.box("mfcc-1") + QPointF(0, 110))
    layout: Any = document.workflow.layout
    assert layout["positions"]["mfcc-1"] == [297, 110] and layout["positions"]["train-1"] == [594, 110]
    assert layout["notes"]["note:1"]["y"] == 410 and layout["notes"]["note:1"]["text"] == "x"
    assert document.undo_text == "Move 2 nodes" and document.selection.nodes == {"mfcc-1", "train-1"}


def test_moving_one_box_of_a_file_without_places_keeps_the_others(hand: Hand, document: Document) -> None:
    document.show(parse({**RAW, "layout": {}}))
    hand.canvas.finish()
    before = {name: box.pos() for name, box in hand.canvas.graph.boxes.items()}
    hand.drag(hand.box("mfcc-2"), hand.box("mfcc-2") + QPointF(0, 330))
    layout: Any = document.workflow.layout
    assert set(layout["positions"]) == set(before)
    del before["mfcc-2"]
    assert all(layout["positions"][name] == [round(at.x()), round(at.y())] for name, at in before.items())


def test_escape_puts_a_dragged_box_back(canvas: Canvas, hand: Hand, document: Document) -> None:
    hand.press(hand.box("mfcc-2"))
    hand.move(hand.box("mfcc-2") + QPointF(90, 90))
    assert canvas.graph.boxes["mfcc-2"].x() > 297
    QTest.keyClick(canvas.viewer, Qt.Key.Key_Escape)
    assert canvas.graph.boxes["mfcc-2"].x() == 297 and not document.undo_text


def test_clicks_select_shift_adds_and_empty_canvas_clears(canvas: Canvas, hand: Hand, document: Document) -> None:
    hand.click(hand.box("mfcc-1"))
    assert document.selection.node == "mfcc-1" and canvas.graph.boxes["mfcc-1"].is_chosen
    hand.click(hand.box("train-1"), SHIFT)
    assert document.selection.nodes == {"mfcc-1", "train-1"}
    hand.click(hand.box("mfcc-1"), SHIFT)
    assert document.selection.nodes == {"train-1"}
    document.select(["mfcc-1", "train-1"])
    hand.click(hand.box("mfcc-1"))
    assert document.selection.nodes == {"mfcc-1"}
    hand.click(QPointF(150, 420))
    assert document.selection.is_empty and not canvas.graph.boxes["mfcc-1"].is_chosen


def test_the_document_selects_on_the_canvas(canvas: Canvas, document: Document) -> None:
    document.select(["train-1"], [FIRST])
    assert canvas.single() is canvas.graph.boxes["train-1"] and canvas.graph.wires[FIRST].is_chosen
    assert canvas.far.chosen == {"train-1"}


def test_a_rubber_band_selects_what_it_touches(canvas: Canvas, hand: Hand, document: Document) -> None:
    hand.drag(QPointF(250, 340), QPointF(400, 60))
    assert document.selection.nodes == {"mfcc-1", "mfcc-2"} and not document.undo_text
    hand.drag(QPointF(560, -30), QPointF(620, 20), held=SHIFT)
    assert document.selection.nodes == {"mfcc-1", "mfcc-2", "train-1"}
    hand.drag(QPointF(-30, 280), QPointF(60, 320))
    assert document.selection.marks == {"note:1"} and not document.selection.nodes


def test_a_double_click_opens_a_node_or_asks_what_to_add(canvas: Canvas, hand: Hand, qtbot: QtBot) -> None:
    with qtbot.waitSignal(canvas.node_activated) as opened:
        QTest.mouseDClick(hand.view, LEFT, NONE, hand.px(hand.box("train-1")))
    assert opened.args == ["train-1"]
    with qtbot.waitSignal(canvas.add_requested) as asked:
        QTest.mouseDClick(hand.view, LEFT, NONE, hand.px(QPointF(100, 400)))
    assert asked.args is not None and asked.args[1] is None


def test_the_menu_is_asked_for_the_node_under_the_pointer(
    canvas: Canvas, hand: Hand, document: Document, qtbot: QtBot
) -> None:
    at = hand.px(hand.box("mfcc-1"))
    with qtbot.waitSignal(canvas.menu_requested) as asked:
        QApplication.sendEvent(
            hand.view, QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, hand.view.mapToGlobal(at))
        )
    assert asked.args == ["mfcc-1", hand.view.mapToGlobal(at)] and document.selection.node == "mfcc-1"


# ---- the view


@pytest.mark.parametrize(("button", "held"), [(MIDDLE, NONE), (LEFT, ALT)])
def test_the_middle_button_and_alt_pan(canvas: Canvas, hand: Hand, document: Document, button: Any, held: Any) -> None:
    before, at = canvas.viewer.seen().topLeft(), hand.px(hand.box("mfcc-1"))
    QTest.mousePress(hand.view, button, held, at)
    QTest.mouseMove(hand.view, at + QPoint(30, 20))
    QTest.mouseRelease(hand.view, button, held, at + QPoint(30, 20))
    moved = canvas.viewer.seen().topLeft() - before
    assert (moved.x(), moved.y()) == (-30, -20) and document.selection.is_empty


def test_space_held_pans_and_space_tapped_asks_what_to_add(canvas: Canvas, hand: Hand, qtbot: QtBot) -> None:
    before, at = canvas.viewer.seen().topLeft(), hand.px(hand.box("mfcc-1"))
    asked: list[Any] = []
    canvas.add_requested.connect(lambda *args: asked.append(args))
    QTest.keyPress(canvas.viewer, Qt.Key.Key_Space)
    QTest.mousePress(hand.view, LEFT, NONE, at)
    QTest.mouseMove(hand.view, at + QPoint(40, 0))
    QTest.mouseRelease(hand.view, LEFT, NONE, at + QPoint(40, 0))
    QTest.keyRelease(canvas.viewer, Qt.Key.Key_Space)
    assert canvas.viewer.seen().left() == before.x() - 40 and asked == []
    QTest.keyClick(canvas.viewer, Qt.Key.Key_Space)
    assert len(asked) == 1 and asked[0][1] is None


def test_the_wheel_zooms_to_the_pointer(canvas: Canvas, hand: Hand) -> None:
    at = QPointF(300, 200)
    before = canvas.viewer.seen().topLeft() + at / canvas.zoom
    turn = QWheelEvent(
        at, at, QPoint(), QPoint(0, 240), Qt.MouseButton.NoButton, NONE, Qt.ScrollPhase.NoScrollPhase, False
    )
    QApplication.sendEvent(hand.view, turn)
    after = canvas.viewer.seen().topLeft() + at / canvas.zoom
    assert canvas.zoom == pytest.approx(1.44, rel=0.01)
    assert abs(after.x() - before.x()) < 1 and abs(after.y() - before.y()) < 1


def test_zoom_keeps_within_its_limits_and_fit_shows_all(canvas: Canvas) -> None:
    canvas.zoom_by(1000)
    assert canvas.zoom == 3.0
    canvas.zoom_by(1e-6)
    assert canvas.zoom == pytest.approx(0.04)
    canvas.fit()
    assert canvas.viewer.seen().contains(canvas.far.bounds())
    canvas.document.select(["train-1"])
    canvas.fit_selection()
    assert canvas.viewer.seen().center().toPoint() == canvas.graph.boxes["train-1"].outline().center().toPoint()


def test_a_fitted_view_stays_fitted_when_the_window_changes(canvas: Canvas) -> None:
    canvas.fit()
    canvas.resize(500, 400)
    assert canvas.viewer.seen().contains(canvas.far.bounds())
    canvas.centre_on("train-1")
    middle = canvas.viewer.seen().center()
    canvas.resize(700, 500)
    assert (canvas.viewer.seen().center() - middle).manhattanLength() < 3


def test_tooltips_are_made_when_they_are_asked_for(canvas: Canvas, hand: Hand) -> None:
    assert canvas.graph.boxes["mfcc-1"].toolTip() == ""
    assert "mfcc-1" in canvas.viewer.tooltip_at(hand.box("mfcc-1"))
    told = canvas.viewer.tooltip_at(hand.port("train-1", "audio", is_output=False))
    assert told == "audio: AudioSet (optional)"
    assert "AudioSet" in canvas.viewer.tooltip_at(canvas.graph.wires[FIRST].path().pointAtPercent(0.5))
    at = hand.px(hand.box("mfcc-1"))
    QApplication.sendEvent(hand.view, QHelpEvent(QEvent.Type.ToolTip, at, hand.view.mapToGlobal(at)))
    assert "mfcc-1" in QToolTip.text()


def test_words_typed_on_an_empty_canvas_are_told(canvas: Canvas, document: Document) -> None:
    told: list[str] = []
    canvas.typed.connect(told.append)
    QTest.keyClicks(canvas.viewer, "no")
    assert told == []
    document.show(parse({}))
    QTest.keyClicks(canvas.viewer, "yes")
    assert told == ["y", "e", "s"]


def test_the_key_hook_goes_first(canvas: Canvas) -> None:
    keys: list[int] = []

    def hook(event: QKeyEvent) -> bool:
        keys.append(event.key())
        return True

    canvas.viewer.key_hook = hook
    QTest.keyClick(canvas.viewer, Qt.Key.Key_Right)
    assert keys == [Qt.Key.Key_Right]


def test_an_item_of_someone_else_gets_its_own_events(canvas: Canvas, hand: Hand, document: Document) -> None:
    item = QGraphicsRectItem(QRectF(0, 250, 100, 40))
    item.setFlag(QGraphicsRectItem.GraphicsItemFlag.ItemIsMovable)
    canvas.viewer.scene().addItem(item)
    hand.drag(QPointF(50, 270), QPointF(80, 300))
    assert item.pos().toPoint() == QPoint(30, 30) and document.selection.is_empty and not document.undo_text


def test_commands_do_what_they_say(canvas: Canvas, document: Document) -> None:
    commands = {command.id: command for command in canvas.commands()}
    assert len({key for command in commands.values() for key in command.shortcuts}) >= 9
    commands["edit.select-all"].run()
    assert document.selection.nodes == set(RAW["nodes"]) and document.selection.marks == {"note:1"}
    assert commands["edit.delete"].enabled()
    commands["edit.delete"].run()
    assert canvas.is_empty and not commands["view.fit"].enabled() and document.undo_text == "Delete 5 things"
    document.undo()
    assert document.workflow == parse(RAW)
    commands["view.zoom-100"].run()
    assert canvas.zoom == 1.0
