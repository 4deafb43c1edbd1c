"""ossicle.fine_tune of DeepSpectrum's nets from a file with torchvision's names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from zoo_models import headless, theirs

from engine import Context, FeatureSet, OssicleError
from engine.audio import read_features, table_of, write_features
from nodes.fine_tune import FineTuneParams, fine_tune
from nodes.learn.frozen import first_layers
from nodes.zoo import architecture, build
from nodes.zoo.first_layers import first_parameters

NAME = "deepspectrum_squeezenet1_1"


@pytest.fixture(scope="module")
def few(digit_features: FeatureSet, tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    """Two digits: 60 clips for training, 18 for validation."""
    folder, table = tmp_path_factory.mktemp("few"), table_of(digit_features)
    rows = np.isin(table.label, ["one", "six"]) & (table.subset != "testing")
    rows &= np.isin(table.speaker, ["jackson", "theo", "nicolas"])
    made = table.take(rows)
    write_features(folder, made, digit_features.meta.shape, [(slice(None), read_features(digit_features, rows))])
    return FeatureSet(folder, digit_features.meta.model_copy(update={"classes": ("one", "six")}))


def params(**changes: object) -> FineTuneParams:
    blocks = architecture(NAME, input_shape=(20, 49), classes=2)["blocks"]
    made = FineTuneParams(
        architecture=NAME, blocks=("image_vviridis_o40", *blocks[1:]), weights="theirs.safetensors",
        recipe="s0", epochs=1, second_epochs=1, batch=20, frozen_layers=40, selection="last",
    )  # fmt: skip
    return made.model_copy(update=changes)


def test_torchvisions_weights_are_where_it_begins(few: FeatureSet, tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = theirs(NAME).state_dict()
    save_file(state, tmp_path / "theirs.safetensors")
    model = fine_tune(few, None, params=params(), ctx=Context.for_test(tmp_path))
    learnt = load_file(model.file("weights.safetensors"))
    assert torch.equal(learnt["fire1.squeeze.conv.weight"], state["features.3.squeeze.weight"])
    assert torch.equal(learnt["fire4.expand2.conv.bias"], state["features.7.expand3x3.bias"])
    moved = (learnt["fire8.expand1.conv.weight"] - state["features.12.expand1x1.weight"]).abs()
    assert 0 < moved.max() < 0.1
    assert model.meta.classes == ("one", "six")


def test_weights_of_another_base_are_told(few: FeatureSet, tmp_path: Path) -> None:
    state = theirs(NAME).state_dict()
    del state["features.12.squeeze.weight"]
    save_file(state, tmp_path / "theirs.safetensors")
    with pytest.raises(OssicleError) as caught:
        fine_tune(few, None, params=params(), ctx=Context.for_test(tmp_path))
    assert "1 absent: features.12.squeeze.weight" in caught.value.what


@pytest.mark.parametrize("count", [298, 128, 85, 42])
def test_the_numbers_of_s2_freeze_keras_layers_of_densenet121(count: int) -> None:
    """The node counts the modules of the base, and comes to the same parameters as Keras' count (S2 table 2)."""
    network = build({**headless("deepspectrum_densenet121"), "classes": 2})
    frozen = first_layers(network, count)
    names = [name for name, _ in network.named_parameters() if name.rpartition(".")[0] in frozen]
    assert tuple(names) == first_parameters(network, count)


class Quiet(SimpleHTTPRequestHandler):
    """A file server that says nothing."""

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where a server on this machine gives out what lies in `there`."""
    (tmp_path / "there").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "there")))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_weights_may_lie_behind_an_address(
    few: FeatureSet, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSSICLE_HOME", str(tmp_path / "home"))
    state = theirs(NAME).state_dict()
    save_file(state, tmp_path / "there" / "theirs.safetensors")
    named = params(weights=f"{address}/theirs.safetensors", epochs=0)
    assert fine_tune.fingerprint is not None
    before = fine_tune.fingerprint(named, tmp_path)
    model = fine_tune(few, None, params=named, ctx=Context.for_test(tmp_path))
    learnt = load_file(model.file("weights.safetensors"))
    assert torch.equal(learnt["fire1.squeeze.conv.weight"], state["features.3.squeeze.weight"])
    assert before == fine_tune.fingerprint(named, tmp_path)
    save_file({"other": torch.zeros(2)}, tmp_path / "there" / "theirs.safetensors")
    assert before != fine_tune.fingerprint(named, tmp_path)


def test_an_address_without_a_file_is_told(few: FeatureSet, tmp_path: Path, address: str) -> None:
    with pytest.raises(OssicleError, match="404"):
        fine_tune(few, None, params=params(weights=f"{address}/no.safetensors"), ctx=Context.for_test(tmp_path))
