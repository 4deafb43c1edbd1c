"""DeepSpectrum's nets: sizes as their papers and torchvision have them, and the way to torch and to ONNX."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from zoo_models import PICTURE_NETS, SHAPE, headless, theirs

from nodes.zoo import ZooError, architecture, build, describe, export_onnx, models
from nodes.zoo.first_layers import counted, first_modules, first_parameters
from nodes.zoo.inference import logits, open_session
from nodes.zoo.network import Network


@pytest.fixture(scope="module", params=PICTURE_NETS)
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    """Each net once, its norms moved as training moves them."""
    torch.manual_seed(3)
    made = build(architecture(request.param, input_shape=SHAPE, classes=7))
    for key, value in made.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_(0, 0.1)
        if key.endswith("running_var"):
            value.uniform_(0.8, 1.25)
    yield made.eval()


def test_one_forward_fits_the_table(network: Network) -> None:
    shapes: dict[str, tuple[int, ...]] = {}
    for row in describe(network.architecture).layers:

        def record(_module: object, _input: object, output: torch.Tensor, key: str = row.name) -> None:
            shapes[key] = tuple(output.shape[1:])

        network.get_submodule(row.name).register_forward_hook(record)
    with torch.no_grad():
        assert network(torch.randn(1, *SHAPE)).shape == (1, 7)
    assert shapes == {row.name: row.out_shape for row in describe(network.architecture).layers}


def test_the_module_has_the_variables_that_are_counted(network: Network) -> None:
    found = describe(network.architecture)
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert sum(value.numel() for value in state.values()) == found.params
    assert sum(value.numel() for value in network.parameters()) == found.params_trainable


def test_onnx_draws_the_picture_and_says_the_same(network: Network, tmp_path: Path) -> None:
    features = 20 * torch.randn(1, *SHAPE) - 60
    export_onnx(network, tmp_path / "model.onnx")
    with torch.no_grad():
        wanted = network(features).numpy()
    found = logits(open_session(tmp_path / "model.onnx"), features.numpy())
    np.testing.assert_allclose(found, wanted, atol=1e-5 * max(1.0, np.abs(wanted).max()))
    nodes = onnx.load(tmp_path / "model.onnx").graph.node
    rows = [row.name for row in describe(network.architecture).layers if row.op != "drop"]
    assert [node.name for node in nodes if node.name in rows] == rows


def test_the_embedding_is_the_mean_over_the_picture(network: Network) -> None:
    maps: list[torch.Tensor] = []
    hook = network.get_submodule("pool").register_forward_pre_hook(lambda _module, inputs: maps.append(inputs[0]))
    with torch.no_grad(), hook:
        embedding, said = network.both(torch.randn(1, *SHAPE))
    assert torch.allclose(embedding, maps[0].mean((2, 3)), atol=1e-6)
    assert embedding.shape[1] == describe(network.architecture).layers[-3].in_shape[0] and said.shape == (1, 7)


def test_the_first_layers_are_a_growing_part_of_the_base(network: Network) -> None:
    layers = counted(network.architecture)
    halves = [set(first_parameters(network, count)) for count in (0, len(layers) // 2, len(layers))]
    assert not halves[0] and halves[0] < halves[1] < halves[2]
    rest = {name for name, _ in network.named_parameters()} - halves[2]
    assert {name.partition(".")[0] for name in rest} == {"fc1", "fc"}


@pytest.mark.parametrize("name", ["deepspectrum_squeezenet1_1", "deepspectrum_efficientnet_b0"])
def test_every_parameter_receives_a_gradient(name: str) -> None:
    made = architecture(name, width=0.5, input_shape=(64, 50), classes=3)
    torch.manual_seed(1)
    trained = build({**made, "blocks": ["image_vmagma_o64", *made["blocks"][1:]]}).train()
    trained(torch.randn(8, 64, 50)).square().mean().backward()
    silent = [key for key, value in trained.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize("name", PICTURE_NETS)
def test_torchvisions_head_gives_torchvisions_parameters(name: str) -> None:
    if "squeezenet" in name:  # its classifier is a convolution
        blocks = [*headless(name)["blocks"][:-2], "conv_k1_c1000_nnone_b1", "gap", "fc"]
        found = describe({**headless(name), "blocks": blocks}).params_trainable - 1000 * 1000
    else:
        found = describe(headless(name)).params_trainable
    assert found == sum(value.numel() for value in theirs(name).parameters())


@pytest.mark.parametrize(
    ("name", "gmac"),
    [("densenet121", 2.83), ("mobilenet_v2", 0.30), ("resnet50", 4.09), ("efficientnet_b0", 0.39)],
)
def test_torchvisions_head_costs_what_torchvision_prints(name: str, gmac: float) -> None:
    """`GFLOPS` in the notes of its weights are multiply-adds."""
    assert round(describe(headless(f"deepspectrum_{name}")).flops["true"] / 2e9, 2) == gmac


def test_densenet121_as_s2_counts_it() -> None:
    """SEEDS 6.8: 7,037,504 and 2.833 GMAC without head; with 512 units and 2 classes 7,563,330, printed 7.6M."""
    made = architecture("deepspectrum_densenet121", input_shape=SHAPE, classes=2)
    found = describe(made)
    base = [row for row in found.layers if not row.name.startswith("fc")]
    assert sum(row.params for row in base) == 7_037_504
    assert round(sum(row.flops for row in base) / 2e9, 3) == 2.833
    fixed = {**made, "blocks": [block.replace("aarelu", "aarelufixed") for block in made["blocks"]]}
    assert describe(fixed).params == 7_563_330
    assert found.params == 7_563_330 + 2, "the two slopes of AReLU are learnt (slip 34)"
    assert round(describe(fixed).bytes / 1e6, 2) == 30.25


def test_keras_counts_427_layers_and_s2_freezes_shares_of_them() -> None:
    made = architecture("deepspectrum_densenet121", input_shape=SHAPE, classes=2)
    layers = counted(made)
    assert len(layers) == 427
    assert [int(len(layers) * share) for share in (0.7, 0.3, 0.2, 0.1)] == [298, 128, 85, 42]
    assert [layer.what for layer in layers[:7]] == ["input", "padding", "conv", "norm", "relu", "padding", "max"]
    assert [layer.what for layer in layers[7:14]] == ["norm", "relu", "conv", "norm", "relu", "conv", "concat"]
    assert [layer.what for layer in layers[-2:]] == ["norm", "relu"]


@pytest.mark.parametrize("count", [-1, 63])
def test_more_layers_than_there_are_cannot_be_frozen(count: int) -> None:
    small = build(architecture("deepspectrum_squeezenet1_1", input_shape=SHAPE, classes=2))
    with pytest.raises(ZooError, match="0 to 62"):
        first_modules(small, count)


@pytest.mark.parametrize("name", PICTURE_NETS)
def test_they_are_listed_with_the_features_of_s2(name: str) -> None:
    entry = models()[name]
    assert (entry.input_shape, entry.classes, entry.view) == (SHAPE, 2, "frequency_time")


@pytest.mark.parametrize(
    ("view", "blocks"),
    [
        ("temporal", ["image_vviridis_o8", "gap", "fc"]),
        ("frequency_time", ["conv_k1_c1", "image_vviridis_o8", "gap", "fc"]),
    ],
)
def test_a_picture_is_drawn_of_features_alone(view: str, blocks: list[str]) -> None:
    made = {**architecture("deepspectrum_squeezenet1_1", input_shape=SHAPE, classes=2), "view": view, "blocks": blocks}
    with pytest.raises(ZooError, match="Put the image block first"):
        describe(made)


def test_pools_that_end_with_a_whole_window() -> None:
    made = architecture("deepspectrum_squeezenet1_0", input_shape=SHAPE, classes=2)
    sizes = [row.out_shape[1] for row in describe(made).layers if row.name.startswith("pool")]
    assert sizes == [54, 27, 13, 1]
