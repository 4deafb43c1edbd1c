"""The confusion matrix: numbers, words, order, pairs, clips; and the card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Artifact, Report
from engine.errors import OssicleError
from engine.evidence import wilson
from studio.views.confusion import ConfusionCard, has_confusion
from studio.views.data.confusion import class_rows, csv_rows, ordered, read_confusion, sentence, worst_pairs
from studio.views.viewer import Scene

RAW = {
    "classes": ["go", "no", "silent", "up"],
    "confusion": [[18, 12, 0, 0], [3, 27, 0, 0], [0, 0, 0, 0], [0, 1, 0, 9]],
    "predictions": [
        {"clip_id": "a.wav", "truth": "go", "prediction": "no", "score": 0.6},
        {"clip_id": "b.wav", "truth": "go", "prediction": "no", "score": 0.9},
        {"clip_id": "c.wav", "truth": "up", "prediction": "up", "score": 0.8},
    ],
}


# ---- data


def test_a_cell_is_told_in_words() -> None:
    found = read_confusion(RAW)
    assert sentence(found, 0, 1) == "12 of 30 “go” were taken for “no” (40%)"
    assert sentence(found, 3, 3) == "9 of 10 “up” were recognised (90%)"
    assert sentence(found, 2, 0) == "there are no clips of “silent”"


def test_the_worst_pairs_come_first() -> None:
    found = read_confusion(RAW)
    pairs = [(found.classes[p.truth], found.classes[p.prediction], p.count) for p in worst_pairs(found)]
    assert pairs == [("go", "no", 12), ("no", "go", 3), ("up", "no", 1)]
    assert len(worst_pairs(found, 1)) == 1


def test_classes_with_most_errors_come_first_and_those_without_clips_last() -> None:
    found = ordered(read_confusion(RAW), "error")
    assert found.classes == ("go", "no", "up", "silent")
    assert found.counts[0].tolist() == [18, 12, 0, 0] and found.right == 54
    assert ordered(read_confusion(RAW), "class").classes == tuple(RAW["classes"])


def test_figures_per_class_have_their_intervals() -> None:
    rows = {row.name: row for row in class_rows(read_confusion(RAW))}
    go = rows["go"]
    assert go.recall == 0.6 and go.recall_span == wilson(0.6, 30)
    assert go.precision == 18 / 21 and go.precision_span == wilson(18 / 21, 21)
    assert go.f1 == pytest.approx(36 / 51) and go.f1_span is not None
    assert go.f1_span[0] < go.f1 < go.f1_span[1]
    silent = rows["silent"]
    assert (silent.recall, silent.precision, silent.f1, silent.clips) == (None, None, None, 0)


@given(st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=3, max_size=3))
def test_any_matrix_gives_shares_and_rows(matrix: list[list[int]]) -> None:
    found = read_confusion({"classes": ["a", "b", "c"], "confusion": matrix})
    sums = found.shares.sum(1)
    assert all(total == pytest.approx(1.0) or not row for total, row in zip(sums, found.counts.sum(1), strict=True))
    for row in class_rows(found):
        for value, span in ((row.recall, row.recall_span), (row.precision, row.precision_span)):
            assert value is None or (span is not None and span[0] - 1e-9 <= value <= span[1] + 1e-9)
    assert sum(pair.count for pair in worst_pairs(found, 99)) == found.counts.sum() - np.trace(found.counts)
    again = ordered(found, "error")
    assert sorted(again.classes) == sorted(found.classes) and again.right == found.right


def test_the_clips_of_a_cell_are_the_surest_first() -> None:
    found = read_confusion(RAW)
    assert [clip.clip_id for clip in found.cell_clips(0, 1)] == ["b.wav", "a.wav"]
    assert found.cell_clips(1, 0) == []
    assert csv_rows(found)[1] == ("go", 18, 12, 0, 0)


@pytest.mark.parametrize("matrix", [[[1, 2]], [[1, 2, 3]] * 4, [1, 2, 3, 4]])
def test_a_matrix_of_another_shape_is_refused(matrix: Any) -> None:
    with pytest.raises(OssicleError, match="for 4 classes"):
        read_confusion({**RAW, "confusion": matrix})


# ---- card


@pytest.fixture
def card(dark: QApplication, qtbot: QtBot, make_report: Callable[[Any], Report]) -> ConfusionCard:
    made = ConfusionCard()
    qtbot.addWidget(made)
    made.resize(900, 500)
    made.show()
    made.show_artifact(make_report(RAW), Scene("benchmark-1"))
    qtbot.waitUntil(lambda: made.found is not None)
    return made


def place_of(card: ConfusionCard, truth: int, prediction: int) -> QPoint:
    box, size = card.matrix.layout_in(card.matrix.rect().toRectF())
    return QPoint(round(box.left() + (prediction + 0.5) * size), round(box.top() + (truth + 0.5) * size))


def test_pointing_at_a_cell_tells_it(card: ConfusionCard, qtbot: QtBot) -> None:
    qtbot.mouseMove(card.matrix, place_of(card, 0, 1))
    assert card.words.text() == "12 of 30 “go” were taken for “no” (40%)"
    assert card.subtitle.text() == "benchmark-1 · 54 of 70 clips right (77.1%)"


def test_clicking_a_cell_lists_its_clips_and_a_clip_is_told(card: ConfusionCard, qtbot: QtBot) -> None:
    qtbot.mouseClick(card.matrix, Qt.MouseButton.LeftButton, pos=place_of(card, 0, 1))
    assert card.list.value == "clips"
    assert [row[0] for row in card.side.source.rows] == ["b.wav", "a.wav"]
    with qtbot.waitSignal(card.clip_chosen) as told:
        card.side.choose(1)
    assert told.args == ["a.wav"]


def test_arrows_walk_through_the_cells(card: ConfusionCard, qtbot: QtBot) -> None:
    card.matrix.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_Up):
        qtbot.keyClick(card.matrix, key)
    assert card.matrix.cell == (0, 0)
    qtbot.keyClick(card.matrix, Qt.Key.Key_Down)
    assert card.matrix.cell == (1, 0)
    assert "3 of 30 “no”" in card.matrix.accessibleDescription()


def test_order_and_numbers_can_be_chosen(card: ConfusionCard) -> None:
    card.order.set("error")
    card.order.changed.emit("error")
    assert card.matrix.found is not None and card.matrix.found.classes[-1] == "silent"
    assert [row[0] for row in card.side.source.rows] == ["go", "no", "up", "silent"]
    card.numbers.set("share")
    card.numbers.changed.emit("share")
    assert card.matrix.is_share


def test_a_pair_marks_its_cell(card: ConfusionCard) -> None:
    card.list.set("pairs")
    card.list.changed.emit("pairs")
    card.side.choose(1)
    assert card.matrix.cell == (1, 0)


def test_a_narrow_card_shows_the_matrix_and_its_menu_has_the_choices(card: ConfusionCard) -> None:
    card.resize(300, 220)
    assert card.matrix.isVisibleTo(card) and not card.side.isVisibleTo(card)
    actions = {action.text(): action for action in card.menu.actions()}
    actions["pairs"].trigger()
    assert card.side.isVisibleTo(card) and not card.matrix.isVisibleTo(card)
    assert card.side.source.rows[0][:3] == ("go", "no", 12)


def test_a_real_report_is_shown(card: ConfusionCard, artifacts: dict[str, Artifact], qtbot: QtBot) -> None:
    report = artifacts["benchmark-1.report"]
    assert has_confusion(report)
    card.show_artifact(report, Scene("benchmark-1"))
    raw = report.json("report.json")
    qtbot.waitUntil(lambda: card.found is not None and card.found.classes == tuple(raw["classes"]))
    assert card.table_rows()[1][1:] == tuple(raw["confusion"][0])
    recalls = {row.name: row.recall for row in card.class_rows}
    assert recalls == {row["class"]: row["recall"] for row in raw["per_class"]}


@pytest.mark.parametrize("content", ["{", "[]", '{"kind": "x"}', '{"confusion": [[1]]}'])
def test_reports_without_a_matrix_do_not_fit(content: str, make_report: Callable[[Any], Report]) -> None:
    assert not has_confusion(make_report(content))


def test_a_damaged_matrix_is_told(card: ConfusionCard, make_report: Callable[[Any], Report], qtbot: QtBot) -> None:
    card.show_artifact(make_report({**RAW, "confusion": [[1]]}), Scene())
    qtbot.waitUntil(lambda: "1 x 1 for 4 classes" in card.message.text())
    card.show_artifact(make_report({"classes": ["a"], "confusion": [["x"]]}), Scene())
    qtbot.waitUntil(lambda: "cannot be shown" in card.message.text())
    card.show_artifact(make_report(RAW), Scene())
    qtbot.waitUntil(lambda: not card.message.isVisibleTo(card))
