"""The accuracy bench runs the shipped project and reads its report right."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import OssicleError
from nodes.bench_accuracy import accuracy


def test_a_short_trial_gives_every_row(recordings: Path, tmp_path: Path) -> None:
    options = {
        "data": str(recordings / "speech_commands_subset.tar.gz"),
        "folder": str(tmp_path),
        "epochs": "1",
        "seeds": "3",
    }
    rows = {row.name: row for row in accuracy(options).rows}
    assert list(rows) == ["12 classes", "ten words", "training, longest", "12 classes, seed 3", "ten words, seed 3"]
    assert rows["12 classes"].value == rows["12 classes, seed 3"].value
    assert 0 < rows["12 classes"].value < 100 and rows["training, longest"].value > 0
    assert rows["12 classes"].met is False


def test_missing_recordings_are_told(tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match=r"none\.tar\.gz"):
        accuracy({"data": str(tmp_path / "none.tar.gz"), "folder": str(tmp_path)})
