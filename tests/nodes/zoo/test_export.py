"""ONNX files: equal to torch within 1e-5, one node per layer, the same bytes every time."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from nodes.zoo import architecture, build, describe, export_onnx, models
from nodes.zoo.network import Network

BUILT = [name for name, entry in models().items() if not entry.is_large]


def trained_like(name: str, shape: tuple[int, ...] | None = None) -> Network:
    """A network whose norms have moved away from their initial values, as training moves them."""
    torch.manual_seed(5)
    entry = models()[name]
    network = build(architecture(name, input_shape=shape or entry.input_shape, classes=entry.classes))
    for key, value in network.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_(0, 0.5)
        if key.endswith("running_var"):
            value.uniform_(0.5, 2.0)
        if "norm.weight" in key or "norm.bias" in key:
            value.uniform_(0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize("name", BUILT)
def test_onnx_equals_torch_within_1e_5(name: str, tmp_path: Path) -> None:
    network = trained_like(name)
    export_onnx(network, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for batch in (1, 7):
        features = torch.randn(batch, *models()[name].input_shape)
        (found,) = session.run(["logits"], {"features": features.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, network(features).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", BUILT)
def test_nodes_carry_the_names_of_the_table(name: str, tmp_path: Path) -> None:
    network = trained_like(name)
    export_onnx(network, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    rows = [row.name for row in describe(network.architecture).layers if row.op != "drop"]
    assert [node.name for node in graph.node if node.name in rows] == rows
    operators = {node.op_type for node in graph.node}
    assert not operators & {"Pad", "Dropout"}


def test_the_file_knows_its_ports_and_the_size_of_every_layer(tmp_path: Path) -> None:
    network = trained_like("tc_resnet8")
    export_onnx(network, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    sizes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in [*graph.input, *graph.value_info, *graph.output]
    }
    assert sizes["features"] == ["batch", 40, 98]
    assert sizes["logits"] == ["batch", 12]
    assert sizes["b1.conv1"] == ["batch", 24, 49]


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        export_onnx(trained_like("tc_resnet8"), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_asymmetric_padding_is_an_attribute(tmp_path: Path) -> None:
    export_onnx(trained_like("tc_resnet8"), tmp_path / "model.onnx")
    (node,) = (node for node in onnx.load(tmp_path / "model.onnx").graph.node if node.name == "b1.conv1")
    assert {item.name: list(item.ints) for item in node.attribute}["pads"] == [3, 4]


@pytest.mark.parametrize("name", ["m20k", "m20k_lstm", "m20k_rnn", "kws_lstm"])
def test_recurrent_layers_are_onnx_operators_with_the_norm_folded(name: str, tmp_path: Path) -> None:
    network = trained_like(name)
    export_onnx(network, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    (row,) = (row for row in describe(network.architecture).layers if row.op in ("gru", "lstm", "rnn"))
    (node,) = (node for node in graph.node if node.name == row.name)
    assert node.op_type == row.op.upper()
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    inputs, units, gates = row.in_shape[0], row.out_shape[0], {"gru": 3, "lstm": 4, "rnn": 1}[row.op]
    assert [sizes[name] for name in node.input[1:]] == [
        (1, gates * units, inputs), (1, gates * units, units), (1, 2 * gates * units),
    ]  # fmt: skip
    assert "BatchNormalization" not in {node.op_type for node in graph.node}


def test_norms_that_cannot_be_folded_belong_to_their_layer(tmp_path: Path) -> None:
    """Behind a ReLU, behind a sum, or by bands of frequency."""
    for name, wanted in (("res8", ["b1.conv1.norm", "b1.add.norm"]), ("bc_resnet", ["b1.frequency.norm"])):
        export_onnx(trained_like(name), tmp_path / "model.onnx")
        nodes = [n.name for n in onnx.load(tmp_path / "model.onnx").graph.node if n.op_type == "BatchNormalization"]
        assert nodes[: len(wanted)] == wanted


def test_a_large_model_too_equals_torch(tmp_path: Path) -> None:
    """18 million weights; VGGish itself differs only in its numbers of channels."""
    network, features = trained_like("m20m", (2, 64, 96)), torch.randn(1, 2, 64, 96)
    export_onnx(network, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    with torch.no_grad():
        np.testing.assert_allclose(
            session.run(["logits"], {"features": features.numpy()})[0], network(features).numpy(), rtol=1e-5, atol=1e-5
        )
