"""The model zoo: architectures as data, counted without torch, built as torch modules on demand.

>>> made = architecture("tc_resnet8", width=1.5, input_shape=(40, 98), classes=12)
>>> describe(made).flops["true"]
6568416

`build(made)` gives the torch module, features (batch, 40, 98) -> logits (batch, 12), and `export_onnx` writes it as one
ONNX file with one node per layer, named as in the table. `figures` puts what the papers print beside what is counted.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.zoo.catalogue import Entry, Printed, architecture, find, models
from nodes.zoo.count import Description, LayerRow, describe
from nodes.zoo.errors import ZooError
from nodes.zoo.plan import Architecture
from nodes.zoo.printed import Figure, figures

if TYPE_CHECKING:
    from nodes.zoo.network import Network

__all__ = [
    "Architecture",
    "Description",
    "Entry",
    "Figure",
    "LayerRow",
    "Printed",
    "ZooError",
    "architecture",
    "build",
    "describe",
    "export_onnx",
    "figures",
    "find",
    "models",
]


def build(architecture: Mapping[str, Any]) -> "Network":
    """Build the torch module of an architecture, freshly initialised.

    Raises:
        ZooError: the architecture is not valid.
    """
    from nodes.zoo.network import build

    return build(architecture)


def export_onnx(network: "Network", path: Path) -> None:
    """Write a built network in inference form as one ONNX file, norms folded; see nodes/zoo/export.py."""
    from nodes.zoo.export import export_onnx

    export_onnx(network, path)
