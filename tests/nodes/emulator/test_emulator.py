"""The emulator: exact counts, files, and programs that go astray."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lne_graphs import Builder

from nodes.emulator import Options, Outcome
from nodes.emulator.machine import run
from nodes.firmware.cpu import CPUS
from nodes.firmware.program import Program, generate
from nodes.firmware.project import make, write
from nodes.firmware.toolchain import find_toolchain
from nodes.lne.ir import Pads
from nodes.quant.convert import convert, watch
from nodes.quant.fixed import codes

START = """#include <stdint.h>
void ossicle_write(const char *text);
void ossicle_mark(void);
void ossicle_exit(int code);
int ossicle_semihost(int operation, const void *argument);
void ossicle_before(int layer) { (void)layer; ossicle_mark(); }
void ossicle_after(int layer, const void *codes, unsigned bytes) { (void)layer; (void)codes; (void)bytes; }
"""


@pytest.fixture(scope="module")
def program() -> Program:
    build = Builder(2, 1, 4)
    build.conv(3, (1, 1), pads=Pads())
    graph = build.graph("tiny")
    clip = build.rng.normal(0.0, 1.0, graph.source_shape)
    return generate(convert(graph, watch(graph, [clip], 8)), CPUS["cortex-m4"])


def built(program: Program, folder: Path, main: str) -> Path:
    """A firmware with another `main`."""
    graph = program.graph
    clip = Builder(2, 1, 4).rng.normal(0.0, 1.0, graph.maps[graph.source].shape)
    sources = write(program, folder, [codes(clip, graph.forms[graph.source])])
    (folder / "test.c").write_text(START + main)
    return make(find_toolchain(), program, folder, sources)


LOOPS = """
#define LOOP(turns) __asm volatile("mov r3, #" turns "\\n1: nop\\n nop.w\\n subs r3, #1\\n bne 1b" ::: "r3", "cc")
int main(void) {
  ossicle_mark();
  LOOP("1000");
  ossicle_mark();
  LOOP("250");
  ossicle_mark();
  return 7;
}
"""


def test_every_instruction_is_counted(program: Program, tmp_path: Path) -> None:
    """Loops of known lengths between marks; 16-bit and 32-bit instructions."""
    outcome = run(built(program, tmp_path, LOOPS), Options(keeps_blocks=True))
    assert outcome.code == 7 and not outcome.fault
    assert outcome.regions[1] - outcome.regions[2] == 4 * 750
    assert sum(outcome.regions) == outcome.instructions == sum(block[3] * block[4] for block in outcome.blocks)


@pytest.mark.parametrize(
    ("main", "told"),
    [
        ("int main(void) { *(volatile int *)0x60000000 = 1; return 0; }", "unmapped|data accessed"),
        ("int main(void) { *(volatile int *)0x100 = 1; return 0; }", "protected|WRITE_PROT|data accessed"),
        ("int main(void) { ((void (*)(void))0x70000001)(); return 0; }", "unmapped|fetched"),
        ('int main(void) { __asm volatile("udf #0"); return 0; }', "undefined|invalid|INSN_INVALID"),
        ('int main(void) { __asm volatile("bkpt 1"); return 0; }', "breakpoint"),
        ("int main(void) { ossicle_semihost(0x77, 0); return 0; }", "0x77 is not known"),
        ('int main(void) { for (;;) __asm volatile(""); }', "no end within 0.5 s"),
        ('int main(void) { for (;;) ossicle_write("0123456789abcdef0123456789abcdef"); }', "console|no end"),
    ],
    ids=["wild write", "write to flash", "wild jump", "undefined", "breakpoint", "unknown call", "hang", "chatter"],
)  # fmt: skip
def test_programs_that_go_astray_are_stopped_with_their_registers(
    main: str, told: str, program: Program, tmp_path: Path
) -> None:
    outcome = run(built(program, tmp_path, main), Options(0.5))
    assert outcome.code is None
    assert re.search(told, outcome.fault, re.IGNORECASE), outcome.fault
    assert {"r0", "sp", "pc"} <= set(outcome.registers)


FILES = """
static int call(int operation, uintptr_t a, uintptr_t b, uintptr_t c) {
  const uintptr_t block[3] = {a, b, c};
  return ossicle_semihost(operation, block);
}
int main(void) {
  static uint8_t data[8];
  int in = call(1, (uintptr_t)"in", 1, 2), out = call(1, (uintptr_t)"out", 5, 3);
  int none = call(1, (uintptr_t)"etc", 1, 3), missing = call(1, (uintptr_t)"gone", 1, 4);
  if (in < 0 || out < 0 || none >= 0 || missing >= 0) return 10;
  if (call(12, (uintptr_t)in, 0, 0) != 11) return 11;
  if (call(6, (uintptr_t)in, (uintptr_t)data, 8) != 0 || call(5, (uintptr_t)out, (uintptr_t)data, 8) != 0) return 12;
  if (call(6, (uintptr_t)in, (uintptr_t)data, 8) != 5) return 13;
  if (call(5, (uintptr_t)out, (uintptr_t)data, 3) != 0 || call(2, (uintptr_t)out, 0, 0) != 0) return 14;
  if (call(6, (uintptr_t)in, (uintptr_t)data, 8) != 8 || call(5, 77, (uintptr_t)data, 8) != 8) return 15;
  if (call(5, (uintptr_t)out, (uintptr_t)data, 8) != 8) return 16;
  return 0;
}
"""


def test_files_are_only_those_it_was_given(program: Program, tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(b"hello world")
    elf = built(program, tmp_path / "project", FILES)
    files = {"in": tmp_path / "given", "out": tmp_path / "made", "gone": tmp_path / "nothing"}
    outcome = run(elf, Options(10.0, files=files))
    assert (outcome.code, outcome.fault) == (0, "")
    assert (tmp_path / "made").read_bytes() == b"hello world"


def test_the_command_tells_the_same_counted_or_not(program: Program, tmp_path: Path) -> None:
    elf = built(program, tmp_path, 'int main(void) { ossicle_mark(); ossicle_write("here\\n"); return 3; }')
    found = []
    for more in ((), ("--uncounted",), ("--cpu=cortex-m3", "--still=5")):
        command = (sys.executable, "-m", "nodes.emulator", str(elf), "20", *more)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        found.append(Outcome(**json.loads(done.stdout)))
    assert {(one.code, one.console, len(one.regions)) for one in found} == {(3, "here\n", 2)}
    assert found[0].instructions == found[2].instructions > 0 == found[1].instructions


@pytest.mark.parametrize(
    "text", [b"", b"\x7fELF", b"\x7fELF\x01\x01\x01" + b"\xff" * 200], ids=["empty", "head", "noise"]
)
def test_what_is_no_program_is_a_fault(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.elf"
    path.write_bytes(text)
    assert "ELF" in run(path, Options()).fault


def test_any_cut_of_an_image_is_told_or_runs_never_raises(program: Program, tmp_path: Path) -> None:
    whole = built(program, tmp_path, "int main(void) { return 0; }").read_bytes()
    path = tmp_path / "cut.elf"
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:length])
        outcome = run(path, Options(2.0))
        assert outcome.fault or outcome.code == 0
