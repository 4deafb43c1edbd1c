"""Swish and its hard form, which exporters write as several operations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nodes.lne.ir import Activation, Affine, Binary, Graph, Op
from nodes.lne.passes.affine import is_activation
from nodes.lne.passes.rewrite import Edit, View, rewrite

_GATED = {Activation.SIGMOID: Activation.SWISH, Activation.HARD_SIGMOID: Activation.HARD_SWISH}


def recognise_gates(graph: Graph) -> Graph:
    """relu6(x + 3) / 6 is the hard sigmoid; x sigmoid(x) is Swish, x hard_sigmoid(x) is HardSwish."""
    return rewrite(graph, _recognise)


def _recognise(seen: View, op: Op) -> Edit | None:
    if isinstance(op, Affine):
        return _hard_sigmoid(seen, op)
    return _gate(seen, op) if isinstance(op, Binary) and op.kind == "multiply" else None


def _is_shifted_relu6(op: Op | None) -> bool:
    if not isinstance(op, Affine) or op.activation is not Activation.RELU6:
        return False
    return bool((op.scale == 1.0).all() and (op.shift == 3.0).all())


def _hard_sigmoid(seen: View, op: Affine) -> Edit | None:
    inner = seen.maker(op.inputs[0], Affine)
    is_sixth = np.allclose(op.scale, 1.0 / 6.0, rtol=1e-6, atol=0.0) and not op.shift.any()
    if inner is None or op.activation is not Activation.NONE or not is_sixth or not _is_shifted_relu6(inner):
        return None
    return Edit({op.name: _plain(op, inner.inputs[0], Activation.HARD_SIGMOID)}, frozenset({inner.name}))


def _plain(op: Op, source: str, activation: Activation, count: int = 0) -> Affine:
    size = len(op.scale) if isinstance(op, Affine) else count
    return Affine(op.name, (source,), op.output, scale=np.ones(size), shift=np.zeros(size), activation=activation)


def _gate(seen: View, op: Binary) -> Edit | None:
    for x, gate_name in (op.inputs, op.inputs[::-1]):
        gate = seen.maker(gate_name, Affine)
        if gate is None or gate.inputs[0] != x or op.activation is not Activation.NONE:
            continue
        channels = seen.graph.maps[x].c
        if is_activation(gate) and gate.activation in _GATED:
            made = _plain(op, x, _GATED[gate.activation], channels)
            return Edit({op.name: made}, frozenset({gate.name}))
        if _is_shifted_relu6(gate):  # x relu6(x + 3) is six times HardSwish; the sixth often follows
            early = replace(_plain(gate, x, Activation.HARD_SWISH))
            six = Affine(op.name, (gate.output,), op.output, scale=np.full(channels, 6.0), shift=np.zeros(channels))
            return Edit({gate.name: early, op.name: six})
    return None
