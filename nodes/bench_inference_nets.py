"""The networks of `ossicle bench inference`: what each must reach, and its ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

SEED: Final = 0
CLASSES: Final = 12


@dataclass(frozen=True)
class Net:
    """One network.

    Attributes:
        title: in the table.
        name: in the zoo.
        must, aim: ratio of the best peer's time to ours; `aim` is where the savings would end.
        input_shape: where it is not the zoo's own.
    """

    title: str
    name: str
    must: float
    aim: float
    width: float = 1.0
    input_shape: tuple[int, ...] = ()


NETS: Final = (
    Net("seed CNN", "seed_cnn", 1.45, 1.61),
    Net("kws1", "kws1", 1.80, 2.01),
    Net("kws1, stride 1", "kws1_unstrided", 1.45, 1.60),
    Net("kws3", "kws3", 2.15, 2.43),
    Net("kws9", "kws9", 2.30, 2.58),
    Net("ds seed", "ds_cnn", 1.33, 1.44),
    Net("ds_kws1", "ds_kws1", 1.65, 1.89),
    Net("ds_kws3", "ds_kws3", 1.75, 1.98),
    Net("TC-ResNet8", "tc_resnet8", 2.25, 2.59),
    Net("TC-ResNet14-1.5", "tc_resnet14", 2.30, 2.61, width=1.5),
    Net("DS-CNN-S", "ds_cnn_s", 1.27, 1.37),
    Net("DS-CNN-L", "ds_cnn_l", 1.14, 1.21),
    Net("Res15", "res15", 2.40, 2.73),
    Net("M20k", "m20k", 2.05, 2.87, input_shape=(1, 64, 96)),
)


def export(net: Net, path: Path) -> Path:
    """The network with random weights as ONNX, norms and padding folded, made once."""
    if not path.exists():
        import torch

        from nodes.zoo import architecture, build, export_onnx, find

        shape = net.input_shape or find(net.name).input_shape
        torch.manual_seed(SEED)
        network = build(architecture(net.name, width=net.width, input_shape=shape, classes=CLASSES)).eval()
        path.parent.mkdir(parents=True, exist_ok=True)
        export_onnx(network, path)
    return path
