"""Torchvision's weights on our nets: the same logits, and every name that does not fit is told."""

import pickle
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from zoo_models import PICTURE_NETS, SHAPE, headless, theirs

from nodes.zoo import ZooError, architecture, build
from nodes.zoo.network import Network
from nodes.zoo.torchvision_names import base_of, import_weights

SMALL = "deepspectrum_squeezenet1_1"


def stored(state: dict[str, Tensor], folder: Path) -> Path:
    path = folder / "theirs.safetensors"
    save_file(state, path)
    return path


def net(name: str = SMALL, width: float = 1.0) -> Network:
    return build(architecture(name, width=width, input_shape=SHAPE, classes=2)).eval()


@torch.no_grad()
def maps(network: Network, features: Tensor, last: str) -> Tensor:
    """What a stage leaves."""
    for name, module in network.named_children():
        features = module(features)
        if name == last:
            break
    return features


@pytest.mark.parametrize("name", PICTURE_NETS)
def test_the_same_picture_gets_torchvisions_logits(name: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    model = theirs(name).eval()
    for key, value in model.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_(0, 0.1)
        if key.endswith("running_var"):
            value.uniform_(0.8, 1.25)
    own_head = "squeezenet" in name  # theirs ends with a convolution, which has no place in our head
    network = net(name) if own_head else build(headless(name)).eval()
    imported = import_weights(network, stored(model.state_dict(), tmp_path))
    features = torch.randn(1, *SHAPE)
    with torch.no_grad():
        wanted = model(maps(network, features, "image"))
        found = model.classifier(maps(network, features, "fire8")).flatten(1) if own_head else network(features)
    assert (found - wanted).abs().max() <= 1e-4
    assert bool(imported.fresh) is bool(imported.unused) is own_head
    assert {key.partition(".")[0] for key in imported.fresh} == ({"fc1", "fc"} if own_head else set())


def test_a_head_of_our_own_keeps_its_values(tmp_path: Path) -> None:
    network, path = net("deepspectrum_densenet121"), stored(theirs("deepspectrum_densenet121").state_dict(), tmp_path)
    before = network.get_submodule("fc1.dense").weight.detach().clone()
    imported = import_weights(network, path)
    assert torch.equal(network.get_submodule("fc1.dense").weight, before)
    assert imported.unused == ("classifier.bias", "classifier.weight")
    head = ["fc1.dense.weight", "fc1.dense.bias", "fc1.arelu.alpha", "fc1.arelu.beta"]
    assert list(imported.fresh) == [*head, "fc.dense.weight", "fc.dense.bias"]


def test_densenets_older_names_and_absent_counters_are_taken(tmp_path: Path) -> None:
    """The published file says `denselayer1.norm.1.weight`; files of other makers leave out the batch counters."""
    state = theirs("deepspectrum_densenet121").state_dict()
    older = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): value
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in older
    network = net("deepspectrum_densenet121")
    import_weights(network, stored(older, tmp_path))
    wanted = state["features.denseblock4.denselayer16.conv2.weight"]
    assert torch.equal(network.state_dict()["dense4.16.conv2.conv.weight"], wanted)


def test_names_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    state = theirs(SMALL).state_dict()
    state["features.0.weights"] = state.pop("features.0.weight")
    state["features.3.squeeze.bias"] = torch.zeros(5)
    network = net()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ZooError) as caught:
        import_weights(network, stored(state, tmp_path))
    assert "'theirs.safetensors' does not hold torchvision's squeezenet1_1" in caught.value.what
    assert "1 absent: features.0.weight;" in caught.value.what
    assert "1 not known here: features.0.weights;" in caught.value.what
    assert "1 of another shape: features.3.squeeze.bias (5,) for (16,)" in caught.value.what
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in before.items())


@pytest.mark.parametrize(
    ("name", "width", "words"),
    [("deepspectrum_mobilenet_v2", 1.0, "260 absent: "), (SMALL, 0.5, "50 of another shape")],
)
def test_weights_of_another_model_are_refused(name: str, width: float, words: str, tmp_path: Path) -> None:
    with pytest.raises(ZooError) as caught:
        import_weights(net(name, width), stored(theirs(SMALL).state_dict(), tmp_path))
    assert words in caught.value.what


def test_a_net_without_a_base_of_torchvision_takes_none(tmp_path: Path) -> None:
    network = build(architecture("tc_resnet8", input_shape=(40, 98), classes=2))
    with pytest.raises(ZooError, match="'tc_resnet8' is no net of torchvision"):
        import_weights(network, stored(theirs(SMALL).state_dict(), tmp_path))
    assert base_of({"name": "deepspectrum_resnet50"}) == "resnet50"


def test_torch_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "squeezenet1_1-b8a52dc0.pth"
    torch.save(theirs(SMALL).state_dict(), path)
    with pytest.raises(ZooError, match="pickle") as caught:
        import_weights(net(), path)
    assert "save_file" in caught.value.remedy
    path.write_bytes(pickle.dumps({}))
    with pytest.raises(ZooError, match="pickle"):
        import_weights(net(), path)
