"""Only ONNX is opened, whatever else lies in its place; nothing is unpickled."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from nodes.application.errors import ApplicationError
from nodes.application.network import open_network, read_network


class Bomb:
    """Unpickling this would raise."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('unpickled')",))


def _torch_bytes(*, old: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(3), "bomb": Bomb()}, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


def _zip_bytes() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Bomb()))
    return buffer.getvalue()


def _numpy_bytes() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], object), allow_pickle=True)
    return buffer.getvalue()


FOREIGN: dict[str, bytes] = {
    **{f"pickle {version}": pickle.dumps({"bomb": Bomb()}, version) for version in range(pickle.HIGHEST_PROTOCOL + 1)},
    "torch.save": _torch_bytes(old=False),
    "old torch.save": _torch_bytes(old=True),
    "zip": _zip_bytes(),
    "numpy objects": _numpy_bytes(),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "nothing": b"",
    "text": b"hello",
    "zeros": bytes(1000),
    "noise": np.random.default_rng(0).bytes(5000),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_refused(kind: str, tmp_path: Path) -> None:
    """A three-part error and no code run."""
    path = tmp_path / "model.onnx"
    path.write_bytes(FOREIGN[kind])
    with pytest.raises(ApplicationError) as caught:
        open_network(read_network(path), str(path))
    assert caught.value.what and "ONNX" in caught.value.expected and caught.value.remedy


@pytest.mark.parametrize("kind", ["pickle 2", "pickle 4", "torch.save"])
def test_a_pickle_is_called_one(kind: str, tmp_path: Path) -> None:
    """The user learns what it is, not only what it is not."""
    (tmp_path / "weights.pt").write_bytes(FOREIGN[kind])
    with pytest.raises(ApplicationError, match="pickle"):
        read_network(tmp_path / "weights.pt")


def test_a_missing_file(tmp_path: Path) -> None:
    """Not found is told in three parts too."""
    with pytest.raises(ApplicationError, match="cannot be read"):
        read_network(tmp_path / "model.onnx")


@pytest.mark.parametrize("keep_bytes", [1, 100, 1000])
def test_a_truncated_model(keep_bytes: int, tmp_path: Path) -> None:
    """Half a model is no model."""
    data = _model(outputs=1).SerializeToString()[:keep_bytes]
    assert len(data) == min(keep_bytes, len(data))
    with pytest.raises(ApplicationError):
        open_network(data, "half")


def test_two_outputs() -> None:
    """A model with other ends than features and logits is refused."""
    with pytest.raises(ApplicationError, match="1 inputs and 2 outputs"):
        open_network(_model(outputs=2).SerializeToString(), "two")


def _model(outputs: int) -> onnx.ModelProto:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4000], np.zeros(4000, np.float32))
    nodes = [helper.make_node("Add", ["x", "w"], [f"y{index}"]) for index in range(outputs)]
    ends = [helper.make_tensor_value_info(f"y{index}", TensorProto.FLOAT, [4000]) for index in range(outputs)]
    start = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4000])
    graph = helper.make_graph(nodes, "g", [start], ends, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model
