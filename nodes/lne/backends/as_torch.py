"""The typed graph as a torch module: what engines that read torch are given, views and norms already folded."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nodes.lne.errors import LneError
from nodes.lne.ir import (
    Activation,
    Affine,
    Binary,
    Concat,
    Conv,
    Graph,
    Map,
    Op,
    Pad,
    Pads,
    Pool,
    Rearrange,
    Recurrent,
    Softmax,
)  # fmt: skip

if TYPE_CHECKING:
    import torch

Tensor = Any
Make = Callable[[Any, Graph], "torch.nn.Module"]


def as_torch(graph: Graph) -> torch.nn.Module:
    """A module (1, channels, rows, columns) of the graph's source -> (1, size of the result).

    Raises:
        LneError: an operation torch has no module for here; all are named.
    """
    import torch

    lost = [f"{op.name} ({type(op).__name__})" for op in graph.ops if type(op) not in _MAKERS]
    if lost:
        raise LneError(f"torch gets no {', '.join(lost)}.", "operations it has modules for", "Leave this engine out.")

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = torch.nn.ModuleList(_MAKERS[type(op)](op, graph) for op in graph.ops)

        def forward(self, x: Tensor) -> Tensor:
            maps = {graph.source: x}
            for op, step in zip(graph.ops, self.steps, strict=True):
                maps[op.output] = step(*(maps[name] for name in op.inputs))
            return maps[graph.result].flatten(1)

    return Net().eval().requires_grad_(False)


def _module(function: Callable[..., Tensor], **tensors: Any) -> torch.nn.Module:
    """A function as a module, its constants as buffers."""
    import torch

    class Step(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, values in tensors.items():
                self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values, np.float32)))

        def forward(self, *inputs: Tensor) -> Tensor:
            return function(self, *inputs)

    return Step()


def _activation(kind: Activation) -> Callable[[Tensor], Tensor]:
    import torch
    from torch.nn import functional

    def same(x: Tensor) -> Tensor:
        return x

    rules: dict[Activation, Any] = {
        Activation.NONE: same,
        Activation.RELU: functional.relu,
        Activation.RELU6: functional.relu6,
        Activation.SIGMOID: torch.sigmoid,
        Activation.TANH: torch.tanh,
        Activation.HARD_SIGMOID: functional.hardsigmoid,
        Activation.HARD_SWISH: functional.hardswish,
        Activation.SWISH: functional.silu,
    }
    found: Callable[[Tensor], Tensor] = rules[kind]
    return found


def _conv(op: Conv, graph: Graph) -> torch.nn.Module:
    import torch
    from torch.nn import functional

    pads, act = op.pads, _activation(op.activation)
    is_even = pads.top == pads.bottom and pads.left == pads.right
    inner = torch.nn.Conv2d(
        op.weight.shape[1] * op.groups, len(op.weight), op.kernel, op.stride,
        (pads.top, pads.left) if is_even else 0, op.dilation, op.groups,
    )  # fmt: skip
    inner.weight.data, inner.bias.data = _float(op.weight), _float(op.bias)  # type: ignore[union-attr]
    shape = (1, -1, 1, 1)

    def forward(self: Any, x: Tensor, *residual: Tensor) -> Tensor:
        y = self.inner(x if is_even else functional.pad(x, (pads.left, pads.right, pads.top, pads.bottom)))
        if op.residual_last:
            y = act(y) + residual[0]
        elif residual:
            y = act(y + residual[0])
        else:
            y = act(y)
        return y if op.scale is None else y * self.scale + self.shift

    scaled = (
        {"scale": op.scale.reshape(shape), "shift": op.shift.reshape(shape)}
        if op.scale is not None and op.shift is not None
        else {}
    )
    module = _module(forward, **scaled)
    module.inner = inner
    return module


def _float(values: Any) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _pool(op: Pool, graph: Graph) -> torch.nn.Module:
    from torch.nn import functional

    given, out = graph.maps[op.inputs[0]], graph.maps[op.output]
    if op.kind == "mean" and op.kernel == (given.h, given.w) and op.pads == Pads():
        return _module(lambda self, x: functional.adaptive_avg_pool2d(x, 1))
    reach = [(n - 1) * s + k for n, s, k in zip((out.h, out.w), op.stride, op.kernel, strict=True)]
    bottom, right = reach[0] - given.h - op.pads.top, reach[1] - given.w - op.pads.left
    border = (op.pads.left, right, op.pads.top, bottom)
    if op.kind == "max":

        def most(self: Any, x: Tensor) -> Tensor:
            x = functional.pad(x, border, value=-3e38) if any(border) else x
            return functional.max_pool2d(x, op.kernel, op.stride)

        return _module(most)
    counts = np.pad(np.ones((given.h, given.w)), ((op.pads.top, max(0, bottom)), (op.pads.left, max(0, right))))[
        : reach[0], : reach[1]
    ]
    rows, columns = (range(0, n * s, s) for n, s in zip((out.h, out.w), op.stride, strict=True))
    filled = np.array([[counts[y : y + op.kernel[0], x : x + op.kernel[1]].sum() for x in columns] for y in rows])
    whole = op.kernel[0] * op.kernel[1]

    def mean(self: Any, x: Tensor) -> Tensor:
        y = functional.avg_pool2d(functional.pad(x, border) if any(border) else x, op.kernel, op.stride)
        return y if op.counts_pads or (filled == whole).all() else y * self.factor

    return _module(mean, factor=whole / np.maximum(filled, 1.0)[None, None])


def _binary(op: Binary, graph: Graph) -> torch.nn.Module:
    import torch

    rules: dict[str, Any] = {
        "add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div,
        "maximum": torch.maximum, "minimum": torch.minimum,
    }  # fmt: skip
    act = _activation(op.activation)
    rule = rules[op.kind]
    return _module(lambda self, a, b: act(rule(a, b)))


def _affine(op: Affine, graph: Graph) -> torch.nn.Module:
    act, shape = _activation(op.activation), (1, -1, 1, 1)
    if (op.scale == 1).all() and not op.shift.any():
        return _module(lambda self, x: act(x))
    return _module(
        lambda self, x: act(x * self.scale + self.shift), scale=op.scale.reshape(shape), shift=op.shift.reshape(shape)
    )


def _softmax(op: Softmax, graph: Graph) -> torch.nn.Module:
    import torch

    rule = torch.log_softmax if op.is_log else torch.softmax
    return _module(lambda self, x: rule(x, 1))


def _concat(op: Concat, graph: Graph) -> torch.nn.Module:
    import torch

    return _module(lambda self, *xs: torch.cat(xs, "chw".index(op.axis) + 1))


def _pad(op: Pad, graph: Graph) -> torch.nn.Module:
    from torch.nn import functional

    border = (op.pads.left, op.pads.right, op.pads.top, op.pads.bottom)
    return _module(lambda self, x: functional.pad(x, border, value=op.value))


def _rearrange(op: Rearrange, graph: Graph) -> torch.nn.Module:
    """A transpose and a reshape where the table is one, which every engine knows; else a gather."""
    given, out = graph.maps[op.inputs[0]], graph.maps[op.output]
    indices = np.arange(given.size).reshape(given.shape)
    for order in itertools.permutations(range(3)):
        if op.table.size == given.size and (indices.transpose(order).reshape(-1) == op.table.reshape(-1)).all():
            return _transposed((0, *(axis + 1 for axis in order)), out)
    import torch

    table = torch.from_numpy(op.table.reshape(-1).astype(np.int64))
    return _module(lambda self, x: x.reshape(1, -1)[:, table].reshape(1, *out.shape))


def _transposed(axes: tuple[int, ...], out: Map) -> torch.nn.Module:
    return _module(lambda self, x: x.permute(axes).reshape(1, *out.shape))


def _recurrent(op: Recurrent, graph: Graph) -> torch.nn.Module:
    import torch

    kinds = {"gru": (torch.nn.GRU, [1, 0, 2]), "lstm": (torch.nn.LSTM, [0, 2, 3, 1]), "rnn": (torch.nn.RNN, [0])}
    made, order = kinds[op.kind]
    if op.reverse or (op.kind == "gru" and not op.linear_before_reset):
        raise LneError(f"torch has no {op.kind} like {op.name}.", "a forward layer", "Leave this engine out.")
    inner = made(op.weight.shape[1], op.units, batch_first=True)

    def gates(values: Any) -> Any:
        return _float(values.reshape(len(order), op.units, -1)[order].reshape(values.shape))

    inner.weight_ih_l0.data, inner.weight_hh_l0.data = gates(op.weight), gates(op.recurrence)
    inner.bias_ih_l0.data, inner.bias_hh_l0.data = gates(op.bias[0]), gates(op.bias[1])

    def forward(self: Any, x: Tensor) -> Tensor:
        y = self.inner(x.squeeze(2).transpose(1, 2))[0]
        return (y if op.whole else y[:, -1:]).transpose(1, 2).unsqueeze(2)

    module = _module(forward)
    module.inner = inner
    return module


_MAKERS: dict[type[Op], Make] = {
    Conv: _conv,
    Pool: _pool,
    Binary: _binary,
    Affine: _affine,
    Softmax: _softmax,
    Concat: _concat,
    Pad: _pad,
    Rearrange: _rearrange,
    Recurrent: _recurrent,
}
