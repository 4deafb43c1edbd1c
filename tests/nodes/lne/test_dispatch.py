"""One library with several levels on older processors: an emulator plays them and stops at a newer instruction."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import TARGETS, Graph, LneError
from nodes.lne.build import compiler
from nodes.lne.dispatch import best_first, levels, portable_package
from nodes.lne.ir import Activation
from nodes.lne.package import Order, write_package
from nodes.lne.reference import evaluate
from nodes.lne.target import can_run

EMULATOR = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")
MAIN = """#include <stdio.h>
#include "portable.h"
int main(void) {
  static float input[PORTABLE_INPUT_SIZE], output[PORTABLE_OUTPUT_SIZE];
  if (fread(input, 4, PORTABLE_INPUT_SIZE, stdin) != PORTABLE_INPUT_SIZE) return 2;
  if (portable_init() || portable_infer(input, output)) return 3;
  fprintf(stderr, "%s", portable_used());
  return fwrite(output, 4, PORTABLE_OUTPUT_SIZE, stdout) != PORTABLE_OUTPUT_SIZE;
}
"""


def _graph() -> Graph:
    build = Builder(2, 9, 8)
    first = build.conv(20)
    build.conv(20, residual=first, activation=Activation.SIGMOID)
    build.conv(10, stride=(2, 2))
    return build.graph("portable")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An executable with every level of x86-64."""
    if platform.machine() != "x86_64":
        pytest.skip("these levels are for x86-64")
    folder = tmp_path_factory.mktemp("portable") / "portable"
    write_package(folder, portable_package("portable", _graph(), "x86_64"), Order(compiles=False))
    (folder / "main.c").write_text(MAIN)
    files = sorted(str(path) for path in folder.glob("portable*.c"))
    path = folder / "main"
    command = (*compiler(), "-O2", "-Wno-psabi", str(folder / "main.c"), *files, "-static", "-lm", "-o", str(path))
    subprocess.run(command, check=True, timeout=300)
    return path


def _run(command: list[str]) -> tuple[str, np.ndarray, np.ndarray]:
    """The level in use, what came out and what should have."""
    graph = _graph()
    x = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    done = subprocess.run(command, input=x.tobytes(), capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    return done.stderr.decode().splitlines()[-1], np.frombuffer(done.stdout, np.float32).reshape(wanted.shape), wanted


@pytest.mark.parametrize(
    ("processor", "level"), [("Nehalem", "x86-64"), ("SandyBridge", "x86-64"), ("Haswell", "avx2")]
)
def test_an_older_processor_gets_code_it_can_run(processor: str, level: str, program: Path) -> None:
    if EMULATOR is None:
        pytest.skip("no emulator of other x86-64 processors")
    used, found, wanted = _run([EMULATOR, "-cpu", processor, str(program)])
    assert used == level
    assert np.abs(found - wanted).max() < 2e-5 * np.abs(wanted).max()


def test_this_processor_gets_the_best_it_can_run(program: Path) -> None:
    used, found, wanted = _run([str(program)])
    assert used == next(target.name for target in levels("x86_64") if can_run(target))
    assert np.abs(found - wanted).max() < 2e-5 * np.abs(wanted).max()


def test_levels_are_tried_from_the_most_demanding_to_the_one_that_needs_nothing() -> None:
    for machine in sorted({target.machine for target in TARGETS.values()} - {""}):
        found = levels(machine)
        assert found == best_first(reversed(found)) and not found[-1].needs
        assert all(later.needs <= earlier.needs for earlier, later in zip(found, found[1:], strict=False))


def test_an_unknown_machine_is_told_what_there_is() -> None:
    with pytest.raises(LneError, match="aarch64, x86_64"):
        levels("pdp11")
