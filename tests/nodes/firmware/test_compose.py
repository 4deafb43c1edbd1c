"""Samples in, answers out: one program that holds a front end and a network."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from firmware_nets import small_integers

from nodes.dsp.presets import PRESETS
from nodes.emulator import Options
from nodes.firmware.compose import FrontEndCode, Heard, front_end_code
from nodes.firmware.cpu import CPUS
from nodes.firmware.emulator import run_elf
from nodes.firmware.errors import FirmwareError
from nodes.firmware.forms import Export, build_app, build_listen, write_form
from nodes.firmware.frontend import codes_of, plan
from nodes.firmware.golden import in_memory
from nodes.firmware.program import Program, generate
from nodes.firmware.stack import stack_bound
from nodes.firmware.toolchain import find_toolchain, toolchains
from nodes.quant.fixed import Codes, Fixed
from nodes.quant.integer import evaluate

HEADER = """#ifndef BANDS_H
#define BANDS_H
#include <stdint.h>
#define BANDS_HOP_SAMPLES 8
#define BANDS_FRAMES 10
void bands_start(void);
int bands_push(const int16_t *samples, int count);
int bands_ready(void);
const int8_t *bands_features(void);
#endif
"""
SOURCE = """#include "bands.h"
static int8_t ring[10][8], turned[10][8];
static int heard;
void bands_start(void) { heard = 0; }
int bands_push(const int16_t *samples, int count) {
  int frames = 0;
  for (; count >= 8; count -= 8, samples += 8, frames++, heard++)
    for (int i = 0; i < 8; i++) ring[heard % 10][i] = (int8_t)(samples[i] >> 8);
  return frames;
}
int bands_ready(void) { return heard < 10 ? heard : 10; }
const int8_t *bands_features(void) {
  for (int frame = 0; frame < 10; frame++)
    for (int i = 0; i < 8; i++) turned[frame][i] = ring[(heard + frame) % 10][i];
  return turned[0];
}
"""


def bands(output: Fixed) -> FrontEndCode:
    """A front end of eight bands: the upper halves of eight samples."""
    return FrontEndCode("bands", SOURCE, HEADER, 10, 8, output)


def answers(program: Program, samples: Codes, every: int) -> list[Codes]:
    graph, frames = program.graph, (samples >> 8).reshape(-1, 8)
    ends = range(10, len(frames) + 1, every)
    maps = [evaluate(graph, frames[end - 10 : end].reshape(1, 10, 8))[graph.result] for end in ends]
    return [in_memory(codes, graph, graph.result) for codes in maps]


@pytest.fixture
def given() -> Export:
    program = generate(small_integers()[0], CPUS["cortex-m4"])
    samples = np.random.default_rng(4).integers(-30000, 30000, 8 * 33)
    # the first answer comes when ten frames were heard, then one every four frames
    heard = Heard(samples, answers(program, samples, 4))
    form = program.graph.forms[program.graph.source]
    return Export(program, small_integers()[1], front_end=bands(form), every_frames=4, heard=heard)


@pytest.mark.parametrize("toolchain", toolchains(), ids=lambda one: one.name)
def test_the_device_hears_and_answers_as_the_reference_does(given: Export, toolchain: object, tmp_path: Path) -> None:
    write_form("project", given, tmp_path)
    elf = build_listen(given, tmp_path, toolchain)  # type: ignore[arg-type]
    told = run_elf(elf, Options())
    lines = told.console.splitlines()
    assert told.code == 0 and given.heard is not None, told
    assert lines[:-1] == [f"answer {int(answer.argmax())} 0" for answer in given.heard.answers]
    assert lines[-1].startswith("stack ") and lines[-1].endswith(" 0")
    limit = stack_bound(elf).size_bytes
    assert limit is not None and 0 < int(lines[-1].split()[1]) <= limit


def test_a_real_front_end_and_a_network_hear_together(tmp_path: Path) -> None:
    """MFCC of noise and tones, then a network calibrated on such features: every answer is the reference's."""
    hearing = replace(PRESETS["dscnn-10x49"], n_mfcc=8, clip_samples=16000, patch_frames=10)
    made = small_integers(scale=30.0)[0]
    program, ears = generate(made, CPUS["cortex-m4"]), plan(hearing, made.forms[made.source])
    t, rng = np.arange(16000), np.random.default_rng(2)
    wave = np.sin(0.05 * t) * 6000 * (t > 5000) + rng.normal(0, np.geomspace(2, 4000, 16000))
    samples = np.clip(np.round(wave), -32768, 32767).astype(np.int64)
    frames = codes_of(ears, samples)
    told = [
        evaluate(made, frames[end - 10 : end].reshape(1, 10, 8))[made.result] for end in range(10, len(frames) + 1, 5)
    ]
    assert len({int(answer.argmax()) for answer in told}) > 1, "a test of one answer says little"
    heard = Heard(samples, [in_memory(answer, made, made.result) for answer in told])
    given = Export(program, small_integers()[1], front_end=front_end_code(ears), every_frames=5, heard=heard)
    write_form("project", given, tmp_path)
    found = run_elf(build_listen(given, tmp_path, find_toolchain()), Options())
    assert found.code == 0, found
    assert [line.split()[1] for line in found.console.splitlines()[:-1]] == [str(int(a.argmax())) for a in told]


def test_a_wrong_answer_is_noticed(given: Export, tmp_path: Path) -> None:
    assert given.heard is not None
    for changed in ([*given.heard.answers[:-1], given.heard.answers[-1] + 1], given.heard.answers[:-1]):
        write_form("project", replace(given, heard=Heard(given.heard.samples, changed)), tmp_path)
        assert run_elf(build_listen(given, tmp_path, find_toolchain()), Options()).code == 1


@pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None, reason="needs GCC and QEMU"
)
def test_the_readmes_commands_try_the_whole_way_too(given: Export, tmp_path: Path) -> None:
    write_form("project", given, tmp_path)
    for command in (["make"], ["make", "run"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    assert done.stdout.count("answer ") == len(given.heard.answers if given.heard else ())
    assert "bands.c" in (tmp_path / "README.md").read_text()
    assert (tmp_path / "firmware.elf").read_bytes() == build_app(given, tmp_path, find_toolchain("gcc")).read_bytes()


def test_parts_that_do_not_go_together_are_refused_with_all_reasons(given: Export) -> None:
    assert given.front_end is not None
    other = replace(given.front_end, output=Fixed(8, 99), name="small_net", frames=12)
    with pytest.raises(FirmwareError, match=r"reads 10 x 8 x 1 codes; .* behind the point; both are called small_net"):
        replace(given, front_end=other)


@pytest.mark.parametrize("form", ["library", "arduino"])
def test_other_forms_hold_the_front_end_as_well(form: str, given: Export, tmp_path: Path) -> None:
    write_form(form, given, tmp_path)
    assert {path.name for path in tmp_path.rglob("*.[ch]")} >= {"bands.c", "bands.h", "small_net.c", "small_net.h"}
