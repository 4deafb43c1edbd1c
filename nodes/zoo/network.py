"""From a plan to a torch module with the same layer names."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from nodes.zoo.arelu import AReLU
from nodes.zoo.layer import JOINS, Layer, Stage
from nodes.zoo.norms import norm_of
from nodes.zoo.picture import Picture
from nodes.zoo.plan import plan
from nodes.zoo.recurrent import Recurrent


class View(nn.Module):
    """Features (batch, coefficients, frames) or (batch, patches, bands, frames) as the map the net reads."""

    def __init__(self, view: str) -> None:
        super().__init__()
        self.view = view

    def forward(self, features: Tensor) -> Tensor:
        """Return (batch, channels, *map); patches of all clips one after the other in the batch."""
        if self.view == "temporal":
            return features
        if self.view == "patches":
            return features.flatten(0, 1).mT.unsqueeze(1)
        return (features.mT if self.view == "time_frequency" else features).unsqueeze(1)

    def extra_repr(self) -> str:
        """Name the view in the module's text form."""
        return self.view


class Join(nn.Module):
    """Two maps added, multiplied (one broadcast if it must be) or put together; then norm and activation, if any."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.join = _JOINED[layer.op]
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        self.finish = _finish(parts, layer, len(layer.out_shape) - 1)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """(batch, channels, *map) twice -> the same, or the channels of both."""
        result: Tensor = self.finish(self.join(x, other))
        return result


class Mean(nn.Module):
    """The mean over the first axis of the map, which is kept with the size 1."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, rows, columns) -> (batch, channels, 1, columns)."""
        return x.mean(2, keepdim=True)


class Branched(nn.Module):
    """The layers of one block in order, each reading the output of another or the block's input."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.source = stage.layers[0].source
        self.wires = [(layer.name, layer.source, layer.other, layer.op in JOINS) for layer in stage.layers]
        for layer in stage.layers:
            _put(self, layer.name.removeprefix(f"{stage.name}."), _layer(layer))
        self.stem = f"{stage.name}."

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, *map) -> (batch, channels', *map')."""
        made = {self.source: x}
        for name, source, other, is_join in self.wires:
            module = self.get_submodule(name.removeprefix(self.stem))
            made[name] = module(made[source], made[other]) if is_join else module(made[source])
        return made[name]


class Network(nn.Sequential):
    """A zoo model: features (batch, coefficients, frames) -> logits (batch, classes).

    Nets that read patches take (batch, patches, bands, frames). `architecture` is the data it was built from;
    sub-modules carry the names of the per-layer table.
    """

    def __init__(self, architecture: Mapping[str, Any]) -> None:
        planned = plan(architecture)
        stages = OrderedDict((stage.name, _stage(stage)) for stage in planned.stages)
        super().__init__(OrderedDict(view=View(planned.view), **stages))
        self.architecture = dict(architecture)
        self._embedding = planned.embedding or "view"
        self._patches = planned.patches if planned.view == "patches" else 0

    def embedding(self, features: Tensor) -> Tensor:
        """What the last dense layer reads (batch, values), without dropout.

        Of nets that read patches: what their recurrent layer reads before its norm (batch, patches, values).
        """
        return self.both(features)[0]

    def both(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding and logits from one pass."""
        x, found = features, features
        for name, module in self.named_children():
            x = module(x)
            found = x if name == self._embedding else found
        return found.reshape(len(features), self._patches, -1) if self._patches else found.flatten(1), x


def build(architecture: Mapping[str, Any]) -> Network:
    """Build the torch module of an architecture, freshly initialised.

    Raises:
        ZooError: the architecture is not valid.
    """
    return Network(architecture)


_CONVOLUTIONS: Final[Mapping[int, Callable[..., nn.Module]]] = {1: nn.Conv1d, 2: nn.Conv2d}
_PADS: Final[Mapping[int, Callable[..., nn.Module]]] = {1: nn.ConstantPad1d, 2: nn.ConstantPad2d}
_POOLS: Final[Mapping[tuple[str, int], Callable[..., nn.Module]]] = {
    ("avg", 1): nn.AvgPool1d,
    ("avg", 2): nn.AvgPool2d,
    ("max", 1): nn.MaxPool1d,
    ("max", 2): nn.MaxPool2d,
}
_ACTIVATIONS: Final[Mapping[str, Callable[[], nn.Module]]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "arelu": AReLU,
    "arelufixed": partial(AReLU, is_learnt=False),
}
_JOINED: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "add": torch.add,
    "mul": torch.mul,
    "concat": lambda x, other: torch.cat((x, other), 1),
}


def _stage(stage: Stage) -> nn.Module:
    return _layer(stage.layers[0]) if stage.layers[0].name == stage.name else Branched(stage)


def _put(parent: nn.Module, path: str, module: nn.Module) -> None:
    """Add a sub-module under a dotted path."""
    head, _, tail = path.partition(".")
    if not tail:
        parent.add_module(head, module)
        return
    if head not in parent._modules:
        parent.add_module(head, nn.Module())
    _put(parent.get_submodule(head), tail, module)


def _layer(layer: Layer) -> nn.Module:
    return _MAKERS[layer.op](layer)


def _convolution(layer: Layer) -> nn.Sequential:
    """Zero padding where it is asymmetric, convolution, norm, activation."""
    axes = len(layer.kernel)
    symmetric = all(before == after for before, after in layer.pads)
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if not symmetric:
        parts["pad"] = _PADS[axes](_sides(layer), 0.0)
    padding = tuple(before for before, _ in layer.pads) if symmetric else (0,) * axes
    sizes = (layer.in_shape[0], layer.out_shape[0], layer.kernel, layer.stride, padding, layer.dilation)
    parts["conv"] = _CONVOLUTIONS[axes](*sizes, groups=layer.groups, bias=layer.bias)
    return _finish(parts, layer, axes)


def _sides(layer: Layer) -> tuple[int, ...]:
    """Padding as torch wants it: the last axis first."""
    return tuple(side for pair in reversed(layer.pads) for side in pair)


def _dense(layer: Layer) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if len(layer.in_shape) > 1:
        parts["flatten"] = nn.Flatten()
    parts["dense"] = nn.Linear(math.prod(layer.in_shape), layer.out_shape[0], bias=layer.bias)
    return _finish(parts, layer, 1)


def _finish(parts: OrderedDict[str, nn.Module], layer: Layer, axes: int) -> nn.Sequential:
    """Put norm and activation behind an operation, in the layer's order."""
    end: list[tuple[str, nn.Module]] = []
    if layer.norm != "none":
        end.append(("norm", norm_of(layer.norm, layer.out_shape[0], axes, layer.bands)))
    if layer.activation != "none":
        end.append((layer.activation, _ACTIVATIONS[layer.activation]()))
    parts.update(end if layer.first == "norm" else reversed(end))
    return nn.Sequential(parts)


def _norm(layer: Layer) -> nn.Sequential:
    return _finish(OrderedDict(), layer, len(layer.out_shape) - 1)


def _picture(layer: Layer) -> nn.Module:
    return Picture(layer.colours, layer.out_shape[-1])


def _pool(layer: Layer) -> nn.Module:
    axes = len(layer.kernel)
    if layer.op == "avg" and axes == 2 and (*layer.kernel, layer.stride[1]) == (layer.in_shape[1], 1, 1):
        return Mean()
    if not any(map(any, layer.pads)):
        return _POOLS[layer.op, axes](layer.kernel, layer.stride)
    pool = _POOLS[layer.op, axes](layer.kernel, layer.stride)
    return nn.Sequential(OrderedDict(pad=_PADS[axes](_sides(layer), -math.inf), pool=pool))


def _dropout(layer: Layer) -> nn.Module:
    return nn.Dropout2d(layer.rate) if layer.drops_channels else nn.Dropout(layer.rate)


_MAKERS: Final[Mapping[str, Callable[[Layer], nn.Module]]] = {
    "conv": _convolution,
    "dense": _dense,
    "norm": _norm,
    "image": _picture,
    "avg": _pool,
    "max": _pool,
    "drop": _dropout,
    "add": Join,
    "mul": Join,
    "concat": Join,
    "gru": Recurrent,
    "lstm": Recurrent,
    "rnn": Recurrent,
}
