"""Transpositions without a table of places: rows of codes become columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.plain import hwc_places
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntRearrange


@dataclass(frozen=True)
class Transpose(Kernel):
    """Any processor, any word; what has to be moved is a matrix as it lies in memory."""

    ops = (IntRearrange,)

    @property
    def name(self) -> str:
        return "plain-transpose"

    @property
    def rank(self) -> int:
        return 5

    def refuse(self, task: Task) -> str:
        return "" if matrix(task) else "it is no transposition"

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        shape = matrix(task)
        assert shape is not None
        rows, columns = shape
        writer.line(
            f"for (int i = 0; i < {columns}; i++)",
            "\n#pragma GCC unroll 4",
            f"  for (int j = 0; j < {rows}; j++) o[i * {rows} + j] = x0[j * {columns} + i];",
        )


def matrix(task: Task) -> tuple[int, int] | None:
    """(rows, columns) of the matrix that is transposed; none if it is something else."""
    op, out = task.op, task.output
    assert isinstance(op, IntRearrange)
    order = hwc_places(task.inputs[0])[op.table].reshape(out.shape).transpose(1, 2, 0).ravel()
    if order.size < 2 or order[0] != 0 or order.size % max(int(order[1]), 1):
        return None
    columns = int(order[1])
    expected = np.arange(order.size).reshape(-1, max(columns, 1)).T.ravel()
    return (order.size // columns, columns) if columns > 1 and (order == expected).all() else None


KERNELS: tuple[Kernel, ...] = (Transpose(),)
