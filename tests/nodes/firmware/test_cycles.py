"""The cycle model: instructions by their kind, the manual's rules, layers of a run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from integer_graphs import integers
from lne_graphs import Builder

from nodes.firmware.cpu import CPUS
from nodes.firmware.cycles import (
    ALU,
    BRANCH,
    CYCLES_PER_INSTRUCTION,
    LOAD,
    PAIR,
    STORE,
    block_cycles,
    instructions,
    layer_cycles,
    milliseconds,
)
from nodes.firmware.program import Program, generate
from nodes.firmware.project import make, write
from nodes.firmware.toolchain import find_toolchain

OBJDUMP = shutil.which("arm-none-eabi-objdump")
LINE = re.compile(r"\s*[0-9a-f]+:\t([0-9a-f ]+)\t(\S+)\s*(.*)")


def _code(*half_words: int) -> bytes:
    return b"".join(word.to_bytes(2, "little") for word in half_words)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Path]:
    def fill(build: Builder) -> None:
        build.conv(8, (3, 3))
        build.conv(8, (3, 3), groups=8)
        build.conv(4, (1, 1))

    made, clips = integers("small", (1, 9, 8), fill)
    program, folder = generate(made, CPUS["cortex-m4"]), tmp_path_factory.mktemp("cycles")
    return program, make(find_toolchain(), program, folder, write(program, folder, clips[:1]))


@pytest.mark.parametrize(
    ("code", "cycles"),
    [
        (_code(0x1840), 1),  # adds r0, r0, r1
        (_code(0x6800), 2),  # ldr r0, [r0]
        (_code(0x6800, 0x6849), 3),  # a load behind a load
        (_code(0x6008, 0x6849), 2),  # a load behind a store
        (_code(0x6800, 0x1840, 0x6849), 5),  # two loads apart
        (_code(0xE9D0, 0x1200), 3),  # ldrd r1, r2, [r0]
        (_code(0xE890, 0x001E), 5),  # ldm r0, {r1-r4}
        (_code(0xB430), 3),  # push {r4, r5}
        (_code(0xBD70), 5),  # pop {r4-r6, pc}
        (_code(0xFB20, 0x3001), 1),  # smlad r0, r0, r1, r3
        (_code(0xFB90, 0xF0F1), 6),  # sdiv r0, r0, r1
    ],
)
def test_instructions_take_what_the_manual_says(code: bytes, cycles: int) -> None:
    assert block_cycles(code) == cycles


def _expected(name: str, operands: str) -> str:
    base = name.split(".")[0]
    rules = (
        (r"(push|pop|ldm|stm|vldm|vstm|vpush|vpop)", "several"),
        (r"(ldrd|strd)", "pair"),
        (r"v?ldr", "load"),
        (r"v?str", "store"),
        (r"(sdiv|udiv|vdiv|vsqrt)", "divide"),
        (r"tb[bh]$", "table branch"),
        (r"(cbz|cbnz|bl|bx|blx|b|b(eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le))$", "branch"),
        (r"mrs$", "move pair"),
        (r"vmov$", "move pair" if operands.count(",") == 2 and operands.startswith(("r", "s", "d")) else "alu"),
    )
    return next((kind for pattern, kind in rules if re.match(pattern, base)), "alu")


@pytest.mark.skipif(OBJDUMP is None, reason="needs GCC's disassembler")
def test_kinds_are_those_of_the_disassembler(built: tuple[Program, Path]) -> None:
    assert OBJDUMP is not None
    text = subprocess.run([OBJDUMP, "-d", str(built[1])], capture_output=True, text=True, check=True).stdout
    found = [match for match in map(LINE.fullmatch, text.splitlines()) if match and not match[2].startswith(".")]
    assert len(found) > 500
    wrong = []
    for match in found:
        words = [int(word, 16) for word in match[1].split()]
        kind = next(instructions(_code(*words)))[0]
        if kind.name != _expected(match[2], match[3]):
            wrong.append(f"{match[1]} {match[2]} {match[3]}: {kind.name}")
    assert wrong == []


def test_layers_take_between_one_and_two_cycles_per_instruction(built: tuple[Program, Path]) -> None:
    program, elf = built
    done = subprocess.run(
        [sys.executable, "-m", "nodes.emulator", str(elf), "60", "--blocks"], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    cycles = layer_cycles(elf, [tuple(block) for block in told["blocks"]], len(program.layers))
    counts = told["regions"][1 : 2 * len(program.layers) : 2]
    assert all(count < found < 2 * count for count, found in zip(counts, cycles, strict=True))


def test_the_range_of_times_is_that_of_the_stated_cycles() -> None:
    low, high = milliseconds(1_000_000, 80e6)
    assert (low, high) == pytest.approx(tuple(12.5 * cycles for cycles in CYCLES_PER_INSTRUCTION))


def test_kinds_have_names_of_their_own() -> None:
    assert len({kind.name for kind in (ALU, LOAD, STORE, PAIR, BRANCH)}) == 5
