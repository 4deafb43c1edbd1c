"""From a plan to a torch module with the same layer names."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nodes.zoo.plan import Layer, Stage, plan


class View(nn.Module):
    """Features (batch, coefficients, frames) as the map the net reads."""

    def __init__(self, view: str) -> None:
        super().__init__()
        self.view = view

    def forward(self, features: Tensor) -> Tensor:
        """Return (batch, channels, *map)."""
        if self.view == "temporal":
            return features
        return (features.mT if self.view == "time_frequency" else features).unsqueeze(1)

    def extra_repr(self) -> str:
        """Name the view in the module's text form."""
        return self.view


class OffsetNorm1d(nn.BatchNorm1d):
    """Batch norm with an offset and no scale; the scale of one is not a parameter and is not saved."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        _fix_scale(self)


class OffsetNorm2d(nn.BatchNorm2d):
    """The same on a two-dimensional map."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        _fix_scale(self)


class Residual(nn.Module):
    """S1 figure 2: conv, norm, ReLU; conv, norm; plus the shortcut; ReLU."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        units = {layer.name.rpartition(".")[2]: _convolution(layer) for layer in stage.layers if layer.op == "conv"}
        self.conv1, self.conv2 = units["conv1"], units["conv2"]
        self.short = units.get("short", nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, *map) -> (batch, channels', *map')."""
        return F.relu(self.conv2(self.conv1(x)) + self.short(x))


class Network(nn.Sequential):
    """A zoo model: features (batch, coefficients, frames) -> logits (batch, classes).

    `architecture` is the data it was built from; sub-modules carry the names of the per-layer table.
    """

    def __init__(self, architecture: Mapping[str, Any]) -> None:
        planned = plan(architecture)
        stages = OrderedDict((stage.name, _stage(stage)) for stage in planned.stages)
        super().__init__(OrderedDict(view=View(planned.view), **stages))
        self.architecture = dict(architecture)


def build(architecture: Mapping[str, Any]) -> Network:
    """Build the torch module of an architecture, freshly initialised.

    Raises:
        ZooError: the architecture is not valid.
    """
    return Network(architecture)


def _fix_scale(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    scale = torch.ones_like(norm.weight)
    del norm.weight
    norm.register_buffer("weight", scale, persistent=False)


_CONVOLUTIONS: Final[Mapping[int, Callable[..., nn.Module]]] = {1: nn.Conv1d, 2: nn.Conv2d}
_ZERO_PADS: Final[Mapping[int, Callable[..., nn.Module]]] = {1: nn.ZeroPad1d, 2: nn.ZeroPad2d}
_NORMS: Final = {
    ("bn", 1): nn.BatchNorm1d,
    ("bn", 2): nn.BatchNorm2d,
    ("beta", 1): OffsetNorm1d,
    ("beta", 2): OffsetNorm2d,
}
_POOLS: Final[Mapping[tuple[str, int], Callable[..., nn.Module]]] = {
    ("avg", 1): nn.AvgPool1d,
    ("avg", 2): nn.AvgPool2d,
    ("max", 1): nn.MaxPool1d,
    ("max", 2): nn.MaxPool2d,
}


def _stage(stage: Stage) -> nn.Module:
    if stage.kind == "res":
        return Residual(stage)
    if stage.kind == "ds":
        return nn.Sequential(OrderedDict((layer.name.rpartition(".")[2], _layer(layer)) for layer in stage.layers))
    return _layer(stage.layers[0])


def _layer(layer: Layer) -> nn.Module:
    return _MAKERS[layer.op](layer)


def _convolution(layer: Layer) -> nn.Sequential:
    """Zero padding where it is asymmetric, convolution, norm, ReLU."""
    axes = len(layer.kernel)
    symmetric = all(before == after for before, after in layer.pads)
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if not symmetric:  # ZeroPad takes the last axis first
        parts["pad"] = _ZERO_PADS[axes](tuple(side for pair in reversed(layer.pads) for side in pair))
    padding = tuple(before for before, _ in layer.pads) if symmetric else (0,) * axes
    sizes = (layer.in_shape[0], layer.out_shape[0], layer.kernel, layer.stride, padding)
    parts["conv"] = _CONVOLUTIONS[axes](*sizes, groups=layer.groups, bias=layer.bias)
    return _finish(parts, layer, axes)


def _dense(layer: Layer) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if len(layer.in_shape) > 1:
        parts["flatten"] = nn.Flatten()
    parts["dense"] = nn.Linear(math.prod(layer.in_shape), layer.out_shape[0], bias=layer.bias)
    return _finish(parts, layer, 1)


def _finish(parts: OrderedDict[str, nn.Module], layer: Layer, axes: int) -> nn.Sequential:
    if layer.norm != "none":
        parts["norm"] = _NORMS[layer.norm, axes](layer.out_shape[0])
    if layer.relu:
        parts["relu"] = nn.ReLU()
    return nn.Sequential(parts)


def _pool(layer: Layer) -> nn.Module:
    return _POOLS[layer.op, len(layer.kernel)](layer.kernel, layer.stride)


def _dropout(layer: Layer) -> nn.Module:
    return nn.Dropout(layer.rate)


_MAKERS: Final[Mapping[str, Callable[[Layer], nn.Module]]] = {
    "conv": _convolution,
    "dense": _dense,
    "avg": _pool,
    "max": _pool,
    "drop": _dropout,
}
