"""What is told about an ELF is what lies in it; a damaged one is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from firmware_nets import small_integers

from nodes.firmware.cpu import CPUS
from nodes.firmware.errors import FirmwareError
from nodes.firmware.forms import Export, build_app, build_test, write_form
from nodes.firmware.fuse import fuse
from nodes.firmware.image import read_image
from nodes.firmware.memory import Memory
from nodes.firmware.program import generate
from nodes.firmware.project import constant_bytes, emulate
from nodes.firmware.report import image_report
from nodes.firmware.stack import Bound, read_frames, stack_bound
from nodes.firmware.toolchain import build, find_toolchain, toolchains

STM32 = Memory(1 << 20, 96 << 10, 0x0800_0000, 0x2000_0000)


@pytest.fixture(scope="module")
def given() -> Export:
    made, clips = small_integers()
    return Export(generate(fuse(made), CPUS["cortex-m4"]), clips, STM32, "STM32L476RG")


@pytest.fixture(scope="module")
def built(given: Export, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """The device's image and the test, by compiler."""
    made = {}
    for toolchain in toolchains():
        folder = tmp_path_factory.mktemp(toolchain.name)
        write_form("project", given, folder)
        made[toolchain.name] = build_app(given, folder, toolchain), build_test(given, folder, toolchain)
    return made


@pytest.mark.parametrize("name", [one.name for one in toolchains()])
def test_sizes_add_up(name: str, given: Export, built: dict[str, tuple[Path, Path]]) -> None:
    app, test = built[name]
    run = emulate(test, len(given.program.layers))
    told = image_report(given.program, app, STM32, run)
    sizes, sections = told["sizes"], told["sections"]
    by_region = {
        region: sum(row["bytes"] for row in sections if row["region"] == region) for region in ("flash", "ram")
    }
    assert (sizes["flash_bytes"], sizes["ram_bytes"]) == (by_region["flash"], by_region["ram"])
    symbols = {row["name"]: row for row in told["symbols"]}
    assert symbols["small_net_arena"]["bytes"] == given.program.arena_bytes
    assert sizes["constant_bytes"] + sizes["code_bytes"] == sum(row["flash_bytes"] for row in told["layer_sizes"])
    assert 300 < sizes["start_bytes"] < 1000 and sizes["network_bytes"] > sizes["code_bytes"] > 0
    answer = given.program.graph.maps[given.program.graph.result].size
    assert answer <= sizes["buffer_bytes"] < answer + 16
    known = constant_bytes(given.program.source)
    assert {row["name"]: row["bytes"] for row in told["symbols"] if row["name"] in known}.items() <= known.items()
    assert known.keys() & symbols.keys(), "at least the larger constants lie in flash"
    assert not any(row["name"].startswith("golden") for row in told["symbols"]), "the test is no part of the device's"
    assert told["limits"] == {"flash_bytes": 1 << 20, "ram_bytes": 96 << 10}
    assert all(
        row["address"] >= (STM32.flash_origin if row["region"] == "flash" else STM32.ram_origin) for row in sections
    )


@pytest.mark.parametrize("name", [one.name for one in toolchains()])
def test_the_stack_stays_under_its_bound(name: str, given: Export, built: dict[str, tuple[Path, Path]]) -> None:
    for elf in built[name]:
        bound = stack_bound(elf)
        assert bound.size_bytes is not None and bound.path[0] == "Reset_Handler", bound.why
    assert any("layer" in part for part in stack_bound(built[name][0]).path)
    seen = emulate(built[name][1], len(given.program.layers)).stack_bytes
    limit = stack_bound(built[name][1]).size_bytes
    assert limit is not None and 0.5 * limit <= seen <= limit


@pytest.mark.skipif(find_toolchain().name != "gcc", reason="needs GCC's -fstack-usage")
@pytest.mark.parametrize("cpu", ["cortex-m0", "cortex-m4"])
def test_frames_are_those_that_the_compiler_tells(cpu: str, tmp_path: Path) -> None:
    (tmp_path / "frames.c").write_text(FRAMES)
    (tmp_path / "link.ld").write_text(Memory().script())
    gcc = find_toolchain("gcc")
    telling = replace(gcc, flags=("-O2", "-fstack-usage", "-fno-inline", "-fno-ipa-icf"))
    elf = build(telling, CPUS[cpu], tmp_path, ["frames.c"])
    usage = next(tmp_path.glob("*.su")).read_text().splitlines()
    told = {line.split(":")[3].split("\t")[0]: int(line.split("\t")[1]) for line in usage}
    frames = {frame.name: frame for frame in read_frames(elf).values()}
    known = {name: frame.size_bytes for name, frame in frames.items() if name in told and not frame.unknown}
    assert known.items() <= told.items() and {"small", "jumps", "deep", "kept"} <= known.keys()
    assert known.get("large", told["large"]) > 4000


FRAMES = """
extern void sink(volatile int *);
__attribute__((noipa)) void sink(volatile int *x) { *x += 1; }
void small(void) { volatile int x[3]; sink(x); }
void large(void) { volatile int x[1000]; sink(x); sink(x + 1); }
void jumps(int n) { volatile int x[20]; sink(x); if (n) small(); else large(); }
void deep(int n) { volatile int x[7]; sink(x); jumps(n); sink(x); }
float kept(float a) { volatile int x[4]; sink(x); return a * 2; }
int main(void) { deep(3); return (int)kept(2); }
void Reset_Handler(void) { main(); for (;;); }
"""


def test_the_bound_holds_for_other_instructions(tmp_path: Path) -> None:
    """It is the depth that was seen, but for what the deepest chain kept free."""
    made, clips = small_integers()
    for cpu in (CPUS["cortex-m0"], CPUS["rv32imac"]):
        export = Export(generate(made, cpu), clips)
        write_form("project", export, tmp_path / cpu.name)
        elf = build_test(export, tmp_path / cpu.name, find_toolchain(None, cpu))
        bound, seen = stack_bound(elf).size_bytes, emulate(elf, len(export.program.layers)).stack_bytes
        assert bound is not None and bound - 16 <= seen <= bound, cpu.name


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("void Reset_Handler(void) { volatile int n = 3; down(n); }", "down calls itself"),
        ("void Reset_Handler(void) { void (*volatile call)(int) = down; call(1); }", "calls through a pointer"),
        ("void Reset_Handler(void) { volatile int n = 3; char x[n]; down2(x); }", "variable size"),
    ],
)
def test_where_there_is_no_bound_it_says_why(body: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "odd.c").write_text(
        "__attribute__((noipa)) void down(int n) { volatile int x[4]; x[0] = n; if (x[0]) down(n - 1); x[1] = 2; }\n"
        "__attribute__((noipa)) void down2(char *x) { *x = 1; }\n" + body
    )
    (tmp_path / "link.ld").write_text(Memory().script())
    bound = stack_bound(build(find_toolchain(), CPUS["cortex-m4"], tmp_path, ["odd.c"]))
    assert bound.size_bytes is None and why in bound.why


def test_without_a_start_there_is_no_bound(built: dict[str, tuple[Path, Path]]) -> None:
    assert stack_bound(next(iter(built.values()))[0], "nobody") == Bound(None, (), "there is no nobody in the code")


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 3]


def _foreign(content: bytes) -> bytes:
    return b"MZ" + content[2:]


def _table_gone(content: bytes) -> bytes:
    return content[:32] + b"\xff\xff\xff\x7f" + content[36:]


@pytest.mark.parametrize(
    "damage", [_cut, _foreign, _table_gone, lambda content: b""], ids=["cut", "foreign", "table", "empty"]
)
def test_a_damaged_elf_is_refused(
    damage: Callable[[bytes], bytes], built: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    bad = tmp_path / "firmware.elf"
    bad.write_bytes(damage(next(iter(built.values()))[0].read_bytes()))
    with pytest.raises(FirmwareError, match=r"firmware\.elf is not the firmware that was built"):
        read_image(bad)


def test_any_changed_byte_is_noticed_by_the_digest(built: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    content = bytearray(next(iter(built.values()))[0].read_bytes())
    good, bad = tmp_path / "good.elf", tmp_path / "bad.elf"
    good.write_bytes(content)
    digest = read_image(good).sha256
    assert read_image(good, digest).sha256 == digest
    content[len(content) // 2] ^= 1
    bad.write_bytes(content)
    with pytest.raises(FirmwareError, match=f"its digest is [0-9a-f]+…, not {digest[:12]}…"):
        read_image(bad, digest)
    with pytest.raises(FirmwareError, match="No such file"):
        read_image(tmp_path / "none.elf")


def test_random_bytes_never_break_the_reader(built: dict[str, tuple[Path, Path]], tmp_path: Path) -> None:
    """Whatever the damage, it is read or refused in our words."""
    content, rng, refused = next(iter(built.values()))[0].read_bytes(), np.random.default_rng(0), 0
    for _ in range(60):
        bad = bytearray(content)
        for place in (*rng.integers(0, 52, 2), *rng.integers(len(bad) - 500, len(bad), 6)):
            bad[place] = rng.integers(256)
        (tmp_path / "x.elf").write_bytes(bad)
        try:
            read_image(tmp_path / "x.elf")
        except FirmwareError:
            refused += 1
    assert refused > 5


@pytest.mark.parametrize(
    "memory",
    [
        {"flash_bytes": 0}, {"ram_bytes": -8}, {"flash_origin": 0x2000_0000}, {"stack_bytes": 8 << 20},
        {"flash_origin": 1 << 32}, {"ram_origin": 0x2000_0001}, {"stack_bytes": 3}, {"ram_bytes": 1001},
    ],
)  # fmt: skip
def test_memories_that_cannot_be_are_refused(memory: dict[str, int]) -> None:
    with pytest.raises(FirmwareError, match="No device has such a memory"):
        Memory(**memory)


def test_a_linker_script_tells_its_memory(tmp_path: Path) -> None:
    (tmp_path / "link.ld").write_text(STM32.script())
    assert replace(Memory.of(tmp_path / "link.ld"), stack_bytes=STM32.stack_bytes) == STM32
    with pytest.raises(FirmwareError, match=r"none\.ld cannot be read"):
        Memory.of(tmp_path / "none.ld")
