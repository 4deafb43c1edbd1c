"""Networks against boards: the paper's answers, and estimates that are near what firmware really takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from engine.resource import resource
from nodes.firmware.cpu import CPUS
from nodes.firmware.errors import FirmwareError
from nodes.firmware.fit import Demand, Network, answer, document, judge, network_of, refusal
from nodes.firmware.fit_boards import Board, read_boards
from nodes.firmware.fit_costs import CLASSES, MEASURED, costs_of, measure, read_costs
from nodes.firmware.fit_layers import PRODUCTS, Family, works
from nodes.firmware.fuse import fuse
from nodes.firmware.image import read_image
from nodes.firmware.program import generate
from nodes.firmware.project import emulate, make, write
from nodes.firmware.toolchain import find_toolchain, toolchains
from nodes.fit import COSTS_FILE, DEVICES_FILE, PAPER, BoardName
from nodes.lne.reading import read_onnx
from nodes.nas.devices import DEVICES
from nodes.quant.convert import convert, watch
from nodes.quant.fixed import codes
from nodes.zoo import architecture, build, export_onnx, find, models
from nodes.zoo.plan import plan

BOARDS = read_boards(resource(DEVICES_FILE))
COSTS = read_costs(resource(COSTS_FILE))
SIX = {name: BOARDS[name] for name in PAPER}


def network(name: str) -> Network:
    entry = find(name)
    return network_of(architecture(name, input_shape=entry.input_shape, classes=entry.classes))


def test_the_names_a_form_offers_are_the_boards_of_the_file() -> None:
    assert list(BOARDS) == list(get_args(BoardName))
    assert len(BOARDS) >= 18 and all(board.source for board in BOARDS.values())


def test_the_papers_boards_are_those_a_search_knows() -> None:
    assert set(SIX) == set(DEVICES)
    for name, board in SIX.items():
        device = DEVICES[name]  # type: ignore[index]
        known = (device.flash_bytes, device.ram_bytes, device.milliwatt, device.mips)
        assert (board.flash_bytes, board.ram_bytes, board.milliwatt, board.mips) == known


def test_processors_of_boards_are_ours_and_have_costs() -> None:
    ours = {board.cpu for board in BOARDS.values()} - {""}
    assert ours <= set(CPUS) and ours <= set(CLASSES)
    assert set(COSTS) == set(MEASURED) == set(CLASSES.values())
    for costs in COSTS.values():
        assert set(get_args(Family)) == set(costs.families)


PAPERS_ANSWER = {
    "m70m": {"raspberry_pi_3b_plus"},
    "m20m": {"raspberry_pi_3b_plus", "beaglebone_black"},
    "m2m": {"raspberry_pi_3b_plus", "beaglebone_black"},
    "m200k": {"raspberry_pi_3b_plus", "beaglebone_black", "stm32l476rg", "msp432p4111"},
    "m20k": {"raspberry_pi_3b_plus", "beaglebone_black", "stm32l476rg", "msp432p4111"},
}


@pytest.mark.parametrize("name", PAPERS_ANSWER)
def test_the_papers_answers(name: str) -> None:
    """S3 IV: of the microcontrollers only the L476 and the MSP432 hold M20k and M200k, VGGish only a Raspberry Pi."""
    verdicts = judge([network(name)], SIX, COSTS, Demand())
    assert {one.board for one in verdicts if one.fits("paper")} == PAPERS_ANSWER[name]


def test_the_papers_reasons() -> None:
    by_board = {one.board: one.lacks for one in judge([network("m20k")], SIX, COSTS, Demand())}
    assert by_board["uc32"] == ("needs 34,328 B of RAM, has 32,768",)
    assert by_board["arduino"] == ("needs 34,328 B of RAM, has 2,048",)


def test_fused_layers_hold_m20k_on_boards_the_paper_had_to_leave_out() -> None:
    """The blue pill has 20 kB of RAM; the paper's two buffers need 34.3 kB, ours 12.5 kB."""
    (found,) = judge([network("m20k")], {"stm32f103c8": BOARDS["stm32f103c8"]}, COSTS, Demand())
    assert not found.fits("paper") and found.fits("firmware")
    assert found.firmware is not None and found.firmware.ms[0] < found.firmware.ms[1] < 1000.0


@pytest.mark.parametrize("name", sorted(name for name, entry in models().items() if not entry.is_large))
def test_every_network_of_the_zoo_is_judged(name: str) -> None:
    made = network(name)
    assert made.ram_bytes > 0 and made.macs > 0
    true_macs = sum(work.amount for work in works(plan(_architecture(name))) if work.weights)
    assert true_macs == made.macs
    for verdict in judge([made], BOARDS, COSTS, Demand()):
        assert verdict.fits("paper") == (not verdict.lacks)
        assert (verdict.firmware is None) == (costs_of(BOARDS[verdict.board].cpu, COSTS) is None)


def _architecture(name: str) -> Any:
    entry = find(name)
    return architecture(name, input_shape=entry.input_shape, classes=entry.classes)


@pytest.mark.skipif(not toolchains(), reason="there is no compiler for microcontrollers")
@pytest.mark.parametrize(("name", "one_patch"), [("m20k_rnn", {"input_shape": [1, 64, 96]}), ("ds_cnn_s", {})])
def test_estimates_are_near_what_firmware_takes(name: str, one_patch: dict[str, Any], tmp_path: Path) -> None:
    made = build({**_architecture(name), **one_patch}).eval()
    export_onnx(made, tmp_path / "net.onnx")
    graph = read_onnx(tmp_path / "net.onnx").graph
    clip = np.random.default_rng(0).normal(0.0, 1.0, graph.source_shape)
    integers = fuse(convert(graph, watch(graph, [clip], 8)))
    program = generate(integers, CPUS["cortex-m4"])
    given = codes(clip.reshape(graph.maps[graph.source].shape), integers.forms[graph.source])
    elf = make(find_toolchain(), program, tmp_path / "net", write(program, tmp_path / "net", [given]))
    run = emulate(elf, len(program.layers))
    layers = zip(program.layers, run.instructions, strict=True)
    taken = sum(count for layer, count in layers if layer.operator != "Rearrange")
    (found,) = judge([network(name)], {"stm32l476rg": BOARDS["stm32l476rg"]}, COSTS, Demand())
    assert found.firmware is not None
    assert found.firmware.instructions == pytest.approx(taken, rel=0.25)
    assert found.firmware.ram_bytes == pytest.approx(program.arena_bytes + run.stack_bytes, rel=0.25)
    image = read_image(elf)
    golden = sum(symbol.size_bytes for symbol in image.symbols if symbol.name.startswith("golden"))
    assert found.firmware.flash_bytes == pytest.approx(image.used_bytes("flash") - golden, rel=0.25)


@pytest.mark.skipif(not toolchains() or toolchains()[0].name != "gcc", reason="the file was measured with GCC")
def test_the_file_of_costs_is_what_kernels_take_today() -> None:
    """Written anew by `python -m nodes.firmware.fit_costs resources/kernel_costs.json` if this fails."""
    for name, cost in measure("cortex-m4").families.items():
        known, near = COSTS["cortex-m4"].families[name].instructions, 0.25 if name in PRODUCTS else 0.6
        assert known == pytest.approx(cost.instructions, rel=near), name


@pytest.mark.parametrize("by", ["paper", "firmware"])
def test_boards_inside_a_rectangle_do_not_hold_the_network(by: Any) -> None:
    """The picture says the same as the verdicts, as far as RAM and speed decide."""
    demand = Demand(by=by)
    verdicts = judge([network("m200k")], SIX, COSTS, demand)
    (picture,) = document([network("m200k")], SIX, verdicts, demand)["plots"]
    (line,), points = picture["lines"], {point["name"]: point for point in picture["points"]}
    for one in verdicts:
        point = points[SIX[one.board].title]
        is_outside = point["x"] > line["x"][1] and point["y"] >= line["y"][1]
        assert one.fits(by) == is_outside or (by == "firmware" and one.firmware is None)


@pytest.mark.parametrize("stop", ["never", "none_fits", "any_fails"])
def test_when_a_graph_is_stopped(stop: Any) -> None:
    found = judge([network("m20k")], SIX, COSTS, Demand())
    error = refusal(found, SIX, "paper", stop)
    assert (error is not None) == (stop == "any_fails")
    small = {name: SIX[name] for name in ("arduino", "uc32")}
    error = refusal(judge([network("m20k")], small, COSTS, Demand()), small, "paper", stop)
    assert (error is not None) == (stop != "never")
    if error is not None:
        assert "m20k on chipKIT uC32: needs 34,328 B of RAM, has 32,768" in error.what and "smaller" in error.remedy


def test_time_and_margin_decide() -> None:
    board = {"stm32l476rg": BOARDS["stm32l476rg"]}
    for by in ("paper", "firmware"):
        assert judge([network("m20k")], board, COSTS, Demand(1.0, 2.0))[0].fits(by)
        assert not judge([network("m20k")], board, COSTS, Demand(0.01, 1.0))[0].fits(by)
        assert not judge([network("m20k")], board, COSTS, Demand(1.0, 90.0))[0].fits(by)


def test_the_answer_is_in_words() -> None:
    found = judge([network("m20k"), network("m70m")], SIX, COSTS, Demand())
    told = answer(found, SIX, "paper")
    assert "m20k fits 4 of 6 boards: STM32L476RG, TI MSP432P4111, BeagleBone Black and 1 more." in told
    assert "m70m fits none of 6 boards; " in answer(found, SIX, "firmware")
    written = document([network("m20k")], SIX, found[:6], Demand())
    assert json.loads(json.dumps(written, allow_nan=False))["fits"][0]["name"] == "m20k.arduino"


def _board(**fields: Any) -> dict[str, Any]:
    known = {
        "name": "x", "title": "X", "kind": "microcontroller", "core": "C", "cpu": "", "clock_hz": 1e6, "mips": 1.0,
        "flash_bytes": 1, "ram_bytes": 1, "source": "here",
    }  # fmt: skip
    return {**known, **fields}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([_board(ram_bytes=-1)], "ram_bytes of 'x' is -1"),
        ([_board(ram_bytes=1e300)], "ram_bytes"),
        ([_board(mips=True)], "mips"),
        ([_board(mips=float("nan"))], "mips"),
        ([_board(kind="toaster")], "kind"),
        ([_board(colour="red")], "'colour' is no field"),
        ([_board(), _board()], "one name"),
        ([{"name": "x"}], "kind"),
        (["x"], "no field|holds no boards"),
        (None, "holds no boards"),
    ],
)
def test_a_damaged_table_of_boards_is_told(rows: Any, told: str, tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    path.write_text(json.dumps({"devices": rows}))
    with pytest.raises(FirmwareError, match=told):
        read_boards(path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw.pop("processors"),
        lambda raw: raw["processors"]["cortex-m4"]["families"].pop("conv"),
        lambda raw: raw["processors"]["cortex-m4"]["families"]["conv"].update(instructions="many"),
        lambda raw: raw["processors"].update({"cortex-m4": 3}),
    ],
)
def test_a_damaged_table_of_costs_is_told(spoil: Callable[[Any], Any], tmp_path: Path) -> None:
    raw = json.loads(resource(COSTS_FILE).read_text())
    spoil(raw)
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(FirmwareError, match="holds no costs of kernels"):
        read_costs(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    for read in (read_boards, read_costs):
        with pytest.raises(FirmwareError, match="nothing.json"):
            read(tmp_path / "nothing.json")


def test_a_board_without_clock_counts_one_instruction_a_cycle() -> None:
    board: Board = replace(BOARDS["stm32l476rg"], clock_hz=None)
    (found,) = judge([network("m20k")], {"x": board}, COSTS, Demand())
    (known,) = judge([network("m20k")], {"x": BOARDS["stm32l476rg"]}, COSTS, Demand())
    assert found.firmware is not None and known.firmware is not None and found.firmware.ms == known.firmware.ms
