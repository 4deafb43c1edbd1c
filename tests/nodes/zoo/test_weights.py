"""Weights: a round trip that is exact, and no way in for a pickle."""

import pickle
from pathlib import Path

import pytest
import torch

from nodes.zoo import ZooError, architecture, build, models
from nodes.zoo.network import Network
from nodes.zoo.weights import load_weights, refuse_pickle, save_weights

BUILT = [name for name, entry in models().items() if not entry.is_large]


def network(name: str = "tc_resnet8", classes: int = 12, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return build(architecture(name, input_shape=models()[name].input_shape, classes=classes))


class Bomb:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("name", BUILT)
def test_weights_survive_a_round_trip(name: str, tmp_path: Path) -> None:
    first, second = network(name, seed=1), network(name, seed=2)
    save_weights(first, tmp_path / "weights.safetensors")
    load_weights(second, tmp_path / "weights.safetensors")
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())


def test_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_weights(network(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_never_read(protocol: int, tmp_path: Path) -> None:
    path, trace = tmp_path / "weights.safetensors", tmp_path / "trace"
    path.write_bytes(pickle.dumps({"weight": Bomb(trace)}, protocol=protocol))
    with pytest.raises(ZooError, match="safetensors") as caught:
        load_weights(network(), path)
    assert protocol < 2 or "is a pickle" in caught.value.what
    assert not trace.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_torch_file_is_refused_and_never_read(zipped: bool, tmp_path: Path) -> None:
    path, trace = tmp_path / "weights.pt", tmp_path / "trace"
    torch.save({"weight": Bomb(trace)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ZooError, match="pickle") as caught:
        load_weights(network(), path)
    assert "save_file" in caught.value.remedy
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 64, b"\xff" * 8 + b"{", b"\x10" + b"\x00" * 7 + b"{abc"])
def test_anything_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(ZooError, match="safetensors"):
        load_weights(network(), path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(network(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ZooError, match="no complete safetensors file"):
        load_weights(network(), path)


def test_a_long_header_that_begins_like_a_pickle_is_still_safetensors(tmp_path: Path) -> None:
    """The header length is the first byte: 0x80 and "PK" can be lengths."""
    for first in (b"\x80", b"PK"):
        path = tmp_path / "weights.safetensors"
        length = int.from_bytes(first.ljust(8, b"\x00"), "little")
        path.write_bytes(first.ljust(8, b"\x00") + b"{}".ljust(length))
        assert refuse_pickle(path) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (("tc_resnet8", 5), "'fc.dense.weight' is (5, 48) (1 tensors"),
        (("kws9", 12), "'b1.conv1.conv.weight' is absent"),
    ],
)
def test_weights_of_another_model_are_refused(stored: tuple[str, int], words: str, tmp_path: Path) -> None:
    save_weights(network(*stored), tmp_path / "weights.safetensors")
    with pytest.raises(ZooError) as caught:
        load_weights(network(), tmp_path / "weights.safetensors")
    assert words in caught.value.what


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_weights(network(), tmp_path / "weights.safetensors")
