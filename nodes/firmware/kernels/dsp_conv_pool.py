"""A convolution and the maximum behind it: lines of the map between are kept only as long as a window needs them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nodes.firmware.kernel import Kernel, LineKernel, Task, c_type
from nodes.firmware.kernels.dsp import general_refusal
from nodes.firmware.kernels.dsp_pool import maxima, row_pointers
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntConvPool


@dataclass(frozen=True)
class DspConvPool(Kernel):
    """Lines by any line kernel, maxima of several channels per instruction."""

    lines: LineKernel

    ops = (IntConvPool,)

    @property
    def name(self) -> str:
        return f"{self.lines.name}-max"

    @property
    def rank(self) -> int:
        return self.lines.rank

    def preference(self, task: Task) -> float:
        return self.lines.preference(alone(task))

    def refuse(self, task: Task) -> str:
        return general_refusal(alone(task)) or self.lines.refuse(alone(task))

    def scratch_bytes(self, task: Task) -> int:
        op = task.op
        assert isinstance(op, IntConvPool)
        item = 1 if task.is_byte else 2
        return _kept_at(self.lines, task) + item * op.pool.kernel[0] * op.between.w * op.between.c

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        op, conv = task.op, alone(task)
        assert isinstance(op, IntConvPool)
        pool, between, out = op.pool, op.between, task.output
        row, kind, rows = between.w * between.c, c_type(task.forms[-1]), pool.kernel[0]
        kept = f"kept + {{row}} % {rows} * {row}" if rows > 1 else "kept"
        last = f"y * {pool.stride[0]} + {rows - pool.pads.top}"
        writer.line(
            *self.lines.setup(conv, writer),
            f"{kind} *kept = ({kind} *)(s + {_kept_at(self.lines, task)}), *next = o;",
            "int done = 0;",
            f"for (int y = 0; y < {out.h}; y++) {{",
            f"  for (const int end = {last} > {between.h} ? {between.h} : {last}; done < end; done++) {{",
            "    const int y = done;",
            f"    {kind} *line = {kept.format(row='y')};",
            *(f"    {text}" for text in self.lines.line(conv, writer)),
            "  }",
            f"  {kind} *q = next;",
            *(f"  {line}" for line in row_pointers(pool, between, out, kept, kind)),
            *(f"  {line}" for line in maxima(pool, between, out, task.is_byte, is_aligned=True)),
            "  next = q;",
            "}",
        )


def alone(task: Task) -> Task:
    """The convolution by itself."""
    op, graph = task.op, task.graph
    assert isinstance(op, IntConvPool)
    maps = {**graph.maps, op.conv.output: op.between}
    forms = {**graph.forms, op.conv.output: graph.forms[op.output]}
    return replace(task, op=op.conv, graph=replace(graph, maps=maps, forms=forms))


def _kept_at(lines: LineKernel, task: Task) -> int:
    """Where the kept lines begin in the scratch."""
    return -(-lines.scratch_bytes(alone(task)) // 4) * 4


def kernels(lines: tuple[Kernel, ...]) -> tuple[Kernel, ...]:
    """One per line kernel."""
    return tuple(DspConvPool(kernel) for kernel in lines if isinstance(kernel, LineKernel))
