"""What is asked of the emulator and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Outcome:
    """What a run told.

    Attributes:
        code: the program's exit code; None if it did not end.
        fault: why it was stopped; empty if it ended. `registers` are of that moment.
        regions: executed instructions between marks, in order; where nothing was counted, a zero for each.
        blocks: (region, address, bytes, instructions, times, times jumped to) of every basic block, if asked for.
    """

    code: int | None = None
    fault: str = ""
    console: str = ""
    instructions: int = 0
    regions: list[int] = field(default_factory=list)
    seconds: float = 0.0
    registers: dict[str, int] = field(default_factory=dict)
    blocks: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Options:
    """How a program is run.

    Attributes:
        limit_s: longest time of the whole run.
        still_s: longest time between two marks; 0 for any.
        cpu: the model to be; empty for the emulator's own choice.
        counts: whether instructions are counted.
        keeps_blocks: whether the counts of single blocks are told as well.
        files: by the name under which the program opens them.
    """

    limit_s: float = 60.0
    still_s: float = 0.0
    cpu: str = ""
    counts: bool = True
    keeps_blocks: bool = False
    files: Mapping[str, Path] = field(default_factory=dict)
