"""The accuracy bench runs the shipped project and reads its report right."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import OssicleError
from engine.execute import installed
from engine.validate import check
from nodes.bench_accuracy import CONTESTS, _above, _keywords, accuracy

WORDS = "TC-ResNet8, modern recipe: 12 classes", "TC-ResNet8, modern recipe: ten words"


def test_a_short_trial_gives_every_row(recordings: Path, tmp_path: Path) -> None:
    options = {
        "contests": "modern",
        "data": str(recordings / "speech_commands_subset.tar.gz"),
        "folder": str(tmp_path),
        "epochs": "1",
        "seeds": "3",
    }
    rows = {row.name: row for row in accuracy(options).rows}
    each = [name for title in WORDS for name in (title, f"{title}, seed 3")]
    assert list(rows) == [*each, "TC-ResNet8, modern recipe: training, longest"]
    assert rows[WORDS[0]].value == rows[f"{WORDS[0]}, seed 3"].value
    assert 0 < rows[WORDS[0]].value < 100 and rows[each[-1]].value > 0
    assert rows[WORDS[0]].met is False


def test_a_student_is_scored_in_its_teachers_place(tmp_path: Path) -> None:
    workflow = _keywords(CONTESTS["distilled"], {"data": str(tmp_path)}, seed=2)
    assert {str(link) for link in workflow.links if link.target in ("distill-1", "benchmark-1")} == {
        "mfcc-1.features -> distill-1.features",
        "partition-1.audio -> distill-1.audio",
        "train-1.model -> distill-1.teacher",
        "distill-1.model -> benchmark-1.model",
        "mfcc-1.features -> benchmark-1.features",
    }
    assert check(workflow, installed()).problems == ()


def test_a_student_is_held_against_itself_without_a_teacher() -> None:
    rows = {row.name: row for row in _above(CONTESTS["distilled"], [(95.0, 96.0), (97.0, 95.0)], [(94.0, 96.0)] * 2)}
    title = "TC-ResNet8 distilled from it: 12 classes, above the same network alone"
    assert (rows[title].value, rows[title].met) == (2.0, True)
    assert rows[f"{title}: 95 % interval of the mean, low"].value == pytest.approx(2.0 - 12.706, abs=0.01)
    assert rows[title.replace("12 classes", "ten words")].value == -0.5
    assert not rows[title.replace("12 classes", "ten words")].met


def test_folds_of_sounds_are_averaged(recordings: Path, tmp_path: Path) -> None:
    options = {"contests": "sounds", "sounds": str(recordings / "esc10.tar.gz"), "folder": str(tmp_path), "epochs": "1"}
    rows = {row.name: row.value for row in accuracy(options).rows}
    folds = [rows[f"ESC-10, small network from scratch, fold {fold}"] for fold in (1, 2, 3, 4)]
    mean = rows["ESC-10, small network from scratch: mean of folds"]
    assert mean == pytest.approx(sum(folds) / 4, abs=0.01)
    low, high = (
        rows[f"ESC-10, small network from scratch: 95 % interval of the mean, {end}"] for end in ("low", "high")
    )
    assert low <= mean <= high


def test_an_unknown_contest_is_told(tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="no contest 'best'"):
        accuracy({"contests": "best", "folder": str(tmp_path)})


def test_missing_recordings_are_told(tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match=r"none\.tar\.gz"):
        accuracy({"contests": "paper", "data": str(tmp_path / "none.tar.gz"), "folder": str(tmp_path)})
