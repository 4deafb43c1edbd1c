"""Misses and false alarms over thresholds, by hand; intervals against published tables."""

import numpy as np
import pytest

from nodes.judge.events import Event, Heard, Match
from nodes.judge.listening import Point, Stream, latency, point, poisson, smooth, sweep, thresholds, within_budget
from nodes.judge.listening_card import class_rows, event_rows, listening_plots, operating_card
from nodes.judge.stream import Rule


def test_thresholds_are_dense_where_sure_scores_lie() -> None:
    found = thresholds(40)
    assert (np.diff(found) > 0).all() and found[0] == pytest.approx(0.05) and found[-1] == pytest.approx(0.9999)
    assert (found > 0.95).sum() > 10


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39)])
def test_the_interval_of_a_count_is_garwoods(count: int, low: float, high: float) -> None:
    found = poisson(count, 1.0)
    assert (found.value, found.low, found.high) == (count, pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-2))
    assert poisson(count, 2.0).high == pytest.approx(found.high / 2)


def test_smoothing_takes_the_past_only() -> None:
    np.testing.assert_allclose(smooth(np.array([[1.0], [0.0], [0.0], [1.0]]), 3), [[1.0], [0.5], [1 / 3], [1 / 3]])


def small_stream() -> Stream:
    """Windows every second; yes at 2 s (sure) and 8 s (0.7), a false yes of 0.8 at 5 s."""
    scores = np.full((10, 2), 0.01)
    scores[[1, 4, 7], 0] = [0.99, 0.8, 0.7]
    return Stream(np.arange(1.0, 11.0), scores, ("yes", "silence"))


EVENTS = [Event(1.5, 1.9, "yes"), Event(7.5, 7.9, "yes")]


def test_the_sweep_by_hand() -> None:
    found = sweep(small_stream(), Rule((0,), 0.5, 1, 0.5), EVENTS, 0.5, hours=0.1, count=60)
    for one in found:
        assert one.found == (one.threshold <= 0.99) + (one.threshold <= 0.7)
        assert one.false_alarms == (one.threshold <= 0.8)
        assert one.false_alarms_per_hour == pytest.approx(one.false_alarms / 0.1)
        assert one.miss_rate == 1 - one.found / 2
    best = within_budget(found, 1.0)
    assert best is not None and best.miss_rate == 0.5 and 0.8 < best.threshold <= 0.99
    assert best.threshold == max(one.threshold for one in found if one.threshold <= 0.99)
    loose = within_budget(found, 10.0)
    assert loose is not None and loose.miss_rate == 0.0 and loose.threshold <= 0.7


def test_no_threshold_may_keep_to_the_budget() -> None:
    assert within_budget([Point(0.9, 1, 0, 3, 0, 0.0, 30.0)], 1.0) is None


def test_without_events_there_is_no_miss_rate() -> None:
    found = sweep(small_stream(), Rule((0,), 0.5, 1, 0.5), [], 0.5, hours=0.1, count=10)
    assert {one.miss_rate for one in found} == {None} and found[0].false_alarms == 3
    best = within_budget(found, 20.0)
    assert best is not None and best.false_alarms_per_hour <= 20
    card = operating_card(0.5, Match((), (), (Heard(1.0, "yes", 0.9),), ()), 0.1)
    assert card["recall"] is None and card["latency"] is None
    assert [plot["title"] for plot in listening_plots(found, card)] == ["False alarms over the threshold"]


MATCH = Match(
    ((Event(1, 2, "yes"), Heard(2.5, "yes", 0.9)), (Event(4, 5, "no"), Heard(4.5, "no", 0.8))),
    (Event(3, 3.5, "yes"),),
    (Heard(9.0, "no", 0.7),),
    (),
)


def test_latency_counts_from_the_start_and_from_the_end() -> None:
    found = latency(MATCH)
    assert found is not None
    assert (found.median_s, found.median_after_end_s) == (pytest.approx(1.0), pytest.approx(0.0))
    assert found.p95_s == pytest.approx(np.percentile([1.5, 0.5], 95))


def test_cards_by_hand() -> None:
    card = operating_card(0.5, MATCH, 0.5)
    assert (card["found"], card["missed"], card["recall"]["value"]) == (2, 1, pytest.approx(2 / 3))
    assert card["false_alarms_per_hour"]["value"] == 2.0
    rows = class_rows(MATCH, ["yes", "no", "up"], 0.5)
    assert [(row["recall"], row["support"], row["false_alarms"]) for row in rows] == [
        (0.5, 2, 0),
        (1.0, 1, 1),
        (None, 0, 0),
    ]
    assert [(row["label"], row["told_s"]) for row in event_rows(MATCH)] == [("yes", 2.5), ("yes", None), ("no", 4.5)]
    assert point(0.5, MATCH, 0.5).miss_rate == pytest.approx(1 / 3)
