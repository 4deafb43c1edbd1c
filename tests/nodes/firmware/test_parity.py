"""The parity gate: silent about sound firmware, and about wrong firmware it says which stage and by how much."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.emulator import Outcome
from nodes.firmware.cpu import CPUS
from nodes.firmware.errors import FirmwareError
from nodes.firmware.parity import Qemu, Unicorn, check
from nodes.firmware.parity_trace import TRACE_FILE
from nodes.firmware.program import Program, generate
from nodes.firmware.project import make, write
from nodes.firmware.qemu import board_of
from nodes.firmware.toolchain import find_toolchain, toolchains
from nodes.lne.ir import Activation, Graph, Pads, Pool
from nodes.quant.convert import convert, watch
from nodes.quant.fixed import Fixed, codes
from nodes.quant.integer import IntConv, IntegerGraph, IntOp, IntTable
from nodes.quant.settings import Settings

CLIPS = 21


def network() -> Graph:
    """A table, a residual, a pool, dense outputs."""
    build = Builder(1, 11, 9)
    build.conv(8, (3, 3), activation=Activation.TANH)
    skip = build.conv(8, (3, 3), stride=(2, 1))
    build.conv(8, (3, 3), groups=8)
    build.conv(8, (3, 1), residual=skip)
    given = build.maps[build.last]
    build.add(Pool("mean", (build.last,), "mean_out", kind="mean", kernel=(given.h, given.w)), (8, 1, 1))
    build.conv(5, (1, 1), pads=Pads(), activation=Activation.NONE)
    return build.graph("small net")


def inputs(graph: Graph, count: int = CLIPS) -> np.ndarray:
    return np.random.default_rng(5).normal(0.0, 1.0, (count, *graph.source_shape))


def integers(bits: int = 8) -> IntegerGraph:
    graph = network()
    return convert(graph, watch(graph, inputs(graph), bits), Settings(bits=bits))


def built(
    graph: IntegerGraph, folder: Path, edit: Callable[[str], str] = str, cpu: str = "cortex-m4"
) -> tuple[Program, Path]:
    program = generate(graph, CPUS[cpu])
    program = replace(program, source=edit(program.source))
    clip = codes(inputs(network())[0], graph.forms[graph.source])
    toolchain = find_toolchain(None, program.cpu)
    return program, make(toolchain, program, folder, write(program, folder, [clip]))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Path]:
    return built(integers(), tmp_path_factory.mktemp("sound"))


def with_op(graph: IntegerGraph, name: str, change: Callable[[IntOp], IntOp]) -> IntegerGraph:
    assert any(op.name == name for op in graph.ops)
    return replace(graph, ops=tuple(change(op) if op.name == name else op for op in graph.ops))


def wrong_weight(op: IntOp) -> IntOp:
    assert isinstance(op, IntConv)
    weight = op.weight.copy()
    weight[1, 0, 0, 0] += 40 if weight[1, 0, 0, 0] < 0 else -40
    return replace(op, weight=weight)


def wrong_shift(op: IntOp) -> IntOp:
    assert isinstance(op, IntConv)
    return replace(op, requantise=replace(op.requantise, right=op.requantise.right + 1))


def wrong_table(op: IntOp) -> IntOp:
    assert isinstance(op, IntTable)
    values = op.table.values.copy()
    values[len(values) // 2 : len(values) // 2 + 8] -= 9
    return replace(op, table=replace(op.table, values=values))


def test_sound_firmware_equals_the_reference_over_many_clips(sound: tuple[Program, Path]) -> None:
    program, elf = sound
    graph, told = network(), []
    truth = [index % 5 for index in range(CLIPS)]
    found = check(program, elf, inputs(graph), graph, truth=truth, on_progress=lambda done, of: told.append((done, of)))
    assert found.is_exact and found.first is None and not found.culprits
    assert found.answers.clips == CLIPS == found.stages[0].values // program.graph.maps[program.layers[0].output].size
    assert [stage.name for stage in found.stages] == [*(layer.name for layer in program.layers), "output"]
    assert told[-1] == (CLIPS, CLIPS) and len(told) > 1
    assert set(found.answers.right) == {"float", "integer", "firmware"}
    assert found.answers.right["integer"] == found.answers.right["firmware"]
    assert "to the bit over 21 clips" in found.summary
    json.dumps(found.as_data(), allow_nan=False)


@pytest.mark.parametrize(("cpu", "bits"), [("cortex-m4", 16), ("cortex-m0", 8), ("rv32imac", 8)])
def test_other_words_and_processors_are_compared_as_well(cpu: str, bits: int, tmp_path: Path) -> None:
    if not any(one.takes(CPUS[cpu]) for one in toolchains()):
        pytest.skip(f"there is no compiler for {cpu}")
    program, elf = built(integers(bits), tmp_path, cpu=cpu)
    found = check(program, elf, inputs(network(), 5), network())
    assert found.is_exact and found.cpu == cpu and found.stages[0].bits == bits


def test_noise_of_rounding_is_told_by_stage(sound: tuple[Program, Path]) -> None:
    program, elf = sound
    found = check(program, elf, inputs(network()), network())
    heard = {stage.name: stage.noise for stage in found.stages if stage.noise is not None}
    assert {"conv1", "conv2", "conv3", "mean", "conv5"} <= set(heard)
    for noise in heard.values():
        assert noise.sqnr_db is not None and 15.0 < noise.sqnr_db < 80.0
        assert noise.own_sqnr_db is None or noise.own_sqnr_db > noise.sqnr_db - 1.0
        assert 0.0 <= noise.outside < 0.05


def test_a_format_that_loses_much_is_the_noisiest_stage(tmp_path: Path) -> None:
    graph = network()
    narrow = Settings(formats={"conv2_out": Fixed(8, 1)})
    made = convert(graph, watch(graph, inputs(graph), 8), narrow)
    found = check(*built(made, tmp_path), inputs(graph), graph)
    assert found.is_exact
    assert found.noisiest is not None and found.noisiest.name == "conv2"


@pytest.mark.parametrize(
    ("stage", "change"),
    [("conv2", wrong_weight), ("conv3", wrong_shift), ("conv0 tanh", wrong_table), ("conv5", wrong_weight)],
    ids=["weight", "shift", "table", "weight of the last layer"],
)
def test_the_stage_that_is_wrong_is_named(stage: str, change: Callable[[IntOp], IntOp], tmp_path: Path) -> None:
    right = integers()
    wrong, elf = built(with_op(right, stage, change), tmp_path)
    found = check(replace(wrong, graph=right), elf, inputs(network()), network())
    assert found.first is not None and found.first.name == stage
    assert [one.name for one in found.culprits] == [stage]
    first = found.first.first
    assert first is not None and first.expected != first.found
    assert found.first.largest >= abs(first.expected - first.found) > 0
    assert found.first.largest_real == found.first.largest * 2.0**-found.first.fraction
    assert found.summary.startswith(f"{stage} departs first: ")
    assert not found.stages[-1].is_exact


def test_a_second_wrong_stage_does_not_hide_behind_the_first(tmp_path: Path) -> None:
    right = integers()
    wrong, elf = built(with_op(with_op(right, "conv1", wrong_weight), "conv3", wrong_shift), tmp_path)
    found = check(replace(wrong, graph=right), elf, inputs(network()))
    assert [one.name for one in found.culprits] == ["conv1", "conv3"]
    assert "Wrong by themselves too: conv3." in found.summary


def test_a_program_that_spoils_a_map_between_layers_is_found(tmp_path: Path) -> None:
    """The layer that wrote the map was right; those that read it are told."""

    def edit(text: str) -> str:
        given = re.search(r"_layer_3\(\(int8_t \*\)\((\w+ \+ \d+)\)", text)
        assert given is not None
        return text.replace("OSSICLE_BEFORE(3);", f"*({given[1]}) ^= 64; OSSICLE_BEFORE(3);")

    program, elf = built(integers(), tmp_path, edit)
    found = check(program, elf, inputs(network()))
    assert [one.name for one in found.culprits] == ["conv2", "conv3"]  # one reads it as its residual


def test_a_hang_is_told_with_clip_and_layer(tmp_path: Path) -> None:
    after, hang = "OSSICLE_AFTER(2", 'static int met; if (++met == 3) for (;;) __asm volatile(""); OSSICLE_AFTER(2'
    program, elf = built(integers(), tmp_path, lambda text: text.replace(after, hang))
    with pytest.raises(FirmwareError, match=rf"no end within 1 s in layer {program.layers[2].name} of clip 2; r0="):
        check(program, elf, inputs(network(), 4), runner=Unicorn(still_s=1.0), workers=1)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda data: data[: len(data) // 3], "cannot be read|cut off|no program"),
        (lambda data: b"MZ" + data[2:], "cannot be read"),
        (lambda data: data[:18] + b"\x3e\x00" + data[20:], "not for a 32-bit microcontroller"),
        (lambda _: b"", "cannot be read"),
    ],
    ids=["cut", "no ELF", "another processor", "empty"],
)
def test_a_damaged_image_is_refused(
    spoil: Callable[[bytes], bytes], told: str, sound: tuple[Program, Path], tmp_path: Path
) -> None:
    program, elf = sound
    path = tmp_path / "spoilt.elf"
    path.write_bytes(spoil(elf.read_bytes()))
    with pytest.raises(FirmwareError, match=told):
        check(program, path, inputs(network(), 2))


def test_an_image_of_another_network_is_refused(sound: tuple[Program, Path]) -> None:
    program, elf = sound
    with pytest.raises(FirmwareError, match="The firmware's trace has"):
        check(replace(program, layers=program.layers[:-1]), elf, inputs(network(), 2))


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-3], lambda data: b"", lambda data: b"\xff" * len(data)], ids=["cut", "empty", "noise"]
)
def test_a_damaged_trace_is_refused(spoil: Callable[[bytes], bytes], sound: tuple[Program, Path]) -> None:
    program, elf = sound

    def run(elf: Path, folder: Path) -> Outcome:
        outcome = Unicorn()(elf, folder)
        (folder / TRACE_FILE).write_bytes(spoil((folder / TRACE_FILE).read_bytes()))
        return outcome

    with pytest.raises(FirmwareError, match="The firmware's trace has"):
        check(program, elf, inputs(network(), 2), runner=run)


def test_a_full_disk_is_told(sound: tuple[Program, Path]) -> None:
    program, elf = sound
    if not Path("/dev/full").exists():
        pytest.skip("there is no full device here")

    def run(elf: Path, folder: Path) -> Outcome:
        (folder / TRACE_FILE).symlink_to("/dev/full")
        return Unicorn()(elf, folder)

    with pytest.raises(FirmwareError, match="exit code 3"):
        check(program, elf, inputs(network(), 2), runner=run)


def test_another_emulator_computes_the_same(sound: tuple[Program, Path]) -> None:
    program, elf = sound
    board = board_of(program.cpu)
    if board is None:
        pytest.skip("QEMU is not installed")
    assert check(program, elf, inputs(network(), 5), runner=Qemu(board)).is_exact


def test_no_clips_are_told(sound: tuple[Program, Path]) -> None:
    with pytest.raises(FirmwareError, match="no clips"):
        check(*sound, [])


def test_what_is_of_another_network_is_refused(sound: tuple[Program, Path]) -> None:
    other = Builder(1, 5, 5)
    other.conv(2)
    with pytest.raises(FirmwareError, match="float graph has no"):
        check(*sound, inputs(network(), 2), replace(other.graph(), maps={}))
    with pytest.raises(FirmwareError, match="3 classes are given for 2 clips"):
        check(*sound, inputs(network(), 2), truth=[0, 1, 2])
    with pytest.raises(FirmwareError, match="25 values"):
        check(*sound, np.zeros((2, 5, 5)))


def test_what_a_watcher_raises_ends_the_check(sound: tuple[Program, Path]) -> None:
    def stop(_done: int, _of: int) -> None:
        raise KeyboardInterrupt

    calls: list[Any] = []

    def run(elf: Path, folder: Path) -> Outcome:
        calls.append(folder)
        return Unicorn()(elf, folder)

    with pytest.raises(KeyboardInterrupt):
        check(*sound, inputs(network(), 400), on_progress=stop, runner=run, workers=1)
    assert len(calls) < 400 // 64
