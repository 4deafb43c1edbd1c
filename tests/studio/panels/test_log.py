"""The log: lines from events, filters, folded tracebacks, copying, following."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.event import Event
from studio.model.document import Document
from studio.panels import log_lines
from studio.panels.log import CLOCK_PX, MARK_PX, NODE_PX, PAD_PX, LogPanel
from studio.panels.log_lines import LineRole, LogModel, line_of
from studio.run.session import Session


def event(kind: Any, node: str = "", time_s: float = 1.25, **values: Any) -> Event:
    return Event(kind, "run-1", node, values, time_s)


TRACE = "Traceback (most recent call last):\n  File x\nValueError: 3"
EVENTS = (
    event("run_started", nodes=["a", "b"], folder="/x/runs/run-1"),
    event("cached", "a", outputs={}, seconds=0.0),
    event("queued", "b", reason="n_mfcc 40 -> 13"),
    event("started", "b"),
    event("log", "b", text="stored artifact is damaged", level="warning"),
    event("log", "b", text="first\nsecond", level="info"),
    event("progress", "b", fraction=0.5),
    event("metric", "b", loss=1.0),
    event("failed", "b", what="the value is 3", expected="at most 2", remedy="Lower it", traceback=TRACE, seconds=1.0),
    event("skipped", "c", because="b"),
    event("run_finished", state="failed", seconds=2.0),
)


@pytest.fixture
def panel(qtbot: QtBot, document: Document, dark: QApplication) -> LogPanel:
    panel = LogPanel(Session(document))
    qtbot.addWidget(panel)
    panel.resize(900, 300)
    panel.show()
    return panel


def texts(panel: LogPanel) -> list[str]:
    return [panel.model.line(row).text for row in range(panel.model.rowCount())]


def test_events_become_lines(panel: LogPanel) -> None:
    assert panel.empty.isVisible() and not panel.view.isVisible()
    panel.session.logged.emit(EVENTS)
    assert texts(panel) == [
        "run run-1, 2 nodes", "cached", "queued: n_mfcc 40 -> 13", "started", "stored artifact is damaged", "first",
        "the value is 3. Expected: at most 2. Lower it.", "skipped: b failed", "run failed in 2.0 s",
    ]  # fmt: skip
    assert panel.counted.text() == "9 lines" and panel.view.isVisible() and not panel.empty.isVisible()
    assert [panel.nodes.itemText(i) for i in range(panel.nodes.count())] == ["All nodes", "a", "b", "c"]
    index = panel.model.index(6)
    assert index.data(LineRole).level == "error" and "at most 2" in index.data(Qt.ItemDataRole.ToolTipRole)
    assert index.data(Qt.ItemDataRole.DisplayRole).startswith(panel.model.line(6).clock)


def test_filters(panel: LogPanel, qtbot: QtBot) -> None:
    panel.add(EVENTS)
    panel.levels.setCurrentText("Warnings and errors")
    panel._filter()
    assert len(texts(panel)) == 2 and panel.counted.text() == "2 of 9 lines"
    panel.search.setText("DAMAGED")
    qtbot.waitUntil(lambda: len(texts(panel)) == 1)
    panel.search.setText("valueerror")
    qtbot.waitUntil(lambda: texts(panel) == ["the value is 3. Expected: at most 2. Lower it."])
    panel.search.setText("nowhere")
    qtbot.waitUntil(panel.empty.isVisible)
    assert panel.empty.text() == "No line fits the filter."
    assert not panel.copy_button.isEnabled()
    panel.search.clear()
    panel.levels.setCurrentText("Everything")
    panel.show_node("c")
    assert texts(panel) == ["skipped: b failed"]
    panel.show_node("")
    assert len(texts(panel)) == 9
    panel.add([event("log", "a", text="later", level="info")])
    assert texts(panel)[-1] == "later"


def test_tracebacks_fold(panel: LogPanel, qtbot: QtBot) -> None:
    panel.add(EVENTS)
    model = panel.model
    panel.view.setCurrentIndex(model.index(6))
    qtbot.keyClick(panel.view, Qt.Key.Key_Return)
    assert model.is_open(6) and model.rowCount() == 12
    assert [model.line(row).text for row in (7, 8, 9)] == TRACE.splitlines()
    model.toggle(8)
    assert model.rowCount() == 12, "a line of a traceback has none of its own"
    qtbot.keyClick(panel.view, Qt.Key.Key_Space)
    assert model.rowCount() == 9


def test_copy(panel: LogPanel, qtbot: QtBot) -> None:
    panel.add(EVENTS)
    panel.copy_button.click()
    copied = QGuiApplication.clipboard().text()
    assert copied.count("\n") == 9 + 3 + 1 - 1 and "ValueError: 3" in copied and "    second" in copied
    panel.view.setCurrentIndex(panel.model.index(1))
    qtbot.keyClick(panel.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == panel.model.line(1).to_text()
    panel.clear_button.click()
    assert panel.model.total == 0 and panel.empty.isVisible()


def test_follows_until_somebody_scrolls_up(panel: LogPanel, qtbot: QtBot) -> None:
    panel.add([event("log", "a", text=str(n)) for n in range(200)])
    bar = panel.view.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0 and bar.value() == bar.maximum())
    bar.setValue(10)
    bar.sliderMoved.emit(10)
    assert not panel.follow.isChecked()
    panel.add([event("log", "a", text="more")])
    assert bar.value() == 10
    panel.follow.click()
    assert bar.value() == bar.maximum()


def test_a_click_selects_the_node(panel: LogPanel, qtbot: QtBot, flow_of: Callable[[str], Any]) -> None:
    panel.session.document.show(flow_of("b"))
    panel.add(EVENTS)
    row = panel.view.visualRect(panel.model.index(4))
    qtbot.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=row.topLeft() + QPoint(200, 5))
    assert panel.session.document.selection.node == "b"
    panel._select("gone")
    panel._select("")
    assert panel.session.document.selection.node == "b"


@pytest.fixture
def flow_of() -> Callable[[str], Any]:
    from engine.workflow import parse

    return lambda node: parse({"format": 1, "nodes": {node: {"type": "x.y"}}})


def test_memory_is_bounded(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "MOST", 100)
    monkeypatch.setattr(log_lines, "DROP", 10)
    model = LogModel()
    for n in range(50):
        model.add([event("log", "a", text=f"{n}.{k}") for k in range(7)])
    assert model.rowCount() == model.total <= 100
    assert model.line(model.rowCount() - 1).text == "49.6"
    model.add([event("log", "a", text=str(k)) for k in range(5_000)])
    assert model.total <= 100 and model.line(model.rowCount() - 1).text == "4999"


def test_odd_events_make_a_line_or_none() -> None:
    assert line_of(event("progress", "a")) is None and line_of(event("metric", "a")) is None
    for kind in ("log", "failed", "finished", "run_finished", "run_started", "skipped", "cancelled", "queued"):
        line = line_of(event(kind, "a"))
        assert line is not None and isinstance(line.to_text(), str)
    assert len(line_of(event("log", text="x" * 100_000)).text) == 100_000  # type: ignore[union-attr]
    assert PAD_PX + CLOCK_PX + NODE_PX + MARK_PX < 300
