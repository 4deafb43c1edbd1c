"""What a report asks to be drawn, in the studio: lines, bands and points on their scales; maps with their colours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Artifact, Report, ReportMeta
from studio.views.plots import MapsCard, Panel, PlotsCard, image_of
from studio.views.viewer import Scene, load_viewers, viewers_of

LINES = [
    {"name": "one", "x": [0.01, 0.1, 1.0], "y": [0.5, 0.2, 0.0], "low": [0.4, 0.1, 0.0], "high": [0.6, 0.3, 0.1]},
    {"name": "two", "x": [0.01, 1.0], "y": [0.9, 0.1]},
]
PLOT = {
    "title": "ROC", "caption": "over runs", "x": {"name": "false alarms", "scale": "log"}, "y": {"name": "misses"},
    "lines": LINES, "points": [{"name": "here", "x": 0.1, "y": 0.2}],
}  # fmt: skip
PANELS = [{"name": "features", "array": "f", "colours": "viridis"}, {"name": "why", "array": "w", "colours": "signed"}]
PICTURE = {
    "title": "yes", "caption": "red raises",
    "x": {"name": "time / s", "end": 1.0}, "y": {"name": "mel band", "size": 2},
    "columns": [{"name": "positive", "panels": PANELS}, {"name": "negative", "panels": PANELS}],
}  # fmt: skip


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """A report with two plots and a picture."""
    np.savez(tmp_path / "arrays.npz", f=np.array([[0.0, 1.0], [2.0, 3.0]]), w=np.array([[-1.0, 0.0], [0.0, 1.0]]))
    raw = {"kind": "x", "plots": [PLOT, {**PLOT, "title": "other", "points": []}], "maps": [PICTURE]}
    (tmp_path / "report.json").write_text(json.dumps(raw, indent=1))
    return Report(tmp_path, ReportMeta(title="x"))


def shown(card: Any, report: Report, qtbot: QtBot) -> Any:
    qtbot.addWidget(card)
    card.resize(700, 480)
    card.show()
    card.show_artifact(report, Scene("node-1"))
    qtbot.waitUntil(lambda: card.shown is not None)
    return card


def test_a_report_that_asks_gets_the_cards_another_does_not(
    report: Report, make_report: Callable[[Any], Report], tmp_path: Path
) -> None:
    load_viewers()
    assert {"Plots", "Maps"} <= {spec.title for spec in viewers_of(report)}
    (tmp_path / "report.json").unlink()
    plain = make_report({"kind": "x", "model": {"plots": []}})
    assert not {"Plots", "Maps"} & {spec.title for spec in viewers_of(plain)}


def test_lines_lie_at_their_places_with_bands_and_point(report: Report, qtbot: QtBot, dark: QApplication) -> None:
    card = shown(PlotsCard(), report, qtbot)
    assert set(card.pane.lines) == {"one", "two"} and len(card.bands) == 1
    x, y = card.pane.lines["one"].item.getOriginalDataset()
    np.testing.assert_allclose(x, [-2, -1, 0])
    np.testing.assert_allclose(y, [0.5, 0.2, 0.0])
    assert card.point.getData()[0].tolist() == [-1.0]
    assert card.subtitle.text() == "over runs"
    assert card.table_rows()[:2] == [("line", "false alarms", "misses"), ("one", 0.01, 0.5)]


def test_the_legend_switches_a_line_and_its_band(report: Report, qtbot: QtBot, dark: QApplication) -> None:
    card = shown(PlotsCard(), report, qtbot)
    card.legend.switched.emit("one", False)
    assert set(card.pane.lines) == {"two"} and card.bands == []
    card.legend.switched.emit("one", True)
    assert set(card.pane.lines) == {"one", "two"} and len(card.bands) == 1


def test_another_plot_is_chosen(report: Report, qtbot: QtBot, dark: QApplication) -> None:
    card = shown(PlotsCard(), report, qtbot)
    card.choice.setCurrentIndex(1)
    card.choice.activated.emit(1)
    assert card.shown.drawing.title == "other" and len(card.point.getData()[0]) == 0
    card.resize(200, 150)
    assert not card.choice.isVisibleTo(card) and not card.legend.isVisibleTo(card)


def test_red_is_above_zero_and_the_first_row_at_the_bottom() -> None:
    drawn = image_of(Panel("w", np.array([[-1.0, 0.0], [0.0, 1.0]]), "signed", (-1.0, 1.0)))
    top_right, bottom_left = QColor(drawn.pixel(1, 0)), QColor(drawn.pixel(0, 1))
    assert top_right.red() > 2 * top_right.blue() and bottom_left.blue() > 2 * bottom_left.red()
    assert min(QColor(drawn.pixel(0, 0)).getRgb()[:3]) > 200


def test_maps_are_painted_with_their_colours(report: Report, qtbot: QtBot, dark: QApplication) -> None:
    card = shown(MapsCard(), report, qtbot)
    assert [name for name, _ in card.shown.columns] == ["positive", "negative"]
    picture = card.picture.grab().toImage()
    colours = {
        picture.pixelColor(x, y).name() for x in range(0, picture.width(), 5) for y in range(0, picture.height(), 5)
    }
    assert {"#a81c26", "#1b4f9c", "#fde725", "#440154"} <= colours
    rows = card.table_rows()
    assert rows[0] == ("column", "map", "row", "place", "value") and len(rows) == 1 + 2 * 2 * 4
    assert rows[4] == ("positive", "features", 1, 1, 3.0)


@pytest.mark.parametrize("card_type", [PlotsCard, MapsCard])
def test_a_damaged_report_is_told(card_type: type[Any], report: Report, qtbot: QtBot, dark: QApplication) -> None:
    (report.path / "report.json").write_text('{"plots": [{"title": 1}], "maps": [{"columns": [{}]}]}')
    card = card_type()
    qtbot.addWidget(card)
    card.show_artifact(report, Scene())
    qtbot.waitUntil(lambda: "cannot be shown" in card.message.text())


def test_a_real_benchmark_has_its_curves(artifacts: dict[str, Artifact], qtbot: QtBot, dark: QApplication) -> None:
    benchmark = artifacts["benchmark-1.report"]
    assert isinstance(benchmark, Report)
    card = shown(PlotsCard(), benchmark, qtbot)
    assert [card.choice.itemText(place) for place in range(card.choice.count())] == ["ROC", "DET"]
    assert "all classes" in card.pane.lines
