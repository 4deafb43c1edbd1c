"""Torch modules: equal to the table in size and count, trainable, and padded as TensorFlow pads."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from zoo_models import PICTURE_NETS

from nodes.zoo import architecture, build, describe, models
from nodes.zoo.network import Network
from nodes.zoo.norms import norm_of
from nodes.zoo.plan import plan

BUILT = [name for name, entry in models().items() if not entry.is_large]
"""Tens of megabytes of weights are left out; the same code builds the others of their family."""


def built(name: str, classes: int = 12, **changes: object) -> Network:
    entry = models()[name]
    return build({**architecture(name, input_shape=entry.input_shape, classes=classes), **changes})


@pytest.mark.parametrize("width", [1.0, 0.5])
@pytest.mark.parametrize("name", models())
def test_the_module_has_as_many_variables_as_the_data_say(name: str, width: float) -> None:
    entry = models()[name]
    made = architecture(name, width=width, input_shape=entry.input_shape, classes=entry.classes)
    with torch.device("meta"):  # sizes without memory, as some have 72 million weights
        network, found = build(made), describe(made)
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert sum(value.numel() for value in state.values()) == found.params
    assert sum(value.numel() for value in network.parameters() if value.requires_grad) == found.params_trainable


@pytest.mark.parametrize("name", BUILT)
def test_every_layer_has_the_shape_of_the_table(name: str) -> None:
    network = built(name).eval()
    shapes: dict[str, tuple[int, ...]] = {}
    for row in describe(network.architecture).layers:

        def record(_module: object, _input: object, output: torch.Tensor, key: str = row.name) -> None:
            shapes[key] = tuple(output.shape[1:])

        network.get_submodule(row.name).register_forward_hook(record)
    logits = network(torch.zeros(2, *models()[name].input_shape))
    assert logits.shape == (2, 12)
    assert shapes == {row.name: row.out_shape for row in describe(network.architecture).layers}


@pytest.mark.parametrize("name", BUILT)
def test_one_step_of_training_reaches_every_parameter(name: str) -> None:
    torch.manual_seed(1)
    network = built(name).train()
    logits = network(torch.randn(4, *models()[name].input_shape))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 3, 5, 11])).backward()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert silent == []
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    assert all(value.isfinite().all() for value in network.state_dict().values())


MAPS = [(40, 32), (40, 44), (13, 101), (64, 400)]
PATCHES = [(1, 64, 96), (7, 64, 96), (3, 96, 64)]
ANY = [
    "tc_resnet8", "tc_resnet14", "resnet8_2d_pool", "seed_cnn", "ds_kws9", "ds_cnn_s", "bc_resnet", "res8",
    "res15_narrow", "matchboxnet_3x2x64", "kws_lstm",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shape"),
    [(name, shape) for name in ANY for shape in MAPS]
    + [(name, shape) for name in ("m20k", "m200k_lstm", "m20k_rnn_pad3x3") for shape in PATCHES],
)
def test_any_input_shape_is_taken(name: str, shape: tuple[int, ...]) -> None:
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


def naive_gru(x: torch.Tensor, w: torch.Tensor, r: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(batch, steps, inputs) -> the last state, by the equations (gates r, z, n; reset after the product)."""
    h = torch.zeros(len(x), r.shape[1])
    for t in range(x.shape[1]):
        reset, update, new = (x[:, t] @ w.T + b).chunk(3, 1)
        past_reset, past_update, past_new = (h @ r.T).chunk(3, 1)
        z = torch.sigmoid(update + past_update)
        h = z * h + (1 - z) * torch.tanh(new + torch.sigmoid(reset + past_reset) * past_new)
    return h


def naive_lstm(x: torch.Tensor, w: torch.Tensor, r: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The same for gates i, f, g, o."""
    h = c = torch.zeros(len(x), r.shape[1])
    for t in range(x.shape[1]):
        i, f, g, o = (x[:, t] @ w.T + b + h @ r.T).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
    return h


def naive_rnn(x: torch.Tensor, w: torch.Tensor, r: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The same without gates."""
    h = torch.zeros(len(x), r.shape[1])
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ w.T + b + h @ r.T)
    return h


@pytest.mark.parametrize(("kind", "naive"), [("gru", naive_gru), ("lstm", naive_lstm), ("rnn", naive_rnn)])
def test_recurrent_layers_are_their_equations(kind: str, naive: Callable[..., torch.Tensor]) -> None:
    torch.manual_seed(0)
    unit = built("tc_resnet8", input_shape=[6, 9], blocks=[f"{kind}_c5", "fc"]).get_submodule(f"{kind}1")
    features = torch.randn(3, 6, 9)
    with torch.no_grad():
        wanted = naive(features.mT, unit.weight_ih, unit.weight_hh, unit.bias)
        torch.testing.assert_close(unit(features), wanted, atol=1e-6, rtol=1e-5)


def test_patches_of_one_clip_do_not_touch_another() -> None:
    torch.manual_seed(0)
    network = built("m20k").eval()
    first, second = torch.randn(2, 4, 64, 96)
    with torch.no_grad():
        together = network(torch.stack([first, second]))
        torch.testing.assert_close(together, torch.cat([network(first[None]), network(second[None])]))
        assert not torch.allclose(network(first[None]), network(first.flip(0)[None])), "order of the patches matters"


def test_the_embedding_of_s3_is_one_vector_of_128_per_patch_before_the_norm() -> None:
    network, features = built("m20k").eval(), torch.randn(3, 4, 64, 96)
    with torch.no_grad():
        embedding, logits = network.both(features)
        assert embedding.shape == (3, 4, 128) and (embedding >= 0).all()
        assert torch.equal(logits, network(features)) and torch.equal(embedding, network.embedding(features))
        head = network.get_submodule("gru1")(embedding.flatten(0, 1))
        assert torch.equal(network.get_submodule("fc")(head), logits)


@pytest.mark.parametrize("name", BUILT)
def test_the_embedding_feeds_the_head(name: str) -> None:
    network, features = built(name).eval(), torch.randn(2, *models()[name].input_shape)
    read: list[torch.Tensor] = []
    if models()[name].view != "patches":
        head = "fc1" if name in PICTURE_NETS else "fc"  # theirs is the mean over the picture, before AReLU's layer
        network.get_submodule(head).register_forward_hook(lambda _module, given, _out: read.append(given[0]))
        with torch.no_grad():
            embedding = network.embedding(features)
        assert torch.equal(embedding, read[0].flatten(1))


def test_the_embedding_has_no_dropout_in_training() -> None:
    network = built("tc_resnet8").train()
    assert (network.embedding(torch.randn(64, 40, 98)) == 0).float().mean() < 0.2


def test_sub_spectral_norm_is_a_norm_for_each_band() -> None:
    torch.manual_seed(0)
    norm = norm_of("ssn", 3, 2, bands=5).train()
    x = torch.randn(4, 3, 20, 7) * torch.arange(1, 21.0)[:, None]
    bands = [
        (band - band.mean((0, 2, 3), True)) / band.std((0, 2, 3), correction=0, keepdim=True) for band in x.split(4, 2)
    ]
    torch.testing.assert_close(norm(x), torch.cat(bands, 2), atol=1e-3, rtol=1e-3)


def test_sub_spectral_norm_keeps_channels_side_by_side() -> None:
    torch.manual_seed(0)
    x, norm = torch.randn(4, 3, 20, 7), norm_of("ssn", 3, 2, bands=5).eval()
    norm.get_buffer("running_mean").normal_()
    found = norm(x.contiguous(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last) and norm(x).is_contiguous()
    assert torch.equal(found, norm(x))


@pytest.mark.parametrize(("channels", "stride", "is_transition"), [(8, "1", False), (12, "2x1", True)])
def test_a_broadcasted_block_is_its_formula(channels: int, stride: str, is_transition: bool) -> None:
    """y = ReLU(x + f2(x) + f1(mean f2(x))), Kim et al. 2021, section 2.2."""
    torch.manual_seed(0)
    blocks = ["conv_k1_c8", f"bc_s{stride}_d1x2_c{channels}", "gap", "fc"]
    block = built("bc_resnet", input_shape=[20, 30], blocks=blocks).eval().get_submodule("b1")
    x = torch.randn(2, 8, 20, 30)
    with torch.no_grad():
        f2 = block.get_submodule("frequency")(block.get_submodule("expand")(x) if is_transition else x)
        f1 = block.get_submodule("mix")(block.get_submodule("time")(f2.mean(2, keepdim=True)))
        wanted = torch.relu(f2 + f1 + (0 if is_transition else x))
        torch.testing.assert_close(block(x), wanted)
    assert wanted.shape == (2, channels, 10 if is_transition else 20, 30)
    time = block.get_submodule("time.conv")
    assert (time.dilation, time.padding, time.groups) == ((1, 2), (0, 2), channels)


def test_a_pair_is_conv_relu_norm_conv_relu_sum_norm() -> None:
    torch.manual_seed(0)
    network = built("res8").eval()
    block, x = network.get_submodule("b1"), torch.rand(2, 45, 24, 13)
    for key, value in network.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_()
    conv1, conv2 = block.get_submodule("conv1"), block.get_submodule("conv2")
    norm, last = conv1.get_submodule("norm"), block.get_submodule("add.finish.norm")
    with torch.no_grad():
        first = norm(torch.relu(conv1.get_submodule("conv")(x)))
        wanted = last(x + torch.relu(conv2.get_submodule("conv")(first)))
        torch.testing.assert_close(block(x), wanted)
    assert norm.weight is None and norm.bias is None


def test_a_time_channel_block_is_its_formula() -> None:
    torch.manual_seed(0)
    block, x = built("matchboxnet_3x2x64").eval().get_submodule("b2"), torch.randn(2, 128, 50)
    with torch.no_grad():
        one = block.get_submodule("1.pw")(block.get_submodule("1.dw")(x))
        two = block.get_submodule("2.pw")(block.get_submodule("2.dw")(one))
        torch.testing.assert_close(block(x), torch.relu(two + block.get_submodule("short")(x)))
    assert (one >= 0).all() and (two < 0).any()
    assert sum(1 for _ in block.get_submodule("1.dw").parameters()) == 1, "no norm between depthwise and pointwise"


@pytest.mark.parametrize("rows", [7, 8])
def test_pools_of_odd_maps(rows: int) -> None:
    """2x2 with what is left over, or 3x3 with half padding: equal sizes (slip 48), values by definition."""
    x = -torch.rand(1, 1, rows, 5) - 1
    pools = {
        padding: built("seed_cnn", input_shape=[rows, 5], blocks=[f"max_k2_p{padding}", "fc"]).get_submodule("pool1")(x)
        for padding in ("same", "odd3")
    }
    assert {pool.shape for pool in pools.values()} == {(1, 1, 4, 3)}
    assert torch.equal(pools["same"], torch.nn.functional.max_pool2d(x, 2, 2, ceil_mode=True))
    assert torch.equal(pools["odd3"], torch.nn.functional.max_pool2d(x, 3, 2, 1)), "5 columns are odd"
