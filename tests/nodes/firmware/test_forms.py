"""What leaves as firmware is built with its own commands, compiles where it says, and is the same every time."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from firmware_nets import small_integers

from nodes.firmware.cpu import CPUS
from nodes.firmware.errors import FirmwareError
from nodes.firmware.forms import FORMS, Export, build_app, build_test, expected, write_form
from nodes.firmware.fuse import fuse
from nodes.firmware.memory import Memory
from nodes.firmware.program import generate
from nodes.firmware.project import departures, emulate
from nodes.firmware.qemu import BOARDS, board_of, run_board
from nodes.firmware.toolchain import Toolchain, find_toolchain, toolchains
from nodes.lne.ir import Map
from nodes.quant.integer import IntConv, IntegerGraph, evaluate

STM32 = Memory(1 << 20, 96 << 10, 0x0800_0000, 0x2000_0000)
HAS_GCC = any(one.name == "gcc" for one in toolchains())
GCC = pytest.mark.skipif(not HAS_GCC, reason="needs gcc-arm-none-eabi")
QEMU = pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs qemu-system-arm")


def export(cpu: str = "cortex-m4", name: str = "small net") -> Export:
    made, clips = small_integers(name)
    made = fuse(made) if "dsp" in CPUS[cpu].features else made
    return Export(generate(made, CPUS[cpu]), clips, STM32, "STM32L476RG")


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr, done.stderr
    return done.stdout


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@GCC
@QEMU
def test_the_two_commands_of_the_readme(tmp_path: Path) -> None:
    """Typed as they stand there; what make builds is what we build, to the byte."""
    given = export()
    write_form("project", given, tmp_path)
    typed = re.findall(r"^    (make.*)$", (tmp_path / "README.md").read_text(), re.MULTILINE)
    assert typed == ["make", "make run"]
    told = [run(tmp_path, *line.split()) for line in typed]
    assert "Every layer is the reference's, to the bit." in told[1]
    made = {name: (tmp_path / name).read_bytes() for name in ("firmware.elf", "test.elf")}
    gcc = find_toolchain("gcc")
    assert build_app(given, tmp_path, gcc).read_bytes() == made["firmware.elf"]
    assert build_test(given, tmp_path, gcc).read_bytes() == made["test.elf"]
    broken = (tmp_path / "expected.txt").read_text().replace("layer 1 ", "layer 1 0", 1)
    (tmp_path / "expected.txt").write_text(broken)
    assert subprocess.run(["make", "run"], cwd=tmp_path, capture_output=True, timeout=120, check=False).returncode


@pytest.mark.skipif(shutil.which("qemu-system-riscv32") is None, reason="needs qemu-system-misc")
def test_a_processor_gcc_does_not_know_is_zigs(tmp_path: Path) -> None:
    """The two commands again, with the Python that has Zig."""
    given = export("rv32imac")
    write_form("project", given, tmp_path)
    assert "gcc" not in (tmp_path / "README.md").read_text() and not (tmp_path / "CMakeLists.txt").exists()
    assert "Every layer is the reference's" in run(tmp_path, "make", f"PYTHON={sys.executable}", "all", "run")


@GCC
@QEMU
@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_cmake_builds_it_too(tmp_path: Path) -> None:
    write_form("project", export(), tmp_path)
    run(tmp_path, "cmake", "-B", "build")
    run(tmp_path, "cmake", "--build", "build")
    assert "Every layer is the reference's" in run(tmp_path, "cmake", "--build", "build", "--target", "run")


@pytest.mark.parametrize("cpu", sorted(CPUS.keys() & BOARDS.keys()))
def test_qemu_and_the_counting_emulator_say_the_same(cpu: str, tmp_path: Path) -> None:
    if board_of(CPUS[cpu]) is None:
        pytest.skip(f"needs {BOARDS[cpu].package}")
    given = export(cpu)
    write_form("project", given, tmp_path)
    elf = build_test(given, tmp_path, find_toolchain(None, CPUS[cpu]))
    told = run_board(elf, given.board)
    assert told.code == 0 and told.console.rpartition("stack ")[0] == expected(given)
    found = emulate(elf, len(given.program.layers))
    assert departures(given.program, found, given.inputs) == [] and found.wrong == 0
    assert f"stack {found.stack_bytes} 0" in told.console


@pytest.mark.parametrize("form", FORMS)
def test_the_same_network_gives_the_same_files_without_a_path_of_this_machine(form: str, tmp_path: Path) -> None:
    for turn in ("a", "b"):
        write_form(form, export(), tmp_path / turn)
    first, second = files(tmp_path / "a"), files(tmp_path / "b")
    assert first == second and first
    for name, content in first.items():
        assert str(tmp_path).encode() not in content and sys.prefix.encode() not in content, name
        assert not re.search(rb"@[A-Z_]+@", content), f"{name} has a word nobody filled in"


@pytest.mark.parametrize("toolchain", toolchains(), ids=lambda one: one.name)
def test_two_folders_build_the_same_elf(toolchain: Toolchain, tmp_path: Path) -> None:
    elves = []
    for turn in ("a", "b"):
        write_form("project", export(), tmp_path / turn)
        elves.append(build_test(export(), tmp_path / turn, toolchain).read_bytes())
    assert elves[0] == elves[1] and str(tmp_path).encode() not in elves[0]


@GCC
def test_the_arduino_sketch_compiles_and_runs(tmp_path: Path) -> None:
    """With a stand-in for Arduino's core that runs one turn of the loop and ends."""
    given = export()
    write_form("arduino", given, tmp_path)
    write_form("project", given, tmp_path / "core")
    (tmp_path / "core" / "Arduino.h").write_text(ARDUINO)
    sketch = next(tmp_path.glob("examples/*/*.ino"))
    assert sketch.stem == sketch.parent.name, "Arduino wants a sketch in a folder of its name"
    cpu, common = given.program.cpu.gcc_flags, ("-O1", "-ffreestanding", "-Wall", "-Werror", "-Wno-unused-variable")
    head = ("-include", "core/Arduino.h", "-I", "src", "-I", str(sketch.parent))
    run(
        tmp_path,
        "arm-none-eabi-g++",
        *cpu,
        *common,
        "-fno-exceptions",
        *head,
        "-x",
        "c++",
        "-c",
        str(sketch),
        "-o",
        "s.o",
    )
    sources = [f"src/{given.program.name}.c", "core/startup.c", "core/memory.c"]
    run(
        tmp_path, "arm-none-eabi-gcc", *cpu, *common, "-I", "src", "-T", "core/test.ld", *sources, "s.o",
        "-nostartfiles", "-nostdlib", "-lgcc", "-o", "arduino.elf",
    )  # fmt: skip
    if shutil.which("qemu-system-arm"):
        best = int(evaluate(given.program.graph, given.inputs[0])[given.program.graph.result].argmax())
        assert run_board(tmp_path / "arduino.elf", given.board).console == f"class {best} right, us: 7\n"


ARDUINO = r"""
extern "C" { void ossicle_write(const char *); void ossicle_exit(int); }
struct Port {
  void begin(long) {}
  void print(const char *text) { ossicle_write(text); }
  void print(unsigned long value) {
    char text[12], *at = text + 11;
    *at = 0;
    do *--at = '0' + value % 10; while (value /= 10);
    ossicle_write(at);
  }
  void print(int value) { print((unsigned long)value); }
  template <typename T> void println(T value) { print(value); ossicle_write("\n"); }
};
static Port Serial;
static unsigned long now;
static unsigned long micros() { return now += 7; }
static void delay(int) { ossicle_exit(0); }
void setup();
void loop();
extern "C" int main() { setup(); for (;;) loop(); }
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a compiler for this machine")
def test_the_library_is_one_file_that_any_compiler_takes(tmp_path: Path) -> None:
    given = export()
    write_form("library", given, tmp_path)
    assert sorted(files(tmp_path)) == ["README.md", "small_net.c", "small_net.h"]
    write_form("project", given, tmp_path / "project")
    (tmp_path / "host.c").write_text(HOST)
    safe = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wno-array-bounds")
    for flags in (("-O0",), ("-O2",), ("-O1", *safe)):
        run(tmp_path, "cc", *flags, "-Wall", "-Wextra", "-Iproject", "-I.", "small_net.c", "host.c", "-o", "host")
        run(tmp_path, "./host")


HOST = """#include "golden.h"
#include "small_net.h"
int main(void) {
  static small_net_output_t output[SMALL_NET_OUTPUT_SIZE];
  unsigned wrong = !golden_sums[0][0];
  for (int clip = 0; clip < GOLDEN_CLIPS; clip++) {
    small_net_run(golden_inputs[clip], output);
    for (int i = 0; i < SMALL_NET_OUTPUT_SIZE; i++) wrong += output[i] != golden_outputs[clip][i];
  }
  return wrong != 0;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a compiler for this machine")
def test_kernels_of_ones_own_get_the_references_codes_from_the_header(tmp_path: Path) -> None:
    """A convolution written from the macros alone."""
    given = export()
    write_form("header", given, tmp_path)
    graph, clip = given.program.graph, given.inputs[0]
    maps = evaluate(small_integers()[0], clip)
    second = next(op for op in small_integers()[0].ops if isinstance(op, IntConv) and op.name == "conv2")
    text = ", ".join(map(str, _in_rows(maps[second.inputs[0]])))
    (tmp_path / "own.c").write_text(OWN.replace("@INPUT@", text))
    run(tmp_path, "cc", "-O1", "own.c", "-o", "own")
    assert [int(word) for word in run(tmp_path, "./own").split()] == _in_rows(maps[second.output])
    assert (
        f"#define INPUT_FRACTION {graph.forms[graph.source].fraction}"
        in (tmp_path / "small_net_parameters.h").read_text()
    )


def _in_rows(values: object) -> list[int]:
    return values.transpose(1, 2, 0).ravel().tolist()  # type: ignore[attr-defined, no-any-return]


OWN = r"""
#include <stdio.h>
#include "small_net_parameters.h"
static const int weight[] = CONV2_WT, bias[] = CONV2_BIAS, x[] = {@INPUT@};
int main(void) {
  for (int r = 0; r < CONV2_OUT_ROWS; r++)
    for (int c = 0; c < CONV2_OUT_COLUMNS; c++)
      for (int k = 0; k < CONV2_OUT_CH; k++) {
        long sum = (long)bias[k] << CONV2_BIAS_LSHIFT;
        for (int p = 0; p < CONV2_KERNEL_ROWS; p++)
          for (int q = 0; q < CONV2_KERNEL_COLUMNS; q++)
            for (int i = 0; i < POOL_OUT_CH; i++) {
              int y = r - CONV2_PAD_TOP + p, z = c - CONV2_PAD_LEFT + q;
              if (y < 0 || z < 0 || y >= POOL_OUT_ROWS || z >= POOL_OUT_COLUMNS) continue;
              sum += (long)x[(y * POOL_OUT_COLUMNS + z) * POOL_OUT_CH + i]
                   * weight[((k * CONV2_KERNEL_ROWS + p) * CONV2_KERNEL_COLUMNS + q) * POOL_OUT_CH + i];
            }
        long code = (sum + (1 << CONV2_OUT_RSHIFT >> 1)) >> CONV2_OUT_RSHIFT;
        printf("%ld ", code < CONV2_OUT_LOW ? CONV2_OUT_LOW : code > CONV2_OUT_HIGH ? CONV2_OUT_HIGH : code);
      }
}
"""


def test_a_device_too_small_is_told_with_what_takes_most(tmp_path: Path) -> None:
    given = export()
    for memory, said in (
        (Memory(2048, 96 << 10), r"bytes too large for flash.*; small_net_\w+ of conv\w+ alone takes \d+"),
        (
            Memory(1 << 20, 1280),
            r"bytes too large for RAM.*; the maps take [\d,]+, [\w ]+ alone [\d,]+\. Expected at most 1,280",
        ),
    ):
        small = replace(given, memory=memory)
        write_form("project", small, tmp_path)
        for toolchain in toolchains():
            with pytest.raises(FirmwareError, match=said):
                build_app(small, tmp_path, toolchain)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "small_net.c").symlink_to("/dev/full")
    with pytest.raises(FirmwareError, match=r"small_net.c could not be written: No space left on device"):
        write_form("library", export(), tmp_path)


def test_an_unknown_form_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(FirmwareError, match="There is no form 'zip'.*project, library, arduino, header"):
        write_form("zip", export(), tmp_path)


@pytest.mark.parametrize("name", ["*/ #error\n/*", "startup", "string", "1", "Ümläut $(rm) `x`"])
def test_any_name_leaves_as_c(name: str, tmp_path: Path) -> None:
    given = export(name=name)
    write_form("project", replace(given, device=f"{name}\n\t@echo no"), tmp_path)
    found = emulate(build_test(given, tmp_path, find_toolchain()), len(given.program.layers))
    assert found.wrong == 0


def test_layers_of_one_name_have_macros_of_their_own() -> None:
    made, clips = small_integers()
    ops = tuple(replace(op, name="conv") if isinstance(op, IntConv) else op for op in made.ops)
    program = generate(IntegerGraph(made.name, made.source, made.result, made.maps, made.forms, ops), CPUS["cortex-m4"])
    text = FORMS["header"](Export(program, clips))["small_net_parameters.h"]
    assert {"CONV_WT", "CONV_2_WT", "CONV_3_WT"} <= set(re.findall(r"#define (CONV\w*_WT) ", text))
    assert isinstance(made.maps[made.source], Map)
