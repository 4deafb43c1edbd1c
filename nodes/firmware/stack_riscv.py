"""Frames and calls of RISC-V code (32 bits, with compressed instructions), for the bound of the stack."""

from __future__ import annotations

import struct
from collections.abc import Iterator

STACK, BACK = 2, 1
"""Registers: the stack's pointer, the address to return to."""
Step = tuple[int, int | None, bool, str]
"""Bytes of a frame that an instruction makes, where it jumps to, whether that is a call, why nothing is known."""


def steps(data: bytes, start: int) -> Iterator[Step]:
    """What the instructions of a function do, from its code and its address."""
    at, upper = 0, dict[int, int]()
    while at < len(data):
        first = struct.unpack_from("<H", data, at)[0]
        if first & 3 != 3:
            yield from _narrow(first, start + at)
            at += 2
        else:
            yield from _wide(struct.unpack_from("<I", data, at)[0], start + at, upper)
            at += 4


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def _bits(word: int, *places: tuple[int, int, int]) -> int:
    """A number from pieces (lowest bit in the instruction, how many, lowest bit in the number)."""
    return sum((word >> low & ((1 << count) - 1)) << to for low, count, to in places)


def _grown(by: int) -> Iterator[Step]:
    if by < 0:
        yield -by, None, False, ""


def _narrow(half: int, at: int) -> Iterator[Step]:
    kind = half & 0xE003
    if half & 0xEF83 == 0x6101:  # c.addi16sp
        yield from _grown(_signed(_bits(half, (6, 1, 4), (2, 1, 5), (5, 1, 6), (3, 2, 7), (12, 1, 9)), 10))
    elif half & 0xEF83 == 0x0101:  # c.addi sp
        yield from _grown(_signed(_bits(half, (2, 5, 0), (12, 1, 5)), 6))
    elif kind in (0x2001, 0xA001):  # c.jal, c.j
        pieces = ((3, 3, 1), (11, 1, 4), (2, 1, 5), (7, 1, 6), (6, 1, 7), (9, 2, 8), (8, 1, 10), (12, 1, 11))
        yield 0, at + _signed(_bits(half, *pieces), 12), kind == 0x2001, ""
    elif half & 0xF07F == 0x9002 and half != 0x9002:  # c.jalr; 0x9002 is a breakpoint
        yield 0, None, True, "calls through a pointer"


def _wide(word: int, at: int, upper: dict[int, int]) -> Iterator[Step]:
    """`upper` holds what `auipc` left in a register, for the jump behind it."""
    code, into, of = word & 0x7F, word >> 7 & 31, word >> 15 & 31
    low = _signed(word >> 20, 12)
    if code == 0x17:  # auipc
        upper[into] = at + _signed(word & 0xFFFF_F000, 32)
        return
    if code == 0x6F:  # jal
        pieces = ((21, 10, 1), (20, 1, 11), (12, 8, 12), (31, 1, 20))
        yield 0, at + _signed(_bits(word, *pieces), 21), into == BACK, ""
    elif code == 0x67 and of in upper:  # jalr behind auipc
        yield 0, upper[of] + low, into == BACK, ""
    elif code == 0x67 and into == BACK:
        yield 0, None, True, "calls through a pointer"
    elif code == 0x13 and into == of == STACK and word >> 12 & 7 == 0:  # addi sp, sp, n
        yield from _grown(low)
    elif code == 0x33 and into == STACK:
        yield 0, None, False, "makes a frame of variable size"
    upper.pop(into, None)
