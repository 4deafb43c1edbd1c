"""Bytes of constants each candidate brings along, after packing."""

from __future__ import annotations

from nodes.lne.layout import Buffer, Format, Halo
from nodes.lne.primitive import Place
from nodes.lne.search.costs import Pair
from nodes.lne.search.space import Action, Layer, Space
from nodes.lne.writer import Writer


def weight_bytes(space: Space) -> dict[Pair, int]:
    """By layer and primitive; constants that layers share count for each of them."""
    return {
        (layer.name, action.primitive.name): constant_bytes(action, _place(space, layer, action))
        for layer in space.layers
        for action in layer.actions
    }


def constant_bytes(action: Action, place: Place) -> int:
    """Of one layer by one primitive."""
    writer = Writer("layer")
    writer.begin("layer")
    action.primitive.emit(place, writer)
    return len(writer.weights)


def _place(space: Space, layer: Layer, action: Action) -> Place:
    """The layer's buffers as if it were alone."""

    def buffer(name: str, form: Format, halo: Halo) -> Buffer:
        held = space.graph.maps[name]
        return Buffer(held, form, halo, form.padded(held.c, space.target))

    op = layer.task.op
    inputs = tuple(
        buffer(name, form, action.primitive.halo(layer.task, index))
        for index, (name, form) in enumerate(zip(op.inputs, action.signature.inputs, strict=True))
    )
    return Place(layer.task, inputs, buffer(op.output, action.signature.output, Halo()))
