"""The inference bench on one small network, hardly measured: every row is there and holds together."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import OssicleError
from nodes.bench_inference import OURS, Outcome, inference
from nodes.bench_inference_nets import NETS
from nodes.lne.backends import Timing
from nodes.zoo import models

QUICK = {
    "budget_s": "0",
    "finals": "1",
    "rounds": "2",
    "avx2": "no",
    "int8": "no",
    "engines": "onnxruntime",
    "random": "1",
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_short_run_gives_every_row(tmp_path: Path) -> None:
    result = inference({**QUICK, "nets": "tc_resnet8", "folder": str(tmp_path)})
    rows = {row.name: row for row in result.rows}
    times = rows["TC-ResNet8, fp32"].peers
    assert rows["TC-ResNet8, fp32"].value == times["ours, least us"] > 0
    ratio = rows["TC-ResNet8, fp32 against the best peer"]
    assert ratio.aim == ">= 2.25" and ratio.value == pytest.approx(
        times["onnxruntime, least us"] / times["ours, least us"], rel=0.01
    )
    assert rows["fp32 against the best peer, geometric mean"].value == pytest.approx(ratio.value, rel=0.01)
    assert set(rows["random CNNs against the best peer, the least"].peers) == {"random CNN 0"}
    assert rows["multiply-add peak, fp32"].value > 0.5
    assert rows["Q-learning above the exact optimum, at most"].met is not None
    assert (tmp_path / "tc_resnet8.onnx").exists() and result.machine["engines"] == "onnxruntime"


def test_every_network_of_the_table_is_in_the_zoo() -> None:
    known = set(models())
    assert {net.name for net in NETS} <= known and len(NETS) == 14
    assert all(1 < net.must < net.aim for net in NETS)


def test_int8_peers_do_not_count_against_fp32() -> None:
    times = {OURS: Timing(10, 11, 0), "one": Timing(25, 30, 0), "two": Timing(20, 40, 0), "two_int8": Timing(5, 6, 0)}
    outcome = Outcome("net", 1.0, times, {}, {}, {})
    assert outcome.ratio() == 2.0 and set(outcome.peers) == {"one", "two"} and outcome.int8_ratio == 0.0


def test_a_network_that_is_not_in_the_bench_is_told(tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="no network 'alexnet'"):
        inference({"nets": "alexnet", "folder": str(tmp_path)})
