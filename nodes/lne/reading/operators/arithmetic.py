"""Addition and its kind, of two computed tensors or of one and a constant; batch norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, reduce

import numpy as np

from nodes.lne.ir import Activation
from nodes.lne.reading.call import Call, Constant, Operand, Results, UnsupportedError, Value, floats
from nodes.lne.reading.elementwise import affine, binary

_KINDS = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide", "Max": "maximum", "Min": "minimum"}


def combine(call: Call, operator: str, first: Operand, second: Operand) -> Value:
    """One of `_KINDS` of two operands."""
    if isinstance(first, Value) and not isinstance(second, Value):
        return _WITH_CONSTANT[operator](call, first, floats(second))
    if isinstance(second, Value) and not isinstance(first, Value) and operator in _AFTER_CONSTANT:
        return _AFTER_CONSTANT[operator](call, second, floats(first))
    return binary(call, _KINDS[operator], first, second)


def _inverse(values: Constant) -> Constant:
    with np.errstate(all="ignore"):  # a division by zero is told of by `affine`
        return np.asarray(1.0 / values)


_Rule = Callable[[Call, Value, Constant], Value]


def _larger(call: Call, value: Value, limit: Constant) -> Value:
    return affine(call, affine(call, value, 1.0, -limit, Activation.RELU), 1.0, limit)


def _smaller(call: Call, value: Value, limit: Constant) -> Value:
    return affine(call, affine(call, value, -1.0, limit, Activation.RELU), -1.0, limit)


_WITH_CONSTANT: Mapping[str, _Rule] = {
    "Add": lambda call, value, other: affine(call, value, shift=other),
    "Sub": lambda call, value, other: affine(call, value, shift=-other),
    "Mul": lambda call, value, other: affine(call, value, other),
    "Div": lambda call, value, other: affine(call, value, _inverse(other)),
    "Max": _larger,
    "Min": _smaller,
}
_AFTER_CONSTANT: Mapping[str, _Rule] = {
    **{operator: _WITH_CONSTANT[operator] for operator in ("Add", "Mul", "Max", "Min")},
    "Sub": lambda call, value, other: affine(call, value, -1.0, other),
}


def _chain(operator: str, call: Call) -> Results:
    """Two operands, or as many as there are."""
    operands = [operand for operand in call.operands if operand is not None]
    if len(operands) == 1:
        return operands
    return [reduce(partial(combine, call, operator), operands)]


def _mean(call: Call) -> Results:
    (total,) = _chain("Add", call)
    assert isinstance(total, Value)
    return [affine(call, total, 1.0 / len(call.operands))]


def _negative(call: Call) -> Results:
    return [affine(call, call.value(), -1.0)]


def _power(call: Call) -> Results:
    exponent = call.needed(1, "exponent")
    if exponent.size != 1 or float(exponent.ravel()[0]) not in (1.0, 2.0, 3.0):
        raise UnsupportedError("its exponent is not 1, 2 or 3", "Mul of a tensor with itself")
    value = call.value()
    return [reduce(partial(combine, call, "Mul"), [value] * int(exponent.ravel()[0]))]


def _batch_norm(call: Call) -> Results:
    if call.attribute("training_mode", 0):
        raise UnsupportedError("it is in training mode", "a model exported for inference (model.eval())")
    value = call.value()
    names = ("scale", "offset", "mean", "variance")
    scale, offset, mean, variance = (floats(call.needed(1 + index, what)) for index, what in enumerate(names))
    with np.errstate(all="ignore"):  # a broken variance is told of by `affine`
        factor = scale / np.sqrt(variance + float(call.attribute("epsilon", 1e-5)))
    shape = (-1,) + (1,) * (len(value.shape) - 2)
    return [affine(call, value, factor.reshape(shape), (offset - mean * factor).reshape(shape))]


READERS: Mapping[str, Callable[[Call], Results]] = {
    **{operator: partial(_chain, operator) for operator in _KINDS},
    "Sum": partial(_chain, "Add"),
    "Mean": _mean,
    "Neg": _negative,
    "Pow": _power,
    "BatchNormalization": _batch_norm,
}
