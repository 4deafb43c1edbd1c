"""The firmware bench on one small network: every row is there and holds together."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from engine import OssicleError
from nodes import bench_firmware
from nodes.bench_firmware import PARTS, firmware
from nodes.bench_firmware_nets import NETS
from nodes.bench_firmware_parity import parity_rows
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
    assert rows["M20k, gcc, estimated cycles"].value == sum(row.peers["estimated cycles"] for row in layers)
    assert rows["M20k, gcc, flash"].value > 40_000 and rows["M20k, gcc, generate + build + run + report"].value > 0
    again = [row for name, row in rows.items() if "QEMU" in name]
    assert all(row.value == 9 and row.met for row in again)
    assert result.machine["target"] == "cortex-m4" and "gcc" in str(result.machine["gcc"])


def test_every_network_is_in_the_zoo_and_every_goal_is_sound() -> None:
    assert {net.architecture for net in NETS} <= set(models())
    goals = [goal for net in NETS for goal in (*net.totals, *net.groups)]
    assert all(not goal.aim or 0 < goal.aim <= goal.must for goal in goals)


@pytest.fixture(scope="module")
def words(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive's first recordings, as a folder."""
    folder, left = tmp_path_factory.mktemp("words"), 8
    with tarfile.open(recordings / "speech_commands_subset.tar.gz", "r|gz") as archive:
        for member in archive:
            if member.name.endswith(".wav") and "_background_noise_" not in member.name:
                archive.extract(member, folder, filter="data")
                left -= 1
            if not left:
                break
    return next(folder.iterdir())


def test_real_clips_are_compared_stage_by_stage(words: Path) -> None:
    (row,) = parity_rows({"data": str(words), "clips": "6", "parity_nets": "ds_cnn_s"})
    assert row.name == "DS-CNN-S, stages from samples on that depart over 6 real clips" and row.value == 0 and row.met
    assert row.peers["stages"] == 20 and row.peers["of clips"] == 6 and row.peers["DFT samples"] in (512, 1024)
    assert row.peers["codes compared"] > 6 * 50_000


def test_what_trains_for_hours_is_not_measured_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    parts = {name: lambda _options, name=name: asked.append(name) or () for name in PARTS}
    monkeypatch.setattr(bench_firmware, "PARTS", parts)
    firmware({})
    assert asked == ["nets", "front_ends", "parity"]
    firmware({"parts": "accuracy"})
    assert asked[3:] == ["accuracy"] and set(asked) == set(PARTS)
    assert "parts=accuracy" in (firmware.__doc__ or "")


@pytest.mark.parametrize("options", [{"nets": "alexnet"}, {"parts": "weather"}])
def test_names_it_does_not_know_are_told(options: dict[str, str]) -> None:
    with pytest.raises(OssicleError, match=r"knows no '(alexnet|weather)'"):
        firmware(options)
