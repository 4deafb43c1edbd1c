"""The bench runs at its smallest and measures what it says."""

from __future__ import annotations

import json

from nodes.bench_train import train


def test_rows_and_aims() -> None:
    result = train({"rounds": "1", "steps": "0.03"})
    rows = {row.name: row for row in result.rows}
    assert len(rows) == 5 and all(row.value > 0 for row in result.rows)
    ratio, ours = rows["tc_resnet8 against a bare PyTorch loop"], rows["tc_resnet8, one thread"]
    assert ratio.value == ours.value / ours.peers["bare PyTorch loop"]
    assert {row.aim for row in result.rows if row.aim} == {">= 0.95", ">= 2000"}
    assert json.loads(json.dumps(result.to_json()))["machine"]["threads"] == 1
