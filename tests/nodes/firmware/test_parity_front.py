"""The parity gate with a front end: samples in, every stage of every frame, then every layer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.dsp.parameters import FrontEnd
from nodes.firmware.cpu import CPUS
from nodes.firmware.errors import FirmwareError
from nodes.firmware.frontend.plan import Plan, plan
from nodes.firmware.frontend.reference import float_stages
from nodes.firmware.frontend.source import frontend_source
from nodes.firmware.parity import Qemu, Unicorn, check
from nodes.firmware.parity_front import NAMES, Hearing, write_hearing
from nodes.firmware.program import Program, generate
from nodes.firmware.project import make
from nodes.firmware.qemu import board_of
from nodes.firmware.toolchain import find_toolchain
from nodes.lne.ir import Activation, Graph, Pads, Pool
from nodes.quant.convert import convert, watch
from nodes.quant.fixed import Fixed, codes

MFCC = FrontEnd(
    rate_hz=8000, clip_samples=4000, window_samples=256, hop_samples=160, fft_samples=256,
    n_mels=32, f_min_hz=60.0, f_max_hz=3900.0, n_mfcc=20,
)  # fmt: skip
CLIPS = 12


def network(front_end: FrontEnd) -> Graph:
    build = Builder(1, front_end.frames, front_end.coefficients)
    build.conv(8, (3, 3), stride=(2, 2))
    given = build.maps[build.last]
    build.add(Pool("mean", (build.last,), "mean_out", kind="mean", kernel=(given.h, given.w)), (8, 1, 1))
    build.conv(4, (1, 1), pads=Pads(), activation=Activation.NONE)
    return build.graph("net")


def recordings() -> np.ndarray:
    """Noise from silence to clipping."""
    levels = np.geomspace(1.0, 40000.0, CLIPS)[:, None]
    noise = np.random.default_rng(0).normal(0.0, 1.0, (CLIPS, MFCC.clip_samples)) * levels
    noise[0] = 0.0
    return np.clip(noise, -32768, 32767).astype(np.int16)


def made(folder: Path, spoil: Any = None) -> tuple[Program, Path, Hearing, Graph]:
    graph, heard = network(MFCC), recordings()
    guess = plan(MFCC, Fixed(8, 2))
    features = [float_stages(guess, clip)["dct"].reshape(graph.source_shape) for clip in heard]
    integers = convert(graph, watch(graph, features, 8))
    right: Plan = plan(MFCC, integers.forms[integers.source])
    built: Plan = right if spoil is None else spoil(right)
    program = generate(integers, CPUS["cortex-m4"])
    hearing = Hearing(right, frontend_source(built, "ears"))
    inputs = [codes(features[-1][0], integers.forms[integers.source])]
    sources = write_hearing(program, hearing, inputs, folder)
    return program, make(find_toolchain(), program, folder, sources), hearing, graph


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Path, Hearing, Graph]:
    return made(tmp_path_factory.mktemp("sound"))


def test_every_stage_from_samples_to_answers_is_equal(sound: tuple[Program, Path, Hearing, Graph]) -> None:
    program, elf, hearing, graph = sound
    found = check(program, elf, recordings(), graph, front_end=hearing)
    assert [stage.name for stage in found.stages] == [*NAMES, *(layer.name for layer in program.layers), "output"]
    assert found.is_exact, found.summary
    assert [stage.kind for stage in found.stages[: len(NAMES)]] == ["front end"] * len(NAMES)
    json.dumps(found.as_data(), allow_nan=False)


def test_the_float_front_end_is_near(sound: tuple[Program, Path, Hearing, Graph]) -> None:
    program, elf, hearing, graph = sound
    noise = {stage.name: stage.noise for stage in check(program, elf, recordings(), graph, front_end=hearing).stages}
    for name in ("window", "fft", "power", "mel", "log", "dct"):
        assert noise[name] is not None and noise[name].sqnr_db is not None and noise[name].sqnr_db > 40.0, name
    assert noise["framing"].largest == 0.0


def _window(right: Plan) -> Plan:
    window = right.window.copy()
    window[100] -= 900
    return replace(right, window=window)


def _mel(right: Plan) -> Plan:
    weights = right.bands.weights.copy()
    weights[len(weights) // 2] //= 2
    return replace(right, bands=replace(right.bands, weights=weights))


def _log(right: Plan) -> Plan:
    return replace(right, log_bias=right.log_bias + (1 << 12))


def _dct(right: Plan) -> Plan:
    matrix = right.matrix.copy()
    matrix[3, 4] += 2000
    return replace(right, matrix=matrix)


@pytest.mark.parametrize(("stage", "spoil"), [("window", _window), ("mel", _mel), ("log", _log), ("dct", _dct)])
def test_the_stage_that_is_wrong_is_named(stage: str, spoil: Any, tmp_path: Path) -> None:
    program, elf, hearing, graph = made(tmp_path, spoil)
    found = check(program, elf, recordings(), graph, front_end=hearing)
    assert found.first is not None and found.first.name == stage
    assert found.first.largest > 0 and found.first.first is not None
    assert [one.name for one in found.culprits] == [stage]
    assert found.summary.startswith(f"{stage} departs first: ")


def test_another_emulator_hears_the_same(sound: tuple[Program, Path, Hearing, Graph]) -> None:
    program, elf, hearing, graph = sound
    board = board_of(program.cpu)
    if board is None:
        pytest.skip("QEMU is not installed")
    assert check(program, elf, recordings()[-3:], graph, front_end=hearing, runner=Qemu(board)).is_exact


def test_clips_of_another_length_are_refused(sound: tuple[Program, Path, Hearing, Graph]) -> None:
    program, elf, hearing, graph = sound
    with pytest.raises(FirmwareError, match="400 samples"):
        check(program, elf, recordings()[:, :400], graph, front_end=hearing)


def test_a_hang_in_the_front_end_names_its_stage(tmp_path: Path) -> None:
    program, _, hearing, graph = made(tmp_path)
    body = (tmp_path / "ears.c").read_text()
    hang = 'static int met; if (++met == 3) for (;;) __asm volatile(""); AFTER_STAGE(3,'
    (tmp_path / "ears.c").write_text(body.replace("AFTER_STAGE(3,", hang, 1))
    sources = (f"{program.name}.c", "startup.c", "memory.c", "test.c", "ears.c")
    elf = make(find_toolchain(), program, tmp_path, sources)
    with pytest.raises(FirmwareError, match="no end within 1 s in layer power of clip 0"):
        check(program, elf, recordings()[:2], graph, front_end=hearing, runner=Unicorn(still_s=1.0), workers=1)
