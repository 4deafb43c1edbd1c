"""What a shape costs, known without training: operations, parameters, bytes of flash and RAM, instructions.

RAM is the arena that holds every activation of one inference, planned so that tensors which are not alive together
share memory (S4 6.2.2), and in int8 one scratch buffer for what CMSIS-NN unfolds: two columns of 16-bit numbers of a
convolution, the inputs of a dense layer (S3's buffers; SEEDS section 12). Flash is the weights and one offset per
channel with norms folded. Both count one byte per value in int8 and four in float32; code is not counted.

Instructions are an estimate from multiply-adds until firmware is built and counted: CMSIS-NN's s8 kernels take
7,839,128 instructions for the 2,656,768 multiply-adds of DS-CNN-S (SEEDS section 12), 2.95 for each. Cycles follow with
1.3 to 2.0 cycles per instruction, so times on a device are a range and never measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nodes.nas.names import TargetPrecision
from nodes.zoo.count import describe, macs, weights
from nodes.zoo.plan import Architecture, Layer, plan

INSTRUCTIONS_PER_MAC: Final = 7_839_128 / 2_656_768
CPI: Final = (1.3, 2.0)
"""Cycles per instruction, low and high (SEEDS section 12, latency model)."""
VALUE_BYTES: Final[Mapping[TargetPrecision, int]] = {"int8": 1, "float32": 4}
IN_PLACE: Final = frozenset({"drop", "add", "max", "avg"})
"""Operations that may write over their input: no place is written before the last reading of what lies there."""


@dataclass(frozen=True)
class Tensor:
    """A block of memory that is needed from one step to another, both included."""

    size_bytes: int
    first: int
    last: int


def costs_of(architecture: Architecture, precision: TargetPrecision = "int8") -> dict[str, float]:
    """Every cost by the name of its objective.

    Raises:
        ZooError: the architecture is not valid.
    """
    described, layers = describe(architecture), plan(architecture).layers
    unit = VALUE_BYTES[precision]
    return {
        "flops": float(described.flops["true"]),
        "parameters": float(described.params),
        "ram_bytes": float(ram_bytes(layers, unit)),
        "flash_bytes": float(unit * sum(weights(layer) + _offsets(layer) for layer in layers)),
        "instructions_estimated": round(INSTRUCTIONS_PER_MAC * sum(macs(layer) for layer in layers)),
    }


def milliseconds(instructions: float, mips: float) -> tuple[float, float]:
    """Estimated time on a device of so many million instructions per second, shortest and longest."""
    return CPI[0] * instructions / mips / 1e3, CPI[1] * instructions / mips / 1e3


def ram_bytes(layers: Sequence[Layer], value_bytes: int) -> int:
    """Arena and scratch of one inference; no scratch in float32, where no columns are made."""
    scratch = max(map(_scratch_bytes, layers)) if value_bytes == 1 else 0
    return arena_bytes(lifetimes(layers, value_bytes)) + scratch


def lifetimes(layers: Sequence[Layer], value_bytes: int) -> list[Tensor]:
    """One tensor for the input and for every layer that does not write over its input.

    A step is the index of a layer; the input exists from step 0 on, and the output to the end.
    """
    home, born, last, size = {"": ""}, {"": 0}, {"": 0}, {"": value_bytes * math.prod(layers[0].in_shape)}
    readers = {name: index for index, layer in enumerate(layers) for name in _sources(layer)}
    for index, layer in enumerate(layers):
        sources = [home[name] for name in _sources(layer)]
        for source in sources:
            last[source] = max(last[source], index)
        is_free = layer.op in IN_PLACE and readers[layer.source] == index
        home[layer.name] = sources[0] if is_free else layer.name
        if not is_free:
            born[layer.name], size[layer.name] = index, value_bytes * math.prod(layer.out_shape)
        last[home[layer.name]] = max(last.get(home[layer.name], 0), index)
    last[home[layers[-1].name]] = len(layers)
    return [Tensor(size[name], born[name], last[name]) for name in born]


def arena_bytes(tensors: Sequence[Tensor]) -> int:
    """Size of a memory that holds all tensors: the largest first, each at the lowest place free while it lives.

    (Greedy by size, Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference", 4.2.)
    """
    placed: list[tuple[int, Tensor]] = []
    for tensor in sorted(tensors, key=lambda item: (-item.size_bytes, item.first)):
        place = 0
        for start, end in sorted(
            (start, start + other.size_bytes) for start, other in placed if _overlap(tensor, other)
        ):
            if place + tensor.size_bytes <= start:
                break
            place = max(place, end)
        placed.append((place, tensor))
    return max(place + tensor.size_bytes for place, tensor in placed)


def _overlap(one: Tensor, other: Tensor) -> bool:
    return one.first <= other.last and other.first <= one.last


def _sources(layer: Layer) -> tuple[str, ...]:
    return (layer.source, layer.other) if layer.op == "add" else (layer.source,)


def _offsets(layer: Layer) -> int:
    return layer.out_shape[0] if layer.bias or layer.norm != "none" else 0


def _scratch_bytes(layer: Layer) -> int:
    if layer.op == "conv":
        return 2 * 2 * math.prod(layer.kernel) * (layer.in_shape[0] // layer.groups)
    return 2 * math.prod(layer.in_shape) if layer.op == "dense" else 0
