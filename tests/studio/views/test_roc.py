"""ROC and DET curves against known cases and against sums over all pairs; the operating point; the card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Artifact, Report
from engine.errors import OssicleError
from studio.views.data.roc import MICRO, clip_seconds, curve, curves, det, deviates, operate
from studio.views.roc import STEPS, RocCard, has_scores
from studio.views.viewer import Scene

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.3])
HITS = np.array([True, True, False, True, False, False])


def test_a_small_case_by_hand() -> None:
    found = curve("x", SCORES, HITS)
    assert found is not None
    points = set(zip(found.false_alarm.round(3).tolist(), found.hit.round(3).tolist(), strict=True))
    assert {(0.0, 0.0), (0.0, 0.667), (0.333, 1.0), (1.0, 1.0)} <= points
    assert found.area == pytest.approx(8 / 9)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_the_share_of_pairs_in_the_right_order(decisions: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in decisions], np.float64)
    hits = np.array([hit for _, hit in decisions])
    found = curve("x", scores, hits)
    if found is None:
        assert hits.all() or not hits.any()
        return
    gaps = scores[hits][:, None] - scores[~hits][None]
    assert found.area == pytest.approx((gaps > 0).mean() + 0.5 * (gaps == 0).mean())
    assert (np.diff(found.false_alarm) >= 0).all() and (np.diff(found.hit) >= 0).all()
    assert 0.0 <= found.equal_error <= 1.0
    for threshold in (-1.0, 0.0, 2.5, 5.0, 9.0):
        at = operate(found, threshold)
        assert at.hit == pytest.approx((scores[hits] >= threshold).mean())
        assert at.false_alarm == pytest.approx((scores[~hits] >= threshold).mean())


def test_equal_errors_of_a_perfect_a_guessing_and_a_wrong_classifier() -> None:
    perfect = curve("x", np.array([1.0, 0.0]), np.array([True, False]))
    guess = curve("x", np.array([0.5, 0.5]), np.array([True, False]))
    wrong = curve("x", np.array([0.0, 1.0]), np.array([True, False]))
    assert [found and found.equal_error for found in (perfect, guess, wrong)] == [0.0, 0.5, 1.0]
    assert perfect is not None and perfect.equal_threshold == 1.0


def test_all_classes_pooled_come_first_and_classes_without_clips_are_left_out() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.8, 0.1, 0.1]])
    found = curves(probabilities, np.array([0, 1, 0]), ("a", "b", "c"))
    assert [item.name for item in found] == [MICRO, "a", "b"]
    assert found[1].area == found[2].area == 1.0
    assert found[0].positives == 3 and found[0].negatives == 6


def test_false_alarms_an_hour_follow_from_the_clips_length() -> None:
    found = curve("x", SCORES, HITS)
    assert found is not None
    at = operate(found, 0.65, clip_s=1.0)
    assert at.false_alarm == pytest.approx(1 / 3) and at.false_alarms_per_hour == pytest.approx(1200.0)
    assert operate(found, 0.65).false_alarms_per_hour is None
    assert "1,200.0 an hour" in at.words and "an hour" not in operate(found, 0.65).words
    assert clip_seconds({"clip_samples": 8000, "rate_hz": 16_000}) == 0.5
    assert clip_seconds({"clip_samples": 8000, "rate_hz": 0}) is None and clip_seconds({}) is None


def test_det_axes_are_normal_deviates() -> None:
    np.testing.assert_allclose(deviates(np.array([0.5, 0.15865525])), [0.0, -1.0], atol=1e-6)
    assert np.isfinite(deviates(np.array([0.0, 1.0]))).all()
    found = curve("x", SCORES, HITS)
    assert found is not None
    x, y = det(found)
    assert (np.diff(x) >= 0).all() and (np.diff(y) <= 0).all()


@pytest.mark.parametrize(
    ("probabilities", "truth", "words"),
    [
        (np.zeros((2, 3)), np.array([0]), "for 1 clips and 3 classes"),
        (np.full((1, 3), np.nan), np.array([0]), "not finite"),
        (np.zeros((2, 3)), np.array([0, 7]), "run from 0 to 7"),
    ],
)
def test_scores_that_do_not_fit_are_refused(probabilities: Any, truth: Any, words: str) -> None:
    with pytest.raises(OssicleError, match=words):
        curves(probabilities, truth, ("a", "b", "c"))


# ---- card


@pytest.fixture
def card(dark: QApplication, qtbot: QtBot, artifacts: dict[str, Artifact]) -> RocCard:
    made = RocCard()
    qtbot.addWidget(made)
    made.resize(900, 500)
    made.show()
    scene = Scene("benchmark-1", related={"mfcc-1": artifacts["mfcc-1.features"]})
    made.show_artifact(artifacts["benchmark-1.report"], scene)
    qtbot.waitUntil(lambda: made.data is not None)
    return made


def test_the_pooled_area_is_that_of_the_report(card: RocCard, artifacts: dict[str, Artifact]) -> None:
    assert card.data is not None and card.data.clip_s == 1.0
    told = artifacts["benchmark-1.report"].json("report.json")["roc"]["area"]
    assert card.data.curves[0].area == pytest.approx(1 - told), "the report gives the area above the curve"
    assert set(card.legend.chips) == {found.name for found in card.data.curves}
    assert {found.name for found in card.data.curves} <= card.pane.lines.keys()


def test_the_slider_moves_the_operating_point(card: RocCard) -> None:
    card.target.setCurrentIndex(1)
    card.slider.setValue(0)
    assert card.operating is not None and card.operating.hit == 1.0 and card.operating.false_alarms_per_hour == 3600
    card.slider.setValue(STEPS)
    assert card.operating is not None and card.operating.hit < 1.0
    assert card.words.text().startswith(card.target.currentText())
    card.target.setCurrentIndex(0)
    assert card.operating is not None and card.operating.false_alarms_per_hour is None, "pooled decisions are no time"


def test_det_and_back(card: RocCard) -> None:
    before = card.pane.lines[MICRO].item.getOriginalDataset()[1].copy()
    card.form.set("det")
    card.form.changed.emit("det")
    assert "chance" not in card.pane.lines
    assert (np.diff(card.pane.lines[MICRO].item.getOriginalDataset()[1]) <= 0).all()
    card.form.set("roc")
    card.form.changed.emit("roc")
    np.testing.assert_array_equal(card.pane.lines[MICRO].item.getOriginalDataset()[1], before)


def test_a_class_can_be_switched_off(card: RocCard) -> None:
    assert card.data is not None
    name = card.data.curves[1].name
    card.legend.chips[name].click()
    assert name not in card.pane.lines
    assert card.chart.words is not None and name not in card.chart.words(0.1).split()
    assert len(card.table_rows()) > 10


def test_reports_without_scores_do_not_fit(make_report: Callable[[Any], Report]) -> None:
    assert not has_scores(make_report({"classes": ["a", "b"]}))


def test_damaged_scores_are_told(
    card: RocCard, qtbot: QtBot, artifacts: dict[str, Artifact], copy_of: Callable[[Artifact], Artifact]
) -> None:
    report = copy_of(artifacts["benchmark-1.report"])
    (report.path / "arrays.npz").write_bytes(b"not a zip")
    card.show_artifact(report, Scene())
    qtbot.waitUntil(lambda: card.message.isVisibleTo(card))
    np.savez(report.path / "arrays.npz", truth=np.zeros(2, np.int64))
    card.show_artifact(replace(report), Scene())
    qtbot.waitUntil(lambda: "probabilities" in card.message.text())
