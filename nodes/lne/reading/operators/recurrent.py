"""GRU, LSTM and RNN from a zero state, forwards, backwards or both."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nodes.lne.ir import Recurrent
from nodes.lne.reading.call import Call, Results, UnsupportedError, Value, floats
from nodes.lne.reading.draft import Ids

_PLAIN = {"GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "RNN": ["Tanh"]}
_GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}


def _check(call: Call, steps: int) -> None:
    kind = call.node.op_type
    given = call.attribute("activations")
    turns = 2 if call.attribute("direction", "forward") == "bidirectional" else 1
    named = [one.decode() if isinstance(one, bytes) else one for one in given or _PLAIN[kind] * turns]
    if [one.lower() for one in named] != [one.lower() for one in _PLAIN[kind] * turns]:
        raise UnsupportedError(f"its activations are {', '.join(named)}", f"{', '.join(_PLAIN[kind])}")
    if call.attribute("clip") is not None or call.attribute("input_forget", 0):
        raise UnsupportedError("it clips its gates or ties two of them", "the plain cell")
    lengths = call.constant(4, "lengths of the sequences")
    if lengths is not None and (np.asarray(lengths) != steps).any():
        raise UnsupportedError("its sequences are shorter than its input", "sequences as long as the input")
    for index, what in ((5, "first state"), (6, "first cell state"), (7, "peepholes")):
        found = call.constant(index, what)
        if found is not None and np.any(found):
            raise UnsupportedError(f"its {what} is not zero", f"a {what} of zeros")
    if kind == "LSTM" and call.is_used(2):
        raise UnsupportedError("its last cell state is used", "the output or the last state")


def _recurrent(call: Call) -> Results:
    """Y (steps, directions, batch, units) and Y_h (directions, batch, units); with layout 1 the batch comes first."""
    ids = call.value().ids
    is_batch_first = bool(call.attribute("layout", 0))
    ids = ids.swapaxes(0, 1) if is_batch_first else ids
    if ids.ndim != 3 or ids.shape[1] != 1:
        raise UnsupportedError(f"its input has the shape {call.value().shape}", "(steps, 1, features): one sequence")
    _check(call, len(ids))
    direction = call.attribute("direction", "forward")
    turns = (False, True) if direction == "bidirectional" else (direction == "reverse",)
    whole = call.is_used(0)
    held = call.as_map(ids.transpose(2, 1, 0))
    states = [_one(call, held.name, turn, ids.shape, is_reverse, whole) for turn, is_reverse in enumerate(turns)]
    last = np.stack([state[:, 0, 0 if back and whole else -1] for state, back in zip(states, turns, strict=True)])
    y_h: Ids = last[:, None, :]
    y: Ids = np.stack([state[:, 0, :].T for state in states], 1)[:, :, None, :]
    if is_batch_first:
        y, y_h = y.transpose(2, 0, 1, 3), y_h.swapaxes(0, 1)
    return [Value(y), Value(y_h)]


def _one(call: Call, source: str, turn: int, shape: tuple[int, ...], is_reverse: bool, whole: bool) -> Ids:
    """One direction; its states (units, 1, steps or 1)."""
    kind = call.node.op_type
    weight, recurrence = (floats(call.needed(index, what))[turn] for index, what in ((1, "weight"), (2, "recurrence")))
    bias = call.constant(3, "bias")
    both = np.zeros((2, len(weight))) if bias is None else np.array(floats(bias)[turn].reshape(2, -1))
    units = recurrence.shape[1]
    rows = _GATES[kind] * units
    if (weight.shape, recurrence.shape, both.shape) != ((rows, shape[2]), (rows, units), (2, rows)):
        raise UnsupportedError("the sizes of its weights do not fit its input", "a whole model")
    made = call.add(
        (units, 1, shape[0] if whole else 1),
        lambda name, out: Recurrent(
            name,
            (source,),
            out,
            kind=kind.lower(),
            weight=weight,
            recurrence=recurrence,
            bias=both,
            whole=whole,
            reverse=is_reverse,
            linear_before_reset=bool(call.attribute("linear_before_reset", 0)),
        ),
    )
    return call.draft.ids(made)


READERS: Mapping[str, Callable[[Call], Results]] = dict.fromkeys(_PLAIN, _recurrent)
