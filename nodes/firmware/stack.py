"""How deep the stack of a program can get, read off its instructions: frames along the deepest chain of calls.

Exact where every frame is made by `push`, `sub sp` and their kin, as GCC and Clang do for frames of fixed size. There
is no bound where code calls through a pointer, calls itself, or makes a frame of variable size. Interrupts come on top.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from nodes.firmware import stack_riscv as riscv
from nodes.firmware.stack_riscv import Step

START = "Reset_Handler"
EXECUTED = 4
"""Flag of sections that hold code."""


@dataclass(frozen=True)
class Frame:
    """A function's own stack, and which functions it calls, by address."""

    name: str
    size_bytes: int
    calls: tuple[int, ...]
    unknown: str = ""


@dataclass(frozen=True)
class Bound:
    """The deepest the stack can get from the start of a program.

    Attributes:
        size_bytes: None if there is no bound; `why` says why not.
        path: names of the functions of the deepest chain.
    """

    size_bytes: int | None
    path: tuple[str, ...] = ()
    why: str = ""


def stack_bound(elf: Path, start: str = START) -> Bound:
    """The bound of a program."""
    frames = read_frames(elf)
    first = next((address for address, frame in frames.items() if frame.name == start), None)
    if first is None:
        return Bound(None, (), f"there is no {start} in the code")
    try:
        path = _deepest(frames, first, ())
    except _UnboundedError as error:
        return Bound(None, (), str(error))
    return Bound(sum(frame.size_bytes for frame in path), tuple(frame.name for frame in path))


class _UnboundedError(Exception):
    """Why there is no bound."""


def _deepest(frames: Mapping[int, Frame], address: int, above: tuple[int, ...]) -> tuple[Frame, ...]:
    if address not in frames:
        raise _UnboundedError(f"a call leads to {address:#x}, where no function is")
    frame = frames[address]
    if address in above:
        raise _UnboundedError(f"{frame.name} calls itself")
    if frame.unknown:
        raise _UnboundedError(f"{frame.name} {frame.unknown}")
    below = [_deepest(frames, call, (*above, address)) for call in dict.fromkeys(frame.calls)]
    return (frame, *max(below, key=lambda path: sum(one.size_bytes for one in path), default=()))


def read_frames(elf: Path) -> dict[int, Frame]:
    """Every function of a program by address; nothing for processors other than Arm's and RISC-V's small ones."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        image = ELFFile(file)
        table, machine = image.get_section_by_name(".symtab"), image["e_machine"]
        if machine not in _STEPS or table is None:
            return {}
        symbols = [(one.name, one["st_value"], one["st_size"], one["st_info"]["type"]) for one in table.iter_symbols()]
        code = [(part["sh_addr"], part.data()) for part in image.iter_sections() if part["sh_flags"] & EXECUTED]
    marks = sorted((value & ~1, name[1] == "d") for name, value, _, _ in symbols if name[:2] in ("$t", "$d"))
    found = {}
    for name, value, size, kind in symbols:
        if kind == "STT_FUNC" and size:
            start = value & ~1
            base, data = next((at, data) for at, data in code if at <= start < at + len(data))
            steps = _STEPS[machine](data[start - base : start - base + size], start, marks)
            found[start] = _frame(name, start, start + size, steps)
    return found


def _frame(name: str, start: int, end: int, steps: Iterable[Step]) -> Frame:
    size, calls, unknown = 0, [], ""
    for made, target, is_call, why in steps:
        size += made
        unknown = unknown or why
        if target is not None and (is_call or not start <= target < end):  # a jump out is a call at its end
            calls.append(target)
    return Frame(name, size, tuple(calls), unknown)


def _thumb_steps(data: bytes, start: int, marks: Marks) -> Iterator[Step]:
    for at, first, second in _instructions(data, start, marks):
        for target, is_call in _branches(at, first, second):
            yield 0, target, is_call, ""
        yield sum(bytes_of(first, second) for bytes_of in _made(first, second)), None, False, _unknown(first, second)


def _riscv_steps(data: bytes, start: int, marks: Marks) -> Iterator[Step]:
    del marks  # constants lie elsewhere
    return riscv.steps(data, start)


Marks = Sequence[tuple[int, bool]]
"""Where code (False) and constants (True) begin."""
_STEPS: Mapping[str, Callable[[bytes, int, Marks], Iterator[Step]]] = MappingProxyType(
    {"EM_ARM": _thumb_steps, "EM_RISCV": _riscv_steps}
)
Instruction = tuple[int, int, int]
"""Address, first half-word, second half-word or -1."""


def _instructions(data: bytes, start: int, marks: Marks) -> Iterator[Instruction]:
    """Of a function, without the constants between."""
    at = 0
    while at < len(data):
        mark = bisect_right(marks, (start + at, True)) - 1
        first = struct.unpack_from("<H", data, at)[0]
        if mark >= 0 and marks[mark][1]:
            at += 2
            continue
        wide = first >= 0xE800
        yield start + at, first, struct.unpack_from("<H", data, at + 2)[0] if wide else -1
        at += 4 if wide else 2


def _branches(at: int, first: int, second: int) -> Iterator[tuple[int, bool]]:
    """Targets of `bl`, `b.w` and `b`; whether it is a call."""
    if second >= 0 and first & 0xF800 == 0xF000 and second & 0xD000 in (0x9000, 0xD000):
        sign = first >> 10 & 1
        high = (1 ^ sign ^ (second >> 13 & 1)) << 23 | (1 ^ sign ^ (second >> 11 & 1)) << 22
        offset = (-sign << 24) | high | (first & 0x3FF) << 12 | (second & 0x7FF) << 1
        yield at + 4 + offset, second & 0xD000 == 0xD000
    elif second < 0 and first & 0xF800 == 0xE000:
        offset = (first & 0x7FF) << 1
        yield at + 4 + (offset - 4096 if offset & 2048 else offset), False


def _expanded(first: int, second: int) -> int:
    """A modified immediate of 12 bits (ThumbExpandImm of the architecture's manual)."""
    code = (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
    low = code & 0xFF
    if code >> 10 == 0:
        return (low, low << 16 | low, low << 24 | low << 8, low * 0x01010101)[code >> 8 & 3]
    turn, value = code >> 7, 0x80 | code & 0x7F
    return (value >> turn | value << (32 - turn)) & 0xFFFF_FFFF


def _plain(first: int, second: int) -> int:
    return (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF


Rule = tuple[int, int, int, int, Callable[[int, int], int]]
WIDE: tuple[Rule, ...] = (
    (0xFFFF, 0xE92D, 0, 0, lambda _, second: second.bit_count() * 4),  # push.w {...}
    (0xFFFF, 0xF84D, 0x0FFF, 0x0D04, lambda *_: 4),  # push.w {r}
    (0xFFFF, 0xE96D, 0, 0, lambda _, second: (second & 0xFF) * 4),  # strd r, r, [sp, #-n]!
    (0xFFBF, 0xED2D, 0x0E00, 0x0A00, lambda _, second: (second & 0xFF) * 4),  # vpush
    (0xFBFF, 0xF1AD, 0x8F00, 0x0D00, _expanded),  # sub.w sp, sp, #n
    (0xFBFF, 0xF2AD, 0x8F00, 0x0D00, _plain),  # subw sp, sp, #n
)
NARROW: tuple[Rule, ...] = (
    (0xFE00, 0xB400, 0, 0, lambda first, _: (first & 0x1FF).bit_count() * 4),  # push {...}
    (0xFF80, 0xB080, 0, 0, lambda first, _: (first & 0x7F) * 4),  # sub sp, #n
)
"""Instructions that make a frame: mask and value of both half-words, bytes."""


def _made(first: int, second: int) -> list[Callable[[int, int], int]]:
    rules = WIDE if second >= 0 else NARROW
    return [rule[4] for rule in rules if first & rule[0] == rule[1] and max(second, 0) & rule[2] == rule[3]]


def _unknown(first: int, second: int) -> str:
    if second < 0 and first & 0xFF07 == 0x4700 and first != 0x4770:  # blx r, or bx r but to return
        return "calls through a pointer"
    is_sum = second < 0 and first & 0xFF87 == 0x4485  # add sp, r
    is_difference = first == 0xEBAD and second & 0x0F00 == 0x0D00  # sub.w sp, sp, r
    return "makes a frame of variable size" if is_sum or is_difference else ""
