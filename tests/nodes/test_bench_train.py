"""The bench runs at its smallest and measures what it says."""

from __future__ import annotations

import json

import pytest

from nodes.bench_train import train
from nodes.learn.compute import CPU


def test_rows_and_aims() -> None:
    result = train({"rounds": "1", "steps": "0.03"})
    rows = {row.name: row for row in result.rows}
    assert len(rows) >= 6 and all(row.value > 0 for row in result.rows)
    ratio, ours = rows["tc_resnet8 against a bare PyTorch loop"], rows["tc_resnet8, one thread"]
    assert ratio.value == ours.value / ours.peers["bare PyTorch loop"]
    assert {row.aim for row in result.rows if row.aim} >= {">= 0.95", ">= 2000", ">= 0.8"}
    augmented = rows["tc_resnet8 with full augmentation against a bare PyTorch loop on ready features, all cores"]
    peers = dict(augmented.peers)
    assert augmented.value == peers.pop("ours, samples/s") / max(peers.values()) and len(peers) == 2
    assert json.loads(json.dumps(result.to_json()))["machine"]["threads"] == 1


def test_courses_on_a_gpu_run_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the processor in the GPU's place: what is run and said, not how fast."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "stand-in")
    monkeypatch.setattr("nodes.learn.compute.compute_of", lambda *_names, **_sizes: CPU)
    monkeypatch.setattr("nodes.bench_train._against_bare", lambda *_given: [])
    result = train({"rounds": "1", "steps": "0.00005"})
    assert result.machine["gpu"] == "stand-in"
    ready, other, changed = [row for row in result.rows if "GPU" in row.name]
    assert "seed_cnn on the GPU, recipe s0, 2 steps" in ready.name and ready.aim == "<= 0.003"
    assert "tc_resnet8 on the GPU, recipe s1, 2 steps" in other.name and other.aim == "<= 0.0015"
    assert changed.name.endswith("waveforms changed on the fly") and changed.value > 0 and not changed.aim
