"""Compilers that are missing, broken or complain, and boards whose programs fault or hang."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nodes.firmware import toolchain as module
from nodes.firmware.cpu import CPUS
from nodes.firmware.errors import FirmwareError
from nodes.firmware.memory import Memory
from nodes.firmware.project import TEMPLATES
from nodes.firmware.qemu import BOARDS, Board, board_of, run_board
from nodes.firmware.toolchain import TooLargeError, Toolchain, build, find_toolchain, toolchains

M4 = CPUS["cortex-m4"]
QEMU = pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs qemu-system-arm")
EMPTY = "void Reset_Handler(void) { for (;;); }\n"


def made(folder: Path, source: str = EMPTY) -> Path:
    (folder / "a.c").write_text(source)
    (folder / "link.ld").write_text(Memory(8 << 10, 4 << 10).script())
    return folder


def broken(tmp_path: Path, script: str) -> Toolchain:
    compiler = tmp_path / "arm-none-eabi-gcc"
    compiler.write_text(f"#!{sys.executable}\n{script}\n")
    compiler.chmod(0o755)
    return Toolchain("gcc", (str(compiler),), ())


def test_without_any_compiler_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FirmwareError, match=r"no compiler.*apt install gcc-arm-none-eabi, or pip install ziglang"):
        find_toolchain()
    with pytest.raises(FirmwareError, match=r"no compiler for microcontrollers \(gcc\)"):
        find_toolchain("gcc")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "broke off with signal 11"),
        ("raise SystemExit(3)", "broke off with exit code 3"),
        ("print('fine')", "ended well but wrote no ELF"),
        ("import sys; open(sys.argv[-1], 'w').write('no elf')", "ended well but wrote no ELF"),
        ("import sys; sys.exit('a.c:1: internal compiler error: oh')", "broke off with exit code 1: .*internal"),
        ("import sys; sys.exit('fatal: error writing to x: No space left on device')", "The disk is full"),
    ],
)
def test_a_broken_compiler_is_told(script: str, said: str, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    with pytest.raises(FirmwareError, match=said):
        build(broken(tmp_path, script), M4, made(folder), ["a.c"])


def test_a_compiler_that_is_gone_or_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FirmwareError, match="compiler nowhere could not be run.*Install it again"):
        build(Toolchain("gcc", ("/nowhere",), ()), M4, made(tmp_path), ["a.c"])
    monkeypatch.setattr(module, "LONGEST_S", 0.2)
    with pytest.raises(FirmwareError, match=r"could not be run.*timed out"):
        build(broken(tmp_path, "import time; time.sleep(9)"), M4, made(tmp_path), ["a.c"])


@pytest.mark.parametrize("toolchain", toolchains(), ids=lambda one: one.name)
def test_what_the_compiler_complains_of_is_told(toolchain: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(FirmwareError, match=rf"{toolchain.name} failed: .*a\.c:1.*error"):
        build(toolchain, M4, made(tmp_path, "int x = ;\n"), ["a.c"])
    with pytest.raises(FirmwareError, match=r"undefined.*nobody"):
        build(toolchain, M4, made(tmp_path, "void nobody(void); void Reset_Handler(void) { nobody(); }\n"), ["a.c"])
    assert not (tmp_path / "firmware.elf").exists()


LARGE = """{kind} large[4000] = {{{value}}};
void Reset_Handler(void) {{ for (int i = 0;; i++) (void)*(volatile {kind} *)&large[i]; }}
"""


@pytest.mark.parametrize("toolchain", toolchains(), ids=lambda one: one.name)
@pytest.mark.parametrize("region", ["FLASH", "RAM"])
def test_a_region_too_small_is_told_with_its_section(toolchain: Toolchain, region: str, tmp_path: Path) -> None:
    is_flash = region == "FLASH"
    source = LARGE.format(kind="const int" if is_flash else "int", value=int(is_flash))
    with pytest.raises(TooLargeError) as caught:
        build(toolchain, M4, made(tmp_path, source), ["a.c"])
    assert caught.value.region == region and caught.value.section in (
        ".rodata" if is_flash else ".bss",
        ".data",
        ".stack",
    )
    assert 16_000 - (8 << 10) <= caught.value.over_bytes < 16_000


@pytest.mark.parametrize("toolchain", toolchains(), ids=lambda one: one.name)
def test_versions_are_told(toolchain: Toolchain) -> None:
    assert toolchain.name in toolchain.version() and "\n" not in toolchain.version()
    assert replace(toolchain, command=("/nowhere",)).version() == ""


def on_board(folder: Path, body: str) -> Path:
    """A program with our start-up, built for the M4's board."""
    (folder / "main.c").write_text(f"void ossicle_write(const char *);\nint main(void) {{ {body} }}\n")
    for name in ("startup.c", "memory.c"):
        shutil.copy(TEMPLATES / name, folder / name)
    (folder / "link.ld").write_text(BOARDS["cortex-m4"].memory.script())
    return build(find_toolchain(), M4, folder, ["main.c", "startup.c", "memory.c"])


@QEMU
def test_console_and_exit_code_come_back(tmp_path: Path) -> None:
    told = run_board(on_board(tmp_path, 'ossicle_write("hello\\n"); return 1;'), BOARDS["cortex-m4"])
    assert (told.console, told.code) == ("hello\n", 1)


@QEMU
@pytest.mark.parametrize(
    "body",
    [
        "*(volatile int *)0xF0000000 = 1; return 0;",
        '__asm volatile("udf #0"); return 0;',
        "((void (*)(void))0x20000000)(); return 0;",
    ],
    ids=["store", "undefined", "even"],
)
def test_a_fault_is_told_with_the_registers(body: str, tmp_path: Path) -> None:
    with pytest.raises(
        FirmwareError, match=r"does not run in QEMU \(mps2-an386\).*FAULT r0=[0-9a-f]{8} .* pc=[0-9a-f]{8}"
    ):
        run_board(on_board(tmp_path, body), BOARDS["cortex-m4"])


@QEMU
def test_a_program_that_does_not_end_is_told_with_its_last_words(tmp_path: Path) -> None:
    elf = on_board(tmp_path, 'ossicle_write("layer 1 ab\\n"); for (;;);')
    with pytest.raises(FirmwareError, match=r"no end within 1 s, after 'layer 1 ab'"):
        run_board(elf, BOARDS["cortex-m4"], limit_s=1.0)


def test_without_qemu_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FirmwareError, match="qemu-system-none is not installed.*apt install qemu-system-arm"):
        run_board(tmp_path / "x.elf", Board("none", program="qemu-system-none"))
    monkeypatch.setenv("PATH", "")
    assert board_of(M4) is None


def test_every_board_is_for_a_processor_or_one_to_come() -> None:
    assert {"cortex-m4", "cortex-m7", "cortex-m33"} <= BOARDS.keys() & CPUS.keys()
