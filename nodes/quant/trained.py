"""Learn in fixed point: a typed graph as a torch module whose maps and weights are rounded as integers will be.

The gradient passes a rounding unchanged, and not at all where a value is clipped (straight-through, Jacob et al. 2018).
Norms are folded already, so what is learnt is exactly what is stored. Weights that are zero stay zero: a pruned network
keeps its sparsity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nodes.lne.ir import Activation, Affine, Binary, Concat, Conv, Graph, Op, Pool, Rearrange, Recurrent, Softmax
from nodes.quant.fixed import Fixed, Statistics, Values
from nodes.quant.product import MOST_MULTIPLE
from nodes.quant.settings import Settings
from nodes.quant.split import split
from nodes.quant.trained_cells import CELLS

PARTS: Final = ("weight", "recurrence", "bias")
EXACT_BITS: Final = 32
LEAST_STEP: Final = 1e-12
TIES_UP: Final = 2.0**-14
"""Of a step; torch rounds halves to even, the kernels round them up."""


def rounded(x: Tensor, form: Fixed, low: int | None = None) -> Tensor:
    """The nearest codes of a format, as floats; no code below `low`."""
    lowest = form.low if low is None else low
    found: Tensor = torch.fake_quantize_per_tensor_affine(x + form.step * TIES_UP, form.step, 0, lowest, form.high)
    return found


def _in_steps(x: Tensor, step: float | Tensor, form: Fixed) -> Tensor:
    """The nearest multiples of a step that a format of any width can hold; the gradient passes unchanged."""
    found = (torch.floor(x.detach().double() / step + 0.5)).clamp(form.low, form.high) * step
    return x + (found.to(x.dtype) - x.detach())


def channel_steps(kernel: Tensor, bits: int, residual: float = 0.0) -> Tensor:
    """Step of every output channel (outputs,) of a kernel (outputs, ...): its largest magnitude is the last code.

    With a residual, its step over that of the input: a channel's step then divides it, see `nodes.quant.product`.
    """
    steps = (kernel.detach().flatten(1).abs().amax(1) / ((1 << (bits - 1)) - 1)).clamp(min=LEAST_STEP)
    if residual >= float(steps.max()):
        steps = residual / (residual / steps).floor().clamp(max=MOST_MULTIPLE)
    return steps


def rounded_by_channel(kernel: Tensor, steps: Tensor, bits: int) -> Tensor:
    """A kernel whose every output channel has a step of its own."""
    most = (1 << (bits - 1)) - 1
    zeros = torch.zeros_like(steps, dtype=torch.int32)
    found: Tensor = torch.fake_quantize_per_channel_affine(kernel, steps, zeros, 0, -most, most)
    return found


class Rounded(nn.Module):
    """A network in the numbers it will have as integers: features (batch, *shape) to logits (batch, classes).

    Attributes:
        given: the graph it was made from.
        graph: the same in pieces that each have an integer form.
        rounds: whether it rounds; without, it is the float network.
    """

    def __init__(self, given: Graph, settings: Settings, rounds: bool = True) -> None:
        """Take a graph and settings that name the format of every map and weight, see `nodes.quant.convert.settled`."""
        super().__init__()
        self.given, self.graph, self.settings, self.rounds = given, split(given), settings, rounds
        self.numbers = _numbers(self.graph.ops)
        for number, op in enumerate(self.graph.ops):
            for part in PARTS if self.numbers[op.name] == number else ():
                if (values := getattr(op, part, None)) is not None:
                    self._hold(f"{part}{number}", part, values)
            for place, constant in _constants(op, self.graph).items():
                self.register_buffer(f"{place}{number}", constant, persistent=False)
        self.bias_forms = {op.name: self._bias_form(op) for op in self.graph.ops if hasattr(op, "bias")}

    def _hold(self, place: str, part: str, values: Values) -> None:
        held = torch.from_numpy(np.ascontiguousarray(values, np.float32))
        self.register_parameter(place, nn.Parameter(held))
        if part != "bias":
            self.register_buffer(f"kept_{place}", (held != 0).float(), persistent=False)

    def _bias_form(self, op: Op) -> Fixed | None:
        """A bias of 32 bits is stored at the scale of the sum it is added to, a shorter one by the rule."""
        given = self.settings.formats.get(op.inputs[0])
        weight = self.settings.formats.get(f"{op.name} weight")
        if given is None or weight is None:
            return None
        if self.settings.bias_bits >= EXACT_BITS:
            return Fixed(EXACT_BITS, given.fraction + weight.fraction)
        found = Statistics(self.settings.bias_bits)
        found.add(op.bias)  # type: ignore[attr-defined]
        return self.settings.rule(found)

    def forward(self, features: Tensor) -> Tensor:
        """Logits; of a network that ends in a softmax, what goes into it."""
        x = features.reshape(len(features), *self.graph.maps[self.graph.source].shape)
        maps = {self.graph.source: self.at(self.graph.source, x)}
        for op in self.graph.ops:
            inputs = [maps[name] for name in op.inputs]
            maps[op.output] = inputs[0] if isinstance(op, Softmax) else _RULES[type(op)](self, op, inputs)
        return maps[self.graph.result].flatten(1)

    def at(self, name: str, x: Tensor, activation: Activation = Activation.NONE) -> Tensor:
        """A map in its format; behind an activation that is a limit, no code lies below zero."""
        form = self.settings.formats.get(name)
        low = 0 if activation in (Activation.RELU, Activation.RELU6) else None
        return rounded(x, form, low) if self.rounds and form else x

    def weight(self, op: Op, part: str = "weight") -> Tensor:
        """A weight in its format, zeros kept."""
        values = self._held(op, part)
        if not self.rounds:
            return values
        if self.settings.channel_scales and isinstance(op, Conv):
            return rounded_by_channel(values, self._steps(op), self.settings.bits)
        form = self.settings.formats.get(f"{op.name} {part}")
        return rounded(values, form) if form else values

    def bias(self, op: Op) -> Tensor:
        """A bias as it is stored."""
        values, form = self._held(op, "bias"), self.bias_forms[op.name]
        if not self.rounds:
            return values
        if self.settings.channel_scales and isinstance(op, Conv):
            given = self.settings.formats.get(op.inputs[0])
            return _in_steps(values, self._steps(op).double() * given.step, Fixed(EXACT_BITS, 0)) if given else values
        return _in_steps(values, form.step, form) if form else values

    def _held(self, op: Op, part: str) -> Tensor:
        place = f"{part}{self.numbers[op.name]}"
        values: Tensor = getattr(self, place)
        return values if part == "bias" else values * getattr(self, f"kept_{place}")

    def _steps(self, op: Conv) -> Tensor:
        forms = [self.settings.formats.get(name) for name in op.inputs]
        residual = forms[1].step / forms[0].step if op.has_residual and forms[0] and forms[1] else 0.0
        return channel_steps(self._held(op, "weight"), self.settings.bits, residual)

    def constant(self, op: Op, name: str) -> Tensor:
        """What the operation has beside its weights."""
        values: Tensor = getattr(self, f"{name}{self.numbers[op.name]}")
        return values

    def learnt(self) -> Graph:
        """The graph it was made from with the weights as they are now, in float32."""
        found = {op.name: self._values(op) for op in self.graph.ops}
        return replace(self.given, ops=tuple(_with_values(op, found) for op in self.given.ops))

    def _values(self, op: Op) -> dict[str, Values]:
        """Weights of a piece as they are now."""
        held = [part for part in PARTS if hasattr(self, f"{part}{self.numbers[op.name]}")]
        return {part: self._held(op, part).detach().cpu().numpy().astype(np.float64) for part in held}


def _numbers(ops: Sequence[Op]) -> dict[str, int]:
    """Where an operation's numbers are held; those with the same weights are one layer, called several times."""
    found: dict[str, int] = {}
    first: dict[object, int] = {}
    for number, op in enumerate(ops):
        held = tuple(values.tobytes() for part in PARTS if (values := getattr(op, part, None)) is not None)
        is_layer = bool(held) and bool(np.any(op.weight))  # type: ignore[attr-defined]
        found[op.name] = first.setdefault((type(op), np.shape(op.weight), held), number) if is_layer else number  # type: ignore[attr-defined]
    return found


def _with_values(op: Op, found: Mapping[str, Mapping[str, Values]]) -> Op:
    """An operation of the whole graph with what its pieces have learnt."""
    own = dict(found.get(op.name, {}))
    if isinstance(op, Affine):
        return replace(op, scale=own["weight"].ravel(), shift=own["bias"]) if own else op
    if isinstance(op, Conv) and op.scale is not None:
        behind = found[f"{op.name} scale"]
        own |= {"scale": behind["weight"].ravel(), "shift": behind["bias"]}
    return replace(op, **own)  # type: ignore[arg-type]


def _constants(op: Op, graph: Graph) -> dict[str, Tensor]:
    """Numbers of an operation that are not learnt, as buffers."""
    if isinstance(op, Rearrange):
        return {"table": torch.from_numpy(op.table.ravel().astype(np.int64))}
    if isinstance(op, Pool) and op.kind != "max":
        return {"share": _share(op, graph)}
    return {}


def _share(op: Pool, graph: Graph) -> Tensor:
    """One over what every window counts (1, 1, rows, columns)."""
    given, whole = graph.maps[op.inputs[0]], op.kernel[0] * op.kernel[1]
    filled = _windows(op, graph, torch.ones(1, 1, given.h, given.w), 0.0).sum(2)
    return 1.0 / (torch.full_like(filled, whole) if op.counts_pads else filled)


def _windows(op: Pool, graph: Graph, x: Tensor, fill: float) -> Tensor:
    """What every window sees (batch, channels, taps, rows, columns)."""
    given, out = graph.maps[op.inputs[0]], graph.maps[op.output]
    reach = [(size - 1) * s + k for size, s, k in zip((out.h, out.w), op.stride, op.kernel, strict=True)]
    below, right = max(0, reach[0] - given.h - op.pads.top), max(0, reach[1] - given.w - op.pads.left)
    x = F.pad(x, (op.pads.left, right, op.pads.top, below), value=fill)[:, :, : reach[0], : reach[1]]
    seen = x.unfold(2, op.kernel[0], op.stride[0]).unfold(3, op.kernel[1], op.stride[1])
    return seen.flatten(4).movedim(4, 2)


_ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        Activation.NONE: lambda x: x,
        Activation.RELU: F.relu,
        Activation.RELU6: F.relu6,
        Activation.SIGMOID: torch.sigmoid,
        Activation.TANH: torch.tanh,
        Activation.HARD_SIGMOID: F.hardsigmoid,
        Activation.HARD_SWISH: F.hardswish,
        Activation.SWISH: F.silu,
    }
)


def _conv(net: Rounded, op: Op, inputs: list[Tensor]) -> Tensor:
    assert isinstance(op, Conv)
    pads = op.pads
    x = F.pad(inputs[0], (pads.left, pads.right, pads.top, pads.bottom))
    y = F.conv2d(x, net.weight(op), net.bias(op), op.stride, 0, op.dilation, op.groups)
    if op.has_residual:
        y = y + inputs[1]
    return net.at(op.output, _ACTIVATIONS[op.activation](y), op.activation)


def _pool(net: Rounded, op: Op, inputs: list[Tensor]) -> Tensor:
    assert isinstance(op, Pool)
    if op.kind != "max":
        return net.at(op.output, _windows(op, net.graph, inputs[0], 0.0).sum(2) * net.constant(op, "share"))
    pads, given, out = op.pads, net.graph.maps[op.inputs[0]], net.graph.maps[op.output]
    reach = [(size - 1) * s + k for size, s, k in zip((out.h, out.w), op.stride, op.kernel, strict=True)]
    border = (pads.left, max(0, reach[1] - given.w - pads.left), pads.top, max(0, reach[0] - given.h - pads.top))
    x = F.pad(inputs[0], border, value=-3e38) if any(border) else inputs[0]
    return F.max_pool2d(x[:, :, : reach[0], : reach[1]], op.kernel, op.stride)


_BINARY: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div,
    "maximum": torch.maximum, "minimum": torch.minimum,
}  # fmt: skip


def _binary(net: Rounded, op: Op, inputs: list[Tensor]) -> Tensor:
    assert isinstance(op, Binary)
    return net.at(op.output, _ACTIVATIONS[op.activation](_BINARY[op.kind](*inputs)), op.activation)


def _table(net: Rounded, op: Op, inputs: list[Tensor]) -> Tensor:
    """A split graph has affine operations as activations alone."""
    assert isinstance(op, Affine)
    return net.at(op.output, _ACTIVATIONS[op.activation](inputs[0]), op.activation)


def _concat(net: Rounded, op: Op, inputs: list[Tensor]) -> Tensor:
    assert isinstance(op, Concat)
    joined = torch.cat(inputs, 1 + "chw".index(op.axis))
    return net.at(op.output, joined.reshape(len(joined), *net.graph.maps[op.output].shape))


def _rearrange(net: Rounded, op: Op, inputs: list[Tensor]) -> Tensor:
    assert isinstance(op, Rearrange)
    flat = inputs[0].flatten(1)[:, net.constant(op, "table")]
    return flat.reshape(len(flat), *net.graph.maps[op.output].shape)


def _recurrent(net: Rounded, op: Op, inputs: list[Tensor]) -> Tensor:
    """States (batch, units, 1, steps or 1); the products read states in the format of the output."""
    assert isinstance(op, Recurrent)
    weight, recurrence, bias = net.weight(op), net.weight(op, "recurrence"), net.bias(op)
    given = F.linear(inputs[0][:, :, 0].mT, weight, bias[0])  # (batch, steps, gates x units)
    start, cell = CELLS[op.kind]
    state = start(given.new_zeros(len(given), op.units))
    found: list[Tensor] = []
    order = range(given.shape[1])
    for step in reversed(order) if op.reverse else order:
        kept = F.linear(net.at(op.output, state[0]), recurrence, bias[1])
        state = cell(given[:, step], kept, state)
        found.append(state[0])
    if not op.whole:
        return net.at(op.output, found[-1])[:, :, None, None]
    return net.at(op.output, torch.stack(found[::-1] if op.reverse else found, 2))[:, :, None]


_RULES: Mapping[type[Op], Callable[[Rounded, Op, list[Tensor]], Tensor]] = MappingProxyType(
    {
        Conv: _conv,
        Pool: _pool,
        Binary: _binary,
        Affine: _table,
        Concat: _concat,
        Rearrange: _rearrange,
        Recurrent: _recurrent,
    }
)
