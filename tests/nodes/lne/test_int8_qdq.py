"""A model quantised by onnxruntime gives the same bytes in generated C as in onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx_checks import as_if_trained
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from nodes.lne import Task, casts, compile_program, find_target, generate, make_plan, open_library
from nodes.lne.ir import Binary
from nodes.lne.layout import U8_HWC
from nodes.lne.primitive import Primitive
from nodes.lne.reading import Reading, read_onnx
from nodes.lne.registry import candidates
from nodes.lne.target import can_run
from nodes.zoo import architecture, build, export_onnx

SHAPE = (1, 1, 14, 11)
TARGETS = [name for name in ("vnni", "avx2", "c") if can_run(find_target(name))]


class _Model:
    """An ONNX model under construction."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(7)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.last, self.channels = "x", SHAPE[1]

    def add(self, kind: str, *more: str, **attributes: object) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.last, *more], [name], name, **attributes))
        self.last = name
        return name

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        fan = max(1, int(np.prod(shape[1:])))
        values = self.rng.standard_normal(shape) * np.sqrt(2.0 / fan if len(shape) > 1 else 0.01)
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def conv(self, channels: int, kernel: tuple[int, int], group: int = 1, **more: object) -> str:
        pads = [kernel[0] // 2, kernel[1] // 2, (kernel[0] - 1) // 2, (kernel[1] - 1) // 2]
        names = self.weight(channels, self.channels // group, *kernel), self.weight(channels)
        self.channels = channels
        self.add("Conv", *names, group=group, pads=pads, kernel_shape=list(kernel), **more)
        return self.add("Relu")

    def finish(self) -> onnx.ModelProto:
        self.add("GlobalAveragePool")
        self.add("Flatten")
        self.add("Gemm", self.weight(self.channels, 5), self.weight(5))
        values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)]
        results = [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, (1, 5))]
        graph = helper.make_graph(self.nodes, "quantised", values, results, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


class _Clips(CalibrationDataReader):
    def __init__(self, clips: np.ndarray, name: str = "x") -> None:
        self.left = [{name: clip[None]} for clip in clips]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self.left.pop() if self.left else None


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return np.random.default_rng(8).standard_normal((12, *SHAPE[1:])).astype(np.float32)


def _quantise(folder: Path, clips: np.ndarray, name: str) -> None:
    quantize_static(
        folder / "float.onnx",
        folder / "int8.onnx",
        _Clips(clips, name),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )


@pytest.fixture(scope="module")
def quantised(clips: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = _Model()
    model.conv(20, (5, 4), strides=[1, 2])
    model.conv(20, (3, 3), group=20)
    model.add("MaxPool", kernel_shape=[2, 2], strides=[2, 1])
    model.conv(33, (1, 1))
    model.conv(16, (3, 3), strides=[2, 1])
    folder = tmp_path_factory.mktemp("qdq")
    onnx.save(model.finish(), folder / "float.onnx")
    _quantise(folder, clips, "x")
    return folder / "int8.onnx"


@pytest.fixture(scope="module")
def reading(quantised: Path) -> Reading:
    return read_onnx(quantised)


def test_every_map_of_a_quantised_model_has_a_range(reading: Reading) -> None:
    assert reading.ranges.keys() == reading.graph.maps.keys()


def _in_bytes(reading: Reading, target: str) -> dict[str, Primitive]:
    choices = {}
    for op in reading.graph.ops:
        task = Task(op, reading.graph, find_target(target), reading.ranges)
        in_bytes = [one for one in candidates(task) if set(one.signature(task).inputs) == {U8_HWC}]
        choices[op.name] = next(one for one in in_bytes if one.signature(task).output is U8_HWC)
    return choices


def _steps_off(quantised: Path, reading: Reading, clips: np.ndarray, target: str, folder: Path) -> np.ndarray:
    """Differences between C with every layer in bytes and onnxruntime, in steps of the result's range."""
    graph, choices = reading.graph, _in_bytes(reading, target)
    program = generate(make_plan(graph, find_target(target), choices, casts(), reading.ranges))
    run = open_library(program, compile_program(program, folder))
    session = onnxruntime.InferenceSession(quantised, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    found = np.concatenate([run(clip[None]) for clip in clips])
    wanted = np.concatenate([session.run(None, {name: clip[None]})[0] for clip in clips])
    return np.asarray(np.abs(found - wanted) / reading.ranges[graph.result].scale)


@pytest.mark.parametrize("name", TARGETS)
def test_c_gives_what_onnxruntime_gives(
    name: str, quantised: Path, reading: Reading, clips: np.ndarray, tmp_path: Path
) -> None:
    steps = _steps_off(quantised, reading, clips, name, tmp_path)
    assert steps.max() < 0.01, np.unique(steps.round(2))


RESIDUAL = {"tc_resnet8": (40, 98), "tc_resnet14": (40, 98), "res8": (24, 20), "res15_narrow": (20, 16)}
"""Networks of the zoo, with the shape of an input; sums, norms behind them, and a mean of windows."""


@pytest.mark.parametrize("name", RESIDUAL)
def test_sums_of_branches_are_rounded_as_onnxruntime_rounds_them(name: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    network = build(architecture(name, input_shape=RESIDUAL[name], classes=5)).eval()
    export_onnx(as_if_trained(network), tmp_path / "float.onnx")
    shape = onnxruntime.InferenceSession(tmp_path / "float.onnx").get_inputs()[0]
    clips = np.random.default_rng(5).standard_normal((6, *shape.shape[1:])).astype(np.float32)
    _quantise(tmp_path, clips, shape.name)
    reading = read_onnx(tmp_path / "int8.onnx")
    sums = [op for op in reading.graph.ops if isinstance(op, Binary) and op.kind == "add"]
    assert len(sums) >= 3
    assert all(set(op.inputs) <= reading.graph.rounded for op in sums)
    steps = _steps_off(tmp_path / "int8.onnx", reading, clips, TARGETS[0], tmp_path)
    assert steps.max() < 0.01, np.unique(steps.round(2))
