"""Weights in and out: safetensors only, so that reading a file never runs code."""

from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from nodes.zoo.errors import ZooError

_PICKLES: Final = {b"PK": "a zip archive as torch.save writes it (it holds a pickle)", b"\x80": "a pickle"}


def save_weights(module: nn.Module, path: Path) -> None:
    """Write every parameter and buffer of the state dict as safetensors; equal weights give equal bytes."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}, path)


def load_weights(module: nn.Module, path: Path) -> None:
    """Load safetensors into a module of exactly the same layers.

    Raises:
        ZooError: the file is a pickle or no safetensors, or its layers are not the module's.
        FileNotFoundError: there is no such file.
    """
    tensors = tensors_of(path)
    _check_layers(module, tensors, path)
    module.load_state_dict(tensors)


def tensors_of(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file by name.

    Raises:
        ZooError: the file is a pickle or no safetensors.
        FileNotFoundError: there is no such file.
    """
    refuse_pickle(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise _refusal(path, f"no complete safetensors file ({error})") from error


def refuse_pickle(path: Path) -> None:
    """Look at the first bytes and refuse what could run code when read.

    Raises:
        ZooError: the file is a pickle, or anything but safetensors.
    """
    with path.open("rb") as file:
        head = file.read(9)
    kind = next((words for magic, words in _PICKLES.items() if head.startswith(magic) and head[8:] != b"{"), None)
    if kind is not None:
        raise _refusal(path, kind)
    if head[8:] != b"{":  # safetensors: 8 bytes of header length, then a JSON object
        raise _refusal(path, "no safetensors file")


def _refusal(path: Path, kind: str) -> ZooError:
    return ZooError(
        f"The weights file '{path.name}' is {kind}.",
        "safetensors, which cannot run code when read",
        "Convert it where you trust it: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors').",
    )


def _check_layers(module: nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wrong = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
    if wrong:
        name = wrong[0]
        raise ZooError(
            f"'{path.name}' does not fit the model: '{name}' is {given.get(name, 'absent')}"
            f" ({len(wrong)} tensors differ).",
            f"{wanted.get(name, 'no such tensor')}",
            "Use the weights and the architecture.json of the same model.",
        )
