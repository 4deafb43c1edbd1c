"""Networks against boards.

A fit's report.json, as views read it:

    {
      "kind": "fit", "by": "firmware", "frame_s": 1.0, "margin": 1.0, "answer": "m20k fits 19 of 25 boards ...",
      "models": [{"name": "m20k", "mops": 2.14, "buffer_bytes": 34328, "ram_bytes": 12484}],
      "boards": [{"title": "STM32L476RG", "mips": 80.0, "ram_bytes": 131072, "clock_hz": 8e7, "core": "Cortex-M4F"}],
      "fits": [{"model": "m20k", "board": "STM32L476RG", "fits": true, "why_not": "", "fits_by_paper": true,
                "firmware": {"instructions": 1090530, "ms": [17.7, 27.3], "lacks": []}}]
    }

`by` says which answer decides: "paper" (operations against MIPS, two buffers against RAM) or "firmware" (estimated
instructions at the larger number of cycles each, planned memory). `firmware` is null where no kernels run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.errors import OssicleError

By = Literal["paper", "firmware"]
CPI_HIGH: Final = 2.0
"""Cycles per instruction at most, as the estimates have it."""


@dataclass(frozen=True)
class Network:
    """What a network asks for, by each answer; None where it is not known."""

    name: str
    mops: float
    buffer_bytes: float
    ram_bytes: float
    instructions: float | None

    def needs(self, by: By, frame_s: float, margin: float) -> tuple[float, float] | None:
        """(million instructions or cycles per second, bytes of RAM)."""
        if by == "paper":
            return self.mops, self.buffer_bytes
        if self.instructions is None:
            return None
        return self.instructions * CPI_HIGH * margin / frame_s / 1e6, self.ram_bytes


@dataclass(frozen=True)
class Board:
    """A point of the picture."""

    title: str
    core: str
    mips: float
    clock_hz: float | None
    ram_bytes: float

    def offers(self, by: By) -> tuple[float, float]:
        """(MIPS or MHz, bytes of RAM)."""
        return (self.mips if by == "paper" or self.clock_hz is None else self.clock_hz / 1e6), self.ram_bytes


@dataclass(frozen=True)
class Verdict:
    """One network on one board; `why_not` is of the answer that decides."""

    network: str
    board: str
    fits: Mapping[By, bool]
    why_not: str
    ms: tuple[float, float] | None


@dataclass(frozen=True)
class Fits:
    """A whole report."""

    by: By
    frame_s: float
    margin: float
    answer: str
    networks: tuple[Network, ...]
    boards: tuple[Board, ...]
    verdicts: tuple[Verdict, ...]

    def holding(self, board: str, by: By) -> list[str]:
        """Networks that fit a board."""
        return [one.network for one in self.verdicts if one.board == board and one.fits[by]]

    def of(self, board: str) -> list[Verdict]:
        """Verdicts about a board."""
        return [one for one in self.verdicts if one.board == board]


def read_fits(raw: Any) -> Fits:
    """A report.

    Raises:
        OssicleError: it is not as this module's text says.
    """
    try:
        verdicts = tuple(_verdict(row) for row in raw["fits"])
        least = _least_instructions(raw["fits"])
        networks = tuple(_network(row, least) for row in raw["models"])
        boards = tuple(_board(row) for row in raw["boards"])
        by: By = "paper" if raw["by"] == "paper" else "firmware"
        return Fits(by, _number(raw["frame_s"]), _number(raw["margin"]), str(raw["answer"]), networks, boards, verdicts)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise OssicleError(
            f"the report of boards is damaged: {error}", "models, boards and fits", "Run the fit node again"
        ) from error


def _verdict(row: Mapping[str, Any]) -> Verdict:
    firmware = row["firmware"]
    ms = None if firmware is None else (_number(firmware["ms"][0]), _number(firmware["ms"][1]))
    fits: dict[By, bool] = {
        "paper": bool(row["fits_by_paper"]),
        "firmware": firmware is not None and not firmware["lacks"],
    }
    return Verdict(str(row["model"]), str(row["board"]), fits, str(row["why_not"]), ms)


def _least_instructions(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of the processor that needs fewest."""
    found: dict[str, float] = {}
    for row in rows:
        if row["firmware"] is not None:
            count = _number(row["firmware"]["instructions"])
            found[str(row["model"])] = min(count, found.get(str(row["model"]), math.inf))
    return found


def _network(row: Mapping[str, Any], least: Mapping[str, float]) -> Network:
    name = str(row["name"])
    return Network(name, _number(row["mops"]), _number(row["buffer_bytes"]), _number(row["ram_bytes"]), least.get(name))


def _board(row: Mapping[str, Any]) -> Board:
    clock = row.get("clock_hz")
    return Board(
        str(row["title"]),
        str(row.get("core", "")),
        _number(row["mips"]),
        None if clock is None else _number(clock),
        _number(row["ram_bytes"]),
    )


def _number(value: Any) -> float:
    """A positive finite number."""
    found = float(value)
    if isinstance(value, bool) or not math.isfinite(found) or found <= 0:
        raise ValueError(f"{value!r} is no positive number")
    return found
