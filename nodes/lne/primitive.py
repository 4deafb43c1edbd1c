"""What a primitive is: one way to compute an operation, as data plus a few functions. The generator knows no more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from nodes.lne.ir import Graph, Op, macs
from nodes.lne.layout import F32_HWC, Buffer, Format, Halo
from nodes.lne.target import Target
from nodes.lne.writer import Writer


@dataclass(frozen=True)
class Range:
    """How real values of a map are stored in 8 bits: real = scale * (stored - zero)."""

    scale: float
    zero: int


@dataclass(frozen=True)
class Task:
    """What is asked of a primitive: an operation of a graph, for a target."""

    op: Op
    graph: Graph
    target: Target
    ranges: Mapping[str, Range] = field(default_factory=dict)
    """Of maps that may be stored in 8 bits, by name."""


@dataclass(frozen=True)
class Signature:
    """Formats in which an operation's maps are read and written."""

    inputs: tuple[Format, ...]
    output: Format


@dataclass(frozen=True)
class Place:
    """Where an operation is carried out.

    In C the inputs are `x0`, `x1`, ..., the output `o` and the scratch `s`: pointers to the starts of the buffers (not
    to their origins), of the formats' element types; `s` is `unsigned char *`, aligned to 64 bytes.
    """

    task: Task
    inputs: tuple[Buffer, ...]
    output: Buffer


class Primitive(ABC):
    """One way to compute an operation. Subclasses are frozen dataclasses; their fields are the variant."""

    ops: ClassVar[tuple[type[Op], ...]]
    """Kinds of operations it can be asked for."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Unique among all primitives, for example winograd-f4x4."""

    @abstractmethod
    def refuse(self, task: Task) -> str:
        """Why it cannot compute this operation for this target; empty if it can."""

    def signature(self, task: Task) -> Signature:
        """Formats it reads and writes; float, channels last, unless it says otherwise."""
        return Signature((F32_HWC,) * len(task.op.inputs), F32_HWC)

    def halo(self, task: Task, index: int) -> Halo:
        """Border it needs around input `index`, with what its tiles read past the map."""
        del task, index
        return Halo()

    def scratch_bytes(self, task: Task) -> int:
        """Memory it uses while it runs."""
        del task
        return 0

    def in_place(self, task: Task) -> tuple[int, ...]:
        """Inputs whose memory the output may take over, value for value; none unless it says otherwise."""
        del task
        return ()

    def cost(self, task: Task) -> float:
        """Estimated multiply-accumulates' worth of time, to rank candidates where nothing is measured."""
        return float(macs(task.op, task.graph) + task.graph.maps[task.op.output].size)

    @abstractmethod
    def emit(self, place: Place, writer: Writer) -> None:
        """Write constants, functions and the body of the layer."""
