"""The first layers of a network, counted as Keras counts, for fine-tuning with part of the base frozen.

S2 table 2 gives "fine-tuned layers" in Keras' layers: 298, 128, 85, 42 = int(427 p) of DenseNet121 without its head. In
the repository these are the layers that stay frozen, from the input on (slip 23). Keras counts the input, the padding
in front of a window that moves by more than one, and the operation, norm and activation of a layer one by one; so 427
here too for DenseNet121. Its own ResNet50 and MobileNetV2 place some paddings and strides elsewhere: 175 and 154 layers
there, 178 and 155 here.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import nn

from nodes.zoo.errors import ZooError
from nodes.zoo.layer import JOINS, Layer
from nodes.zoo.network import Network
from nodes.zoo.plan import plan


class Counted(NamedTuple):
    """One layer as Keras counts: what it is, and the sub-module of ours that does it ("" where none does)."""

    what: str
    module: str


def counted(architecture: Mapping[str, Any]) -> tuple[Counted, ...]:
    """Keras' layers of a net's base, in order: all before the whole-map pool or else the first dense layer.

    The picture counts as part of the input.

    Raises:
        ZooError: the architecture is not valid.
    """
    found = [Counted("input", "")]
    for stage in plan(architecture).stages:
        if stage.kind in ("gap", "fc"):
            break
        found += (part for layer in stage.layers if layer.op != "image" for part in _parts(layer))
    return tuple(found)


def first_modules(network: Network, count: int) -> tuple[str, ...]:
    """Names of the sub-modules that are the first `count` of Keras' layers of the base.

    Raises:
        ZooError: the base has fewer layers, or the count is negative.
    """
    layers = counted(network.architecture)
    if not 0 <= count <= len(layers):
        raise ZooError(
            f"{count} layers of '{network.architecture['name']}' are to be frozen.",
            f"0 to {len(layers)}, its layers before the head",
            "Lower the number; a share p of the base is int(p x layers).",
        )
    return tuple(layer.module for layer in layers[:count] if layer.module)


def first_parameters(network: Network, count: int) -> tuple[str, ...]:
    """Names, as in `named_parameters()`, of the parameters of the first `count` of Keras' layers.

    A frozen norm also keeps its statistics in Keras: put the modules of `first_modules` into inference mode.

    Raises:
        ZooError: as `first_modules`.
    """
    modules = [network.get_submodule(name) for name in first_modules(network, count)]
    frozen = {id(value) for module in modules for value in _own(module)}
    return tuple(name for name, value in network.named_parameters() if id(value) in frozen)


def _own(module: nn.Module) -> Iterator[nn.Parameter]:
    return module.parameters(recurse=False)


def _parts(layer: Layer) -> Iterator[Counted]:
    if any(map(any, layer.pads)) and max(layer.stride) > 1:
        yield Counted("padding", "")
    if layer.op in ("conv", "dense"):
        yield Counted(layer.op, f"{layer.name}.{layer.op}")
    elif layer.op != "norm":
        yield Counted(layer.op, layer.name)
    inner = f"{layer.name}.finish" if layer.op in JOINS else layer.name
    end = [("norm", layer.norm), (layer.activation, layer.activation)]
    for name, kind in end if layer.first == "norm" else reversed(end):
        if kind != "none":
            yield Counted(name, f"{inner}.{name}")
