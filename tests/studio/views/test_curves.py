"""Training curves: rows appended, scales, the best point, earlier runs, switches, stored curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Model
from studio.run.state import NodeState
from studio.views.curves import CurvesCard, has_curves
from studio.views.data.curves import (
    LOSS,
    RATE,
    SHARE,
    Curve,
    Scale,
    Track,
    Tracks,
    best_point,
    columns,
    is_validation,
    limits,
    progress_of,
    scale_of,
    token_of,
    value_near,
)
from studio.views.viewer import Scene

Row = Mapping[str, float]


def rows(count: int, best: int = 7) -> list[Row]:
    """A training whose validation accuracy peaks in one epoch."""
    return [
        {
            "step": 10.0 * n,
            "epoch": float(n),
            "learning_rate": 0.01 / (n + 1),
            "loss": 2.0 / (n + 1),
            "accuracy": 1 - 1 / (n + 2),
            "validation_loss": 2.1 / (n + 1),
            "validation_accuracy": 0.9 - 0.01 * abs(n - best),
        }
        for n in range(count)
    ]


# ---- data


@pytest.mark.parametrize(
    ("metric", "scale"),
    [
        ("loss", LOSS),
        ("validation_loss", LOSS),
        ("accuracy", SHARE),
        ("val_uar", SHARE),
        ("learning_rate", RATE),
        ("latency_us", Scale("µs", "µs")),
        ("worst_db", Scale("dB", "dB")),
        ("temperature", Scale("temperature")),
    ],
)
def test_a_metric_finds_its_scale_by_its_name(metric: str, scale: Scale) -> None:
    assert scale_of(metric) == scale


def test_training_and_validation_share_colour_and_differ_in_kind() -> None:
    names = ["loss", "validation_loss", "spread", "val_spread", "range"]
    assert token_of("loss", names) == token_of("validation_loss", names) == "accent"
    assert token_of("spread", names) == token_of("val_spread", names) != token_of("range", names)
    assert [is_validation(name) for name in names] == [False, True, False, True, False]


def test_a_track_grows_without_losing_points() -> None:
    track = Track()
    for n in range(1000):
        track.extend([float(n)], [0.5])
    assert track.count == 1000 and track.x[-1] == 999 and (track.y == 0.5).all()
    assert track.shown(SHARE)[0] == 50.0
    track.extend([1000.0], [93.2])
    assert track.shown(SHARE)[-1] == 93.2, "figures above one are percent already"


def test_only_new_rows_are_read_and_other_rows_begin_anew() -> None:
    told = rows(5)
    tracks = Tracks()
    assert tracks.follow(told)
    told += rows(9)[5:]
    assert tracks.follow(told) and tracks.taken == 9
    np.testing.assert_allclose(tracks.tracks["loss"].y, [row["loss"] for row in told])
    assert not tracks.follow(rows(3)), "fewer rows are another run"
    assert tracks.tracks["loss"].count == 3
    assert not tracks.follow([{"step": 1.0, "loss": 4.0}] * 4), "another first row, too"


def test_rows_without_a_place_stand_at_their_number_and_other_values_are_left_out() -> None:
    found = columns([{"loss": 1.0}, {"loss": 2.0, "note": "x"}], "step")  # type: ignore[dict-item]
    assert found == {"loss": ([0.0, 1.0], [1.0, 2.0])}


def test_the_best_point_is_the_highest_validation_accuracy() -> None:
    tracks = Tracks()
    tracks.follow(rows(12))
    best = best_point(tracks.tracks)
    assert best is not None and (best.metric, best.x, best.y) == ("validation_accuracy", 7.0, pytest.approx(90.0))
    chosen = best_point(tracks.tracks, at=3.0)
    assert chosen is not None and chosen.x == 3.0


def test_without_validation_the_lowest_loss_counts_and_nan_never_wins() -> None:
    tracks = Tracks()
    tracks.follow([{"step": 0.0, "loss": math.nan}, {"step": 1.0, "loss": 2.0}, {"step": 2.0, "loss": 3.0}])
    best = best_point(tracks.tracks)
    assert best is not None and (best.x, best.y) == (1.0, 2.0)
    broken = Tracks()
    broken.follow([{"step": 0.0, "loss": math.nan}])
    assert best_point(broken.tracks) is None and best_point({}) is None


def test_the_nearest_point_is_found() -> None:
    track = Track()
    track.extend([1.0, 2.0, 4.0], [0.0, 0.0, 0.0])
    assert [value_near(track, x) for x in (-5, 1.4, 1.6, 3.5, 99)] == [0, 0, 1, 2, 2]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("epoch 13 of 20, 2 min left", ("epoch", 13.0, 20.0)),
        ("calibrating", None),
        ("1,200 of 3,000 clips", None),
        ("", None),
    ],
)
def test_progress_is_read_from_its_words(text: str, found: tuple[str, float, float] | None) -> None:
    progress = progress_of(text)
    assert (progress and (progress.unit, progress.done, progress.total)) == found


def test_limits_leave_room_and_survive_bad_values() -> None:
    assert limits([np.array([1.0, np.nan, 3.0])]) == (pytest.approx(0.88), pytest.approx(3.12))
    assert limits([np.array([np.nan])]) == limits([]) == (0.0, 1.0)
    low, high = limits([np.array([5.0])])
    assert low < 5.0 < high


# ---- card


@pytest.fixture
def card(dark: QApplication, qtbot: QtBot) -> CurvesCard:
    made = CurvesCard()
    qtbot.addWidget(made)
    made.resize(600, 400)
    made.show()
    return made


def test_curves_grow_and_items_stay(card: CurvesCard) -> None:
    told = rows(3)
    card.show_rows("train-1", told)
    line = card.main.lines["loss"].item
    told += rows(9)[3:]
    card.show_rows("train-1", told)
    assert card.main.lines["loss"].item is line
    np.testing.assert_allclose(line.getOriginalDataset()[1], [row["loss"] for row in told])
    assert card.main.lines["accuracy"].on_right and not card.main.lines["loss"].on_right


def test_the_learning_rate_waits_behind_its_switch(card: CurvesCard) -> None:
    card.show_rows("train-1", rows(5))
    assert list(card.chart.panes) == ["main"]
    card.legend.chips["learning_rate"].click()
    assert list(card.chart.panes) == ["main", "learning rate"]
    card.legend.chips["learning_rate"].click()
    assert list(card.chart.panes) == ["main"]


def test_a_curve_switched_off_is_gone_and_comes_back(card: CurvesCard) -> None:
    card.show_rows("train-1", rows(5))
    card.legend.chips["loss"].click()
    assert "loss" not in card.main.lines and "validation_loss" in card.main.lines
    card.legend.chips["loss"].click()
    assert "loss" in card.main.lines


def test_progress_gives_the_axis_its_end(card: CurvesCard) -> None:
    card.show_rows("train-1", rows(5))
    card.show_state(NodeState("running", 0.2, "epoch 4 of 20, 1 min left", 61.0))
    assert card.progress.text() == "epoch 4 of 20"
    assert "1 min 01 s" in card.note.text()
    assert card.main.plot.vb.viewRange()[0][1] >= 20
    card.main.plot.vb.sigRangeChangedManually.emit([True, False])
    card.main.plot.vb.setXRange(0, 2, padding=0)
    card.show_rows("train-1", rows(6))
    assert card.main.plot.vb.viewRange()[0][1] == pytest.approx(2), "who zoomed in stays there"
    card.main.release()
    assert card.main.plot.vb.viewRange()[0][1] >= 20


def test_earlier_runs_stand_pale_behind_and_can_be_hidden(card: CurvesCard) -> None:
    card.show_rows("train-1", rows(5), [Curve("20260101-a", rows(8)), Curve("20260102-b", rows(4))])
    assert {"20260101-a:loss", "20260102-b:validation_accuracy"} <= card.main.lines.keys()
    assert card.legend.chips["run:20260101-a"].text() == "20260101-a"
    card.legend.chips["run:20260101-a"].click()
    assert "20260101-a:loss" not in card.main.lines and "20260102-b:loss" in card.main.lines


def test_any_metric_gets_an_axis(card: CurvesCard) -> None:
    card.show_rows(
        "gain-1", [{"step": float(n), "gain_db": -n * 1.0, "width_ms": 2.0 * n, "odd": 1.0} for n in range(4)]
    )
    assert card.main.plot.getAxis("left").labelText == "dB"
    assert card.main.plot.getAxis("right").labelText == "ms"
    assert "odd" in card.chart.panes


def test_values_are_told_under_the_pointer(card: CurvesCard) -> None:
    card.show_rows("train-1", rows(10))
    told = card.chart.words(6.9) if card.chart.words is not None else ""
    assert told.splitlines()[0] == "epoch 7"
    assert any(line.startswith("validation accuracy") and line.endswith("90.0 %") for line in told.splitlines())


def test_another_node_begins_anew_and_clear_empties(card: CurvesCard) -> None:
    card.show_rows("train-1", rows(10))
    card.show_rows("train-2", rows(2))
    assert card.tracks.tracks["loss"].count == 2 and "train-2" in card.subtitle.text()
    card.clear()
    assert not card.main.lines and card.message.isVisibleTo(card)


def test_twenty_thousand_rows_are_thinned_for_the_screen(card: CurvesCard) -> None:
    card.show_rows("train-1", [{"step": float(n), "loss": math.sin(n / 50)} for n in range(20_000)])
    drawn = card.main.lines["loss"].item
    assert len(drawn.getOriginalDataset()[0]) == 20_000
    assert len(drawn.getData()[0]) <= 5_000


def test_the_curves_of_a_real_training_are_shown(card: CurvesCard, qtbot: QtBot, artifacts: dict[str, Model]) -> None:
    model = artifacts["train-1.model"]
    assert has_curves(model)
    card.show_artifact(model, Scene("train-1", earlier=(replace(model, path=model.path / "."),)))
    qtbot.waitUntil(lambda: bool(card.tracks.tracks))
    points = model.json("curves.json")["points"]
    np.testing.assert_allclose(card.tracks.tracks["loss"].y, [point["loss"] for point in points])
    assert len(card.table_rows()) == len(points) + 1
    assert card.progress.text() == f"epoch {points[-1]['epoch']:.0f} of {points[-1]['epoch']:.0f}"


def test_damaged_curves_are_told(card: CurvesCard, qtbot: QtBot, artifacts: dict[str, Model], tmp_path: Path) -> None:
    (tmp_path / "curves.json").write_text('{"points": []}')
    card.show_artifact(replace(artifacts["train-1.model"], path=tmp_path), Scene())
    qtbot.waitUntil(lambda: "no points" in card.message.text())
    (tmp_path / "curves.json").write_text("{")
    card.show_artifact(replace(artifacts["train-1.model"], path=tmp_path), Scene())
    qtbot.waitUntil(lambda: "cannot be shown" in card.message.text())
    assert not card.content.isVisibleTo(card)
