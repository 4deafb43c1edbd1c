"""What a kernel is: one way to compute an integer operation on a processor, as data plus a few functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from nodes.firmware.cpu import Cpu
from nodes.firmware.writer import Writer
from nodes.lne.ir import Map
from nodes.quant.fixed import Fixed
from nodes.quant.integer import IntegerGraph, IntOp


@dataclass(frozen=True)
class Task:
    """What is asked of a kernel.

    In C the inputs are `x0`, `x1`, ..., the output `o`: codes in rows, columns, channels without padding; the scratch
    is `s`, `unsigned char *`, aligned to 4 bytes.
    """

    op: IntOp
    graph: IntegerGraph
    cpu: Cpu

    @property
    def inputs(self) -> tuple[Map, ...]:
        """Maps it reads."""
        return tuple(self.graph.maps[name] for name in self.op.inputs)

    @property
    def output(self) -> Map:
        """The map it writes."""
        return self.graph.maps[self.op.output]

    @property
    def forms(self) -> tuple[Fixed, ...]:
        """Formats of the inputs, then of the output."""
        return tuple(self.graph.forms[name] for name in (*self.op.inputs, self.op.output))

    @property
    def is_byte(self) -> bool:
        """Whether every map is in 8 bits."""
        return all(form.bits <= 8 for form in self.forms)


def c_type(form: Fixed) -> str:
    """C type of a code."""
    return "int8_t" if form.bits <= 8 else "int16_t"


class Kernel(ABC):
    """One way to compute an operation. Subclasses are frozen dataclasses; their fields are the variant."""

    ops: ClassVar[tuple[type[IntOp], ...]]

    @property
    @abstractmethod
    def name(self) -> str:
        """Unique among all kernels."""

    @abstractmethod
    def refuse(self, task: Task) -> str:
        """Why it cannot compute this operation on this processor; empty if it can."""

    @property
    def rank(self) -> int:
        """Of several that can, the one with the highest rank is taken."""
        return 0

    def preference(self, task: Task) -> float:
        """The rank for an operation, for kernels whose rank depends on it."""
        del task
        return self.rank

    def scratch_bytes(self, task: Task) -> int:
        """Memory it uses while it runs."""
        del task
        return 0

    @abstractmethod
    def emit(self, task: Task, writer: Writer) -> None:
        """Write constants, functions and the body of the layer."""


class LineKernel(Kernel):
    """A kernel that computes its output line by line, so that a pool can take the lines as they come."""

    @abstractmethod
    def setup(self, task: Task, writer: Writer) -> Iterator[str]:
        """Declarations and constants, before the first line."""

    @abstractmethod
    def line(self, task: Task, writer: Writer) -> Iterator[str]:
        """Compute line `y` into `line`, a pointer to codes; called once, in a loop over y from 0."""

    def emit(self, task: Task, writer: Writer) -> None:
        """All lines into the output."""
        out = task.output
        writer.line(
            *self.setup(task, writer),
            f"for (int y = 0; y < {out.h}; y++) {{",
            f"  {c_type(task.forms[-1])} *line = o + y * {out.w * out.c};",
            *(f"  {text}" for text in self.line(task, writer)),
            "}",
        )
