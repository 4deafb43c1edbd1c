"""The report of an optimisation: read, told in words, and shown by its cards."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Report
from engine.errors import OssicleError
from studio.views.choices import ChoicesCard, is_optimisation, strip_of, tokens_of
from studio.views.curves import CurvesCard
from studio.views.data.optimisation import (
    candidate_words,
    choice_rows,
    families,
    read_optimisation,
    told,
)
from studio.views.engines import EnginesCard, engine_rows
from studio.views.episodes import SearchCard
from studio.views.export import picture
from studio.views.memory_plan import MemoryCard, block_words, saving
from studio.views.trade_off import TradeOffCard, has_trade_off
from studio.views.viewer import Scene, viewers_of

MakeReport = Callable[[Any], Report]


def layer(name: str, us: float, primitive: str, *others: tuple[str, float | None], **more: Any) -> dict[str, Any]:
    candidates = [(primitive, us), *others]
    return {
        "layer": name,
        "operator": "Conv 3x3",
        "us": us,
        "primitive": primitive,
        "format": "f32_hwc",
        "flops": 200_000.0,
        "gflops": 200.0 / us,
        "share": us / 10.0,
        "in_shape": [8, 10, 10],
        "out_shape": [16, 10, 10],
        "candidates": [{"primitive": p, "format": "f32_hwc", "us": t} for p, t in candidates],
        **more,
    }


RAW: dict[str, Any] = {
    "kind": "optimisation",
    "network": "net",
    "target": "avx2",
    "inference": {"median_us": 10.0, "min_us": 9.5},
    "layers_us": 9.6,
    "peak": {"fp32_gflops": 100.0, "int8_gops": 400.0},
    "layers": [
        {"layer": "in: f32_chw to f32_hwc", "operator": "Cast", "us": 0.6, "primitive": "cast", "format": "f32_hwc"},
        layer("conv1", 4.0, "winograd-f4x4", ("direct-4x2", 6.0), ("plain", 90.0), ("gemm", None), why="fastest of 3"),
        layer("conv2", 5.0, "direct-4x2", ("winograd-f2x2", 7.5), refused=[{"primitive": "dw", "reason": "not one"}]),
    ],
    "memory": {
        "workspace_bytes": 3000,
        "separate_bytes": 6000,
        "weight_bytes": 12_000,
        "steps": ["in: f32_chw to f32_hwc", "conv1", "conv2"],
        "blocks": [
            {"name": "in", "format": "f32_hwc", "offset": 0, "bytes": 1000, "first": 0, "last": 1},
            {"name": "conv1", "format": "f32_hwc", "offset": 1000, "bytes": 1000, "first": 1, "last": 2},
            {"name": "conv2", "format": "u8_hwc", "offset": 0, "bytes": 900, "first": 2, "last": 2},
            {"name": "scratch", "format": "scratch", "offset": 2000, "bytes": 1000, "first": 1, "last": 1},
        ],
    },
    "search": {
        "unit": "episode",
        "optimum_us": 9.0,
        "strategies": [
            {"name": "q-learning", "us": 9.1, "regret": 0.011, "x": [1, 2, 3], "best": [12, 12, 9.1],
             "tried": [12, 14, 9.1]},
            {"name": "random", "us": 11.0, "regret": 0.22, "x": [1, 2, 3], "best": [13, 11, 11]},
            {"name": "greedy", "us": 9.9, "regret": 0.1},
        ],
    },
    "backends": [
        {"name": "onnxruntime", "version": "1.31", "us": 30.0},
        {"name": "ncnn", "us": None, "error": "its output is wrong"},
        {"name": "openvino", "version": "2026", "us": 20.0},
    ],
    "trade_off": {
        "objectives": [{"name": "accuracy", "direction": "maximize"}, {"name": "latency_us", "direction": "minimize"}],
        "trials": [
            {"number": 0, "state": "complete", "objectives": {"accuracy": 0.95, "latency_us": 10.0}, "params": {}},
            {
                "number": 1,
                "state": "complete",
                "objectives": {"accuracy": 0.94, "latency_us": 7.0},
                "params": {"int8": "conv1", "chosen": "yes"},
            },
            {"number": 2, "state": "complete", "objectives": {"accuracy": 0.80, "latency_us": 6.0}, "params": {}},
        ],
        "limits": [{"objective": "accuracy", "value": 0.93, "label": "budget"}],
    },
    "plots": [],
}  # fmt: skip


# ---- data


def test_a_limit_is_the_work_at_the_peak() -> None:
    found = read_optimisation(RAW)
    cast, conv, _ = found.choices
    assert found.limit_us(conv) == pytest.approx(200_000 / 100e3)
    assert found.limit_us(cast) is None
    quick = read_optimisation({**RAW, "layers": [layer("q", 1.0, "int8-vnni", precision="int8")]})
    assert quick.limit_us(quick.choices[0]) == pytest.approx(0.5)
    assert read_optimisation({"layers": []}).peak_gflops is None


def test_a_layer_in_words() -> None:
    found = read_optimisation(RAW)
    conv = found.choices[1]
    lines = list(told(conv, found))
    assert lines[0] == "conv1 · Conv 3x3" and lines[1] == "8 × 10 × 10 → 16 × 10 × 10"
    assert "50% of this machine's peak" in lines[3] and lines[-1] == "fastest of 3"
    assert [candidate_words(one, conv) for one in conv.others] == [
        "direct-4x2 in f32_hwc: 6.00 µs, 1.50 times the chosen one",
        "plain in f32_hwc: 90.00 µs, 22.50 times the chosen one",
        "gemm in f32_hwc: not measured",
    ]
    assert families(found.choices) == ["direct", "winograd", "cast", "plain", "gemm"]


def test_every_candidate_is_in_the_table() -> None:
    rows = choice_rows(read_optimisation(RAW))
    assert len({len(row) for row in rows}) == 1
    assert [row[2] for row in rows if row[0] == "conv2"] == ["direct-4x2", "winograd-f2x2", "dw"]


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"layers": [{"layer": "x"}]},
        {"layers": [{**RAW["layers"][0], "us": "fast"}]},
        {"layers": [], "memory": {"blocks": [{"name": "x"}]}},
        {"layers": [], "search": {"strategies": [{"name": "x", "us": 1.0, "best": 3}]}},
    ],
)
def test_a_damaged_report_is_told(raw: dict[str, Any]) -> None:
    with pytest.raises(OssicleError, match="cannot be read") as caught:
        read_optimisation(raw)
    assert caught.value.expected and caught.value.remedy


# ---- cards


@pytest.mark.parametrize("indent", [None, 1])
def test_a_report_gets_the_cards_it_has_something_for(indent: int | None, make_report: MakeReport) -> None:
    titles = {spec.title for spec in viewers_of(make_report(json.dumps(RAW, indent=indent)))}
    assert {"Choice per layer", "Memory plan", "Search", "Trade-off", "Engines"} <= titles
    assert "Plots" not in titles


def test_a_report_without_a_search_has_no_card_for_it(make_report: MakeReport) -> None:
    report = make_report({"kind": "optimisation", "layers": []})
    assert is_optimisation(report) and not has_trade_off(report)
    titles = {spec.title for spec in viewers_of(report)}
    assert not titles & {"Search", "Trade-off", "Engines"}
    assert not is_optimisation(make_report({"kind": "search", "layers": []}))


@pytest.fixture
def report(make_report: MakeReport) -> Report:
    return make_report(RAW)


@pytest.fixture
def choices(dark: QApplication, qtbot: QtBot, report: Report) -> ChoicesCard:
    card = ChoicesCard()
    qtbot.addWidget(card)
    card.resize(700, 420)
    card.show()
    card.show_artifact(report, Scene("optimise-1"))
    qtbot.waitUntil(lambda: card.found is not None)
    return card


def test_layers_with_their_candidates(choices: ChoicesCard, qtbot: QtBot) -> None:
    assert choices.subtitle.text() == "net · avx2 · 10.0 µs"
    cast, conv1, _ = choices.chart.strips
    assert cast.label == "→ f32_hwc" and not conv1.label
    assert [spot.value for spot in conv1.spots] == [4.0, 6.0, 90.0], "what was not measured is not drawn"
    assert [spot.is_chosen for spot in conv1.spots] == [True, False, False]
    assert conv1.limit == 2.0
    assert choices.picked == "conv2", "the slowest is told about first"
    with qtbot.waitSignal(choices.layer_chosen) as chosen:
        qtbot.mouseClick(choices.chart, Qt.MouseButton.LeftButton, pos=QPoint(60, round(1.5 * choices.chart.step)))
    assert chosen.args == ["conv1"] and "fastest of 3" in choices.note.text()
    qtbot.keyClick(choices.chart, Qt.Key.Key_Down)
    assert choices.picked == "conv2" and "dw: not one" in choices.note.toolTip()


def test_the_slowest_first(choices: ChoicesCard) -> None:
    actions = {action.text(): action for action in choices.menu.actions()}
    actions["slowest first"].trigger()
    assert [strip.name for strip in choices.chart.strips][:2] == ["conv2", "conv1"]


def test_what_is_under_the_pointer(choices: ChoicesCard) -> None:
    chart, row = choices.chart, choices.chart.strips[1]
    y = round(1.5 * chart.step)
    x = round(chart._x(6.0, chart._field()))
    assert chart.note_at(QPoint(x, y)) == row.spots[1].note
    assert chart.note_at(QPoint(2, y)) == row.note
    assert chart.note_at(QPoint(2, 10_000)) == ""


def test_many_rows_scroll_and_the_picture_has_them_all(choices: ChoicesCard, report: Report, qtbot: QtBot) -> None:
    many = {**RAW, "layers": [layer(f"conv{n}", 1.0 + n, "direct", ("plain", 50.0)) for n in range(60)]}
    choices.show_data(read_optimisation(many))
    QApplication.processEvents()
    assert choices.pictured() is choices.chart
    assert picture(choices.chart).height() == 2 * choices.chart.height() >= 2 * 60 * 20


def test_a_family_keeps_its_colour(choices: ChoicesCard) -> None:
    assert choices.found is not None
    tokens = tokens_of(choices.found)
    assert list(choices.legend.chips) == [*tokens, "limit"]
    strip = strip_of(choices.found.choices[1], choices.found, tokens)
    assert [spot.token for spot in strip.spots] == [tokens["winograd"], tokens["direct"], tokens["plain"]]


def test_memory(dark: QApplication, qtbot: QtBot, report: Report) -> None:
    card = MemoryCard()
    qtbot.addWidget(card)
    card.resize(600, 400)
    card.show()
    card.show_artifact(report, Scene())
    qtbot.waitUntil(lambda: bool(card.picture.plan.blocks))
    plan = card.picture.plan
    assert card.subtitle.text() == saving(plan) == "workspace 3.0 kB, 50% less than unshared · weights 12.0 kB"
    boxes = [card.picture.box_of(block) for block in plan.blocks]
    field = card.picture.field()
    assert all(field.adjusted(-1, -1, 1, 1).contains(box) for box in boxes)
    shrunk = [box.adjusted(0.1, 0.1, -0.1, -0.1) for box in boxes]
    assert not any(a.intersects(b) for n, a in enumerate(shrunk) for b in shrunk[n + 1 :])
    block = card.picture.block_at(QPointF(boxes[1].center()))
    assert block is not None and block_words(block, plan).splitlines()[2] == "alive in conv1 to conv2"
    qtbot.mouseMove(card.picture, boxes[1].center().toPoint())
    assert card.picture.block_at(QPointF(field.right(), field.top())) is None
    assert list(card.legend.chips) == ["f32_hwc", "u8_hwc", "scratch"]
    assert len(card.table_rows()) == 5


def test_a_network_without_workspace_says_so(dark: QApplication, qtbot: QtBot, make_report: MakeReport) -> None:
    card = MemoryCard()
    qtbot.addWidget(card)
    card.show_artifact(make_report({"kind": "optimisation", "layers": []}), Scene())
    qtbot.waitUntil(lambda: "needs no workspace" in card.message.text())


def test_searches(dark: QApplication, qtbot: QtBot, report: Report) -> None:
    card = SearchCard()
    qtbot.addWidget(card)
    card.resize(600, 400)
    card.show()
    card.show_artifact(report, Scene())
    qtbot.waitUntil(lambda: card.found is not None)
    assert card.subtitle.text() == "best 9.1 µs · optimum 9.0 µs"
    assert "greedy 9.9 µs (+10.0%)" in card.note.text()
    assert set(card.pane.lines) == {"q-learning", "random"}
    assert len(card._levels) == 2, "greedy and the optimum lie level"
    assert card._words(2.2) == "episode 2\nq-learning 12.0 µs\nrandom 11.0 µs"
    card.legend.chips["random"].click()
    card.legend.chips["optimum"].click()
    assert set(card.pane.lines) == {"q-learning"} and len(card._levels) == 1
    assert len(card.table_rows()) == 7


def test_engines(dark: QApplication, qtbot: QtBot, report: Report) -> None:
    found = read_optimisation(RAW)
    assert [(row.name, row.end) for row in engine_rows(found)] == [
        ("ossicle", "10.0"),
        ("openvino", "20.0 · 2.00×"),
        ("onnxruntime", "30.0 · 3.00×"),
    ]
    card = EnginesCard()
    qtbot.addWidget(card)
    card.show()
    card.show_artifact(report, Scene())
    qtbot.waitUntil(lambda: bool(card.chart.rows))
    assert card.subtitle.text() == "µs · net · 2.00× as fast as the best of 3"
    assert card.note.text() == "ncnn: its output is wrong"


def test_engines_are_held_against_their_own_race() -> None:
    rows = engine_rows(read_optimisation({**RAW, "raced_us": 16.0}))
    assert [(row.name, row.end) for row in rows][:2] == [("ossicle", "16.0"), ("openvino", "20.0 · 1.25×")]


def test_the_chosen_setting_is_ringed(dark: QApplication, qtbot: QtBot, report: Report) -> None:
    card = TradeOffCard()
    qtbot.addWidget(card)
    card.resize(700, 400)
    card.show()
    card.show_artifact(report, Scene("optimise-1"))
    qtbot.waitUntil(lambda: len(card.search.trials) == 3)
    assert card.picked == 1 and "int8 conv1" in card.note.text()
    assert [trial.number for trial in card.front] == [1, 0], "what is below the budget is on no front"


def test_a_foreign_report_is_refused(dark: QApplication, qtbot: QtBot, make_report: MakeReport) -> None:
    card = TradeOffCard()
    qtbot.addWidget(card)
    card.show_artifact(make_report({"kind": "benchmark"}), Scene())
    qtbot.waitUntil(lambda: "No precisions were explored" in card.message.text())


def test_a_running_search_is_drawn_live(dark: QApplication, qtbot: QtBot) -> None:
    card = CurvesCard()
    qtbot.addWidget(card)
    card.resize(600, 360)
    card.show()
    rows = [{"step": float(n), "latency_us": 20.0 - n % 3, "best_us": 18.0} for n in range(1, 9)]
    card.show_rows("optimise-1", rows)
    assert card.heading.text() == "So far" and set(card.main.lines) == {"latency_us", "best_us"}
    assert not card.main.plot.getAxis("right").style["showValues"], "nothing is measured on it"
    card.show_rows("train-1", [{"step": 1.0, "loss": 1.0, "val_accuracy": 0.5}, {"step": 2.0, "loss": 0.5}])
    assert card.heading.text() == "Training" and card.main.plot.getAxis("right").style["showValues"]
