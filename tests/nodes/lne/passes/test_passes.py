"""Every pass leaves what a network computes as it was, and finds what it is for."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from onnx_cases import EXACT, Case, chain, ints, model_of, real, weight

from nodes.lne.ir import Activation, Affine, Conv, Graph, Pads, Pool, Recurrent
from nodes.lne.passes import PASSES, run_passes
from nodes.lne.reading import read_onnx
from nodes.lne.reading.model import load_model
from nodes.lne.reading.random_cnn import random_cnn
from nodes.lne.reading.walk import Walk
from nodes.lne.reference import evaluate

MODELS = {
    **{case.label: model_of(case) for case in EXACT},
    **{f"random {seed}": random_cnn(seed).SerializeToString() for seed in range(30, 36)},
}


def as_read(content: bytes) -> Graph:
    """The graph before any pass."""
    return Walk(load_model(content), None).run().graph


def outputs(graph: Graph) -> np.ndarray:
    x = np.random.default_rng(2).standard_normal(graph.source_shape)
    return evaluate(graph, x)[graph.result].ravel()


@pytest.mark.parametrize("name", MODELS)
def test_no_pass_changes_what_is_computed(name: str) -> None:
    graph = as_read(MODELS[name])
    wanted = outputs(graph)
    for one in PASSES:
        graph = one.run(graph)
        assert np.abs(outputs(graph) - wanted).max() <= 1e-9 * max(1.0, np.abs(wanted).max()), one.name


@pytest.mark.parametrize("one", PASSES, ids=[one.name for one in PASSES])
def test_every_pass_is_described_and_repeating_it_changes_nothing(one: object) -> None:
    assert one in PASSES and len(one.about) > 20
    for name in ("random 30", "random 33", "HardSwish written out"):
        graph = one.run(as_read(MODELS[name]))
        again = one.run(graph)
        assert [op.name for op in again.ops] == [op.name for op in graph.ops]


def test_what_passes_did_is_noted_and_a_second_run_finds_nothing() -> None:
    graph, notes = run_passes(as_read(MODELS["random 31"]))
    assert any(note.startswith("fold into previous: ") for note in notes)
    assert run_passes(graph) == (graph, ())


SHAPE = (1, 4, 8, 6)
NORM = {name: weight(4) for name in ("s", "o", "m")} | {"v": np.abs(weight(4)) + 0.1}
W = {"w": weight(4, 4, 3, 3), "b": weight(4)}
SAME = {"pads": [1, 1, 1, 1]}
CONV = ("Conv", "x w b", "c", SAME)
BN = "BatchNormalization"
PATTERNS: dict[str, tuple[Case, str]] = {
    "norm and activation": (
        chain("", SHAPE, CONV, (BN, "c s o m v", "n"), ("Relu", "n", "y"), **W, **NORM),
        "Conv",
    ),
    "norm before": (chain("", SHAPE, (BN, "x s o m v", "n"), ("Conv", "n w b", "y"), **W, **NORM), "Conv"),
    "norm before a padded one": (
        chain("", SHAPE, (BN, "x s o m v", "n"), ("Conv", "n w b", "y", SAME), **W, **NORM),
        "Affine Conv",
    ),
    "residual": (chain("", SHAPE, CONV, ("Add", "x c", "a"), ("Relu", "a", "y"), **W), "Conv"),
    "residual behind an activation": (chain("", SHAPE, CONV, ("Relu", "c", "r"), ("Add", "r x", "y"), **W), "Conv"),
    "norm behind a residual": (
        chain(
            "",
            SHAPE,
            CONV,
            ("Add", "c x", "a"),
            ("Relu", "a", "r"),
            (BN, "r s o m v", "n"),
            ("Relu", "n", "y"),
            **W,
            **NORM,
        ),
        "Conv Affine",
    ),
    "norm behind an activation": (
        chain("", SHAPE, CONV, ("Relu", "c", "r"), (BN, "r s o m v", "y"), **W, **NORM),
        "Conv",
    ),
    "norm before a mean and a layer": (
        chain(
            "",
            SHAPE,
            CONV,
            ("Relu", "c", "r"),
            (BN, "r s o m v", "n"),
            ("GlobalAveragePool", "n", "p"),
            ("Flatten", "p", "f"),
            ("Gemm", "f g", "y"),
            **W,
            **NORM,
            g=weight(4, 3),
        ),
        "Conv Pool Conv",
    ),
    "pad": (chain("", SHAPE, ("Pad", "x p", "q"), ("Conv", "q w b", "y"), p=ints(0, 0, 2, 1, 0, 0, 0, 1), **W), "Conv"),
    "pad of other values": (
        chain("", SHAPE, ("Pad", "x p v", "q"), ("Conv", "q w b", "y"), p=ints(0, 0, 2, 1, 0, 0, 0, 1), v=real(1), **W),
        "Pad Conv",
    ),
    "pad before a pool": (
        chain(
            "",
            SHAPE,
            ("Relu", "x", "r"),
            ("Pad", "r p", "q"),
            ("MaxPool", "q", "y", {"kernel_shape": [3, 3]}),
            p=ints(0, 0, 1, 1, 0, 0, 1, 1),
        ),
        "Affine Pool",
    ),
    "pad before a pool of any values": (
        chain(
            "",
            SHAPE,
            ("Pad", "x p", "q"),
            ("MaxPool", "q", "y", {"kernel_shape": [3, 3]}),
            p=ints(0, 0, 1, 1, 0, 0, 1, 1),
        ),
        "Pad Pool",
    ),
    "pad before a mean": (
        chain(
            "",
            SHAPE,
            ("Pad", "x p", "q"),
            ("AveragePool", "q", "y", {"kernel_shape": [3, 3]}),
            p=ints(0, 0, 1, 1, 0, 0, 1, 1),
        ),
        "Pool",
    ),
    "relu behind a pool": (
        chain("", SHAPE, CONV, ("MaxPool", "c", "p", {"kernel_shape": [2, 2]}), ("Relu", "p", "y"), **W),
        "Conv Pool",
    ),
    "swish": (chain("", SHAPE, CONV, ("Sigmoid", "c", "g"), ("Mul", "c g", "y"), **W), "Conv"),
    "hard swish": (
        chain(
            "",
            SHAPE,
            CONV,
            ("Add", "c t", "a"),
            ("Clip", "a l u", "d"),
            ("Div", "d u", "e"),
            ("Mul", "c e", "y"),
            t=real(3),
            l=real(0),
            u=real(6),
            **W,
        ),
        "Conv",
    ),
    "flatten and layer": (chain("", SHAPE, ("Flatten", "x", "f"), ("Gemm", "f w", "y"), w=weight(192, 3)), "Conv"),
    "there and back": (
        chain(
            "",
            SHAPE,
            ("Transpose", "x", "t", {"perm": [0, 2, 3, 1]}),
            ("Relu", "t", "r"),
            ("Transpose", "r", "u", {"perm": [0, 3, 1, 2]}),
            ("Conv", "u w b", "y"),
            **W,
        ),
        "Affine Conv",
    ),
    "norm before a recurrent layer": (
        chain(
            "",
            (1, 4, 9),
            (BN, "x s o m v", "n"),
            ("Transpose", "n", "t", {"perm": [2, 0, 1]}),
            ("GRU", "t g r", "y", {"hidden_size": 5}),
            **NORM,
            g=weight(1, 15, 4),
            r=weight(1, 15, 5),
        ),
        "Recurrent Rearrange",
    ),
    "last state": (
        chain(
            "",
            (9, 1, 4),
            ("GRU", "x g r", "a", {"hidden_size": 5}),
            ("Gather", "a l", "b"),
            ("Flatten", "b", "c"),
            ("Gemm", "c w", "y"),
            l=ints(-1),
            g=weight(1, 15, 4),
            r=weight(1, 15, 5),
            w=weight(5, 2),
        ),
        "Rearrange Recurrent Conv",
    ),
    "norms of parts": (
        chain(
            "",
            SHAPE,
            CONV,
            ("Concat", "x c", "j", {"axis": 1}),
            (BN, "j s2 o2 m2 v2", "n"),
            ("Relu", "n", "r"),
            ("Conv", "r k", "d"),
            ("Concat", "d c", "y", {"axis": 1}),
            **W,
            s2=weight(8),
            o2=weight(8),
            m2=weight(8),
            v2=np.abs(weight(8)) + 0.1,
            k=weight(2, 8, 1, 1),
        ),
        "Conv Concat Affine Conv Concat",
    ),
    "nothing": (
        chain("", SHAPE, ("Relu", "x", "a"), ("Identity", "a", "b"), ("Dropout", "b", "c"), ("Relu", "c", "y")),
        "Affine",
    ),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_becomes_what_it_should(name: str) -> None:
    case, wanted = PATTERNS[name]
    graph = read_onnx(model_of(case)).graph
    assert " ".join(type(op).__name__ for op in graph.ops) == wanted
    first = as_read(model_of(case))
    assert np.abs(outputs(graph) - outputs(first)).max() < 1e-9 * max(1.0, np.abs(outputs(first)).max())


def test_activations_are_where_they_belong() -> None:
    found = {name: read_onnx(model_of(PATTERNS[name][0])).graph.ops for name in ("swish", "hard swish", "residual")}
    kinds = {name: [op.activation for op in ops if isinstance(op, Conv | Affine)] for name, ops in found.items()}
    assert kinds == {
        "swish": [Activation.SWISH],
        "hard swish": [Activation.HARD_SWISH],
        "residual": [Activation.RELU],
    }


def test_pads_and_states_are_kept_rightly() -> None:
    (conv,) = read_onnx(model_of(PATTERNS["pad"][0])).graph.ops
    assert isinstance(conv, Conv) and conv.pads == Pads(2, 1, 0, 1)
    (pool,) = read_onnx(model_of(PATTERNS["pad before a mean"][0])).graph.ops
    assert isinstance(pool, Pool) and pool.counts_pads
    layers = [op for op in read_onnx(model_of(PATTERNS["last state"][0])).graph.ops if isinstance(op, Recurrent)]
    assert [layer.whole for layer in layers] == [False]


def test_a_standing_network_is_laid_down() -> None:
    case = chain(
        "", (1, 4, 9, 1), ("Conv", "x w", "c", {"pads": [1, 0, 1, 0]}), ("Relu", "c", "y"), w=weight(4, 4, 3, 1)
    )
    graph = read_onnx(model_of(case)).graph
    assert graph.maps[graph.result].shape == (4, 1, 9)
    assert Counter(type(op) for op in graph.ops) == {Conv: 1}
