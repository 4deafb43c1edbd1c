"""Networks with fewer channels: which ones go, and a smaller network with the weights of those that stay."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nodes.quant.errors import QuantError
from nodes.quant.structured_groups import Channels, Component, channels_of, resized, same_layers, spread_of
from nodes.zoo.block import RECURRENT
from nodes.zoo.count import describe
from nodes.zoo.layer import Layer
from nodes.zoo.network import Network, build
from nodes.zoo.plan import Architecture, plan

Criterion = Literal["taylor", "magnitude"]
Spread = Literal["global", "layer"]
Saved = Literal["operations", "parameters"]
Scores = Mapping[int, Tensor]
"""Importance of every channel of a group (channels,), by group."""
Sizes = Mapping[Component, int]
_COST: Final[Mapping[Saved, Callable[[Architecture], int]]] = MappingProxyType(
    {
        "operations": lambda architecture: describe(architecture).flops["true"],
        "parameters": lambda architecture: describe(architecture).params,
    }
)


def cost_of(architecture: Architecture, saved: Saved) -> int:
    """Operations of one clip (2 x multiply-adds) or parameters of a network."""
    return _COST[saved](architecture)


@dataclass(frozen=True)
class Limits:
    """What a layer keeps at least.

    Attributes:
        multiple: channels that stay are a multiple of this, as fast kernels want; layers with fewer stay whole.
        share: of its channels, whatever they are worth.
        dense: layers whose channels all stay (conv1, b1.short).
    """

    multiple: int = 4
    share: float = 0.125
    dense: tuple[str, ...] = ()


# ---- importance


def magnitudes(network: Network, channels: Channels) -> dict[int, Tensor]:
    """Norm of the weights that make a channel, norms folded, over the mean of the group."""
    found: dict[int, Tensor] = {}
    for group, makers in channels.makers.items():
        parts = [_strength(network.get_submodule(name)) for name in makers]
        if parts:
            total = torch.stack(parts).sum(0)
            found[group] = total / total.mean().clamp(min=1e-12)
    return found


@torch.no_grad()
def _strength(unit: nn.Module) -> Tensor:
    """L2 norm (channels,) of the weights that make each channel of a layer."""
    kernel: Tensor = next(value for value in unit.parameters() if value.ndim > 1)
    norm = next((one for one in unit.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)), None)
    weight_hh = getattr(unit, "weight_hh", None)
    if weight_hh is not None:  # gates one after the other
        return kernel.view(-1, weight_hh.shape[1], kernel.shape[1]).square().sum((0, 2)).sqrt().double()
    strength = kernel.flatten(1).square().sum(1).sqrt().double()
    if norm is None or norm.num_features != len(strength):
        return strength
    assert norm.running_var is not None
    scale = torch.ones_like(norm.running_var) if norm.weight is None else norm.weight
    return strength * (scale / (norm.running_var + norm.eps).sqrt()).abs().double()


def taylor(
    network: nn.Module, inner: Network, channels: Channels, batches: Iterable[tuple[Tensor, Tensor]]
) -> dict[int, Tensor]:
    """How much the loss would change without a channel, to the first order (Molchanov et al. 2019).

    The square of the gradient of a gate in front of the channel, summed over clips. `inner` is the zoo network within
    `network`; batches are features and targets (batch, classes).
    """
    found = {group: torch.zeros(channels.sizes[group], dtype=torch.float64) for group in channels.makers}
    network.eval()
    for features, targets in batches:
        gates: dict[int, list[Tensor]] = {}
        with ExitStack() as hooks:
            for group, makers in channels.makers.items():
                for name in makers:
                    place = inner.get_submodule(name)
                    hooks.enter_context(place.register_forward_hook(_gating(gates.setdefault(group, []))))
            loss = F.cross_entropy(network(features), targets, reduction="sum")
        flat = [(group, gate) for group, own in gates.items() for gate in own]
        slopes = torch.autograd.grad(loss, [gate for _, gate in flat])
        sums: dict[int, Tensor] = {}
        for (group, _), slope in zip(flat, slopes, strict=True):
            sums[group] = sums[group] + slope if group in sums else slope
        for group, slope in sums.items():
            found[group] += slope.double().square().sum(0)
    return found


def _gating(gates: list[Tensor]) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """A hook that multiplies every channel of an output by a gate of one, and keeps the gate."""

    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        gates.append(torch.ones(output.shape[:2], requires_grad=True))
        return output * gates[-1].view(*output.shape[:2], *[1] * (output.ndim - 2))

    return hook


# ---- how many


def chosen_sizes(
    architecture: Architecture,
    channels: Channels,
    scores: Scores,
    target: float,
    *,
    saved: Saved = "operations",
    spread: Spread = "global",
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> dict[Component, int]:
    """Channels that every component keeps so that at least `target` of the cost is saved, and hardly more.

    `layer` takes the same share from all; `global` takes what matters least for what it saves.

    Raises:
        QuantError: the limits leave too much, or a layer that shall stay whole is not there; says what can be reached.
    """
    _check_dense(channels, limits)
    free = [part for part in channels.components if _floor(part, channels, limits) < part.size]
    whole = _COST[saved](architecture)
    allowed = whole * (1.0 - target)
    order = _order(architecture, channels, scores, free, saved) if spread == "global" else []
    most = len(order) if spread == "global" else max((part.size for part in free), default=0)

    def sizes_at(cut: int) -> dict[Component, int]:
        if spread == "layer":
            return {part: _rounded(part, part.size * (1.0 - cut / most), channels, limits) for part in free}
        gone = order[:cut]
        return {part: _rounded(part, part.size - gone.count(part), channels, limits) for part in free}

    def cost_at(cut: int) -> int:
        return _COST[saved](_agreed(architecture, sizes_at(cut)))

    if not free or cost_at(most) > allowed:
        least = cost_at(most) if free else whole
        raise QuantError(
            f"{target:.0%} of the {saved} shall go, but {least / whole:.0%} of them must stay.",
            f"a target of at most {1.0 - least / whole:.2f}",
            "Lower the target, or allow layers to become smaller",
        )
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if cost_at(middle) <= allowed else (middle + 1, high)
    found = sizes_at(low)
    return {part: _said(_agreed(architecture, found), part) for part in free}


def _order(
    architecture: Architecture, channels: Channels, scores: Scores, free: Sequence[Component], saved: Saved
) -> list[Component]:
    """Components in the order in which they lose channels: importance over cost, least first."""
    ranked: list[tuple[float, int, Component]] = []
    whole = _COST[saved](architecture)
    for place, part in enumerate(free):
        smaller = _COST[saved](resized(architecture, {part: part.size - 1}))
        worth = torch.stack([scores[group].sort().values for group in part.groups]).sum(0) / max(whole - smaller, 1)
        ranked += [(float(value), place, part) for value in worth]
    return [part for _, _, part in sorted(ranked, key=lambda row: row[:2])]


def _check_dense(channels: Channels, limits: Limits) -> None:
    makers = sorted({name for names in channels.makers.values() for name in names})
    for layer in limits.dense:
        if layer not in makers:
            raise QuantError(
                f"There is no layer '{layer}' that makes channels.", f"some of {', '.join(makers)}", "Correct its name."
            )


def _floor(part: Component, channels: Channels, limits: Limits) -> int:
    """Channels that a component keeps at least."""
    makers = {name for group in part.groups for name in channels.makers[group]}
    if makers & set(limits.dense):
        return part.size
    least = max(math.ceil(part.size * limits.share), 1)
    return min(math.ceil(least / limits.multiple) * limits.multiple, part.size)


def _rounded(part: Component, size: float, channels: Channels, limits: Limits) -> int:
    """A size a component may have: whole, or a multiple that is not below what is asked for."""
    up = math.ceil(size / limits.multiple - 1e-9) * limits.multiple
    return min(max(up, _floor(part, channels, limits)), part.size)


def _agreed(architecture: Architecture, sizes: Sizes) -> Architecture:
    """The resized architecture, with one channel more here and there where a shortcut would come or go.

    A block whose output has just the shape of its input has no convolution in its shortcut, and a transition of
    BC-ResNet is none; the weights of both would have nowhere to go.
    """
    whole, wanted = plan(architecture), dict(sizes)
    for _ in range(len(wanted) + 1):
        made = resized(architecture, wanted)
        if same_layers(whole, plan(made)):
            return made
        part = _clashing(architecture, wanted)
        wanted[part] = min(wanted[part] + 1, part.size) if wanted[part] < part.size else part.size - 1
    return architecture


def _clashing(architecture: Architecture, sizes: Sizes) -> Component:
    """The component that makes the first block with other layers than it had."""
    old, new = plan(architecture), plan(resized(architecture, sizes))
    place = next(
        index
        for index, (one, other) in enumerate(zip(old.stages, new.stages, strict=True))
        if [layer.name for layer in one.layers] != [layer.name for layer in other.layers]
    )
    return next(part for part in sizes if (place, "channels") in part.knobs)


def _said(architecture: Architecture, part: Component) -> int:
    """Channels of a component in an architecture."""
    return next(one.size for one in channels_of(plan(architecture)).components if part.knobs[0] in one.knobs)


# ---- the smaller network


def narrowed(network: Network, channels: Channels, scores: Scores, sizes: Sizes) -> Network:
    """A new network with the best channels of every component, and the weights that belong to them."""
    kept = {group: torch.arange(size) for group, size in channels.sizes.items()}
    for part, size in sizes.items():
        for group in part.groups:
            best = scores[group].argsort(descending=True, stable=True)[:size]
            kept[group] = best.sort().values
    architecture = resized(cast(Architecture, network.architecture), sizes)
    made = build(architecture)
    old_layers = plan(network.architecture).layers
    for layer in old_layers:
        if not any(True for _ in network.get_submodule(layer.name).state_dict()):
            continue
        reads = _places(channels.inputs[layer.name], channels, kept, layer)
        gives = _indices(channels.outputs[layer.name], channels, kept)
        state = network.get_submodule(layer.name).state_dict()
        smaller = {name: _taken(layer, name, value, reads, gives) for name, value in state.items()}
        made.get_submodule(layer.name).load_state_dict(smaller)
    return made.train(network.training)


def _indices(groups: Sequence[int], channels: Channels, kept: Mapping[int, Tensor]) -> Tensor:
    """Channels that stay, of groups one after the other."""
    starts = [sum(channels.sizes[group] for group in groups[:place]) for place in range(len(groups))]
    return torch.cat([kept[group] + start for group, start in zip(groups, starts, strict=True)])


def _places(groups: Sequence[int], channels: Channels, kept: Mapping[int, Tensor], layer: Layer) -> Tensor:
    """Inputs of a kernel that stay: those of a channel lie together."""
    found = _indices(groups, channels, kept)
    width = spread_of(layer, sum(channels.sizes[group] for group in groups))
    return (found[:, None] * width + torch.arange(width)).flatten()


def _taken(layer: Layer, name: str, value: Tensor, reads: Tensor, gives: Tensor) -> Tensor:
    """What stays of a tensor of a layer."""
    first, _, last = name.rpartition(".")
    if value.ndim == 0:  # counters, slopes of an activation
        return value
    if layer.op in RECURRENT:
        return _gates(layer, first, last, value, reads, gives)
    if first.endswith("norm"):
        return value[(gives[:, None] * layer.bands + torch.arange(layer.bands)).flatten()]
    rows = value[gives]
    return rows if value.ndim == 1 or layer.groups > 1 else rows[:, reads]


def _gates(layer: Layer, first: str, last: str, value: Tensor, reads: Tensor, gives: Tensor) -> Tensor:
    """What stays of a recurrent layer: its norm is in front of it, its rows are gates one after the other."""
    if first == "norm":
        return value[reads]
    units = layer.out_shape[0]
    rows = value[torch.cat([gives + start for start in range(0, len(value), units)])]
    columns = {"weight_ih": reads, "weight_hh": gives}
    return rows[:, columns[last]] if last in columns else rows
