"""Networks of the operations beside convolution, for the generator's tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from lne_graphs import Builder

from nodes.lne import Graph, Plan, Target, Task, candidates, casts, make_plan
from nodes.lne.ir import Activation, Affine, Binary, Concat, Conv, Op, Pad, Pads, Pool, Rearrange, Recurrent, Softmax
from nodes.lne.primitives.plain import PlainConv, PlainPool


def binary(build: Builder, kind: str, other: str, activation: Activation = Activation.NONE) -> str:
    given, second = build.maps[build.last], build.maps[other]
    shape = tuple(map(max, given.shape, second.shape))
    name = f"{kind}{len(build.ops)}"
    return build.add(Binary(name, (given.name, other), f"{name}_out", kind=kind, activation=activation), shape)


def affine(build: Builder, activation: Activation = Activation.NONE, low: float = -1.0) -> str:
    given, name = build.maps[build.last], f"affine{len(build.ops)}"
    scale, shift = build.rng.uniform(low, 1.0, (2, given.c))
    op = Affine(name, (given.name,), f"{name}_out", scale=scale, shift=shift + max(low, 0.0), activation=activation)
    return build.add(op, given.shape)


def mean(build: Builder) -> str:
    given, name = build.maps[build.last], f"mean{len(build.ops)}"
    op = Pool(name, (given.name,), f"{name}_out", kind="mean", kernel=(given.h, given.w))
    return build.add(op, (given.c, 1, 1))


def softmax(build: Builder, is_log: bool = False) -> str:
    given, name = build.maps[build.last], f"softmax{len(build.ops)}"
    return build.add(Softmax(name, (given.name,), f"{name}_out", is_log=is_log), given.shape)


def concat(build: Builder, names: tuple[str, ...], axis: str) -> str:
    shape = list(build.maps[names[0]].shape)
    index = "chw".index(axis)
    shape[index] = sum(build.maps[name].shape[index] for name in names)
    name = f"concat{len(build.ops)}"
    return build.add(Concat(name, names, f"{name}_out", axis=axis), (shape[0], shape[1], shape[2]))


def pad(build: Builder, pads: Pads, value: float) -> str:
    given, name = build.maps[build.last], f"pad{len(build.ops)}"
    shape = (given.c, given.h + pads.top + pads.bottom, given.w + pads.left + pads.right)
    return build.add(Pad(name, (given.name,), f"{name}_out", pads=pads, value=value), shape)


def rearrange(build: Builder, turn: Callable[[np.ndarray], np.ndarray]) -> str:
    """`turn` is applied to the places of the map's values, and gives an array of three axes."""
    given, name = build.maps[build.last], f"rearrange{len(build.ops)}"
    table = turn(np.arange(given.size, dtype=np.int32).reshape(given.shape))
    op = Rearrange(name, (given.name,), f"{name}_out", table=np.ascontiguousarray(table).ravel())
    return build.add(op, (table.shape[0], table.shape[1], table.shape[2]))


def recur(build: Builder, kind: str, units: int, **options: bool) -> str:
    given, name = build.maps[build.last], f"{kind}{len(build.ops)}"
    rows = {"gru": 3, "lstm": 4, "rnn": 1}[kind] * units
    op: Op = Recurrent(
        name,
        (given.name,),
        f"{name}_out",
        kind=kind,
        weight=build.rng.normal(0.0, given.c**-0.5, (rows, given.c)),
        recurrence=build.rng.normal(0.0, units**-0.5, (rows, units)),
        bias=build.rng.normal(0.0, 0.3, (2, rows)),
        **options,
    )
    return build.add(op, (units, 1, given.w if op.whole else 1))


def _by_value(build: Builder) -> None:
    first = build.conv(20)
    build.conv(20, activation=Activation.NONE)
    binary(build, "add", first, Activation.RELU)
    affine(build, Activation.SIGMOID)
    build.conv(20, activation=Activation.SWISH)
    whole = binary(build, "subtract", first)
    mean(build)
    gate = affine(build, Activation.HARD_SIGMOID)
    build.last = whole
    binary(build, "multiply", gate, Activation.HARD_SWISH)
    binary(build, "minimum", first)
    last = binary(build, "maximum", gate, Activation.TANH)
    positive = affine(build, Activation.SIGMOID, 0.5)
    build.last = last
    binary(build, "divide", positive, Activation.RELU6)
    binary(build, "add", build.last)
    build.conv(37)
    softmax(build)


def _divided(build: Builder) -> None:
    build.conv(3, (3, 3))
    values = build.last
    build.conv(1, (1, 1), activation=Activation.SIGMOID)
    row = affine(build, Activation.SIGMOID, 0.5)
    build.last = values
    binary(build, "divide", row)
    binary(build, "multiply", row, Activation.SWISH)
    softmax(build, is_log=True)
    build.conv(16, (1, 1))
    softmax(build, is_log=True)


def _moved(build: Builder) -> None:
    a = build.conv(5)
    b = build.conv(20)
    concat(build, (a, b, a), "c")
    build.conv(16, (3, 3))
    pad(build, Pads(1, 2, 0, 3), 0.5)
    concat(build, (build.last, build.last), "h")
    concat(build, (build.last, build.last), "w")
    build.conv(6, (3, 3), stride=(2, 2))
    rearrange(build, lambda x: x.transpose(2, 0, 1))
    build.conv(6, (3, 3))
    rearrange(build, lambda x: x[1:, ::2, :-1])
    shuffled = np.random.default_rng(5).permutation
    rearrange(build, lambda x: shuffled(x.ravel()).reshape(x.shape))
    build.conv(4, (3, 3))
    rearrange(build, lambda x: x.reshape(-1, 1, 1))
    rearrange(build, lambda x: x)
    build.conv(11, (1, 1))


def _remembered(build: Builder) -> None:
    build.conv(13, (1, 3))
    recur(build, "gru", 20)
    recur(build, "lstm", 33)
    recur(build, "rnn", 7, reverse=True)
    recur(build, "gru", 18, linear_before_reset=False)
    recur(build, "lstm", 64, whole=False)
    recur(build, "gru", 20)
    recur(build, "lstm", 9, reverse=True)


def _last_state(build: Builder) -> None:
    recur(build, "lstm", 16, reverse=True)
    recur(build, "gru", 70, linear_before_reset=False, reverse=True)
    recur(build, "gru", 40, whole=False, reverse=True)


NETWORKS: dict[str, tuple[tuple[int, int, int], Callable[[Builder], None]]] = {
    "by value": ((5, 7, 9), _by_value),
    "divided": ((4, 3, 5), _divided),
    "moved": ((3, 6, 5), _moved),
    "remembered": ((9, 1, 6), _remembered),
    "last state": ((3, 1, 2), _last_state),
}


def network(name: str) -> Graph:
    shape, fill = NETWORKS[name]
    build = Builder(*shape)
    fill(build)
    return build.graph(name)


def planned(graph: Graph, target: Target, turn: int) -> Plan:
    """Neighbouring operations computed by different candidates, others every turn; convolutions plainly."""
    choices = {}
    for index, op in enumerate(graph.ops):
        found = candidates(Task(op, graph, target))
        own = [one for one in found if not {Conv, Pool} & set(one.ops)] or [PlainConv(), PlainPool()]
        own = [one for one in own if one in found]
        choices[op.name] = own[(turn + index) % len(own)]
    return make_plan(graph, target, choices, casts(), shares=turn % 2 == 1)
