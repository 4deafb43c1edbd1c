"""One walk over the nodes of a model: constants are folded, everything else is read into a draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import ModelProto, NodeProto

from nodes.lne.ir import Graph
from nodes.lne.primitive import Range
from nodes.lne.reading import model as models
from nodes.lne.reading.call import Call, Results, UnsupportedError, Value
from nodes.lne.reading.draft import Draft, natural
from nodes.lne.reading.folding import RANDOM, evaluate_node
from nodes.lne.reading.operators import CONSTANTS, OPERATORS
from nodes.lne.reading.operators.lookup import Looked, joined, realised
from nodes.lne.reading.unsupported import Problem, UnsupportedModelError, nearest_to

_UNKNOWN = object()


@dataclass(frozen=True)
class Walked:
    """A graph as it was read, before any pass."""

    graph: Graph
    ranges: Mapping[str, Range]
    notes: tuple[str, ...]


class Walk:
    """The state of one reading."""

    def __init__(self, model: ModelProto, shape: tuple[int, ...] | None) -> None:
        self.model = model
        self.opset = models.opset(model)
        self.draft = Draft()
        self.problems: list[Problem] = []
        self.ranges: dict[str, Range] = {}
        self.notes: list[str] = []
        self.operands: dict[str, object] = dict(models.constants(model))
        self.source = models.the_input(model, self.operands)
        self.shape = models.fixed_shape(self.source, shape)
        self.notes += models.free_axes(self.source)
        self.used = frozenset(
            {name for node in model.graph.node for name in node.input} | {value.name for value in model.graph.output}
        )

    def run(self) -> Walked:
        """Read every node.

        Raises:
            UnsupportedModelError: with all nodes that cannot be read.
        """
        source = self.draft.new_map(self.source.name, natural(self.shape))
        self.operands[self.source.name] = Value(self.draft.ids(source).reshape(self.shape))
        for index, node in enumerate(self.model.graph.node):
            self._read(node, models.label(node, index))
        name = self.model.graph.output[0].name
        found = self.operands.get(name)
        if not self.problems and not isinstance(found, Value):
            self.problems.append(Problem(name, "output", "it is nothing real that depends on the input", "one that is"))
        if self.problems or not isinstance(found, Value):
            raise UnsupportedModelError(tuple(self.problems), len(self.model.graph.node))
        result = self.draft.as_map(found.ids.reshape(natural(found.shape)), name)
        graph = Graph(
            self.model.graph.name or "network",
            source.name,
            result.name,
            dict(self.draft.maps),
            tuple(self.draft.ops),
            self.shape,
            found.shape,
            frozenset(self.ranges),
        )
        return Walked(graph, dict(self.ranges), tuple(self.notes))

    def _read(self, node: NodeProto, name: str) -> None:
        operands = tuple(self.operands[one] if one else None for one in node.input)
        try:
            results: Sequence[object] = self._results(node, name, operands)
        except UnsupportedError as error:
            self.problems.append(Problem(name, node.op_type, error.reason, error.nearest))
            results = ()
        for output, result in zip(node.output, [*results, *[_UNKNOWN] * len(node.output)], strict=False):
            self.operands[output] = result

    def _results(self, node: NodeProto, name: str, operands: tuple[object, ...]) -> Sequence[object]:
        is_known = all(isinstance(one, np.ndarray) or one is None for one in operands) and node.op_type not in RANDOM
        if is_known and node.op_type not in CONSTANTS:
            return self._folded(node)
        table = CONSTANTS if is_known else OPERATORS
        reader = table.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if reader is None:
            raise UnsupportedError(*nearest_to(node.op_type, node.domain))
        if any(one is _UNKNOWN for one in operands):
            return ()
        known = tuple(one if isinstance(one, Value | np.ndarray | Looked) else None for one in operands)
        call = Call(node, name, self.opset, self.draft, (), self.used, self.ranges, self.notes)
        try:
            looked = joined(call, known)
            if looked is not None:
                return [looked]
            real = tuple(realised(call, one) if isinstance(one, Looked) else one for one in known)
            return _not_empty(reader(replace(call, operands=real)))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise UnsupportedError(f"its attributes and its operands do not fit ({error})", "a valid node") from error
        except MemoryError as error:
            raise UnsupportedError("its result is larger than the memory", "smaller tensors") from error

    def _folded(self, node: NodeProto) -> Results:
        arrays = {name: self.operands[name] for name in node.input if name}
        try:
            return evaluate_node(node, {k: v for k, v in arrays.items() if isinstance(v, np.ndarray)}, self.opset)
        except ValueError as error:
            raise UnsupportedError(f"it cannot be computed beforehand ({error})", "a constant") from error


def _not_empty(results: Sequence[object]) -> Sequence[object]:
    if any(isinstance(one, Value) and not one.ids.size for one in results):
        raise UnsupportedError("it gives a tensor without values", "tensors with values")
    return results
