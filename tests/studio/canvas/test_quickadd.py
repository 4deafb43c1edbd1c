"""Quick add: what is offered, in which order, and what Enter does."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.workflow import Link
from studio.canvas.ends import PortEnd
from studio.canvas.quickadd import row_of
from studio.canvas.usage import Usage
from studio.model.edit import positions


def keys(bench, text: str) -> list[str]:  # type: ignore[no-untyped-def]
    """What is offered for a text."""
    bench.extras.quick.field.setText(text)
    return bench.extras.quick.keys


def test_tab_asks_and_enter_adds_at_the_pointer(bench, qtbot: QtBot) -> None:
    quick = bench.extras.quick
    bench.key(Qt.Key.Key_Tab)
    assert quick.isVisible()
    qtbot.waitUntil(quick.field.hasFocus)
    QTest.keyClicks(quick.field, "mfcc")
    assert quick.marked == "ossicle.mfcc"
    before = bench.document.workflow
    QTest.keyClick(quick.field, Qt.Key.Key_Return)
    assert not quick.isVisible()
    assert bench.document.workflow.nodes["mfcc-2"].type == "ossicle.mfcc"
    assert bench.document.selection.node == "mfcc-2"
    bench.document.undo()
    assert bench.document.workflow == before
    qtbot.waitUntil(bench.canvas.viewer.hasFocus)


def test_space_asks_too_and_escape_closes(bench, qtbot: QtBot) -> None:
    bench.key(Qt.Key.Key_Space)
    assert bench.extras.quick.isVisible()
    QTest.keyClick(bench.extras.quick.field, Qt.Key.Key_Escape)
    assert not bench.extras.quick.isVisible()
    qtbot.waitUntil(bench.canvas.viewer.hasFocus)
    assert bench.document.undo_text == ""


def test_letters_in_the_field_are_no_shortcuts(bench, qtbot: QtBot) -> None:
    bench.document.select(["mfcc-1"])
    bench.key(Qt.Key.Key_A)
    qtbot.waitUntil(bench.extras.quick.field.hasFocus)
    QTest.keyClicks(bench.extras.quick.field, "mbfgl")
    assert bench.extras.quick.field.text() == "mbfgl"
    assert bench.document.undo_text == ""


def test_a_wire_let_go_on_empty_canvas_offers_only_what_fits(bench) -> None:
    start = bench.port("train-1", "model", is_output=True)
    bench.press(start, start + QPointF(40, 60), QPointF(900, 420))
    quick = bench.extras.quick
    assert quick.isVisible()
    assert quick.heading.text() == "Takes train-1.model · Model"
    offered = {bench.document.registry.find(key) for key in quick.keys}
    assert offered and all(any(port.type.kind() == "Model" for port in spec.inputs) for spec in offered)
    assert "ossicle.mfcc" not in quick.keys


def test_enter_adds_and_links_in_one_step_under_the_pointer(bench) -> None:
    quick, before = bench.extras.quick, bench.document.workflow
    quick.ask_at(QPointF(500, 600), QPoint(10, 10), bench.canvas.viewer, PortEnd("train-1", "model", True))
    QTest.keyClicks(quick.field, "quant")
    QTest.keyClick(quick.field, Qt.Key.Key_Return)
    now = bench.document.workflow
    assert Link("train-1", "model", "quantize-2", "model") in now.links
    assert bench.port("quantize-2", "model", is_output=False) == QPointF(500, 600)
    assert positions(now)["quantize-2"] == (500, 552)
    bench.document.undo()
    assert bench.document.workflow == before


def test_an_input_is_offered_what_makes_its_type(bench) -> None:
    quick = bench.extras.quick
    bench.document.edit("cut", lambda w: w.model_copy(update={"links": ()}))
    quick.ask_at(QPointF(), QPoint(10, 10), bench.canvas.viewer, PortEnd("train-1", "features", False))
    assert set(quick.keys) == {"ossicle.mfcc", "ossicle.log_mel", "ossicle.fit"}  # fit hands features on
    QTest.keyClick(quick.field, Qt.Key.Key_Down)
    marked = quick.marked
    QTest.keyClick(quick.field, Qt.Key.Key_Return)
    link = bench.document.workflow.links[-1]
    assert (link.output, link.target, link.input) == ("features", "train-1", "features")
    assert bench.document.workflow.nodes[link.source].type == marked


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("mf", "ossicle.mfcc"), ("LOG", "ossicle.log_mel"), ("lm", "ossicle.log_mel"), ("mel", "ossicle.log_mel"),
        ("bnch", "ossicle.benchmark"), ("int8", "ossicle.quantize"), ("compress", "ossicle.quantize"),
        ("bench", "ossicle.benchmark"),
    ],
)  # fmt: skip
def test_words_find_nodes(bench, text: str, first: str) -> None:
    bench.key(Qt.Key.Key_Tab)
    assert keys(bench, text)[0] == first


def test_a_word_that_is_no_node_is_spoken(empty) -> None:
    QTest.keyClick(empty.canvas.viewer, Qt.Key.Key_M)
    quick = empty.extras.quick
    assert quick.isVisible() and quick.field.text() == "m"
    QTest.keyClicks(quick.field, "arvin, Sheila")
    assert quick.marked == "say:marvin,sheila"
    assert quick.list.items[0].title == "Speak the words “marvin”, “sheila”"
    QTest.keyClick(quick.field, Qt.Key.Key_Return)
    assert empty.document.workflow.nodes["speak-1"].params == {"words": ["marvin", "sheila"]}
    assert not empty.document.checked.errors
    empty.document.undo()
    assert not empty.document.workflow.nodes


def test_a_place_is_read_from_and_any_text_is_a_note(empty) -> None:
    empty.key(Qt.Key.Key_Tab)
    assert keys(empty, "~/recordings/yes.zip") == ["take:~/recordings/yes.zip", "note:~/recordings/yes.zip"]
    QTest.keyClick(empty.extras.quick.field, Qt.Key.Key_Return)
    assert empty.document.workflow.nodes["ingest-1"].params == {"source": "~/recordings/yes.zip"}
    empty.key(Qt.Key.Key_Tab)
    keys(empty, "1. first try!")
    QTest.keyClick(empty.extras.quick.field, Qt.Key.Key_Return)
    assert empty.document.workflow.layout["notes"]["note:1"]["text"] == "1. first try!"


def test_enter_does_nothing_where_nothing_fits(bench) -> None:
    quick = bench.extras.quick
    quick.ask_at(QPointF(), QPoint(10, 10), bench.canvas.viewer, PortEnd("train-1", "features", False))
    quick.field.setText("zzzz")
    assert quick.keys == [] and quick.none.text() == "Nothing is called “zzzz”."
    QTest.keyClick(quick.field, Qt.Key.Key_Return)
    assert quick.isVisible() and bench.document.undo_text == ""


def test_what_was_used_last_comes_first(bench) -> None:
    for word in ("push", "log"):
        bench.key(Qt.Key.Key_Tab)
        QTest.keyClicks(bench.extras.quick.field, word)
        QTest.keyClick(bench.extras.quick.field, Qt.Key.Key_Return)
    bench.key(Qt.Key.Key_Tab)
    assert bench.extras.quick.keys[:2] == ["ossicle.log_mel", "ossicle.push"]


def test_a_second_node_at_the_same_spot_moves_on(empty) -> None:
    for _ in range(2):
        empty.extras.quick.ask_at(QPointF(200, 200), QPoint(5, 5), empty.canvas.viewer, text="ingest")
        QTest.keyClick(empty.extras.quick.field, Qt.Key.Key_Return)
    assert len(set(positions(empty.document.workflow).values())) == 2


def test_up_from_the_first_row_goes_to_the_last_and_a_click_takes_a_row(bench) -> None:
    bench.key(Qt.Key.Key_Tab)
    quick = bench.extras.quick
    QTest.keyClick(quick.field, Qt.Key.Key_Up)
    assert quick.marked == quick.keys[-1]
    keys(bench, "partition")
    at = quick.list.visualRect(quick.list.rows.index(0)).center()
    QTest.mouseClick(quick.list.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert "partition-2" in bench.document.workflow.nodes


def test_a_node_goes_into_the_selected_wire(bench) -> None:
    wire = Link("ingest-1", "audio", "partition-1", "audio")
    bench.document.select(links=[wire])
    bench.key(Qt.Key.Key_I)
    quick = bench.extras.quick
    assert quick.keys == ["ossicle.chunk", "ossicle.partition"]
    QTest.keyClicks(quick.field, "part")
    QTest.keyClick(quick.field, Qt.Key.Key_Return)
    links = bench.document.workflow.links
    assert wire not in links
    assert {
        Link("ingest-1", "audio", "partition-2", "audio"),
        Link("partition-2", "audio", "partition-1", "audio"),
    } <= set(links)


def test_every_node_type_is_a_row_with_shape_and_help(bench) -> None:
    for spec in bench.document.registry.specs.values():
        row = row_of(spec)
        assert row.title and row.about and row.tag and row.kind and "\n" not in row.about


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": "b", "c": -1, "d": true}', "null"])
def test_usage_of_a_broken_settings_file_is_none(text: str) -> None:
    assert Usage.from_text(text).counts == {}


def test_usage_survives_as_text_and_forgets_the_oldest() -> None:
    usage = Usage()
    for number in range(250):
        usage.note(f"x.{number}")
    usage.note("x.100")
    again = Usage.from_text(usage.to_text())
    assert again.counts == usage.counts and len(again.counts) == 200
    assert max(again.favour(), key=again.favour().__getitem__) == "x.100"
