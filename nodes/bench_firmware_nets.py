"""The networks of `ossicle bench firmware`: what each must reach, and how it is measured."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nodes.embedded.session import Made
    from nodes.firmware.toolchain import Toolchain

CPU: Final = "cortex-m4"
CLASSES: Final = 12
SEED: Final = 0


@dataclass(frozen=True)
class Goal:
    """An upper bound.

    Attributes:
        what: a total ("instructions", "estimated cycles", "RAM of maps", "flash", "stack"), or names of layers.
        must, aim: 0 where there is none.
        compiler: it holds for; empty for any.
        peers: what others need.
    """

    what: str
    must: float
    aim: float = 0.0
    unit: str = "instructions"
    compiler: str = ""
    peers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Net:
    """One network: its shape, goals for its totals, and for groups of its layers."""

    title: str
    name: str
    architecture: str
    input_shape: tuple[int, ...]
    classes: int
    totals: tuple[Goal, ...]
    groups: tuple[Goal, ...] = ()


CYCLES: Final = 1.31
"""Estimated, per instruction of the first experiments. Goals hold in cycles too, or wide loads would only seem to save:
M20k must need no more than it did there, DS-CNN-S no more than its goal in instructions times this."""
_M20K_PEERS: Final = {"CMSIS-NN q7": 6_409_734, "CMSIS-NN s8": 8_073_919, "paper cycles": 10_052_000}
NETS: Final = (
    Net(
        "M20k",
        "m20k",
        "m20k_rnn_pad3x3",
        (1, 64, 96),
        10,
        (
            Goal("instructions", 1_400_000, 1_120_000, compiler="gcc", peers=_M20K_PEERS),
            Goal("instructions", 1_800_000, 1_400_000, compiler="zig", peers=_M20K_PEERS),
            Goal("estimated cycles", 1_728_019, CYCLES * 1_120_000, "cycles"),
            Goal("RAM of maps", 16_300, 12_700, "bytes", peers={"paper": 34_328}),
            Goal("flash", 52_000, 48_000, "bytes"),
            Goal("stack", 350, 300, "bytes"),
        ),
        (
            Goal("conv1 pool1", 335_000, 300_000),
            Goal("conv2 conv3 conv4 pool2 pool3 pool4", 954_000, 764_000),
            Goal("conv5 pool5", 30_100, 19_100),
            Goal("fc1 fc2 rnn1 fc", 41_000, 34_000),
        ),
    ),
    Net(
        "DS-CNN-S",
        "ds_cnn_s",
        "ds_cnn_s",
        (10, 49),
        CLASSES,
        (
            Goal("instructions", 4_000_000, 3_300_000, compiler="gcc", peers={"CMSIS-NN s8": 7_839_128}),
            Goal("instructions", 0, 0, compiler="zig", peers={"CMSIS-NN s8": 7_839_128}),
            Goal("estimated cycles", CYCLES * 4_000_000, CYCLES * 3_300_000, "cycles"),
            Goal("RAM of maps", 0, 0, "bytes"),
            Goal("flash", 0, 0, "bytes"),
            Goal("stack", 350, 300, "bytes"),
        ),
    ),
    Net(
        "TC-ResNet8",
        "tc_resnet8",
        "tc_resnet8",
        (40, 98),
        CLASSES,
        (
            Goal("instructions", 0),
            Goal("estimated cycles", 0, 0, "cycles"),
            Goal("RAM of maps", 0, 0, "bytes"),
            Goal("flash", 0, 0, "bytes"),
            Goal("stack", 350, 300, "bytes"),
        ),
    ),
)
"""Groups join what FIRMWARE names apart where kernels join it: Conv2 to 4 with their pools, Conv5 with its own."""


@dataclass(frozen=True)
class Measured:
    """One network as firmware of one compiler; figures by layer in order.

    Attributes:
        totals: by the name that goals have.
        witness, repeated: QEMU's board, and how many layers' checksums it gave again; nothing without QEMU.
        published: what others need for a layer, by column.
    """

    net: Net
    compiler: str
    layers: Mapping[str, int]
    macs: Mapping[str, int]
    totals: Mapping[str, float | None]
    seconds: float
    witness: str = ""
    repeated: int = 0
    layer_cycles: Mapping[str, int] = field(default_factory=dict)
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def instructions(self) -> int:
        """Of one inference."""
        return sum(self.layers.values())

    @property
    def per_mac(self) -> float:
        """Instructions per multiply-accumulate."""
        return self.instructions / sum(self.macs.values())

    def total(self, what: str) -> float | None:
        """A total by its name; None if it is not known."""
        return self.instructions if what == "instructions" else self.totals.get(what)


def measure(net: Net, compiler: Toolchain, folder: Path) -> Measured:
    """Generate, build, run and compare a network with random weights on noise."""
    from nodes.embedded.published import COLUMNS
    from nodes.embedded.report import told
    from nodes.embedded.session import build, noise
    from nodes.embedded.wish import Network, Wish
    from nodes.lne.reading import read_onnx

    onnx = export(net, folder / f"{net.name}.onnx").read_bytes()
    clips = noise(read_onnx(onnx).graph)
    wish = Wish(CPU, compiler.name)
    begun_s = time.monotonic()
    made = build(Network(net.name, onnx, clips, clips), wish, folder / f"{net.name}-{compiler.name}")
    rows = (told(made).get("published") or {}).get("rows", ())
    seconds = time.monotonic() - begun_s
    return Measured(
        net,
        compiler.name,
        dict(zip((layer.name for layer in made.program.layers), made.run.instructions, strict=True)),
        {layer.name: layer.macs for layer in made.program.layers},
        _totals(made),
        seconds,
        made.witness,
        len(made.run.checksums[0]) if made.witness else 0,
        dict(zip((layer.name for layer in made.program.layers), made.cycles, strict=False)),
        published={row["layer"]: {column: float(row[column]) for column in COLUMNS} for row in rows},
    )


def _totals(made: Made) -> dict[str, float | None]:
    return {
        "estimated cycles": sum(made.cycles) or None,
        "RAM of maps": made.program.arena_bytes + made.program.state_bytes,
        "flash": made.image["sizes"]["network_bytes"],
        "stack": made.run.stack_bytes,
    }


def export(net: Net, path: Path) -> Path:
    """The network with random weights as ONNX, made once."""
    if not path.exists():
        import torch

        from nodes.zoo import architecture, build, export_onnx

        torch.manual_seed(SEED)
        path.parent.mkdir(parents=True, exist_ok=True)
        made = architecture(net.architecture, input_shape=net.input_shape, classes=net.classes)
        export_onnx(build(made).eval(), path)
    return path
