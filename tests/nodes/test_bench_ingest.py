"""The ingest benchmark runs and measures both sides."""

from __future__ import annotations

from nodes.bench_ingest import ingest


def test_a_small_bench() -> None:
    result = ingest({"clips": "60", "rounds": "1"})
    rows = {row.name: row for row in result.rows}
    assert result.name == "ingest" and rows["clips"].value == 60
    assert 20 < rows["peak memory"].value < 1000 and rows["peak memory"].met
    assert rows["speed"].value > 0 and rows["speed"].peers["soundfile + h5py"] > 0
    assert rows["clips/s against the bare loop"].aim == ">= 0.7"
