"""Counting parameters, operations and bytes from the plan, by the truth and by each paper's convention."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nodes.zoo.catalogue import Rule
from nodes.zoo.plan import Layer, Plan, Size, plan

_FLOAT32_BYTES: Final = 4
_PER_CHANNEL: Final = {"bn": 4, "beta": 3, "none": 0}
"""Variables of a norm layer: moving mean and variance, offset, scale."""
_TRAINABLE_PER_CHANNEL: Final = {"bn": 2, "beta": 1, "none": 0}


@dataclass(frozen=True)
class LayerRow:
    """One line of the per-layer table. `params` holds every variable, `weights` those of the kernel alone."""

    name: str
    op: str
    in_shape: Size
    out_shape: Size
    weights: int
    params: int
    flops: int
    """2 x multiply-adds at the real output size."""


@dataclass(frozen=True)
class Description:
    """What a model costs, each figure with the rule behind it."""

    input_shape: Size
    classes: int
    params: int
    """All variables, batch-norm mean and variance included (as S1 counts)."""
    params_trainable: int
    flops: Mapping[Rule, int]
    """By counting rule; "true" is always there."""
    bytes: int
    """All variables as float32."""
    file_bytes_s4: int | None
    """Size of the file S4 prints in KB (its Caffe form); None for nets of other papers."""
    layers: tuple[LayerRow, ...]


def describe(architecture: Mapping[str, Any]) -> Description:
    """Count an architecture at its own input shape and number of classes.

    Raises:
        ZooError: the architecture is not valid.
    """
    planned = plan(architecture)
    params = sum(variables(layer) for layer in planned.layers)
    return Description(
        input_shape=planned.input_shape,
        classes=planned.classes,
        params=params,
        params_trainable=sum(trainable(layer) for layer in planned.layers),
        flops={rule: count(planned) for rule, count in RULES.items() if _APPLIES[rule](planned)},
        bytes=_FLOAT32_BYTES * params,
        file_bytes_s4=s4_file_bytes(planned) if _is_bonseyes(planned) else None,
        layers=tuple(_row(layer) for layer in planned.layers),
    )


def weights(layer: Layer) -> int:
    """Numbers in the kernel of a convolution or the matrix of a dense layer, without bias."""
    if layer.op == "conv":
        return layer.out_shape[0] * (layer.in_shape[0] // layer.groups) * math.prod(layer.kernel)
    return math.prod(layer.in_shape) * layer.out_shape[0] if layer.op == "dense" else 0


def variables(layer: Layer) -> int:
    """Every variable of a layer: weights, bias, norm with its moving statistics."""
    return weights(layer) + layer.out_shape[0] * (layer.bias + _PER_CHANNEL[layer.norm])


def trainable(layer: Layer) -> int:
    """Variables changed by gradients."""
    return weights(layer) + layer.out_shape[0] * (layer.bias + _TRAINABLE_PER_CHANNEL[layer.norm])


def macs(layer: Layer) -> int:
    """Multiply-adds of a convolution or dense layer at its real output size."""
    return weights(layer) * math.prod(layer.out_shape[1:])


def true_flops(planned: Plan) -> int:
    """2 x MAC of convolutions and dense layers, nothing else."""
    return 2 * sum(macs(layer) for layer in planned.layers)


def tf_flops(planned: Plan) -> int:
    """S1's rule (TensorFlow's profiler).

    2 x MAC; one for every bias and residual addition; the window size for every pooled value; norm and ReLU free.
    """
    return true_flops(planned) + sum(_tf_extra(layer) for layer in planned.layers)


def kws_flops(planned: Plan) -> int:
    """S4's rule: every convolution at the positions of the first layer under SAME padding, dense layers free."""
    return 2 * _first_positions(planned) * sum(weights(layer) for layer in planned.layers if layer.op == "conv")


def kws_separable_flops(planned: Plan) -> int:
    """S4's rule for separable nets: as kws without the first layer, plus the output layer on a 13x5 map."""
    convolutions = [layer for layer in planned.layers if layer.op == "conv"][1:]
    output = 13 * 5 * convolutions[-1].out_shape[0] * planned.classes
    return 2 * (_first_positions(planned) * sum(weights(layer) for layer in convolutions) + output)


def s4_file_bytes(planned: Plan) -> int:
    """Size of S4's model file: float32 weights, norm and scale, output layer, and a fixed overhead.

    Per convolution: its weights, 4 values per channel and 1 for the norm layer; the overhead is 2.68 kB, for
    separable nets 4.96 kB.
    """
    values = sum(variables(layer) + (layer.norm != "none") for layer in planned.layers)
    return _FLOAT32_BYTES * values + (4_960 if _is_separable(planned) else 2_680)


def _tf_extra(layer: Layer) -> int:
    outputs = math.prod(layer.out_shape)
    return outputs * (layer.bias + (layer.op == "add") + math.prod(layer.kernel) * (layer.op in ("avg", "max")))


def _first_positions(planned: Plan) -> int:
    first = planned.layers[0]
    sizes = zip(first.in_shape[1:], first.stride, strict=True)
    return math.prod(math.ceil(size / stride) for size, stride in sizes)


def _is_bonseyes(planned: Plan) -> bool:
    return planned.view == "frequency_time" and planned.layers[0].op == "conv"


def _is_separable(planned: Plan) -> bool:
    return any(layer.groups > 1 for layer in planned.layers)


RULES: Final[Mapping[Rule, Callable[[Plan], int]]] = {
    "true": true_flops,
    "tf": tf_flops,
    "kws": kws_flops,
    "kws-ds": kws_separable_flops,
}
_APPLIES: Final[Mapping[Rule, Callable[[Plan], bool]]] = {
    "true": lambda planned: True,
    "tf": lambda planned: True,
    "kws": _is_bonseyes,
    "kws-ds": lambda planned: _is_bonseyes(planned) and _is_separable(planned),
}


def _row(layer: Layer) -> LayerRow:
    return LayerRow(
        layer.name,
        "depthwise" if layer.groups > 1 else layer.op,
        layer.in_shape,
        layer.out_shape,
        weights(layer),
        variables(layer),
        2 * macs(layer),
    )
