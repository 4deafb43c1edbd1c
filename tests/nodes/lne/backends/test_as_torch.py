"""The graph as a torch module against the reference, operation by operation."""

from __future__ import annotations

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne.backends.as_torch import as_torch
from nodes.lne.ir import Activation, Affine, Binary, Concat, Graph, Op, Pad, Pads, Pool, Rearrange, Recurrent, Softmax
from nodes.lne.reference import evaluate

torch = pytest.importorskip("torch")
DRAW = np.random.default_rng(0)


def convolutions() -> Graph:
    build = Builder(4, 11, 9)
    skip = build.conv(8, stride=(2, 1))
    build.conv(8, pads=Pads(0, 1, 2, 1), groups=2, activation=Activation.HARD_SWISH)
    build.conv(8, residual=skip)
    build.conv(8, residual=skip, residual_last=True, scaled=True)
    return build.graph()


def after_one(op: Op, shape: tuple[int, int, int]) -> Graph:
    """A convolution to (6, 7, 8), then one operation."""
    build = Builder(3, 7, 8)
    build.conv(6)
    build.add(op, shape)
    return build.graph()


IN = ("conv0_out",)
WHOLE = (6, 7, 8)
SAME = Pads(1, 1, 1, 1)
TURNED = np.arange(336).reshape(WHOLE).transpose(2, 0, 1).reshape(-1).astype(np.int32)
NORM = {"scale": DRAW.normal(size=6), "shift": DRAW.normal(size=6)}
ONE: dict[str, tuple[Op, tuple[int, int, int]]] = {
    "max pool, ceil": (Pool("p", IN, "y", kernel=(2, 3), stride=(2, 2)), (6, 4, 4)),
    "mean pool, pads": (Pool("p", IN, "y", kind="mean", kernel=(3, 3), stride=(2, 2), pads=SAME), (6, 4, 4)),
    "global mean": (Pool("p", IN, "y", kind="mean", kernel=(7, 8)), (6, 1, 1)),
    "multiply": (Binary("b", IN * 2, "y", kind="multiply", activation=Activation.TANH), WHOLE),
    "affine": (Affine("a", IN, "y", activation=Activation.SIGMOID, **NORM), WHOLE),
    "softmax": (Softmax("s", IN, "y"), WHOLE),
    "concat": (Concat("c", IN * 2, "y", axis="h"), (6, 14, 8)),
    "pad": (Pad("p", IN, "y", pads=Pads(1, 2, 0, 1), value=0.5), (6, 8, 11)),
    "transpose": (Rearrange("r", IN, "y", table=TURNED), (8, 6, 7)),
    "gather": (Rearrange("r", IN, "y", table=np.arange(335, -1, -3).astype(np.int32)), (112, 1, 1)),
}
GRAPHS = {"convolutions": convolutions(), **{name: after_one(*pair) for name, pair in ONE.items()}}


def recurrent(kind: str, gates: int, whole: bool) -> Graph:
    build = Builder(5, 1, 7)
    op = Recurrent(
        "r", ("input",), "y", kind=kind, weight=DRAW.normal(size=(gates * 4, 5)),
        recurrence=DRAW.normal(size=(gates * 4, 4)), bias=DRAW.normal(size=(2, gates * 4)), whole=whole,
    )  # fmt: skip
    build.add(op, (4, 1, 7 if whole else 1))
    return build.graph()


GRAPHS |= {
    f"{kind} {whole}": recurrent(kind, gates, whole)
    for kind, gates in (("gru", 3), ("lstm", 4), ("rnn", 1))
    for whole in (True, False)
}


@pytest.mark.parametrize("name", GRAPHS)
def test_it_computes_what_the_reference_does(name: str) -> None:
    graph = GRAPHS[name]
    x = DRAW.standard_normal(graph.maps[graph.source].shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(-1)
    found = as_torch(graph)(torch.from_numpy(x)[None]).numpy().reshape(-1)
    assert np.abs(found - wanted).max() < 1e-5 * max(1.0, np.abs(wanted).max())
