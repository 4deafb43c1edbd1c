"""Where a network's head begins, the embedding, and the layers in front of the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from torch import Tensor, nn

from nodes.learn.errors import LearnError
from nodes.zoo.network import Network
from nodes.zoo.plan import plan

MOST_NAMED: Final = 8
"""Tensors that an error names."""


class Answer(NamedTuple):
    """What a network says about clips: logits (batch, classes), embedding (batch, values)."""

    logits: Tensor
    embedding: Tensor


def inside(network: nn.Module) -> Network:
    """The network of the zoo within wrappers that keep theirs as `network`.

    Raises:
        TypeError: there is none.
    """
    found = network
    while not isinstance(found, Network):
        found = getattr(found, "network", None)  # type: ignore[assignment]
        if found is None:
            raise TypeError(f"{type(network).__name__} holds no network of the zoo. Expected: one made by build().")
    return found


def embedding_of(network: nn.Module) -> str:
    """Name of the stage whose output is the embedding; see `Network.embedding`."""
    return plan(inside(network).architecture).embedding or "view"


def answer(network: nn.Module, features: Tensor, stage: str) -> Answer:
    """Logits of features (batch, *shape) and, from the same pass, what a stage puts out, as one row for each clip."""
    seen: list[Tensor] = []
    place = inside(network).get_submodule(stage)
    with place.register_forward_hook(lambda _module, _inputs, output: seen.append(output)):
        logits = network(features)
    return Answer(logits, seen[0].reshape(len(logits), -1))


def head_of(network: nn.Module) -> tuple[str, ...]:
    """Names of the stages that make the head: all behind the last map.

    These are dense layers and dropout; of networks that read patches, what joins them and what follows (S3 III).
    """
    planned = plan(inside(network).architecture)
    stages = [stage.name for stage in planned.stages]
    if planned.view == "patches":
        return tuple(stages[stages.index(planned.embedding) + 1 :])
    first = next(place for place, stage in enumerate(reversed(planned.stages)) if stage.kind not in ("fc", "drop"))
    return tuple(stages[len(stages) - first :])


def layers_of(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Every layer (convolution, norm, activation, pool ...) with its name, from the input on."""
    return [(name, module) for name, module in inside(network).named_modules() if _is_layer(module)]


def base_of(network: nn.Module) -> list[str]:
    """Names of the layers in front of the head, from the input on."""
    head = head_of(network)
    return [name for name, _ in layers_of(network) if name.partition(".")[0] not in head]


def _is_layer(module: nn.Module) -> bool:
    """A module without parts, or one with weights of its own beside them."""
    return not any(True for _ in module.children()) or any(True for _ in module.parameters(recurse=False))


def take_over(network: nn.Module, given: Mapping[str, Tensor]) -> list[str]:
    """Give a network the tensors of another by name, all but those of its last layer.

    Returns the tensors of the head that are not given and stay as they are.

    Raises:
        LearnError: tensors of the base are absent or of another shape, or there are tensors for no layer; names them.
    """
    inner = inside(network)
    wanted = {name: tensor for name, tensor in inner.state_dict().items() if not name.startswith("fc.")}
    kept = [name for name in wanted if name not in given and name.partition(".")[0] in head_of(inner)]
    absent = [name for name in wanted if name not in given and name not in kept]
    other = [name for name in wanted if name in given and given[name].shape != wanted[name].shape]
    foreign = [name for name in given if name not in wanted and not name.startswith("fc.")]
    if absent or other or foreign:
        raise LearnError(
            "; ".join(
                filter(None, [_named("absent", absent), _named("no layer's", foreign), _shapes(other, wanted, given)])
            ),
            f"the tensors of {inner.architecture['name']} at width {inner.architecture['width']:g}",
            "Set architecture, width and blocks to those of the weights, or take other weights",
        )
    inner.load_state_dict({name: given[name] for name in wanted if name not in kept}, strict=False)
    return kept


def _named(what: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{what}: {', '.join(names[:MOST_NAMED])}{more}" if names else ""


def _shapes(names: Sequence[str], wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    return _named(
        "other shapes", [f"{name} {tuple(given[name].shape)} for {tuple(wanted[name].shape)}" for name in names]
    )
