"""Notes and frames: made, written in, dragged with what they hold, resized, deleted, undone, saved."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.workflow import load, parse, to_json
from studio.canvas.mark_items import NoteItem, laid_out
from studio.model import marks as model
from studio.model.boxes import Box
from studio.model.document import Document
from studio.model.edit import positions, set_mark

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def noted(bench):  # type: ignore[no-untyped-def]
    """The bench with a note well away from the graph and a frame around ingest-1 and partition-1."""
    bench.extras.marks.add_note(QPointF(0, 260), "# Plan\nTry **log-mel**")
    bench.document.select(["ingest-1", "partition-1"])
    bench.command("add.frame")
    bench.extras.marks.finish()
    bench.document.select()
    bench.canvas.viewer.setFocus()
    return bench


def frame(bench) -> Box:  # type: ignore[no-untyped-def]
    return model.marks(bench.document.workflow)["frame:1"].box


def note(bench) -> Box:  # type: ignore[no-untyped-def]
    return model.marks(bench.document.workflow)["note:1"].box


def test_n_makes_a_note_that_is_written_at_once(bench, qtbot: QtBot) -> None:
    bench.key(Qt.Key.Key_N)
    editor = bench.extras.marks.editor
    qtbot.waitUntil(editor.hasFocus)
    QTest.keyClicks(editor, "fmg /")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    QTest.keyClicks(editor, "second line")
    QTest.keyClick(editor, Qt.Key.Key_Escape)
    assert model.marks(bench.document.workflow)["note:1"].text == "fmg /\nsecond line"
    assert bench.document.selection.marks == {"note:1"}
    assert not bench.extras.search.isVisible() and bench.extras.marks.editor is None
    for _ in range(2):
        bench.document.undo()
    assert not model.marks(bench.document.workflow) and not bench.extras.marks.items
    bench.document.redo()
    assert "note:1" in bench.extras.marks.items


def test_a_double_click_writes_and_a_click_elsewhere_keeps(noted, qtbot: QtBot) -> None:
    viewport = noted.canvas.viewer.viewport()
    at = noted.pixel(QPointF(60, 300))
    QTest.mouseDClick(viewport, LEFT, pos=at)
    editor = noted.extras.marks.editor
    assert editor is not None
    qtbot.waitUntil(editor.hasFocus)
    QTest.keyClick(editor, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(editor, "other")
    QTest.mouseClick(viewport, LEFT, pos=noted.pixel(QPointF(500, 600)))
    assert model.marks(noted.document.workflow)["note:1"].text == "other"
    assert noted.document.undo_text == "Write note"


def test_a_zoom_ends_writing_and_keeps_the_text(bench) -> None:
    bench.key(Qt.Key.Key_N)
    QTest.keyClicks(bench.extras.marks.editor, "kept")
    bench.canvas.zoom_by(1.5)
    assert bench.extras.marks.editor is None
    assert model.marks(bench.document.workflow)["note:1"].text == "kept"


def test_g_frames_the_selection_and_its_title_is_written(bench, qtbot: QtBot) -> None:
    bench.document.select(["train-1", "quantize-1"])
    bench.key(Qt.Key.Key_G)
    editor = bench.extras.marks.editor
    qtbot.waitUntil(editor.hasFocus)
    QTest.keyClicks(editor, "Learn")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    mark = model.marks(bench.document.workflow)["frame:1"]
    assert mark.text == "Learn" and mark.group == "frames"
    for name in ("train-1", "quantize-1"):
        box = bench.canvas.graph.boxes[name].outline()
        assert QRectF(*mark.box).contains(box)
    QTest.keyClick(bench.canvas.viewer, Qt.Key.Key_F2)
    QTest.keyClicks(bench.extras.marks.editor, "never kept")
    QTest.keyClick(bench.extras.marks.editor, Qt.Key.Key_Escape)
    assert model.marks(bench.document.workflow)["frame:1"].text == "Learn"


def test_a_frame_around_nothing_is_refused(bench) -> None:
    bench.document.select()
    bench.key(Qt.Key.Key_G)
    assert not model.marks(bench.document.workflow) and bench.document.undo_text == ""


def test_a_frame_takes_its_nodes_along_in_one_step(noted) -> None:
    before, box, old = positions(noted.document.workflow), frame(noted), noted.document.workflow
    bar = QPointF(box.x + 100, box.y + 12)
    noted.press(bar, bar + QPointF(30, 20), bar + QPointF(66, 44))
    after = positions(noted.document.workflow)
    assert (frame(noted).x - box.x, frame(noted).y - box.y) == (66, 44)
    for name in ("ingest-1", "partition-1"):
        assert (after[name][0] - before[name][0], after[name][1] - before[name][1]) == (66, 44)
    assert after["mfcc-1"] == before["mfcc-1"]
    assert noted.canvas.graph.boxes["ingest-1"].pos() == QPointF(*after["ingest-1"])
    noted.document.undo()
    assert noted.document.workflow == old
    assert noted.canvas.graph.boxes["ingest-1"].pos() == QPointF(*before["ingest-1"])
    assert noted.extras.marks.items["frame:1"].box == box


def test_escape_puts_a_dragged_frame_back(noted) -> None:
    box, old = frame(noted), noted.document.workflow
    bar = QPointF(box.x + 100, box.y + 12)
    noted.press(bar, bar + QPointF(66, 44), release=False)
    assert noted.extras.marks.items["frame:1"].box != box
    noted.key(Qt.Key.Key_Escape)
    assert noted.extras.marks.items["frame:1"].box == box
    QTest.mouseRelease(noted.canvas.viewer.viewport(), LEFT, pos=noted.pixel(bar))
    assert noted.document.workflow is old


def test_inside_a_frame_the_canvas_is_free(noted) -> None:
    box = frame(noted)
    inside = QPointF(box.x + 235, box.bottom - 12)
    assert noted.extras.marks.at(inside) is None
    noted.press(inside, inside + QPointF(10, -10), inside + QPointF(80, -30))
    assert noted.document.selection.nodes == {"partition-1"}


@pytest.mark.parametrize(("name", "least"), [("note:1", (110, 48)), ("frame:1", (154, 88))])
def test_the_corner_resizes_but_not_below_the_least(noted, name: str, least: tuple[int, int]) -> None:
    box = model.marks(noted.document.workflow)[name].box
    corner = QPointF(box.right - 5, box.bottom - 5)
    noted.press(corner, corner + QPointF(20, 20), corner + QPointF(44, 66))
    larger = model.marks(noted.document.workflow)[name].box
    assert (larger.width - box.width, larger.height - box.height) == (44, 66)
    assert (larger.x, larger.y) == (box.x, box.y)
    corner = QPointF(larger.right - 5, larger.bottom - 5)
    noted.press(corner, corner - QPointF(200, 60), corner - QPointF(larger.width - 10, larger.height - 10))
    small = model.marks(noted.document.workflow)[name].box
    assert small.width >= least[0] and small.height >= least[1]
    assert (small.x, small.y) == (box.x, box.y)


def test_a_click_selects_shift_adds_and_delete_deletes(noted) -> None:
    at = QPointF(note(noted).x + 40, note(noted).y + 30)
    noted.press(at)
    assert noted.document.selection.marks == {"note:1"} and noted.extras.marks.items["note:1"].is_chosen
    bar = QPointF(frame(noted).x + 60, frame(noted).y + 10)
    viewport = noted.canvas.viewer.viewport()
    QTest.mouseClick(viewport, LEFT, Qt.KeyboardModifier.ShiftModifier, noted.pixel(bar))
    assert noted.document.selection.marks == {"note:1", "frame:1"}
    noted.key(Qt.Key.Key_Delete)
    assert not model.marks(noted.document.workflow) and "ingest-1" in noted.document.workflow.nodes
    noted.document.undo()
    assert set(noted.extras.marks.items) == {"note:1", "frame:1"}


def test_marks_are_saved_and_read_back(noted, tmp_path) -> None:
    path = tmp_path / "noted.workflow.json"
    noted.document.save(path)
    assert model.marks(load(path)) == model.marks(noted.document.workflow)


def test_a_longer_text_makes_a_note_higher_never_cut(noted) -> None:
    noted.extras.marks.write_in("note:1")
    noted.extras.marks.editor.setPlainText("\n\n".join(f"line {number}" for number in range(20)))
    noted.extras.marks.finish()
    item = noted.extras.marks.items["note:1"]
    assert isinstance(item, NoteItem) and item.area.height() >= item.needed_height - 1 > 300


def test_markdown_is_light_and_html_is_text() -> None:
    text = laid_out("# Big\nplain **bold**\nnext\n\n- one\n- two\n\n<b>no</b>").toPlainText()
    assert text.replace("\u2028", "\n").split("\n")[:3] == ["Big", "plain bold", "next"]
    assert "<b>no</b>" in text


@pytest.mark.parametrize(
    "layout",
    [
        {"notes": {"note:1": "text"}}, {"notes": ["note:1"]}, {"frames": None},
        {"notes": {"note:1": {"text": 5, "x": "left", "width": -3, "colour": "ultraviolet"}}},
        {"frames": {"frame:1": {"x": 1e99, "height": None}}},
    ],
)  # fmt: skip
def test_a_file_with_odd_marks_opens_and_is_written_back(empty, layout) -> None:
    workflow = parse({"format": 1, "layout": layout})
    empty.document.show(workflow)
    assert empty.canvas.grab().width() == 1400
    for mark in model.marks(workflow).values():
        assert mark.box.width >= 110 and mark.colour in model.COLOURS
    assert to_json(empty.canvas.to_workflow())["layout"] == layout


def test_a_frame_in_a_frame_moves_along_and_a_larger_one_does_not(qapp, document: Document) -> None:
    workflow = document.workflow
    for name, box in (
        ("frame:1", Box(0, 0, 600, 400)),
        ("frame:2", Box(40, 60, 300, 200)),
        ("frame:3", Box(-500, -500, 1800, 1500)),
    ):
        workflow = set_mark(workflow, "frames", name, model.values(box))
    workflow = set_mark(workflow, "notes", "note:1", model.values(Box(60, 90, 120, 60)))
    _nodes, moved = model.carried(model.marks(workflow), {}, ["frame:1"])
    assert moved == {"frame:1", "frame:2", "note:1"}
