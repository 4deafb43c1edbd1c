"""ONNX models against onnxruntime: the graph that is read, evaluated in float64."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import nn

from nodes.lne.reading import Reading, read_onnx
from nodes.lne.reference import evaluate

INPUT, OUTPUT = "x", "y"


def session(model: Path | bytes, *, optimised: bool = True) -> onnxruntime.InferenceSession:
    """A model in onnxruntime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options)


def difference(model: Path | bytes, reading: Reading | None = None) -> float:
    """Largest error of what we read, as a share of the largest output of onnxruntime."""
    read = reading or read_onnx(model)
    graph = read.graph
    x = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    (wanted, *_) = session(model).run(None, {graph.source: x})
    assert graph.result_shape == wanted.shape
    found = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    return float(np.abs(found - wanted).max() / max(1e-9, np.abs(wanted).max()))


def one_input_model(
    nodes: Sequence[Any],
    shape: Sequence[int | str | None],
    weights: dict[str, NDArray[Any]] | None = None,
    *,
    opset: int = 17,
) -> ModelProto:
    """A model from x (of this shape) to y."""
    graph = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    model: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 9
    return model


def as_if_trained(network: nn.Module) -> nn.Module:
    """The network, with statistics of norms that are not those of the start."""
    rng = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=rng) * 0.3)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=rng) + 0.5)
    return network
