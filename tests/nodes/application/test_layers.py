"""Every kernel of an optimised graph finds its layer again."""

import logging
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from nodes.application.layers import map_layers, map_optimised, with_names
from nodes.application.network import open_network, options
from nodes.zoo import architecture, build, describe, models
from nodes.zoo.export import to_onnx

ZOO = [
    name
    for name, entry in models().items()
    if not entry.is_large and not name.endswith("_unstrided") and not name.startswith(("m2m", "m200k"))
]
"""One of each family of blocks; presets and larger sizes are built from the same ones."""
FORMS = ["float", "int8", "uint8"]
LEVELS = onnxruntime.GraphOptimizationLevel


class _Noise(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, shape: tuple[int, ...]) -> None:
        rng = np.random.default_rng(0)
        self.rows = iter([{"features": rng.normal(size=(1, *shape)).astype(np.float32)} for _ in range(2)])

    def get_next(self) -> dict[str, Any] | None:
        return next(self.rows, None)


@cache
def _zoo_model(name: str, form: str) -> onnx.ModelProto:
    entry = models()[name]
    network = build(architecture(name, input_shape=entry.input_shape, classes=4)).eval()
    model = to_onnx(network)
    if form == "float":
        return model
    logging.disable(logging.WARNING)  # the quantizer's advice to pre-process
    kind = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8}[form]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "quantized.onnx"
        quantize_static(
            model, target, _Noise(entry.input_shape), quant_format=QuantFormat.QDQ, per_channel=True,
            weight_type=QuantType.QInt8, activation_type=kind,
        )  # fmt: skip
        logging.disable(logging.NOTSET)
        return onnx.load(str(target))


def _optimised(model: onnx.ModelProto, folder: Path, level: Any = None) -> onnx.ModelProto:
    made = options(threads=1)
    made.optimized_model_filepath = str(folder / "optimised.onnx")
    if level is not None:
        made.graph_optimization_level = level
    open_network(model.SerializeToString(), "model", made=made)
    return onnx.load(str(folder / "optimised.onnx"))


def _expected(name: str) -> list[str]:
    made = architecture(name, input_shape=models()[name].input_shape, classes=4)
    return [row.name for row in describe(made).layers if row.op != "drop"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ZOO)
def test_layers_of_the_zoo(name: str, form: str) -> None:
    """The layers of an exported network, quantized or not, are those of the architecture's table."""
    found = map_layers(_zoo_model(name, form))
    assert sorted(found.order) == sorted(_expected(name))
    assert all(found.nodes.values())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ZOO)
def test_optimised_graphs_of_the_zoo(name: str, form: str, tmp_path: Path) -> None:
    """After fusion, layout changes and integer kernels every node has a layer; every layer with weights is there."""
    model = _zoo_model(name, form)
    layers = map_layers(model)
    optimised = _optimised(model, tmp_path)
    owners = map_optimised(optimised, layers)
    assert owners.keys() == {node.name for node in optimised.graph.node}
    assert all(owners.values())
    heavy = {node: owner for node, owner in owners.items() if owner in set(layers.weights.values())}
    assert set(heavy.values()) == set(layers.weights.values())
    products = {"Conv", "FusedConv", "QLinearConv", "Gemm", "FusedGemm", "QGemm", "QLinearMatMul", "MatMul"}
    owned = [owners[node.name] for node in optimised.graph.node if node.op_type in products]
    assert len(owned) == len(set(owned)), "two products in one layer"


def test_weights_tell_the_layer_before_names(tmp_path: Path) -> None:
    """Nodes named misleadingly are found by `b1.conv1.weight` all the same, also under a folded norm."""
    model = _misnamed()
    layers = map_layers(model)
    assert layers.order == ("conv1", "b1.conv1", "node4", "fc")
    owners = map_optimised(_optimised(model, tmp_path, LEVELS.ORT_ENABLE_EXTENDED), layers)
    assert set(owners.values()) == set(layers.order)
    assert owners["node7"] == "conv1" and owners["node3"] == "b1.conv1" and owners["node0"] == "fc"


def test_torch_export(tmp_path: Path) -> None:
    """Torch's own exporter names nodes by module path."""
    network = torch.nn.Sequential()
    for name, module in {
        "conv1": torch.nn.Conv1d(8, 16, 3), "norm": torch.nn.BatchNorm1d(16), "relu": torch.nn.ReLU(),
        "b1": torch.nn.Sequential(torch.nn.Conv1d(16, 16, 3), torch.nn.ReLU()), "flat": torch.nn.Flatten(),
        "fc": torch.nn.Linear(16 * 16, 4),
    }.items():  # fmt: skip
        network.add_module(name, module)
    path = tmp_path / "torch.onnx"
    arguments: Any = {"input_names": ["features"], "output_names": ["logits"], "dynamo": False}
    with pytest.warns(DeprecationWarning):
        torch.onnx.export(network.eval(), (torch.zeros(1, 8, 20),), path, **arguments)
    layers = map_layers(onnx.load(str(path)))
    assert layers.order == ("conv1", "b1.0", "fc")
    assert set(map_optimised(_optimised(onnx.load(str(path)), tmp_path), layers).values()) == set(layers.order)


def test_nodes_without_names_get_one() -> None:
    """Names are made up without clashes, and the rest of the model stays as it is."""
    model = _misnamed()
    for node in model.graph.node:
        node.name = ""
    model.graph.node[0].name = "Conv.1"
    named = with_names(model)
    names = [node.name for node in named.graph.node]
    assert all(names) and len(set(names)) == len(names) and names[0] == "Conv.1"
    assert [node.name for node in model.graph.node][1] == ""


def _misnamed() -> onnx.ModelProto:
    """Conv, norm, ReLU, conv, ReLU, pool, Gemm; only the weights carry the layers' names."""
    rng = np.random.default_rng(0)
    arrays = {
        "conv1.weight": (8, 4, 3), "conv1.norm.weight": (8,), "conv1.norm.bias": (8,), "conv1.norm.mean": (8,),
        "conv1.norm.var": (8,), "b1.conv1.weight": (8, 8, 3), "b1.conv1.bias": (8,), "fc.weight": (4, 8),
    }  # fmt: skip
    norm = [f"conv1.norm.{part}" for part in ("weight", "bias", "mean", "var")]
    nodes = list(_chain(norm))
    tensors = [numpy_helper.from_array(rng.uniform(0.5, 1, s).astype(np.float32), n) for n, s in arrays.items()]
    start = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 4, 20])
    end = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [start], [end], tensors), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def _chain(norm: list[str]) -> Iterator[onnx.NodeProto]:
    yield helper.make_node("Conv", ["features", "conv1.weight"], ["t0"], "node7", kernel_shape=[3])
    yield helper.make_node("BatchNormalization", ["t0", *norm], ["t1"], "node6")
    yield helper.make_node("Relu", ["t1"], ["t2"], "node5")
    yield helper.make_node("Conv", ["t2", "b1.conv1.weight", "b1.conv1.bias"], ["t3"], "node3", kernel_shape=[3])
    yield helper.make_node("Relu", ["t3"], ["t4"], "node2")
    yield helper.make_node("GlobalAveragePool", ["t4"], ["t5"], "node4")
    yield helper.make_node("Flatten", ["t5"], ["t6"], "node1")
    yield helper.make_node("Gemm", ["t6", "fc.weight"], ["logits"], "node0", transB=1)
