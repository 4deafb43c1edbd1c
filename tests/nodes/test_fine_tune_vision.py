"""ossicle.fine_tune of DeepSpectrum's nets from a file with torchvision's names."""

from __future__ import annotations

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
