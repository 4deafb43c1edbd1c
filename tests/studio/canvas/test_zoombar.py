"""The four buttons."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

LEFT = Qt.MouseButton.LeftButton


def test_buttons_zoom_and_the_figure_follows(bench) -> None:
    bar, canvas = bench.extras.zoombar, bench.canvas
    canvas.zoom = 1.0
    assert bar.percent.text() == "100 %"
    QTest.mouseClick(bar.more, LEFT)
    assert canvas.zoom == pytest.approx(1.25) and bar.percent.text() == "125 %"
    QTest.mouseClick(bar.less, LEFT)
    QTest.mouseClick(bar.less, LEFT)
    assert canvas.zoom == pytest.approx(0.8)
    QTest.mouseClick(bar.percent, LEFT)
    assert canvas.zoom == pytest.approx(1.0) and bar.percent.text() == "100 %"


def test_fit_shows_every_node(bench) -> None:
    canvas = bench.canvas
    canvas.zoom = 3.0
    QTest.mouseClick(bench.extras.zoombar.whole, LEFT)
    seen = canvas.viewer.seen()
    assert all(seen.contains(box.outline()) for box in canvas.graph.boxes.values())


def test_a_click_leaves_the_keyboard_with_the_graph(bench) -> None:
    QTest.mouseClick(bench.extras.zoombar.more, LEFT)
    assert bench.canvas.viewer.hasFocus()
