"""The bench `features`: its rows and its bad inputs (never its timings)."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import OssicleError
from nodes.bench_features import TRIALS, features


def test_rows_for_every_trial_and_errors_within_the_aim(recordings: Path) -> None:
    result = features({"data": str(recordings), "clips": "12", "rounds": "1"})
    assert result.machine["clips"] == 12
    for trial in TRIALS:
        rows = [row for row in result.rows if trial.label in row.name]
        assert {"x", "clips/s", "of range"} == {row.unit for row in rows}
        assert all(row.value > 0 for row in rows)
        assert all(row.met for row in rows if row.unit == "of range")


def test_missing_recordings_are_told(tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="does not exist"):
        features({"data": str(tmp_path)})
