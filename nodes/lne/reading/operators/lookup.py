"""Tables looked up by the whole part of a computed number, where linear interpolation makes them continuous.

Floor, Gather of a constant table and what joins them are kept as what they mean until a real tensor is needed; then a
piecewise linear function remains, which is a sum of ReLUs: two 1x1 convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nodes.lne.ir import Activation, Conv, Weights
from nodes.lne.reading.call import Call, Operand, UnsupportedError, Value, floats
from nodes.lne.reading.draft import Ids
from nodes.lne.reading.folding import evaluate_node

_REASON = "it looks up a table by a computed number"
_NEAREST = "Floor, Gather and linear interpolation to the next entry"
_GAP = 1e-5
"""Of the largest entry: how far neighbouring pieces may be apart, for tables rounded to float32."""


@dataclass(frozen=True, eq=False)
class Looked:
    """What depends on numbers x by their whole part i: starts[i] + slopes[i] * (x - i), or x's parts themselves."""

    ids: Ids
    """Of x."""
    part: str
    """"whole", "rest", or "table": then the tensor has one more axis, of the table's columns."""
    starts: Weights = field(default_factory=lambda: np.zeros((0, 0)))
    slopes: Weights = field(default_factory=lambda: np.zeros((0, 0)))
    """(levels, columns)."""


Known = Operand | Looked | None
Rule = Callable[[Call, Sequence[Known]], Looked | None]


def floor(call: Call) -> list[Looked]:
    """The whole part of a computed number."""
    return [Looked(call.value().ids, "whole")]


def _same(call: Call, operands: Sequence[Known]) -> Looked | None:
    del call
    return operands[0] if isinstance(operands[0], Looked) else None


def _rest(call: Call, operands: Sequence[Known]) -> Looked | None:
    """A number minus its whole part."""
    del call
    value, whole = operands
    if not isinstance(value, Value) or not isinstance(whole, Looked) or whole.part != "whole":
        return None
    return Looked(value.ids, "rest") if np.array_equal(value.ids, whole.ids) else None


def _view(call: Call, operands: Sequence[Known]) -> Looked | None:
    """The parts of numbers in another shape."""
    looked, *others = operands
    constants = [one for one in others if isinstance(one, np.ndarray)]
    if not isinstance(looked, Looked) or looked.part == "table" or len(constants) < len(others):
        return None
    arrays = {call.node.input[0]: looked.ids, **dict(zip(call.node.input[1:], constants, strict=True))}
    (ids,) = evaluate_node(call.node, arrays, call.opset)
    return replace(looked, ids=np.asarray(ids, np.int64))


def _gather(call: Call, operands: Sequence[Known]) -> Looked | None:
    """Rows of a constant table."""
    table, index = operands
    if not isinstance(table, np.ndarray) or not isinstance(index, Looked) or index.part != "whole":
        return None
    if table.ndim != 2 or call.attribute("axis", 0) != 0:
        return None
    return Looked(index.ids, "table", floats(table), np.zeros(table.shape))


def _times(call: Call, operands: Sequence[Known]) -> Looked | None:
    """The rest of a number times the row of its whole part."""
    del call
    for rest, table in (operands, operands[::-1]):
        if isinstance(rest, Looked) and isinstance(table, Looked) and (rest.part, table.part) == ("rest", "table"):
            is_plain = not table.slopes.any() and np.array_equal(rest.ids, table.ids[..., None])
            return replace(table, starts=np.zeros_like(table.starts), slopes=table.starts) if is_plain else None
    return None


def _plus(call: Call, operands: Sequence[Known]) -> Looked | None:
    del call
    first, second = operands
    if not isinstance(first, Looked) or not isinstance(second, Looked) or {first.part, second.part} != {"table"}:
        return None
    if first.starts.shape != second.starts.shape or not np.array_equal(first.ids, second.ids):
        return None
    return replace(first, starts=first.starts + second.starts, slopes=first.slopes + second.slopes)


RULES: Mapping[str, Rule] = {
    "Cast": _same,
    "Identity": _same,
    "Sub": _rest,
    "Unsqueeze": _view,
    "Squeeze": _view,
    "Reshape": _view,
    "Transpose": _view,
    "Gather": _gather,
    "Mul": _times,
    "Add": _plus,
}
"""What may happen to looked-up tensors before they are real ones again; None where it is none of that."""


def joined(call: Call, operands: Sequence[Known]) -> Looked | None:
    """What a node makes of looked-up tensors, if that is one too."""
    rule = RULES.get(call.node.op_type)
    return rule(call, operands) if rule and any(isinstance(one, Looked) for one in operands) else None


def realised(call: Call, looked: Looked) -> Value:
    """The tensor (..., columns) as an operation: start + slope x + sum of the changes of slope times relu(x - level).

    Raises:
        UnsupportedError: neighbouring pieces do not meet.
    """
    starts, slopes = looked.starts, looked.slopes
    if looked.part != "table":
        raise UnsupportedError(_REASON, _NEAREST)
    gaps = np.abs(starts[:-1] + slopes[:-1] - starts[1:]).max(initial=0.0)
    if gaps > _GAP * max(1.0, float(np.abs(starts).max())):
        raise UnsupportedError(f"{_REASON}, whose entries do not meet", _NEAREST)
    bends = np.diff(slopes, axis=0)
    levels = np.flatnonzero(bends.any(1))
    flat = looked.ids.reshape(1, *(looked.ids.shape[-2:] if looked.ids.size > 1 else (1, 1)))
    held = call.as_map(flat)
    ramps = call.add(
        (len(levels) + 1, held.h, held.w),
        lambda name, out: Conv(
            name,
            (held.name,),
            out,
            weight=np.ones((len(levels) + 1, 1, 1, 1)),
            bias=-np.concatenate([[0.0], levels + 1.0]),
            activation=Activation.RELU,
        ),
    )
    mixing = np.concatenate([slopes[:1], bends[levels]]).T
    made = call.add(
        (starts.shape[1], held.h, held.w),
        lambda name, out: Conv(name, (ramps.name,), out, weight=mixing[:, :, None, None], bias=starts[0]),
    )
    ids = np.moveaxis(call.draft.ids(made), 0, -1)
    return Value(ids.reshape(*looked.ids.shape, starts.shape[1]))
