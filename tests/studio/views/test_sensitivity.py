"""Cards of a sensitivity report: layers alone, a tensor's values, overload and noise over the same powers of two."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Report
from engine.errors import OssicleError
from studio.look import theme
from studio.views.data.sensitivity import parse
from studio.views.sensitivity import LayersAloneCard, TensorCard, bar_of, words_of
from studio.views.viewer import Scene, load_viewers, viewers_of

RAW: dict[str, Any] = {
    "kind": "sensitivity", "bits": 8, "threshold": 1e-4, "sqnr_db": 21.5, "agreement": 0.98,
    "accuracy": {"float": 0.96, "integers": 0.95},
    "layers": [
        {"layer": "features", "operator": "Input", "accuracy": 0.95, "lost": 0.01, "agreement": 0.97, "sqnr_db": 20.0},
        {"layer": "conv1", "operator": "Conv", "accuracy": 0.96, "lost": 0.0, "agreement": 1.0, "sqnr_db": None},
        {"layer": "fc", "operator": "Conv", "accuracy": 0.96, "lost": 0.0, "agreement": 0.9, "sqnr_db": 40.0},
    ],
    "tensors": [
        {"name": "features", "kind": "map", "largest": 7.5, "zeros": 10, "is_constant": False,
         "format": {"bits": 8, "fraction": 4, "integer": 3},
         "rules": {"sqnr": {"fraction": 4, "integer": 3}, "overload": {"fraction": 5, "integer": 2}},
         "exponents": [0, 1, 2, 3], "counts": [20, 40, 20, 10],
         "integers": [0, 1, 2, 3, 4], "overload": [0.7, 0.3, 0.1, 0.0, 0.0],
         "sqnr_db": [5.0, 12.0, 20.0, 33.0, 28.0]},
        {"name": "fc weight", "kind": "weight", "largest": 0.0, "zeros": 40, "is_constant": True,
         "format": {"bits": 8, "fraction": 7, "integer": 0},
         "rules": {"sqnr": {"fraction": 7, "integer": 0}}, "exponents": [], "counts": [],
         "integers": [0, 1], "overload": [0.0, 0.0], "sqnr_db": [None, None]},
    ],
}  # fmt: skip


def test_the_report_has_both_cards_and_others_have_not(make_report: Any) -> None:
    load_viewers()
    titles = {spec.title for spec in viewers_of(make_report(RAW))}
    assert titles >= {"Layers alone", "Values between powers of two"}
    assert "Layers alone" not in {spec.title for spec in viewers_of(make_report({"kind": "benchmark"}))}


def test_a_layers_bar_says_what_it_costs() -> None:
    first, second, third = parse(RAW).layers
    assert bar_of(first, "noise").value == pytest.approx(0.1) and bar_of(first, "noise").end == "20.0 dB"
    assert bar_of(second, "noise").value == 0.0 and bar_of(second, "noise").end == "none"
    assert bar_of(third, "answers").end == "10.00% changed"
    assert bar_of(first, "accuracy").value == pytest.approx(0.01) and "no noise" in bar_of(second, "noise").note


def test_layers_are_ordered_by_what_they_cost(make_report: Any, dark: QApplication, qtbot: QtBot) -> None:
    card = shown(LayersAloneCard(), make_report(RAW), qtbot)
    assert [row.name for row in card.chart.rows] == ["features", "conv1", "fc"]
    card.measure.set("answers")
    card.order.set("worst")
    card._draw()
    assert [row.name for row in card.chart.rows] == ["fc", "features", "conv1"]
    assert "96.0%" in card.subtitle.text() and "95.0%" in card.subtitle.text()
    assert len(card.table_rows()) == 4


def test_a_tensor_is_drawn_over_powers_of_two(make_report: Any, dark: QApplication, qtbot: QtBot) -> None:
    card = shown(TensorCard(), make_report(RAW), qtbot)
    assert card.bars.opts["height"].tolist() == [0.2, 0.4, 0.2, 0.1], "shares of all values, zeros among them"
    x, y = card.noise.line("noise").item.getData()
    assert x[np.nanargmax(y)] == 3 == card.marks["noise", "sqnr"].value()
    assert card.marks["overload", "overload"].value() == 2
    spans = {pane.plot.vb.viewRange()[0][0] for pane in (card.values, card.overload, card.noise)}
    assert len(spans) == 1 and card.noise.plot.getAxis("bottom").range[0] == spans.pop(), "one axis for all"
    assert "SQNR 33.0 dB" in card.words(3.2) and "4 behind the point" in card.words(3.2)
    assert card.table_rows()[2] == ("features", 1, 40, 0.3, 12.0)


def test_a_tensor_without_values_is_told(make_report: Any, dark: QApplication, qtbot: QtBot) -> None:
    card = shown(TensorCard(), make_report(RAW), qtbot)
    card.choose("fc weight")
    assert "nothing passes" in card.subtitle.text() and not card.marks["noise", "overload"].isVisible()
    assert "no error" in card.words(0.0)
    assert "10% zeros" in words_of(parse(RAW).tensors[0])


@pytest.mark.parametrize("make", [LayersAloneCard, TensorCard])
def test_both_follow_the_colours_and_have_room(make: Any, make_report: Any, dark: QApplication, qtbot: QtBot) -> None:
    card = shown(make(), make_report(RAW), qtbot)
    for size in ((220, 150), (900, 600)):
        card.resize(*size)
        QApplication.processEvents()
    before = card.grab().toImage()
    theme.apply(dark, "light")
    QApplication.processEvents()
    assert card.grab().toImage() != before
    rows = card.table_rows()
    assert all(len(row) == len(rows[0]) for row in rows)
    card.clear()
    assert card.message.isVisibleTo(card)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw.pop("layers"),
        lambda raw: raw["tensors"][0].pop("rules"),
        lambda raw: raw["tensors"][0].update(counts=[1]),
        lambda raw: raw["tensors"][0].update(overload=[1, 2]),
        lambda raw: raw.update(accuracy=3),
        lambda raw: raw["layers"][0].update(accuracy="much"),
    ],
)
def test_damage_is_told(damage: Any) -> None:
    raw = copy.deepcopy(RAW)
    damage(raw)
    with pytest.raises(OssicleError, match=r"report\.json cannot be read"):
        parse(raw)


def shown(card: Any, report: Report, qtbot: QtBot) -> Any:
    qtbot.addWidget(card)
    card.resize(600, 400)
    card.show()
    card.show_artifact(report, Scene())
    qtbot.waitUntil(lambda: card.found is not None)
    return card
