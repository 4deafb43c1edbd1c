"""Engines in processes of their own: who takes part, who is left out and why."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from nodes.lne import casts, find_target, generate, make_plan
from nodes.lne.backends import Backend, Contender, Contest, engines, find_backends
from nodes.lne.backends.contest import OURS, Entry
from nodes.lne.backends.ours import describe
from nodes.lne.backends.prepare import prepare, write
from nodes.lne.backends.serving import open_served
from nodes.lne.reading import read_onnx
from nodes.lne.reading.random_cnn import random_cnn
from nodes.lne.reference import evaluate
from nodes.lne.search import choose

HERE = f"{__name__.rpartition('.')[2]}"


def wrong(model: Path, values: np.ndarray) -> Contender:
    return Contender(lambda: None, lambda: np.full(values.shape[0], 1e3, np.float32))


def crashing(model: Path, values: np.ndarray) -> Contender:
    os._exit(3)


def raising(model: Path, values: np.ndarray) -> Contender:
    raise RuntimeError("this engine has no such operator")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, np.ndarray]:
    """A model's file, an input, and what it must give."""
    model = random_cnn(3)
    graph = read_onnx(model.SerializeToString()).graph
    path = write(prepare(model, graph.source_shape), tmp_path_factory.mktemp("net"))
    values = np.random.default_rng(0).standard_normal(graph.source_shape).astype(np.float32)
    return path, values, evaluate(graph, values)[graph.result]


def test_engines_and_ours_take_turns(network: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    model, values, wanted = network
    graph, target = read_onnx(model).graph, find_target("native")
    program = generate(make_plan(graph, target, choose(graph, target), casts(), shares=True))
    ours = Entry("ours", OURS, sys.executable, describe(program, tmp_path))
    with Contest(find_backends(names=["onnxruntime", "torch"])) as contest:
        times = contest.race([*contest.entries(model), ours], values, wanted, rounds=4)
        assert set(times) == {"onnxruntime", "torch", "ours"} and not contest.excluded
        assert all(0 < timing.least_us <= timing.median_us and timing.error < 1e-4 for timing in times.values())
        assert contest.serving == {"onnxruntime", "torch"}, "ours is opened as a library"
        again = contest.race(contest.entries(model), values, wanted, rounds=2)
        assert set(again) == {"onnxruntime", "torch"}


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("wrong", "values instead of"),
        ("raising", "no such operator"),
        ("crashing", "ended"),
        ("missing", "has no attribute"),
    ],
)
def test_an_engine_that_fails_is_left_out_with_the_reason(
    function: str, reason: str, network: tuple[Path, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, values, wanted = network
    folder = Path(__file__).parent
    code = f"{Path(__file__).stem}:{function}"
    monkeypatch.setattr(
        "nodes.lne.backends.contest.ROOT", f"{Path(find_backends.__code__.co_filename).parents[3]}{os.pathsep}{folder}"
    )
    monkeypatch.syspath_prepend(str(folder))
    with Contest([Backend(function, code, sys.executable)]) as contest:
        assert contest.race(contest.entries(model), values, wanted, rounds=1) == {}
        assert reason in contest.excluded[function]


def test_an_interpreter_that_is_not_there_is_told(network: tuple[Path, np.ndarray, np.ndarray]) -> None:
    model, values, wanted = network
    with Contest([Backend("far", OURS, "/nowhere/python")]) as contest:
        assert contest.race(contest.entries(model), values, wanted, rounds=1) == {}
        assert "/nowhere/python" in contest.excluded["far"]


def test_no_process_is_left_behind() -> None:
    with Contest([]) as contest:
        worker = contest._worker(Entry("one", OURS, sys.executable, Path("nothing")))
    assert worker.process.poll() is not None
    start_s = time.monotonic()
    worker.process.wait()
    assert time.monotonic() - start_s < 1


def test_engines_here_are_found_and_others_only_where_they_are() -> None:
    found = {backend.name: backend.python for backend in find_backends()}
    assert found["onnxruntime"] == sys.executable
    assert find_backends(["/nowhere/python"], names=["no_such_engine"]) == []


def test_pads_are_folded_into_convolutions() -> None:
    weight = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["padded"]),
        helper.make_node("Conv", ["padded", "w"], ["y"], pads=[0, 1, 0, 0]),
    ]
    graph = helper.make_graph(
        nodes,
        "padded",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(weight, "w"),
            numpy_helper.from_array(np.array([0, 0, 1, 2, 0, 0, 3, 0]), "pads"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    folded = prepare(model, (1, 3, 8, 8))
    assert [node.op_type for node in folded.graph.node] == ["Conv"]
    assert list(folded.graph.node[0].attribute[0].ints) == [1, 3, 3, 0]
    import onnxruntime

    x = np.random.default_rng(1).standard_normal((1, 3, 8, 8)).astype(np.float32)
    outputs = [
        onnxruntime.InferenceSession(one.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
        for one in (model, folded)
    ]
    assert np.allclose(*outputs, atol=1e-5)


@pytest.mark.parametrize("name", [one.name for one in find_backends() if not one.is_int8 and "torch_" not in one.name])
def test_an_engine_serves_one_input_after_another(name: str, network: tuple[Path, np.ndarray, np.ndarray]) -> None:
    model, values, wanted = network
    graph = read_onnx(model).graph
    served = open_served(name, model.read_bytes(), graph.source_shape)
    for factor in (1.0, -0.5, 1.0):
        found = served(values * np.float32(factor)).reshape(-1)
        exact = evaluate(graph, values * factor)[graph.result].reshape(-1)
        assert np.abs(found - exact).max() < 1e-4 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("make", [engines.torch_eager, engines.torch_script])
def test_an_engine_leaves_the_process_able_to_learn(
    make: Callable[[Path, np.ndarray], Contender], network: tuple[Path, np.ndarray, np.ndarray]
) -> None:
    model, values, _ = network
    make(model, values).call()
    assert torch.is_grad_enabled()
