"""Torch modules: equal to the table in size and count, trainable, and padded as TensorFlow pads."""

import math

import numpy as np
import pytest
import torch

from nodes.zoo import architecture, build, describe, models
from nodes.zoo.network import Network
from nodes.zoo.plan import plan


def built(name: str, classes: int = 12, **changes: object) -> Network:
    entry = models()[name]
    return build({**architecture(name, input_shape=entry.input_shape, classes=classes), **changes})


@pytest.mark.parametrize("width", [1.0, 0.5])
@pytest.mark.parametrize("name", models())
def test_the_module_has_as_many_variables_as_the_data_say(name: str, width: float) -> None:
    entry = models()[name]
    made = architecture(name, width=width, input_shape=entry.input_shape, classes=entry.classes)
    network, found = build(made), describe(made)
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert sum(value.numel() for value in state.values()) == found.params
    assert sum(value.numel() for value in network.parameters() if value.requires_grad) == found.params_trainable


@pytest.mark.parametrize("name", models())
def test_every_layer_has_the_shape_of_the_table(name: str) -> None:
    network = built(name).eval()
    shapes: dict[str, tuple[int, ...]] = {}
    for row in describe(network.architecture).layers:
        if row.op == "add":
            continue

        def record(_module: object, _input: object, output: torch.Tensor, key: str = row.name) -> None:
            shapes[key] = tuple(output.shape[1:])

        network.get_submodule(row.name).register_forward_hook(record)
    logits = network(torch.zeros(2, *models()[name].input_shape))
    assert logits.shape == (2, 12)
    assert shapes == {row.name: row.out_shape for row in describe(network.architecture).layers if row.op != "add"}


@pytest.mark.parametrize("name", models())
def test_every_parameter_receives_a_gradient(name: str) -> None:
    torch.manual_seed(1)
    network = built(name).train()
    network(torch.randn(4, *models()[name].input_shape)).square().mean().backward()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize("shape", [(40, 32), (40, 44), (13, 101), (64, 400)])
@pytest.mark.parametrize("name", ["tc_resnet8", "tc_resnet14", "resnet8_2d_pool", "seed_cnn", "ds_kws9", "ds_cnn_s"])
def test_any_input_shape_is_taken(name: str, shape: tuple[int, int]) -> None:
    network = build(architecture(name, input_shape=shape, classes=7)).eval()
    assert network(torch.randn(3, *shape)).shape == (3, 7)


@pytest.mark.parametrize(("frames", "kernel", "stride"), [(98, 9, 2), (49, 9, 2), (25, 9, 2), (98, 3, 1), (7, 4, 3)])
def test_same_padding_is_tensorflows(frames: int, kernel: int, stride: int) -> None:
    """Against a plain loop over TensorFlow's definition of SAME."""
    torch.manual_seed(0)
    blocks = [f"conv_k{kernel}_s{stride}_c5_nnone_anone", "gap", "fc"]
    network = built("tc_resnet8", input_shape=[4, frames], blocks=blocks)
    features, weight = torch.randn(1, 4, frames), network.get_submodule("conv1.conv").weight.detach().numpy()
    outputs = math.ceil(frames / stride)
    total = max((outputs - 1) * stride + kernel - frames, 0)
    padded = np.pad(features[0].numpy(), ((0, 0), (total // 2, total - total // 2)))
    wanted = [np.einsum("oik,ik->o", weight, padded[:, i * stride : i * stride + kernel]) for i in range(outputs)]
    found = network.get_submodule("conv1")(features)[0].detach().numpy()
    np.testing.assert_allclose(found, np.stack(wanted, 1), atol=1e-6)


def test_two_dimensional_nets_are_turned_as_their_papers_say() -> None:
    features = torch.arange(12.0).reshape(1, 3, 4)  # 3 coefficients, 4 frames
    s1, s4 = (built(name, input_shape=[3, 4], blocks=["fc"]) for name in ("ds_cnn_s", "seed_cnn"))
    assert torch.equal(s1.get_submodule("view")(features), features[0].T[None, None])
    assert torch.equal(s4.get_submodule("view")(features), features[:, None])


def test_a_residual_block_is_figure_2b() -> None:
    torch.manual_seed(0)
    network = built("tc_resnet8").eval()
    x, block = torch.randn(2, 16, 98), network.get_submodule("b1")
    first = block.get_submodule("conv1")(x)
    short = block.get_submodule("short")(x)
    assert (first >= 0).all() and (short >= 0).all()
    second = block.get_submodule("conv2")(first)
    assert (second < 0).any()
    assert torch.equal(block(x), torch.relu(second + short))


def test_the_offset_norm_neither_trains_nor_saves_a_scale() -> None:
    network = built("ds_cnn_s")
    keys = [key for key in network.state_dict() if key.startswith("conv1.norm")]
    assert keys == [f"conv1.norm.{name}" for name in ("bias", "running_mean", "running_var", "num_batches_tracked")]


def test_the_seed_decides_the_initial_weights() -> None:
    def first(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return built("tc_resnet8").get_submodule("conv1.conv").weight.detach()

    assert torch.equal(first(3), first(3))
    assert not torch.equal(first(3), first(4))


def test_the_network_remembers_what_it_was_built_from() -> None:
    network = built("kws9", classes=3)
    assert plan(network.architecture) == plan(build(network.architecture).architecture)
    assert network.architecture["classes"] == 3
