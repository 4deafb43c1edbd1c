"""What our kernels cost per multiply-accumulate, value and weight: measured, as `resources/kernel_costs.json`.

Written anew by `python -m nodes.firmware.fit_costs FILE`, whenever kernels have changed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from nodes.firmware.cpu import find_cpu
from nodes.firmware.errors import FirmwareError
from nodes.firmware.fit_layers import PRODUCTS, Family, Work
from nodes.firmware.image import Image, read_image
from nodes.firmware.program import Layer, Program, generate
from nodes.firmware.project import emulate, make, write
from nodes.firmware.toolchain import Toolchain, find_toolchain
from nodes.lne.ir import Activation, Binary, Conv, Graph, Map, Op, Pads, Pool, Recurrent
from nodes.quant.convert import convert, watch
from nodes.quant.fixed import codes
from nodes.quant.integer import IntegerGraph

MEASURED: Final = ("cortex-m0", "cortex-m3", "cortex-m4", "rv32imac")
CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cortex-m0": "cortex-m0", "cortex-m0plus": "cortex-m0", "cortex-m23": "cortex-m0", "cortex-m3": "cortex-m3",
        "cortex-m4": "cortex-m4", "cortex-m7": "cortex-m4", "cortex-m33": "cortex-m4",
        "cortex-m55": "cortex-m4", "rv32imac": "rv32imac",
    }
)  # fmt: skip
"""The processor whose instructions another one executes as well."""
CPI: Final = (1.3, 2.0)
"""Cycles per instruction, estimated: from memory that never waits to slow flash (see `nodes.firmware.cycles`)."""
DIGITS: Final = 3


@dataclass(frozen=True)
class Cost:
    """Of a family of kernels on a processor.

    Attributes:
        instructions: per multiply-accumulate, or per value.
        weight_bytes: of flash per weight, biases and reordering included.
        code_bytes: of one layer.
    """

    instructions: float
    weight_bytes: float
    code_bytes: float


@dataclass(frozen=True)
class Costs:
    """Of all families on a processor, and what every firmware has besides."""

    families: Mapping[Family, Cost]
    base_bytes: int

    def instructions(self, works: Iterable[Work]) -> int:
        """Of one inference, estimated."""
        return round(sum(work.amount * self.families[work.family].instructions for work in works))

    def flash_bytes(self, works: Iterable[Work]) -> int:
        """Weights and code, estimated."""
        each = ((self.families[work.family], work) for work in works)
        return self.base_bytes + round(sum(work.weights * cost.weight_bytes + cost.code_bytes for cost, work in each))


def read_costs(path: Path) -> dict[str, Costs]:
    """Costs by measured processor.

    Raises:
        FirmwareError: the file cannot be read or is not as this module writes it.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))["processors"]
        found = {name: _costs(one) for name, one in raw.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FirmwareError(
            f"{path.name} holds no costs of kernels: {error}.",
            "the file as `python -m nodes.firmware.fit_costs` writes it",
            "Write it again.",
        ) from error
    return found


def _costs(raw: Any) -> Costs:
    families = {
        name: Cost(**{key: float(value) for key, value in one.items()}) for name, one in raw["families"].items()
    }
    missing = [name for name in (*PRODUCTS, "max", "mean", "join", "table") if name not in families]
    if missing:
        raise ValueError(f"there is nothing about {missing[0]}")
    return Costs(families, int(raw["base_bytes"]))


def costs_of(cpu: str, known: Mapping[str, Costs]) -> Costs | None:
    """Costs on a processor, None where no kernels of ours run."""
    return known.get(CLASSES.get(cpu, ""))


ABOUT: Final = (
    "Kernels measured in emulation, a layer of every family in 8 bits: instructions per multiply-accumulate (of max, "
    "join and table per value they give, of mean per value they read), bytes of flash per weight, bytes of code per "
    "layer. Written by `python -m nodes.firmware.fit_costs`."
)


class _Builder:
    """Small networks of one layer per family, with random weights; layers are named by their family."""

    def __init__(self, c: int, h: int, w: int) -> None:
        self.rng, self.last = np.random.default_rng(0), "input"
        self.maps, self.ops = {"input": Map("input", c, h, w)}, list[Op]()

    def add(self, op: Op, shape: tuple[int, int, int]) -> None:
        self.ops.append(op)
        self.maps[op.output] = Map(op.output, *shape)
        self.last = op.output

    def conv(self, name: str, channels: int, kernel: int, groups: int = 1, table: bool = False) -> None:
        given, border = self.maps[self.last], kernel // 2
        weight = self.rng.normal(0.0, 0.2, (channels, given.c // groups, kernel, kernel))
        pads = Pads(border, border, border, border)
        activation = Activation.TANH if table else Activation.RELU
        op = Conv(
            name, (self.last,), f"{name}_out", weight=weight, bias=np.zeros(channels), pads=pads, groups=groups,
            activation=activation,
        )  # fmt: skip
        self.add(op, (channels, given.h, given.w))

    def recurrent(self, kind: str, units: int, gates: int) -> None:
        given = self.maps[self.last]
        sizes = (units * gates, given.c), (units * gates, units), (2, units * gates)
        weight, recurrence, bias = (self.rng.normal(0.0, 0.2, size) for size in sizes)
        op = Recurrent(
            kind, (self.last,), f"{kind}_out", kind=kind, weight=weight, recurrence=recurrence, bias=bias, whole=True
        )
        self.add(op, (units, 1, given.w))

    def graph(self, name: str) -> Graph:
        given, result = self.maps["input"], self.maps[self.last]
        return Graph(name, "input", self.last, self.maps, tuple(self.ops), (1, *given.shape), (1, *result.shape))


def _plane() -> Graph:
    build = _Builder(1, 40, 30)
    build.conv("first", 8, 3)
    build.conv("conv", 16, 3)
    build.add(Pool("max", (build.last,), "max_out", kernel=(2, 2), stride=(2, 2)), (16, 20, 15))
    build.conv("wider", 48, 1)
    build.conv("depthwise", 48, 3, groups=48)
    before = build.last
    build.conv("pointwise", 48, 1)
    build.add(Binary("join", (before, build.last), "join_out", kind="add"), (48, 20, 15))
    build.conv("curved", 8, 1, table=True)
    build.add(Pool("mean", (build.last,), "mean_out", kind="mean", kernel=(20, 15)), (8, 1, 1))
    return build.graph("plane")


def _steps() -> Graph:
    build = _Builder(32, 1, 8)
    for kind, gates in (("rnn", 1), ("gru", 3), ("lstm", 4)):
        build.recurrent(kind, 32, gates)
    build.add(Pool("all", (build.last,), "all_out", kernel=(1, 8)), (32, 1, 1))
    build.conv("wide", 64, 1)
    build.conv("dense", 64, 1)
    return build.graph("steps")


def measure(cpu: str, toolchain: Toolchain | None = None) -> Costs:
    """Build and run a layer of every family.

    Raises:
        FirmwareError: there is no compiler, or the firmware does not run.
    """
    families: dict[Family, Cost] = {}
    base_bytes = 0
    for graph in (_plane(), _steps()):
        with tempfile.TemporaryDirectory(prefix="ossicle-costs-") as folder:
            found, base_bytes = _measured(graph, cpu, toolchain or find_toolchain(None, find_cpu(cpu)), Path(folder))
        families.update(found)
    return Costs(families, base_bytes)


def _measured(graph: Graph, cpu: str, toolchain: Toolchain, folder: Path) -> tuple[dict[Family, Cost], int]:
    clip = np.random.default_rng(1).normal(0.0, 1.0, graph.source_shape)
    integers = convert(graph, watch(graph, [clip], 8))
    program = generate(integers, find_cpu(cpu))
    given = codes(clip.reshape(graph.maps[graph.source].shape), integers.forms[graph.source])
    elf = make(toolchain, program, folder, write(program, folder, [given]))
    image, run = read_image(elf), emulate(elf, len(program.layers))
    pairs = zip(program.layers, run.instructions, strict=True)
    found = {_NAMES[one.name]: _cost(one, count, integers, image) for one, count in pairs if one.name in _NAMES}
    return found, _base_bytes(program, image)


_NAMES: Final[Mapping[str, Family]] = MappingProxyType(
    {**{name: name for name in (*PRODUCTS, "max", "mean", "join")}, "curved tanh": "table"}
)


def _cost(layer: Layer, count: int, graph: IntegerGraph, image: Image) -> Cost:
    op = next(op for op in graph.ops if op.name == layer.name)
    values = graph.maps[op.inputs[0] if layer.name == "mean" else op.output].size
    stored = sum(image.bytes_of(symbol) for symbol in layer.symbols)
    weights = sum(getattr(op, part).size for part in ("weight", "recurrence") if hasattr(op, part))
    per_weight = stored / weights if weights else 0.0
    code = image.bytes_of(layer.function) + (0 if weights else stored)
    return Cost(round(count / (layer.macs or values), DIGITS), round(per_weight, DIGITS), float(code))


def _base_bytes(program: Program, image: Image) -> int:
    """Flash of what is neither a layer nor a golden clip: start-up, test, and what kernels share."""
    own = {name for layer in program.layers for name in (*layer.symbols, layer.function)}
    return sum(
        symbol.size_bytes
        for symbol in image.symbols
        if symbol.region == "flash" and symbol.plain_name not in own and not symbol.name.startswith("golden")
    )


def measured_document(cpus: Iterable[str] = MEASURED) -> dict[str, Any]:
    """The file's content."""
    used = {cpu: find_toolchain(None, find_cpu(cpu)) for cpu in cpus}
    return {
        "about": ABOUT,
        "toolchains": {cpu: toolchain.version() for cpu, toolchain in used.items()},
        "processors": {cpu: dict(_plain(measure(cpu, toolchain))) for cpu, toolchain in used.items()},
    }


def _plain(costs: Costs) -> Iterator[tuple[str, Any]]:
    yield "base_bytes", costs.base_bytes
    yield "families", {name: asdict(cost) for name, cost in sorted(costs.families.items())}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(measured_document(), indent=1) + "\n", encoding="utf-8")
