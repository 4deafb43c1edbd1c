"""Recordings judged by their clips, and the two-class figures."""

import numpy as np
import pytest

from nodes.judge.vote import by_recording, recordings, recordings_csv
from nodes.learn.scorecard import predictions_csv, two_class

SURE = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4], [0.8, 0.2], [0.1, 0.9]])


def test_a_recording_is_what_most_of_its_clips_say() -> None:
    found = recordings(np.array(["a", "a", "a", "b", "b", "c"]), np.array([1, 1, 1, 0, 0, 0]), SURE)
    assert found is not None
    card = by_recording(found, ("no", "yes"))
    assert card["recordings"] == 3 and card["confusion"] == [[1, 1], [0, 1]]
    assert card["accuracy"]["value"] == pytest.approx(2 / 3) and card["uar"]["value"] == pytest.approx(0.75)
    assert recordings_csv(found, ("no", "yes")) == "recording,truth,prediction\na,yes,yes\nb,no,no\nc,no,yes\n"


def test_a_recording_with_clips_of_two_classes_is_left_out_and_counted() -> None:
    found = recordings(np.array(["a", "a", "b", "b", "b", "b"]), np.array([0, 1, 0, 0, 0, 0]), SURE)
    assert found is not None and found.mixed == 1
    assert by_recording(found, ("no", "yes"))["recordings"] == 1


@pytest.mark.parametrize(
    ("sources", "truth"),
    [(["a", "b", "c", "d", "e", "f"], [0] * 6), (["", "", "a", "a", "a", "a"], [0] * 6), (["a"] * 6, [0, 1] * 3)],
)
def test_nothing_to_vote_on(sources: list[str], truth: list[int]) -> None:
    assert recordings(np.array(sources), np.array(truth), SURE) is None


def test_figure_3_of_s2() -> None:
    """Sensitivity 55.3 %, specificity 72.5 %; their mean is the printed UAR of 63.9 %."""
    found = two_class(np.array([[725, 275], [447, 553]]), ("healthy", "covid"), 1)
    assert found is not None and found["positive"] == "covid"
    assert (found["sensitivity"]["value"], found["specificity"]["value"]) == (0.553, 0.725)
    assert found["sensitivity"]["low"] < 0.553 < found["sensitivity"]["high"]
    turned = two_class(np.array([[725, 275], [447, 553]]), ("healthy", "covid"), 0)
    assert turned is not None and turned["sensitivity"]["value"] == 0.725


@pytest.mark.parametrize(
    ("matrix", "classes"), [(np.eye(3, dtype=int), ("a", "b", "c")), (np.array([[3, 1], [0, 0]]), ("a", "b"))]
)
def test_two_class_figures_need_two_classes_with_clips(matrix: np.ndarray, classes: tuple[str, ...]) -> None:
    assert two_class(matrix, classes, 0) is None


def test_names_with_commas_survive_the_csv() -> None:
    rows = [{"clip_id": 'a,"b"', "truth": "x", "prediction": "y", "score": 0.5}]
    assert predictions_csv(rows) == 'clip_id,truth,prediction,score\n"a,""b""",x,y,0.5\n'
