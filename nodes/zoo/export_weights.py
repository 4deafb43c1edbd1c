"""Weights of a layer as its ONNX node wants them: norms folded in double precision, gates in the operator's order."""

from collections.abc import Mapping
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray

from nodes.zoo.arelu import AReLU
from nodes.zoo.block import RECURRENT
from nodes.zoo.layer import Layer
from nodes.zoo.picture import palette

Double = NDArray[np.float64]
Tensors = Mapping[str, NDArray[np.float32]]
"""Arrays by the name of the initializer."""


def is_folded(layer: Layer) -> bool:
    """Whether the layer's norm disappears in its own weights: right behind (or, recurrent, before) the product."""
    if layer.op in RECURRENT:
        return True
    return layer.op in ("conv", "dense") and layer.norm not in ("none", "ssn") and layer.first == "norm"


def tensors_of(layer: Layer, unit: torch.nn.Module) -> Tensors:
    """Every array of a layer, float32, from its trained module."""
    found: dict[str, Double] = {}
    if layer.op in ("conv", "dense"):
        found |= _product(layer, unit)
    elif layer.op in RECURRENT:
        found |= _gates(layer, unit)
    if layer.norm != "none" and not is_folded(layer):
        found |= _norm(layer, unit)
    if layer.activation in ("arelu", "arelufixed"):
        found |= _slopes(unit.get_submodule(layer.activation))
    if layer.op == "image":
        colours, steps = palette(layer.colours)
        found |= {"colours": colours.astype(np.float64), "steps": steps.astype(np.float64)}
    return {f"{layer.name}.{name}": array.astype(np.float32) for name, array in found.items()}


def _product(layer: Layer, unit: torch.nn.Module) -> dict[str, Double]:
    """Fold norm(w x + b) = w s x + (b - mean) s + offset, s = scale / sqrt(variance + eps)."""
    product = unit.get_submodule(layer.op)
    kernel, bias = _double(product.weight), None if product.bias is None else _double(product.bias)
    if is_folded(layer):
        scale, offset = affine(_norm_in(unit))
        bias = (0.0 if bias is None else bias) * scale + offset
        kernel = kernel * scale.reshape(-1, *[1] * (kernel.ndim - 1))
    return {"weight": kernel} if bias is None else {"weight": kernel, "bias": bias}


def _gates(layer: Layer, unit: torch.nn.Module) -> dict[str, Double]:
    """Fold W norm(x) + b = W s x + (W t + b); put the gates into ONNX's order; one direction."""
    weight, recurrent = _double(unit.weight_ih), _double(unit.weight_hh)
    bias = np.zeros(len(weight)) if unit.bias is None else _double(unit.bias)
    if layer.norm != "none":
        scale, offset = affine(unit.get_submodule("norm"))
        weight, bias = weight * scale, bias + weight @ offset
    order = _ONNX_GATES[layer.op]
    weight, recurrent, bias = (_reordered(array, order) for array in (weight, recurrent, bias))
    both = np.concatenate([bias, np.zeros_like(bias)])
    return {"weight": weight[None], "recurrent": recurrent[None], "bias": both[None]}


_ONNX_GATES: Final[Mapping[str, tuple[int, ...]]] = {"gru": (1, 0, 2), "lstm": (0, 3, 1, 2), "rnn": (0,)}
"""Torch's gates in the order that ONNX wants: z r h of r z n, i o f c of i f g o."""


def _reordered(stacked: Double, order: tuple[int, ...]) -> Double:
    gates = np.split(stacked, len(order))
    return np.concatenate([gates[index] for index in order])


def _norm(layer: Layer, unit: torch.nn.Module) -> dict[str, Double]:
    """A norm that stays a node: scale and offset with mean 0 and variance 1."""
    scale, offset = affine(_norm_in(unit))
    ones, zeros = np.ones_like(scale), np.zeros_like(scale)
    return {"norm.scale": scale, "norm.offset": offset, "norm.mean": zeros, "norm.variance": ones}


def _slopes(activation: torch.nn.Module) -> dict[str, Double]:
    """AReLU as PReLU times its slope above zero."""
    below, above = (_double(slope).reshape(1) for slope in cast(AReLU, activation).slopes())
    return {"slope": below / above, "rise": above}


def _norm_in(unit: torch.nn.Module) -> torch.nn.Module:
    """The norm module, which a sum keeps one level down."""
    found: torch.nn.Module = next(m for name, m in unit.named_modules() if name.rpartition(".")[2] == "norm")
    return found


def affine(norm: torch.nn.Module) -> tuple[Double, Double]:
    """A batch norm in inference as x * scale + offset."""
    deviation = np.sqrt(_double(norm.running_var) + cast(float, norm.eps))
    scale = (1.0 if norm.weight is None else _double(norm.weight)) / deviation
    offset = (0.0 if norm.bias is None else _double(norm.bias)) - _double(norm.running_mean) * scale
    return scale, offset


def _double(value: torch.Tensor | torch.nn.Module) -> Double:
    array: Double = cast(torch.Tensor, value).detach().cpu().double().numpy()
    return array
