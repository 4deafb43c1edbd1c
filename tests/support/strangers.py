"""A network by plain onnx, as somebody else might bring it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def stranger(path: Path, shape: tuple[int, ...], *, operator: str = "Relu") -> Path:
    """A file of a network for inputs (1, 2, rows, columns): convolution, an activation, pooling, a dense layer."""
    rng = np.random.default_rng(1)
    weights = {"w": rng.normal(0, 0.3, (12, 2, 3, 3)), "b": rng.normal(0, 0.1, 12), "d": rng.normal(0, 0.3, (12, 5))}
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], name="first"),
        helper.make_node(operator, ["c"], ["a"], name="act"),
        helper.make_node("GlobalAveragePool", ["a"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("MatMul", ["f", "d"], ["y"], name="dense"),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", shape), ("y", (1, 5)))]
    held = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "stranger", ends[:1], ends[1:], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), str(path))
    return path
