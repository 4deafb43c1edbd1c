"""One node of an ONNX graph as the functions that read operators see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from nodes.lne.ir import Map, Op
from nodes.lne.primitive import Range
from nodes.lne.reading.draft import Draft, Ids, Shape

Constant = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor that depends on the network's input."""

    ids: Ids

    @property
    def shape(self) -> tuple[int, ...]:
        """As ONNX has it."""
        return self.ids.shape


Operand = Value | Constant
Results = Sequence[Operand]


class UnsupportedError(Exception):
    """A node that cannot be read, why, and what could be read instead."""

    def __init__(self, reason: str, nearest: str) -> None:
        super().__init__(reason)
        self.reason, self.nearest = reason, nearest


@dataclass(frozen=True)
class Call:
    """A node, its operands (None where one is left out), and the graph it is added to."""

    node: NodeProto
    name: str
    opset: int
    draft: Draft
    operands: tuple[Operand | None, ...]
    used: frozenset[str]
    """Names of tensors that are read later."""
    ranges: dict[str, Range] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value, strings as str."""
        found = next((one for one in self.node.attribute if one.name == name), None)
        if found is None:
            return default
        value = helper.get_attribute_value(found)
        return value.decode() if isinstance(value, bytes) else value

    def operand(self, index: int) -> Operand | None:
        """An operand, or None if it is left out."""
        return self.operands[index] if index < len(self.operands) else None

    def value(self, index: int = 0) -> Value:
        """An operand that must depend on the input.

        Raises:
            UnsupportedError: it is a constant or left out.
        """
        found = self.operand(index)
        if not isinstance(found, Value):
            raise UnsupportedError(f"operand {index} is a constant", f"{self.node.op_type} of a computed tensor")
        return found

    def constant(self, index: int, what: str) -> Constant | None:
        """An operand that must be known beforehand; None if it is left out.

        Raises:
            UnsupportedError: it is computed at run time.
        """
        found = self.operand(index)
        if isinstance(found, Value):
            raise UnsupportedError(f"its {what} is computed at run time", f"a constant {what}")
        return found

    def needed(self, index: int, what: str) -> Constant:
        """A constant that must be there."""
        found = self.constant(index, what)
        if found is None:
            raise UnsupportedError(f"it has no {what}", f"a constant {what}")
        return found

    def is_used(self, output: int) -> bool:
        """Whether anything reads one of the node's outputs."""
        return output < len(self.node.output) and self.node.output[output] in self.used

    def add(self, shape: Shape, make: Callable[[str, str], Op]) -> Map:
        """Add an operation named after the node, its output after the node's first."""
        name = next((name for name in self.node.output if name), self.name)
        return self.draft.add(self.name, name, shape, make)

    def as_map(self, ids: Ids) -> Map:
        """A map (channels, rows, columns) of these values."""
        return self.draft.as_map(ids, self.name)


def floats(value: Constant) -> NDArray[np.float64]:
    """A constant as weights."""
    return np.asarray(value, np.float64)
