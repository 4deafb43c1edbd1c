"""Boards that networks are held against, as data: `resources/devices.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from nodes.firmware.errors import FirmwareError

Kind = Literal["microcontroller", "computer"]
_TYPES: Mapping[str, tuple[type, ...]] = {
    "name": (str,), "title": (str,), "kind": (str,), "core": (str,), "cpu": (str,), "source": (str,), "note": (str,),
    "clock_hz": (int, float, type(None)), "mips": (int, float), "milliwatt": (int, float, type(None)),
    "flash_bytes": (int, type(None)), "ram_bytes": (int,),
}  # fmt: skip
MOST = 1e15
"""Larger numbers are slips of the pen."""


@dataclass(frozen=True)
class Board:
    """A board.

    Attributes:
        cpu: the processor of `nodes.firmware.cpu` whose kernels run on it; empty if there is none.
        mips: million instructions per second, of one core.
        flash_bytes: None where weights lie on a memory card.
        source: where the figures are from.
    """

    name: str
    title: str
    kind: Kind
    core: str
    cpu: str
    clock_hz: float | None
    mips: float
    flash_bytes: int | None
    ram_bytes: int
    source: str
    milliwatt: float | None = None
    note: str = ""


def read_boards(path: Path) -> dict[str, Board]:
    """Boards by name, in the order of the file.

    Raises:
        FirmwareError: the file cannot be read, or a board in it is not as `Board` says.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["devices"]
        found = [_board(row) for row in rows]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _foreign(path, f"{error}" or type(error).__name__) from error
    if len({board.name for board in found}) != len(found):
        raise _foreign(path, "two boards have one name")
    return {board.name: board for board in found}


def _board(row: Any) -> Board:
    names = {one.name for one in fields(Board)}
    unknown = sorted(set(row) - names)
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no field of a board")
    for name, value in row.items():
        if not isinstance(value, _TYPES[name]) or isinstance(value, bool):
            raise ValueError(f"{name} of {row.get('name')!r} is {value!r}")
        if isinstance(value, int | float) and not 0 < value < MOST:
            raise ValueError(f"{name} of {row.get('name')!r} is {value!r}")
    if row.get("kind") not in get_args(Kind):
        raise ValueError(f"kind of {row.get('name')!r} is {row.get('kind')!r}")
    return Board(**row)


def _foreign(path: Path, why: str) -> FirmwareError:
    return FirmwareError(
        f"{path.name} holds no boards: {why}.",
        "boards with clock, flash and RAM",
        "Correct the file, or install again.",
    )
