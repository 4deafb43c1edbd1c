"""Models that cannot be read: each is refused with what is wrong, what is expected and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper
from onnx_checks import one_input_model

from nodes.lne.errors import LneError
from nodes.lne.reading import UnsupportedModelError, read_onnx
from nodes.lne.reading.random_cnn import random_cnn


def plain(opset: int = 17) -> ModelProto:
    """x -> Conv -> Relu -> y."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "first"),
        helper.make_node("Relu", ["c"], ["y"], "second"),
    ]
    return one_input_model(nodes, (1, 2, 6, 6), {"w": np.ones((3, 2, 3, 3), np.float32)}, opset=opset)


def refused(source: Path | bytes, *words: str) -> LneError:
    with pytest.raises(LneError) as caught:
        read_onnx(source)
    for word in words:
        assert word in str(caught.value)
    return caught.value


WHOLE = random_cnn(4).SerializeToString()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(WHOLE[: int(len(WHOLE) * share)])
    refused(path, "Expected")


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n" + bytes(200), b"{}", b"PK\x03\x04 a zip", "über".encode() * 99]
)
def test_a_foreign_file_is_refused(content: bytes) -> None:
    refused(content, "ONNX")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.onnx", "none.onnx cannot be read")
    refused(tmp_path, "cannot be read")


@pytest.mark.parametrize("opset", [7, 12, 24])
def test_another_opset_is_refused_with_the_way_to_convert_it(opset: int) -> None:
    model = plain(17)
    model.opset_import[0].version = opset
    refused(model.SerializeToString(), f"opset {opset}", "version_converter")


def test_a_converted_opset_7_model_is_read() -> None:
    old = plain(17)
    old.opset_import[0].version = 7
    assert read_onnx(onnx.version_converter.convert_version(old, 17).SerializeToString()).graph.ops


def test_more_than_two_gigabytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    path.touch()
    os.truncate(path, 2**31 + 5)  # a hole in the file: it takes no room
    refused(path, "2.0 GiB", "onnxruntime")


def external(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    onnx.save_model(plain(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_weights_in_a_file_of_their_own_are_read(tmp_path: Path) -> None:
    assert len(read_onnx(external(tmp_path)).graph.ops) == 1


def test_more_than_two_gigabytes_of_weights_are_refused(tmp_path: Path) -> None:
    path = external(tmp_path)
    os.truncate(tmp_path / "weights.bin", 2**31 + 5)
    refused(path, "2.0 GiB")


def test_missing_or_cut_weights_are_refused(tmp_path: Path) -> None:
    path = external(tmp_path)
    refused(path.read_bytes(), "files of their own")
    os.truncate(tmp_path / "weights.bin", 7)
    refused(path, "weights")
    (tmp_path / "weights.bin").unlink()
    refused(path, "weights.bin are missing")


def test_a_circle_is_refused_with_its_nodes() -> None:
    model = plain()
    model.graph.node[0].input[0] = "y"
    refused(model.SerializeToString(), "circle", "first", "second")


def test_nodes_in_any_other_order_are_sorted() -> None:
    model = plain()
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    assert [op.name for op in read_onnx(model.SerializeToString()).graph.ops] == ["first"]


@pytest.mark.parametrize(("value", "words"), [(np.nan, ("w hold NaN", "learning rate")), (np.inf, ("finite",))])
def test_weights_that_are_no_numbers_are_refused(value: float, words: tuple[str, ...]) -> None:
    model = plain()
    broken = np.ones((3, 2, 3, 3), np.float32)
    broken[1, 1, 1, 1] = value
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(broken, "w"))
    refused(model.SerializeToString(), *words)


def _two_inputs(model: ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, (1,)))


def _two_outputs(model: ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, None))


def _whole_numbers(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64


def _unmade(model: ModelProto) -> None:
    model.graph.node[1].input[0] = "nowhere"


def _free(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "frames"


def _small(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 2


def _constant(model: ModelProto) -> None:
    model.graph.node[1].input[0] = "w"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (_two_inputs, "2 inputs"),
        (_two_outputs, "2 outputs"),
        (_whole_numbers, "real numbers"),
        (_unmade, "nowhere"),
        (_free, "axis 3 is 'frames'"),
        (_small, "window is larger"),
        (_constant, "depends on the input"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_model_that_does_not_fit_is_refused(change: Callable[[ModelProto], None], word: str) -> None:
    model = plain()
    change(model)
    refused(model.SerializeToString(), word)


def test_a_free_axis_can_be_said() -> None:
    model = plain()
    _free(model)
    content = model.SerializeToString()
    reading = read_onnx(content, (1, 2, 6, 9))
    assert reading.graph.result_shape == (1, 3, 4, 7)
    assert any("axis 3 (frames)" in note for note in reading.notes)
    for shape in ((1, 3, 6, 9), (1, 2, 6), (1, 2, 6, 0)):
        with pytest.raises(LneError):
            read_onnx(content, shape)


def test_a_free_batch_is_one_clip() -> None:
    model = plain()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    assert read_onnx(model.SerializeToString()).graph.source_shape == (1, 2, 6, 6)


def test_everything_unsupported_is_listed_at_once_with_its_nearest_form() -> None:
    nodes = [
        helper.make_node("Erf", ["x"], ["a"], "gelu"),
        helper.make_node("Relu", ["a"], ["b"], "fine"),
        helper.make_node("LayerNormalization", ["b", "w"], ["c"], "norm"),
        helper.make_node("MaxPool", ["x"], ["d"], "holes", kernel_shape=[2, 2], dilations=[2, 2]),
        helper.make_node("FusedConv", ["x", "w"], ["e"], "foreign", domain="com.microsoft"),
        helper.make_node("MatMul", ["x", "x"], ["f"], "attention"),
        helper.make_node("Concat", ["c", "d", "e", "f"], ["y"], "", axis=1),
    ]
    model = one_input_model(nodes, (1, 2, 6, 6), {"w": np.ones(6, np.float32)})
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    error = refused(model.SerializeToString(), "5 of 7 nodes", "gelu (Erf)", "BatchNormalization")
    assert isinstance(error, UnsupportedModelError)
    assert [problem.node for problem in error.problems] == ["gelu", "norm", "holes", "foreign", "attention"]
    assert all(problem.reason and problem.nearest for problem in error.problems)


def test_a_table_with_steps_between_its_rows_is_refused() -> None:
    nodes = [
        helper.make_node("Floor", ["x"], ["f"]),
        helper.make_node("Cast", ["f"], ["i"], to=TensorProto.INT64),
        helper.make_node("Gather", ["w", "i"], ["g"]),
        helper.make_node("Relu", ["g"], ["y"], "looked"),
    ]
    model = one_input_model(nodes, (1, 6), {"w": np.eye(4, dtype=np.float32)})
    refused(model.SerializeToString(), "looks up a table", "linear interpolation")


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_gives_no_other_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(60):
        content = bytearray(WHOLE)
        for place in rng.integers(0, min(len(content), int(rng.choice([200, 4000, 10**9]))), 3):
            content[place] = int(rng.integers(256))
        try:
            read_onnx(bytes(content))
        except LneError as error:
            assert error.what and error.expected and error.remedy
