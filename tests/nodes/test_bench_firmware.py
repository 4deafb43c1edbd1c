"""The firmware bench on one small network: every row is there and holds together."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import OssicleError
from nodes.bench_firmware import firmware
from nodes.bench_firmware_nets import NETS
from nodes.zoo import models


def test_a_run_of_one_network_gives_every_row(tmp_path: Path) -> None:
    result = firmware({"nets": "m20k", "toolchains": "gcc", "parts": "nets", "folder": str(tmp_path)})
    rows = {row.name: row for row in result.rows}
    total = rows["M20k, gcc, instructions"]
    layers = [row for name, row in rows.items() if name.startswith("M20k, gcc, layer ")]
    assert total.aim == "<= 1.4e+06" and total.met and total.peers["aim"] == 1_120_000
    assert sum(row.value for row in layers) == total.value and len(layers) == 9
    assert sum(row.peers["paper cycles"] for row in layers) == total.peers["paper cycles"] == 10_052_000
    assert rows["M20k, gcc, stack"].met and rows["M20k, gcc, RAM of maps"].met
    groups = [rows[f"M20k, gcc, {goal.what}"].value for goal in NETS[0].groups]
    assert sum(groups) == total.value and all(groups)
    assert result.machine["target"] == "cortex-m4" and "gcc" in str(result.machine["gcc"])


def test_every_network_is_in_the_zoo_and_every_goal_is_sound() -> None:
    assert {net.architecture for net in NETS} <= set(models())
    goals = [goal for net in NETS for goal in (*net.totals, *net.groups)]
    assert all(not goal.aim or 0 < goal.aim <= goal.must for goal in goals)


@pytest.mark.parametrize("options", [{"nets": "alexnet"}, {"parts": "weather"}])
def test_names_it_does_not_know_are_told(options: dict[str, str]) -> None:
    with pytest.raises(OssicleError, match=r"knows no '(alexnet|weather)'"):
        firmware(options)
