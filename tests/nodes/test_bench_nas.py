"""The search bench runs both searches and holds the front against the papers' shapes, cut very short."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import OssicleError
from nodes.bench_nas import nas


def test_a_short_trial_gives_every_row(recordings: Path, tmp_path: Path) -> None:
    options = {
        "data": str(recordings / "speech_commands_subset.tar.gz"), "folder": str(tmp_path), "trials": "3",
        "seeds": "2", "epochs": "1", "limit": "3",
        "shapes": "kws9",
    }  # fmt: skip
    rows = {row.name: row for row in nas(options).rows}
    names = ["hypervolume against random search", "hypervolume, seed 2", "of our trials, stopped early"]
    assert list(rows)[:3] == names
    assert rows[names[0]].aim == ">= 1.15" and set(rows[names[0]].peers) == {"ours", "random search"}
    assert rows[names[1]].value == rows[names[0]].peers["ours"] >= 0
    papers = [row for name, row in rows.items() if name.startswith("front against kws")]
    assert len(papers) == 1, "the smallest shape costs less than the paper's"
    for row in papers:
        assert row.value == pytest.approx(row.peers["ours"] - row.peers[row.name.split()[2]])
        assert row.peers["searches"] == 1


def test_missing_recordings_are_told(tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match=r"none\.tar\.gz"):
        nas({"data": str(tmp_path / "none.tar.gz"), "folder": str(tmp_path)})
