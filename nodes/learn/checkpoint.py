"""A training on disk: one safetensors file with all tensors and, in its header, the rest as JSON. No pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from nodes.learn.errors import LearnError

FILE = "checkpoint.safetensors"
FORMAT = 2


@dataclass(frozen=True)
class Saved:
    """A checkpoint as read: tensors by name and the JSON facts."""

    tensors: Mapping[str, Tensor]
    facts: dict[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors under a prefix, without it."""
        return {name[len(prefix) :]: tensor for name, tensor in self.tensors.items() if name.startswith(prefix)}


def save(folder: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write the file in one step: after a kill there is the old one or the new one, never half of it.

    Raises:
        LearnError: it cannot be written, for example on a full disk; the old one stays.
    """
    fresh = folder / f"{FILE}.new"
    header = {"ossicle": json.dumps({"format": FORMAT, **facts})}
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, fresh, header)
        fresh.replace(folder / FILE)
    except (OSError, SafetensorError) as error:
        fresh.unlink(missing_ok=True)
        raise LearnError(
            f"the checkpoint cannot be written ({error})",
            "a store with room for a few copies of the network",
            "Free some space, for example with `ossicle store gc`; the next run goes on from the last checkpoint",
        ) from error


def load(folder: Path, identity: str) -> Saved | None:
    """The checkpoint of a training with this identity; None where there is none, another one's, or a damaged one."""
    try:
        with safe_open(folder / FILE, "pt") as file:
            facts = json.loads((file.metadata() or {}).get("ossicle", "{}"))
            if facts.get("format") != FORMAT or facts.get("identity") != identity:
                return None
            return Saved({name: file.get_tensor(name) for name in file.keys()}, facts)  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, ValueError):
        return None


def remove(folder: Path) -> None:
    """Drop the checkpoint of a training that is done."""
    (folder / FILE).unlink(missing_ok=True)


def named(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Copies of the tensors of a module's state under a prefix."""
    return {prefix + name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def optimizer_tensors(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything the optimizer remembers about each parameter (momentum, moments, step count)."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}{index}.{name}": value.clone()
        for index, entry in state.items()
        for name, value in entry.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer back what `optimizer_tensors` took, without the prefix."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, entry = name.partition(".")
        state.setdefault(int(index), {})[entry] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
