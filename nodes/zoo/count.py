"""Counting parameters, operations and bytes from the plan, by the truth and by each paper's convention."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nodes.zoo.block import RECURRENT, Kind
from nodes.zoo.buffers import BufferRule, buffers
from nodes.zoo.catalogue import Rule
from nodes.zoo.layer import Layer, Op, Size
from nodes.zoo.plan import Plan, plan

_FLOAT32_BYTES: Final = 4
_PER_CHANNEL: Final = {"bn": 4, "ssn": 4, "beta": 3, "stats": 2, "none": 0}
"""Variables of a norm layer: moving mean and variance, offset, scale."""
_TRAINABLE_PER_CHANNEL: Final = {"bn": 2, "ssn": 2, "beta": 1, "stats": 0, "none": 0}
_GATES: Final[Mapping[Op, int]] = {"gru": 3, "lstm": 4, "rnn": 1}


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
    """2 x multiply-adds at the real output size, in all steps."""
    steps: int
    """How often the layer runs for one clip: patches, or frames of a recurrent layer."""
    by_rule: Mapping[Rule, int]
    """Operations by the rules that count layer by layer."""


@dataclass(frozen=True)
class Description:
    """What a model costs, each figure with the rule behind it."""

    input_shape: Size
    classes: int
    params: int
    """All variables, batch-norm mean and variance included (as S1 and S3 count)."""
    params_trainable: int
    flops: Mapping[Rule, int]
    """By counting rule; "true" is always there."""
    bytes: int
    """All variables as float32."""
    buffer_bytes: Mapping[BufferRule, int]
    """Activations in 8 bits by rule; "live" is always there."""
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
    rules = {rule: count for rule, count in RULES.items() if _APPLIES[rule](planned)}
    by_layer = {rule: count for rule, count in BY_LAYER.items() if rule in rules}
    return Description(
        input_shape=planned.input_shape,
        classes=planned.classes,
        params=params,
        params_trainable=sum(trainable(layer) for layer in planned.layers),
        flops={rule: count(planned) for rule, count in rules.items()},
        bytes=_FLOAT32_BYTES * params,
        buffer_bytes=buffers(planned),
        file_bytes_s4=s4_file_bytes(planned) if _is_bonseyes(planned) else None,
        layers=tuple(_row(layer, by_layer) for layer in planned.layers),
    )


def weights(layer: Layer) -> int:
    """Numbers in the kernel of a convolution or the matrices of a dense or recurrent layer, without bias."""
    units = layer.out_shape[0]
    if layer.op == "conv":
        return units * (layer.in_shape[0] // layer.groups) * math.prod(layer.kernel)
    if layer.op in RECURRENT:
        return _GATES[layer.op] * (layer.in_shape[0] + units) * units
    return math.prod(layer.in_shape) * units if layer.op == "dense" else 0


def variables(layer: Layer) -> int:
    """Every variable of a layer: weights, bias, norm with its moving statistics."""
    return weights(layer) + _biases(layer) + _slopes(layer) + _normed(layer) * _PER_CHANNEL[layer.norm]


def trainable(layer: Layer) -> int:
    """Variables changed by gradients."""
    return weights(layer) + _biases(layer) + _slopes(layer) + _normed(layer) * _TRAINABLE_PER_CHANNEL[layer.norm]


def macs(layer: Layer) -> int:
    """Multiply-adds of a convolution, dense or recurrent layer at its real output size, in one step."""
    return weights(layer) * math.prod(layer.out_shape[1:])


def true_flops(layer: Layer) -> int:
    """2 x MAC of convolutions, dense and recurrent layers in all their steps, nothing else."""
    return 2 * macs(layer) * layer.steps


def tf_flops(layer: Layer) -> int:
    """S1's rule (TensorFlow's profiler).

    2 x MAC; one for every bias and residual addition; the window size for every pooled value; norm and ReLU free. A
    dilated convolution is counted on a map whose sides are rounded up to a multiple of the dilation, as TensorFlow
    cuts it into that many phases.
    """
    positions = math.prod(
        math.ceil(size / phases) * phases
        for size, phases in zip(layer.out_shape[1:], layer.dilation or (1,) * len(layer.out_shape[1:]), strict=True)
    )
    window = math.prod(layer.kernel) if layer.op in ("avg", "max") else 0
    each = layer.bias + (layer.op == "add") + window
    return layer.steps * (2 * weights(layer) * positions + math.prod(layer.out_shape) * each)


def s3_flops(layer: Layer) -> int:
    """S3's rule for one patch, as its table VI counts (equations 5 to 7).

    2 x MAC; a GRU's three element-wise products; every pooled value 9, or 4 where both sides of the map are even,
    whatever the pool's real window.
    """
    if layer.op in ("avg", "max"):
        is_even = all(size % 2 == 0 for size in layer.in_shape[1:])
        return math.prod(layer.out_shape) * (4 if is_even else 9)
    return 2 * macs(layer) + (3 * layer.out_shape[0] if layer.op == "gru" else 0)


def s3_table_3_flops(layer: Layer) -> int:
    """What comes closest to S3's table III: every pooled value 4, a recurrent layer as 2 x inputs x units."""
    if layer.op in ("avg", "max"):
        return 4 * math.prod(layer.out_shape)
    if layer.op in RECURRENT:
        return 2 * layer.in_shape[0] * layer.out_shape[0]
    return 2 * macs(layer)


def kim_flops(layer: Layer) -> int:
    """The rule behind table 3 of Kim et al. 2021; deduced, as it gives all six rows of BC-ResNet.

    Multiply-adds, once; 2 per normed value, 1 per value of a ReLU behind a norm and per value read by a pool; sums,
    the ReLU behind them and SiLU are free.
    """
    if layer.op in ("avg", "max"):
        return math.prod(layer.in_shape)
    if layer.op == "add":
        return 0
    each = 2 * (layer.norm != "none") + (layer.activation == "relu") + layer.bias
    return layer.steps * (macs(layer) + each * math.prod(layer.out_shape))


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


def _biases(layer: Layer) -> int:
    return layer.out_shape[0] * _GATES.get(layer.op, 1) if layer.bias else 0


def _slopes(layer: Layer) -> int:
    """The two numbers that AReLU learns."""
    return 2 if layer.activation == "arelu" else 0


def _normed(layer: Layer) -> int:
    """Channels, or bands of channels, that the layer's norm treats apart; of a recurrent layer, its inputs."""
    return (layer.in_shape if layer.op in RECURRENT else layer.out_shape)[0] * layer.bands


def _first_positions(planned: Plan) -> int:
    first = planned.layers[0]
    sizes = zip(first.in_shape[1:], first.stride, strict=True)
    return math.prod(math.ceil(size / stride) for size, stride in sizes)


_BONSEYES_KINDS: Final[frozenset[Kind]] = frozenset({"conv", "ds", "avg", "gap", "drop", "fc"})


def _is_bonseyes(planned: Plan) -> bool:
    is_known = all(stage.kind in _BONSEYES_KINDS for stage in planned.stages)
    return planned.view == "frequency_time" and is_known and planned.layers[0].op == "conv"


def _is_separable(planned: Plan) -> bool:
    return any(layer.groups > 1 for layer in planned.layers)


def _is_patches(planned: Plan) -> bool:
    return planned.view == "patches"


def _summed(count: Callable[[Layer], int]) -> Callable[[Plan], int]:
    return lambda planned: sum(count(layer) for layer in planned.layers)


BY_LAYER: Final[Mapping[Rule, Callable[[Layer], int]]] = {
    "true": true_flops,
    "tf": tf_flops,
    "kim": kim_flops,
    "s3": s3_flops,
    "s3-table-3": s3_table_3_flops,
}
RULES: Final[Mapping[Rule, Callable[[Plan], int]]] = {
    **{rule: _summed(count) for rule, count in BY_LAYER.items()},
    "kws": kws_flops,
    "kws-ds": kws_separable_flops,
}
_APPLIES: Final[Mapping[Rule, Callable[[Plan], bool]]] = {
    "true": lambda planned: True,
    "tf": lambda planned: True,
    "kim": lambda planned: any(stage.kind == "bc" for stage in planned.stages),
    "s3": _is_patches,
    "s3-table-3": _is_patches,
    "kws": _is_bonseyes,
    "kws-ds": lambda planned: _is_bonseyes(planned) and _is_separable(planned),
}


def _row(layer: Layer, by_layer: Mapping[Rule, Callable[[Layer], int]]) -> LayerRow:
    return LayerRow(
        layer.name,
        "depthwise" if layer.groups > 1 else layer.op,
        layer.in_shape,
        layer.out_shape,
        weights(layer),
        variables(layer),
        true_flops(layer),
        layer.steps,
        {rule: count(layer) for rule, count in by_layer.items()},
    )
