"""The table of processors: names, and compilers that do not know one."""

from __future__ import annotations

import pytest

from nodes.firmware.cpu import CPUS, find_cpu
from nodes.firmware.errors import FirmwareError
from nodes.firmware.toolchain import find_toolchain, toolchains


@pytest.mark.parametrize("name", CPUS)
def test_a_processor_is_found_by_name(name: str) -> None:
    cpu = find_cpu(name)
    assert cpu.name == name and cpu.zig_flags
    assert cpu.emulated_as in ("", *CPUS)
    assert all(one.takes(cpu) for one in toolchains() if one.name == "zig")


def test_an_unknown_processor_is_told() -> None:
    with pytest.raises(FirmwareError, match="no processor 'avr'. Expected one of cortex-m0"):
        find_cpu("avr")


def test_a_compiler_for_another_family_is_told() -> None:
    riscv = find_cpu("rv32imac")
    assert find_toolchain(cpu=riscv).name == "zig"
    if any(one.name == "gcc" for one in toolchains()):
        with pytest.raises(FirmwareError, match="gcc does not compile for rv32imac. Expected zig."):
            find_toolchain("gcc", riscv)
