"""Weights of torchvision's models for the image nets of the zoo: its names on our layers, and reading such a file.

Only safetensors are read. Their names are those of `model.state_dict()` of torchvision; timm's DenseNet and ResNet use
the same. Nothing is fetched here: whoever calls gives a file.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import torch

from nodes.zoo.errors import ZooError
from nodes.zoo.layer import Stage
from nodes.zoo.network import Network
from nodes.zoo.plan import plan
from nodes.zoo.weights import tensors_of

Names = Iterator[tuple[str, str, str]]
"""Our layer, their product (convolution or dense layer), their norm; "" where there is none."""

_PREFIX: Final = "deepspectrum_"
_COUNTER: Final = "num_batches_tracked"
"""How many batches a norm has seen: some files hold it, no computation needs it."""
_LISTED: Final = 8


@dataclass(frozen=True)
class Imported:
    """What a file of weights gave: names of our state dict, and of theirs."""

    taken: tuple[str, ...]
    """Ours that have their values from the file."""
    fresh: tuple[str, ...]
    """Ours that keep the values they had: the head."""
    unused: tuple[str, ...]
    """Theirs that fit nothing here: their classifier."""


def base_of(architecture: Mapping[str, Any]) -> str:
    """Torchvision's name of a net's base, "densenet121" for `deepspectrum_densenet121`.

    Raises:
        ZooError: the net has none.
    """
    name = str(architecture["name"]).removeprefix(_PREFIX)
    if name not in _FAMILIES:
        raise ZooError(
            f"'{architecture['name']}' is no net of torchvision.",
            f"one of {', '.join(_PREFIX + base for base in _FAMILIES)}",
            "Choose another architecture, or leave the weights out.",
        )
    return name


def torchvision_names(architecture: Mapping[str, Any]) -> Mapping[str, str]:
    """Torchvision's module for each part of our layers, such as `conv1.norm` -> `features.norm0`.

    Of the dense layers only the last can have one: where it reads the pooled base itself, as in torchvision.

    Raises:
        ZooError: the architecture is not valid or has no base of torchvision.
    """
    family = _FAMILIES[base_of(architecture)]
    stages = plan(architecture).stages
    is_plain = sum(stage.kind == "fc" for stage in stages) == 1 and family.classifier
    body = [stage for stage in stages if stage.kind not in ("image", "gap", "drop", "fc")]
    named = [*family.names(body), *([("fc", family.classifier, "")] if is_plain else [])]
    products = {layer: "dense" if layer == "fc" else "conv" for layer, _, _ in named}
    parts = [((f"{layer}.{products[layer]}", product), (f"{layer}.norm", norm)) for layer, product, norm in named]
    return {ours: theirs for pair in parts for ours, theirs in pair if theirs}


def is_torchvisions(network: Network, path: Path) -> bool:
    """Whether a file is for torchvision's model of a network's base rather than for the network: by the names in it.

    Raises:
        ZooError: the file is a pickle or no safetensors.
        FileNotFoundError: there is no such file.
    """
    names = tensors_of(path).keys()
    if not str(network.architecture["name"]).startswith(_PREFIX) or names & network.state_dict().keys():
        return False
    theirs = tuple(f"{module}." for module in torchvision_names(network.architecture).values())
    return any(_modern(name).startswith(theirs) for name in names)


def import_weights(network: Network, path: Path) -> Imported:
    """Load torchvision's weights from a safetensors file into the base of a network of the same kind.

    The head keeps its values, unless it is torchvision's own with as many classes.

    Raises:
        ZooError: the file is a pickle or no safetensors, the network has no base of torchvision, or tensors are
            absent, unknown or of another shape; they are listed.
        FileNotFoundError: there is no such file.
    """
    given = {_modern(name): tensor for name, tensor in tensors_of(path).items()}
    names = torchvision_names(network.architecture)
    own = network.state_dict()
    wanted = {key: f"{names[part]}.{leaf}" for key in own for part, _, leaf in [key.rpartition(".")] if part in names}
    if (classes := given.get(wanted.get("fc.dense.weight", ""))) is not None and classes.shape != own[
        "fc.dense.weight"
    ].shape:
        wanted = {key: name for key, name in wanted.items() if not key.startswith("fc.")}
    _check(network, path, given, wanted)
    taken = {key: given[name] for key, name in wanted.items() if name in given}
    network.load_state_dict(taken, strict=False)
    return Imported(
        taken=tuple(taken),
        fresh=tuple(key for key in own if key not in taken and not key.endswith(_COUNTER)),
        unused=tuple(sorted(given.keys() - set(wanted.values()))),
    )


def _check(network: Network, path: Path, given: Mapping[str, torch.Tensor], wanted: Mapping[str, str]) -> None:
    own, family = network.state_dict(), _FAMILIES[base_of(network.architecture)]
    heads = tuple(f"{head}." for head in (family.classifier, "classifier", "fc") if head)
    found = {
        "absent": [name for name in wanted.values() if name not in given and not name.endswith(_COUNTER)],
        "not known here": [name for name in given if name not in wanted.values() and not name.startswith(heads)],
        "of another shape": [
            f"{name} {tuple(given[name].shape)} for {tuple(own[key].shape)}"
            for key, name in wanted.items()
            if name in given and given[name].shape != own[key].shape
        ],
    }
    told = [f"{len(names)} {what}: {_some(names)}" for what, names in found.items() if names]
    if told:
        raise ZooError(
            f"'{path.name}' does not hold torchvision's {base_of(network.architecture)}: {'; '.join(told)}.",
            f"a state dict with the {len(set(wanted.values()))} names and shapes of that model",
            "Save the same model's state_dict() as safetensors; a width other than 1 fits no published weights.",
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(sorted(names)[:_LISTED]) + more


def _modern(name: str) -> str:
    """DenseNet's published files still say `norm.1` for `norm1`."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)", r"\1\2", name)


def _dense_net(stages: Sequence[Stage]) -> Names:
    for stage in stages:
        number = stage.name.removeprefix(stage.kind)
        if stage.kind == "conv":
            yield stage.name, "features.conv0", "features.norm0"
        elif stage.kind == "norm":
            yield stage.name, "", "features.norm5"
        elif stage.kind == "trans":
            yield f"{stage.name}.norm", "", f"features.transition{number}.norm"
            yield f"{stage.name}.conv", f"features.transition{number}.conv", ""
        elif stage.kind == "dense":
            for step in dict.fromkeys(layer.name.split(".")[1] for layer in stage.layers):
                theirs = f"features.denseblock{number}.denselayer{step}"
                yield f"{stage.name}.{step}.norm1", "", f"{theirs}.norm1"
                yield f"{stage.name}.{step}.conv1", f"{theirs}.conv1", f"{theirs}.norm2"
                yield f"{stage.name}.{step}.conv2", f"{theirs}.conv2", ""


def _res_net(stages: Sequence[Stage]) -> Names:
    yield "conv1", "conv1", "bn1"
    for group, item, stage in _grouped(stages, "bneck"):
        theirs = f"layer{group}.{item}"
        for number in (1, 2, 3):
            yield f"{stage.name}.conv{number}", f"{theirs}.conv{number}", f"{theirs}.bn{number}"
        if any(layer.name == f"{stage.name}.short" for layer in stage.layers):
            yield f"{stage.name}.short", f"{theirs}.downsample.0", f"{theirs}.downsample.1"


def _mobile_net(stages: Sequence[Stage]) -> Names:
    for slot, stage in enumerate(stages):
        theirs = f"features.{slot}"
        if stage.kind == "conv":
            yield stage.name, f"{theirs}.0", f"{theirs}.1"
            continue
        *inner, last = _convolutions(stage)
        for index, name in enumerate(inner):
            yield name, f"{theirs}.conv.{index}.0", f"{theirs}.conv.{index}.1"
        yield last, f"{theirs}.conv.{len(inner)}", f"{theirs}.conv.{len(inner) + 1}"


def _efficient_net(stages: Sequence[Stage]) -> Names:
    first, *_, last = stages
    yield first.name, "features.0.0", "features.0.1"
    groups = 0
    for groups, item, stage in _grouped(stages, "ir"):
        theirs = f"features.{groups}.{item}.block"
        steps = [name for name in _convolutions(stage) if not name.endswith(("reduce", "excite"))]
        gate = len(steps) - 1  # squeeze-and-excitation stands before the last convolution
        for index, name in enumerate(steps):
            step = index if index < gate else index + 1
            yield name, f"{theirs}.{step}.0", f"{theirs}.{step}.1"
        yield f"{stage.name}.reduce", f"{theirs}.{gate}.fc1", ""
        yield f"{stage.name}.excite", f"{theirs}.{gate}.fc2", ""
    yield last.name, f"features.{groups + 1}.0", f"features.{groups + 1}.1"


def _squeeze_net(stages: Sequence[Stage]) -> Names:
    slot = 0
    for stage in stages:
        theirs = f"features.{slot}"
        if stage.kind == "conv":
            yield stage.name, theirs, ""
        if stage.kind == "fire":
            for ours, their in (("squeeze", "squeeze"), ("expand1", "expand1x1"), ("expand2", "expand3x3")):
                yield f"{stage.name}.{ours}", f"{theirs}.{their}", ""
        slot += 2 if stage.kind == "conv" else 1  # theirs counts the activation


def _convolutions(stage: Stage) -> list[str]:
    return [layer.name for layer in stage.layers if layer.op == "conv"]


def _grouped(stages: Sequence[Stage], kind: str) -> Iterator[tuple[int, int, Stage]]:
    """Blocks with as many channels are one group: its number from 1, the block's number from 0."""
    blocks = [stage for stage in stages if stage.kind == kind]
    for group, (_, items) in enumerate(groupby(blocks, key=lambda stage: stage.layers[-1].out_shape[0]), 1):
        for item, stage in enumerate(items):
            yield group, item, stage


@dataclass(frozen=True)
class _Family:
    names: Callable[[Sequence[Stage]], Names]
    classifier: str
    """Their last dense layer; "" where it is a convolution, which has no place here."""


_FAMILIES: Final[Mapping[str, _Family]] = {
    "densenet121": _Family(_dense_net, "classifier"),
    "mobilenet_v2": _Family(_mobile_net, "classifier.1"),
    "squeezenet1_0": _Family(_squeeze_net, ""),
    "squeezenet1_1": _Family(_squeeze_net, ""),
    "resnet50": _Family(_res_net, "fc"),
    "efficientnet_b0": _Family(_efficient_net, "classifier.1"),
}
