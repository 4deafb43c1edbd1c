"""Search in the graph."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.model import edit
from studio.model.boxes import boxes
from studio.model.find import find

KEY = Qt.Key


def test_slash_opens_it_and_letters_search(bench, qtbot: QtBot) -> None:
    bar = bench.extras.search
    bench.key(KEY.Key_Slash)
    qtbot.waitUntil(bar.field.hasFocus)
    QTest.keyClicks(bar.field, "bench")
    assert bar.found == ["benchmark-1", "benchmark-2"] and bar.count.text() == "1 of 2"
    assert bench.document.selection.node == "benchmark-1"
    assert bar.veil.found == {"benchmark-1", "benchmark-2"} and "mfcc-1" in bar.veil.dimmed


def test_enter_goes_round_and_shift_enter_back(bench) -> None:
    bar = bench.extras.search
    bar.ask()
    QTest.keyClicks(bar.field, "ossicle.benchmark")
    seen = []
    for _ in range(3):
        QTest.keyClick(bar.field, KEY.Key_Return)
        seen.append(bench.document.selection.node)
    assert seen == ["benchmark-2", "benchmark-1", "benchmark-2"]
    QTest.keyClick(bar.field, KEY.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert bench.document.selection.node == "benchmark-1"


def test_every_match_is_brought_into_view(bench) -> None:
    bench.canvas.zoom = 2.5
    bar = bench.extras.search
    bar.ask()
    QTest.keyClicks(bar.field, "-1")
    for _ in range(len(bar.found)):
        QTest.keyClick(bar.field, KEY.Key_Down)
        box = bench.canvas.graph.boxes[bench.document.selection.node].outline()
        assert bench.canvas.viewer.seen().contains(QRectF(box))


def test_escape_lifts_the_veil_and_gives_the_keyboard_back(bench, qtbot: QtBot) -> None:
    bar = bench.extras.search
    bar.ask()
    QTest.keyClicks(bar.field, "mfcc")
    QTest.keyClick(bar.field, KEY.Key_Escape)
    assert not bar.isVisible() and not bar.veil.isVisible()
    qtbot.waitUntil(bench.canvas.viewer.hasFocus)
    assert bench.document.selection.node == "mfcc-1"


def test_nothing_found_says_so_and_dims_all(bench) -> None:
    bar = bench.extras.search
    bar.ask()
    QTest.keyClicks(bar.field, "zebra")
    assert bar.count.text() == "none" and bar.field.property("invalid") is True
    assert bar.veil.dimmed == bench.document.workflow.nodes.keys()
    QTest.keyClick(bar.field, KEY.Key_Return)
    bar.field.clear()
    assert bar.count.text() == "" and not bar.veil.isVisible()


def test_it_follows_edits(bench) -> None:
    bar = bench.extras.search
    bar.ask()
    QTest.keyClicks(bar.field, "bench")
    bench.document.edit("gone", lambda w: edit.remove(w, ["benchmark-1"]))
    assert bar.found == ["benchmark-2"] and "benchmark-1" not in bar.veil.found


def test_ids_titles_types_parameters_and_modes_are_found(bench) -> None:
    document = bench.document
    document.edit("mute", lambda w: edit.set_mode(w, ["deploy-1"], "muted"))

    def found(text: str) -> list[str]:
        return find(document.workflow, document.registry, text, boxes(document.workflow, document.registry))

    assert found("quantize-1") == ["quantize-1"]
    assert found("log-mel") == []
    assert found("MFCC") == ["mfcc-1"]
    assert found("preset=s1-40x98") == found("s1-40x98") == ["mfcc-1"]
    assert found("on leak drop") == ["partition-1"]
    assert found("{model}") == ["train-1"]
    assert found("muted") == ["deploy-1"]
    assert found("bench 2") == ["benchmark-2"]
    assert found("") == found("   ") == []
