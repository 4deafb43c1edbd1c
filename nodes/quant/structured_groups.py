"""Which channels of a network stand and fall together, and the block options that say how many there are.

Two maps that are added must lose the same channels, and so must a depthwise convolution and what it reads: such
channels are one group. Groups whose number stands in one option (both convolutions inside a bottleneck) or in options
that must agree (the two sides of a sum) are one component: they keep equally many, each its own best. Read from the
plan; no torch here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Literal

from nodes.zoo.block import RECURRENT, Kind, decode, encode
from nodes.zoo.layer import Layer, Stage
from nodes.zoo.plan import Architecture, Plan, plan

Option = Literal["channels", "inner"]
Knob = tuple[int, Option]
"""Place of a block and its option."""
FIXED: Final = (-1, "channels")
"""Stands for a number that no option sets alone: features, classes, pictures, blocks of concatenations."""


@dataclass(frozen=True)
class Component:
    """Groups that keep equally many channels, and the options that say how many."""

    size: int
    groups: tuple[int, ...]
    knobs: tuple[Knob, ...]


@dataclass(frozen=True)
class Channels:
    """The channels of a network.

    Attributes:
        inputs: groups that a layer reads, one after the other, by the layer's name.
        outputs: groups that it gives.
        sizes: channels of every group.
        makers: layers whose kernels make a group's channels.
        components: what may be made smaller.
    """

    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    sizes: Mapping[int, int]
    makers: Mapping[int, tuple[str, ...]]
    components: tuple[Component, ...]


def channels_of(planned: Plan) -> Channels:
    """Trace the channels of a network through its layers."""
    trace = _Trace()
    trace.outputs[""] = (trace.fresh(planned.map_shape[0], FIXED),)
    for place, stage in enumerate(planned.stages):
        for layer in stage.layers:
            trace.read(layer, _owner(place, stage, layer))
        if stage.kind == "ir" and any(layer.name.endswith(".reduce") for layer in stage.layers):
            trace.fix(trace.inputs[stage.layers[0].name])  # the squeezed channels are a share of those coming in
    return trace.result()


def spread_of(layer: Layer, channels: int) -> int:
    """Values of a layer's input that belong to one channel: more than one where a map is read as a vector."""
    values = math.prod(layer.in_shape) if layer.op == "dense" else layer.in_shape[0]
    return values // channels


def resized(architecture: Mapping[str, Any], sizes: Mapping[Component, int]) -> Architecture:
    """The architecture with other numbers of channels; blocks that do not change keep their strings."""
    changes: dict[int, dict[str, int]] = {}
    for component, size in sizes.items():
        if size != component.size:
            for place, option in component.knobs:
                changes.setdefault(place, {})[option] = size
    old = list(architecture["blocks"])
    fixed = _inner_where_it_follows(plan(architecture), changes)
    blocks = [
        text if place not in fixed else encode(replace(decode(text), **fixed[place]))  # type: ignore[arg-type]
        for place, text in enumerate(old)
    ]
    return {**architecture, "blocks": blocks}  # type: ignore[typeddict-item]


def same_layers(one: Plan, other: Plan) -> bool:
    """Whether two networks have the same layers: a shortcut may come or go with the number of channels."""
    return [layer.name for layer in one.layers] == [layer.name for layer in other.layers]


def _inner_where_it_follows(planned: Plan, changes: Mapping[int, Mapping[str, int]]) -> dict[int, dict[str, int]]:
    """Say the channels inside a block where they would follow from those outside, which change."""
    wanted = {place: dict(options) for place, options in changes.items()}
    for place, stage in enumerate(planned.stages):
        inner = next((layer.out_shape[0] for layer in stage.layers if _owner(place, stage, layer)[1] == "inner"), 0)
        follows = place in wanted or (stage.kind == "ir" and bool(wanted))
        if inner and follows and "inner" not in wanted.get(place, {}):
            wanted.setdefault(place, {})["inner"] = inner
    return wanted


# ---- who says how many


def _plain(place: int, stage: Stage, layer: Layer) -> Knob:
    return FIXED if layer.name == "fc" else (place, "channels")


def _by_end(ends: Mapping[str, Option]) -> Callable[[int, Stage, Layer], Knob]:
    def owner(place: int, stage: Stage, layer: Layer) -> Knob:
        option = ends.get(layer.name.rpartition(".")[2])
        return (place, option) if option else FIXED

    return owner


def _repeated(place: int, stage: Stage, layer: Layer) -> Knob:
    """Of MatchboxNet's block the last convolution and the shortcut are outside."""
    last = [one.name for one in stage.layers if one.name.endswith(".pw")][-1]
    return (place, "channels" if layer.name in (last, f"{stage.name}.short") else "inner")


_OWNERS: Final[Mapping[Kind, Callable[[int, Stage, Layer], Knob]]] = MappingProxyType(
    {
        **dict.fromkeys(("conv", "fc", *RECURRENT), _plain),
        **dict.fromkeys(("ds", "sep"), _by_end({"pw": "channels"})),
        "res": _by_end({"conv1": "inner", "conv2": "channels", "short": "channels"}),
        "pair": _by_end({"conv1": "inner", "conv2": "channels"}),
        "tcs": _repeated,
        "bc": _by_end({"expand": "channels", "mix": "channels"}),
        "bneck": _by_end({"conv1": "inner", "conv2": "inner", "conv3": "channels", "short": "channels"}),
        "ir": _by_end({"expand": "inner", "excite": "inner", "project": "channels"}),
        "fire": _by_end({"squeeze": "inner"}),
    }
)


def _owner(place: int, stage: Stage, layer: Layer) -> Knob:
    """The option that says how many channels a layer makes."""
    if not _makes(layer) or stage.kind not in _OWNERS:
        return FIXED
    return _OWNERS[stage.kind](place, stage, layer)


def _makes(layer: Layer) -> bool:
    return (layer.op == "conv" and layer.groups == 1) or layer.op == "dense" or layer.op in RECURRENT


# ---- tracing


@dataclass
class _Trace:
    """Groups found so far; those that were joined point at one another."""

    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    knobs: list[Knob] = field(default_factory=list)
    makers: list[str] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)
    fixed: set[int] = field(default_factory=set)

    def fresh(self, size: int, knob: Knob, maker: str = "") -> int:
        """A new group."""
        self.sizes.append(size)
        self.knobs.append(knob)
        self.makers.append(maker)
        self.joined.append(len(self.joined))
        if knob == FIXED:
            self.fixed.add(self.joined[-1])
        return self.joined[-1]

    def read(self, layer: Layer, knob: Knob) -> None:
        """Take a layer."""
        given = self.outputs[layer.source]
        self.inputs[layer.name] = given
        self.outputs[layer.name] = given
        if _makes(layer) or layer.op == "image":
            maker = layer.name if _makes(layer) else ""
            self.outputs[layer.name] = (self.fresh(layer.out_shape[0], knob, maker),)
        elif layer.op == "concat":
            self.outputs[layer.name] = given + self.outputs[layer.other]
        elif layer.op in ("add", "mul"):
            self._join(given, self.outputs[layer.other])

    def fix(self, groups: Iterable[int]) -> None:
        """Leave groups as they are."""
        self.fixed.update(groups)

    def _join(self, one: Sequence[int], other: Sequence[int]) -> None:
        if [self.sizes[group] for group in one] != [self.sizes[group] for group in other]:
            self.fix((*one, *other))
            return
        for first, second in zip(one, other, strict=True):
            self.joined[self.root(second)] = self.root(first)

    def root(self, group: int) -> int:
        """The group that stands for all it is joined with."""
        while self.joined[group] != group:
            group = self.joined[group]
        return group

    def result(self) -> Channels:
        roots = {group: self.root(group) for group in range(len(self.sizes))}
        makers: dict[int, tuple[str, ...]] = {}
        for group, root in roots.items():
            makers[root] = makers.get(root, ()) + ((self.makers[group],) if self.makers[group] else ())
        return Channels(
            {name: tuple(roots[group] for group in groups) for name, groups in self.inputs.items()},
            {name: tuple(roots[group] for group in groups) for name, groups in self.outputs.items()},
            {root: self.sizes[root] for root in makers},
            makers,
            tuple(self._components(roots)),
        )

    def _components(self, roots: Mapping[int, int]) -> Iterator[Component]:
        """Sets of roots connected by shared options, but those with a fixed group."""
        by_knob: dict[Knob, set[int]] = {}
        for group, root in roots.items():
            by_knob.setdefault(self.knobs[group], set()).add(root)
        fixed = {roots[group] for group in self.fixed}
        waiting = dict.fromkeys(root for root in roots.values())
        while waiting:
            groups, knobs = _closure(next(iter(waiting)), by_knob)
            for group in groups:
                waiting.pop(group, None)
            if not groups & fixed:
                yield Component(self.sizes[min(groups)], tuple(sorted(groups)), tuple(sorted(knobs)))


def _closure(start: int, by_knob: Mapping[Knob, set[int]]) -> tuple[set[int], set[Knob]]:
    """All groups that share options with a group, directly or by others; a fixed number connects nothing."""
    groups, knobs = {start}, set[Knob]()
    while True:
        more = {knob for knob, owned in by_knob.items() if knob != FIXED and owned & groups} - knobs
        if not more:
            return groups, knobs
        knobs |= more
        groups |= set().union(*(by_knob[knob] for knob in more))
