"""Int8 models: real integers in the file, the same bytes every time, layers kept in float on request."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, numpy_helper

from nodes.quant.calibrate import calibrate
from nodes.quant.errors import QuantError
from nodes.quant.int8 import Settings, fold, quantize
from nodes.zoo import architecture, build, export_onnx, models

NAMES = [
    "tc_resnet8", "tc_resnet14", "kws9", "ds_kws9", "ds_cnn_s", "resnet8_2d_pool", "cnn_2", "res8_narrow",
    "matchboxnet_3x1x64",
]  # fmt: skip
ALSO = ["m20k", "bc_resnet"]
"""A recurrent layer stays in float (the engine has no integer kernel); the smallest BC-ResNet grows."""
PLAIN = Settings()


def clips(name: str) -> Iterator[np.ndarray]:
    yield np.random.default_rng(1).normal(size=(40, *models()[name].input_shape)).astype(np.float32)


def made(name: str, folder: Path, settings: Settings = PLAIN) -> tuple[Path, Path]:
    """Paths of the folded and of the int8 model."""
    torch.manual_seed(0)
    entry = models()[name]
    network = build(architecture(name, input_shape=entry.input_shape, classes=entry.classes))
    export_onnx(network, folder / "model.onnx")
    fold(folder / "model.onnx", folder / "folded.onnx")
    quantize(
        folder / "folded.onnx", folder / "int8.onnx", calibrate(folder / "folded.onnx", lambda: clips(name)), settings
    )
    return folder / "folded.onnx", folder / "int8.onnx"


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_stored_in_eight_bits(name: str, tmp_path: Path) -> None:
    folded, quantized = made(name, tmp_path)
    kernels = [item for item in onnx.load(folded).graph.initializer if item.name.endswith(".weight")]
    stored = {item.name: item for item in onnx.load(quantized).graph.initializer}
    for kernel in kernels:
        codes = stored[f"{kernel.name}_quantized"]
        assert codes.data_type == TensorProto.INT8
        assert list(codes.dims) == list(kernel.dims)
    assert quantized.stat().st_size < folded.stat().st_size


@pytest.mark.parametrize("name", NAMES + ALSO)
def test_the_int8_model_answers_like_the_float_model(name: str, tmp_path: Path) -> None:
    folded, quantized = made(name, tmp_path)
    (features,) = clips(name)
    true, found = (
        onnxruntime.InferenceSession(path).run(None, {"features": features})[0] for path in (folded, quantized)
    )
    assert np.corrcoef(true.ravel(), found.ravel())[0, 1] > 0.98
    assert not np.array_equal(true, found)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert made("tc_resnet8", tmp_path / "a")[1].read_bytes() == made("tc_resnet8", tmp_path / "b")[1].read_bytes()


def test_scales_are_per_channel_or_per_layer(tmp_path: Path) -> None:
    for per_channel, shape in ((True, (16,)), (False, ())):
        folder = tmp_path / str(per_channel)
        folder.mkdir()
        _, quantized = made("tc_resnet8", folder, Settings(per_channel=per_channel))
        stored = {item.name: item for item in onnx.load(quantized).graph.initializer}
        assert numpy_helper.to_array(stored["conv1.weight_scale"]).shape == shape


def test_reduced_range_keeps_weights_in_seven_bits(tmp_path: Path) -> None:
    _, quantized = made("tc_resnet8", tmp_path, Settings(reduced_range=True))
    codes = {item.name: item for item in onnx.load(quantized).graph.initializer}["b1.conv1.weight_quantized"]
    assert np.abs(numpy_helper.to_array(codes).astype(int)).max() <= 64


def test_symmetric_activations_have_their_zero_in_the_middle(tmp_path: Path) -> None:
    _, quantized = made("tc_resnet8", tmp_path, Settings(symmetric_activations=True))
    zeros = [item for item in onnx.load(quantized).graph.initializer if item.name.endswith("_zero_point")]
    middle = {np.dtype(np.uint8): 128, np.dtype(np.int8): 0, np.dtype(np.int32): 0}
    values = [numpy_helper.to_array(item) for item in zeros]
    assert {value.dtype for value in values} >= {np.dtype(np.uint8), np.dtype(np.int8)}
    assert all((value == middle[value.dtype]).all() for value in values)


def test_a_layer_can_stay_in_float(tmp_path: Path) -> None:
    _, quantized = made("tc_resnet8", tmp_path, Settings(keep_float=("conv1", "fc")))
    stored = {item.name: item.data_type for item in onnx.load(quantized).graph.initializer}
    assert stored["conv1.weight"] == stored["fc.weight"] == TensorProto.FLOAT
    assert stored["b1.conv1.weight_quantized"] == TensorProto.INT8


def test_an_unknown_layer_is_named(tmp_path: Path) -> None:
    with pytest.raises(QuantError) as caught:
        made("tc_resnet8", tmp_path, Settings(keep_float=("conv9",)))
    assert "'conv9'" in caught.value.what and "b1.short" in caught.value.expected


def test_norms_of_a_foreign_file_are_folded(tmp_path: Path) -> None:
    """A model that was not exported by us may hold BatchNormalization nodes."""
    weight = numpy_helper.from_array(np.ones((2, 20, 3), np.float32), "w")
    norm = [
        numpy_helper.from_array(np.full(2, value, np.float32), name)
        for name, value in zip("sbmv", (2, 1, 0, 1), strict=True)
    ]
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Conv", ["features", "w"], ["x"], "conv1", kernel_shape=[3]),
            onnx.helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], "norm"),
        ],
        "foreign",
        [onnx.helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 20, 49])],
        [onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2, 47])],
        [weight, *norm],
    )
    foreign = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(foreign, tmp_path / "foreign.onnx")
    fold(tmp_path / "foreign.onnx", tmp_path / "folded.onnx")
    assert [node.op_type for node in onnx.load(tmp_path / "folded.onnx").graph.node] == ["Conv"]
