"""The bench's rows of front ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import OssicleError
from nodes import bench_firmware_frontend as bench
from nodes.bench_firmware_frontend import CASES, frontend_rows, recordings


def test_rows_tell_costs_and_distances(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "CASES", CASES[:1])
    data = recordings / "speech_commands_subset.tar.gz"
    rows = {row.name: row for row in frontend_rows({"data": str(data), "frontend_clips": "2"})}
    share = next(row for name, row in rows.items() if "gcc, estimated share" in name)
    assert share.met and share.peers["at 1.3 cycles per instruction"] < share.value < share.peers["at 2.0"]
    assert all(row.met for name, row in rows.items() if "not the reference's" in name)
    error = next(row for name, row in rows.items() if "features' error" in name)
    assert 0.0 < error.value < error.peers["of rounding to 8 bits"]


@pytest.mark.parametrize("place", ["nothing", "."])
def test_without_recordings_it_says_so(tmp_path: Path, place: str) -> None:
    with pytest.raises(OssicleError, match="no recordings"):
        recordings(tmp_path / place, 1)
