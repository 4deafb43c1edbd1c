"""The Pareto front: nothing on it is beaten; reports and rows read; the card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Report
from engine.errors import OssicleError
from studio.views.data.front import (
    Limit,
    Objective,
    fits,
    front_of,
    non_dominated,
    read_search,
    search_of_rows,
)
from studio.views.pareto import ParetoCard, is_search
from studio.views.viewer import Scene

OBJECTIVES = [
    {"name": "accuracy", "direction": "maximize"},
    {"name": "flops", "direction": "minimize"},
    {"name": "ram_bytes", "direction": "minimize"},
]
POINTS = {0: (0.80, 1e6, 10_000), 1: (0.90, 2e6, 20_000), 2: (0.85, 3e6, 9_000), 3: (0.95, 8e6, 90_000)}
RAW: dict[str, Any] = {
    "kind": "search",
    "objectives": OBJECTIVES,
    "trials": [
        *(
            {
                "number": number,
                "state": "complete",
                "objectives": dict(zip(("accuracy", "flops", "ram_bytes"), values, strict=True)),
                "params": {"width": number + 1},
                "workflow": {"name": f"trial {number}"},
            }
            for number, values in POINTS.items()
        ),
        {"number": 4, "state": "pruned", "objectives": {"accuracy": 0.99, "flops": 1.0}, "params": {}},
        {"number": 5, "state": "failed"},
    ],
    "limits": [{"objective": "ram_bytes", "value": 32_768, "label": "STM32L4"}],
}


# ---- data

finite = st.floats(-1e6, 1e6)
cloud = st.integers(1, 4).flatmap(lambda k: st.lists(st.lists(finite, min_size=k, max_size=k), min_size=1, max_size=60))


@given(cloud)
def test_no_point_of_the_front_is_beaten_and_every_other_is(rows: list[list[float]]) -> None:
    points = np.array(rows)
    kept = non_dominated(points)
    assert kept.any()

    def beaten(point: Any) -> bool:
        return bool(((points <= point).all(1) & (points < point).any(1)).any())

    for point, stays in zip(points, kept, strict=True):
        assert stays != beaten(point)


@given(cloud, st.randoms())
def test_the_front_does_not_depend_on_the_order(rows: list[list[float]], shuffler: Any) -> None:
    order = list(range(len(rows)))
    shuffler.shuffle(order)
    points = np.array(rows)
    np.testing.assert_array_equal(non_dominated(points)[order], non_dominated(points[order]))


def test_blocks_do_not_show_and_nan_never_stays() -> None:
    points = np.random.default_rng(0).normal(size=(1200, 2))
    points[7] = np.nan
    kept = non_dominated(points)
    best = min(range(1200), key=lambda n: (np.nan_to_num(points[n, 0], nan=9), points[n, 1]))
    assert kept[best] and not kept[7]
    assert not non_dominated(np.empty((0, 2))).any()


def test_only_complete_trials_make_the_front() -> None:
    search = read_search(RAW)
    accuracy, flops, ram = search.objectives
    assert [trial.number for trial in front_of(search, flops, accuracy)] == [0, 1, 3]
    assert [trial.number for trial in front_of(search, ram, accuracy)] == [2, 1, 3]
    assert accuracy.is_maximised and not flops.is_maximised


def test_limits_sort_out_what_does_not_fit() -> None:
    search = read_search(RAW)
    assert [fits(trial, search) for trial in search.trials] == [True, True, True, False, True, True]
    at_least = read_search({**RAW, "limits": [{"objective": "accuracy", "value": 0.88}]})
    assert [fits(trial, at_least) for trial in at_least.trials[:4]] == [False, True, False, True]


def test_rows_of_a_running_search_become_trials() -> None:
    rows = [{"trial": 0.0, "accuracy": 0.8}, {"trial": 1.0, "accuracy": 0.9, "flops": 2e6}, {"step": 3.0, "loss": 1.0}]
    search = search_of_rows([*rows, {"trial": 0.0, "flops": 1e6, "step": 4.0}])
    assert [trial.values for trial in search.trials] == [
        {"accuracy": 0.8, "flops": 1e6},
        {"accuracy": 0.9, "flops": 2e6},
    ]
    assert search.objectives == (Objective("accuracy", True), Objective("flops", False))


@pytest.mark.parametrize(
    "change", [{"trials": [{}]}, {"objectives": [{"unit": "x"}]}, {"trials": 3}, {"limits": [{"value": 1}]}]
)
def test_reports_that_are_not_as_described_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(OssicleError, match="search report cannot be read"):
        read_search({**RAW, **change})


# ---- card


@pytest.fixture
def card(dark: QApplication, qtbot: QtBot) -> ParetoCard:
    made = ParetoCard()
    qtbot.addWidget(made)
    made.resize(800, 450)
    made.show()
    return made


@pytest.fixture
def shown(card: ParetoCard, make_report: Callable[[Any], Report], qtbot: QtBot) -> ParetoCard:
    card.show_artifact(make_report(RAW), Scene("nas-1"))
    qtbot.waitUntil(lambda: bool(card.front))
    return card


def test_the_front_is_drawn_through_within_the_limits(shown: ParetoCard) -> None:
    assert [trial.number for trial in shown.front] == [0, 1], "trial 3 needs more RAM than there is"
    x, y = shown.pane.lines["front"].item.getOriginalDataset()
    assert x.tolist() == [1.0, 2.0] and y.tolist() == [80.0, 90.0], "operations in millions, accuracy in percent"
    assert shown.subtitle.text() == "nas-1 · 6 trials · 2 on the front"
    assert "over" in shown.legend.chips


def test_axes_can_be_chosen_and_bring_their_limits(shown: ParetoCard) -> None:
    assert shown._lines == []
    shown.x_choice.setCurrentIndex(2)
    shown.x_choice.activated.emit(2)
    assert [line.value() for line in shown._lines] == [32.768]
    assert [trial.number for trial in shown.front] == [2, 1]


def test_a_point_tells_its_trial(shown: ParetoCard, qtbot: QtBot) -> None:
    with qtbot.waitSignal(shown.trial_chosen) as told:
        shown._clicked(shown.points, [point for point in shown.points.points() if point.data() == 1])
    assert told.args[0].workflow == {"name": "trial 1"}
    assert "trial 1 (complete)" in shown.note.text() and "width 2" in shown.note.text()
    shown.choose(99)
    assert shown.picked == 1


def test_a_typed_limit_moves_the_front(shown: ParetoCard) -> None:
    shown.limit.setText("1.5")
    shown.limit.editingFinished.emit()
    assert shown.own_limits == {"flops": Limit("flops", 1.5e6)}
    assert [trial.number for trial in shown.front] == [0]
    shown.limit.setText("much")
    shown.limit.editingFinished.emit()
    assert shown.limit.property("invalid") and "no number" in shown.limit.toolTip()
    shown.limit.setText("")
    shown.limit.editingFinished.emit()
    assert shown.own_limits == {} and len(shown.front) == 2


def test_points_come_live(card: ParetoCard) -> None:
    rows = [{"trial": 0.0, "accuracy": 0.8, "flops": 1e6}]
    card.show_rows("nas-1", rows)
    assert len(card.points.data) == 1 and not card.message.isVisibleTo(card)
    rows += [{"trial": float(n), "accuracy": 0.8 + n / 100, "flops": 1e6 * n} for n in range(1, 9)]
    card.show_rows("nas-1", rows)
    assert len(card.points.data) == 9 and card.axes[0].name == "flops"
    card.show_rows("train-1", [{"step": 1.0, "loss": 2.0}])
    assert card.message.isVisibleTo(card)


def test_a_report_of_another_kind_does_not_fit(make_report: Callable[[Any], Report]) -> None:
    assert is_search(make_report(RAW))
    for content in ("{", "[]", '{"kind": "benchmark"}', '{\n "kind": "benchmark",\n "x": {\n  "kind": "search"}}'):
        assert not is_search(make_report(content))


def test_a_damaged_search_is_told(card: ParetoCard, make_report: Callable[[Any], Report], qtbot: QtBot) -> None:
    card.show_artifact(make_report({"kind": "search"}), Scene())
    qtbot.waitUntil(lambda: "search report cannot be read" in card.message.text())
    card.show_artifact(make_report({**RAW, "objectives": OBJECTIVES[:1]}), Scene())
    qtbot.waitUntil(lambda: "two objectives" in card.message.text())
    assert card.table_rows()[0][0] == "trial"
