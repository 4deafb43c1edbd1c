"""Rows of the firmware bench about accuracy: a short trial on real speech, and figures from known answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import OssicleError
from engine.execute import installed
from engine.validate import check
from nodes.bench_firmware_accuracy import PLAIN, VARIANTS, Answers, _chosen, _rows, _workflow, accuracy_rows


def answers(validation: int, testing: int) -> Answers:
    return Answers({"validation": validation, "testing": testing}, {"validation": 100, "testing": 300})


def test_points_are_means_over_seeds_and_both_subsets() -> None:
    chosen = {name: VARIANTS[name] for name in ("fixed8", "sparse60", "sparse70")}
    first = {PLAIN: (95, 285), "fixed8": (94, 284), "sparse60": (95, 284), "sparse70": (93, 280)}
    second = {PLAIN: (96, 288), "fixed8": (96, 288), "sparse60": (96, 288), "sparse70": (96, 281)}
    found = [{name: answers(*right) for name, right in seed.items()} for seed in (first, second)]
    rows = {row.name: row for row in _rows("net", [1, 2], found, chosen)}
    assert rows["net, float32: accuracy over 400 clips"].value == pytest.approx(95.5)
    row = rows["net, 8 bit fixed point: accuracy lost"]
    assert (row.value, row.aim, row.met) == (0.25, "<= 0.5", True)
    assert rows["net, 8 bit fixed point: accuracy lost, testing clips alone"].value == pytest.approx(0.17)
    assert rows["net, 8 bit fixed point: standard deviation"].value == pytest.approx(0.35)
    sparse = rows["net: sparsity at < 0.7 points lost"]
    assert (sparse.value, sparse.aim, sparse.met) == (60.0, ">= 60", True)


def test_a_sparsity_that_costs_too_much_does_not_count() -> None:
    found = [{PLAIN: answers(95, 285), "sparse60": answers(90, 280)}]
    rows = list(_rows("net", [1], found, {"sparse60": VARIANTS["sparse60"]}))
    assert (rows[-1].value, rows[-1].met) == (0.0, False)


@pytest.mark.parametrize("names", ["", *VARIANTS])
def test_every_variant_is_a_graph_that_can_run(tmp_path: Path, names: str) -> None:
    options = {"variants": names, "data": str(tmp_path)}
    workflow = _workflow(options, 3, _chosen(options))
    assert check(workflow, installed()).problems == ()
    assert {node.params["seed"] for node in workflow.nodes.values() if "seed" in node.params} == {3}


def test_a_variant_of_a_variant_brings_it_along() -> None:
    assert list(_chosen({"variants": "sparse60_fixed8"})) == ["sparse60", "sparse60_fixed8"]
    with pytest.raises(OssicleError, match="variants knows no 'best'"):
        _chosen({"variants": "best"})


def test_a_short_trial_on_real_speech(recordings: Path, tmp_path: Path) -> None:
    options = {
        "data": str(recordings / "speech_commands_subset.tar.gz"), "folder": str(tmp_path), "limit_per_class": "20",
        "variants": "fixed8,sparse60", "train_steps": "20", "quantize_steps": "2", "sparsify_epochs": "1",
    }  # fmt: skip
    rows = accuracy_rows(options)
    assert len(rows) == 6 and 0 <= rows[0].value <= 100
    assert accuracy_rows(options) == rows
