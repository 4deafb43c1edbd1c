"""Layouts: the sizes the papers print, TensorFlow's padding, and errors for what cannot be laid out."""

from typing import Any

import pytest

from nodes.zoo import ZooError, architecture, models
from nodes.zoo.plan import Layer, plan


def layers_of(name: str, shape: tuple[int, int], **changes: Any) -> dict[str, Layer]:
    made = {**architecture(name, input_shape=shape, classes=12), **changes}
    return {layer.name: layer for layer in plan(made).layers}


@pytest.mark.parametrize("name", ["tc_resnet8", "tc_resnet14"])
def test_tc_resnet_halves_the_frames_as_in_figure_2(name: str) -> None:
    lengths = [layer.out_shape[1] for key, layer in layers_of(name, (40, 98)).items() if key.endswith(".add")]
    assert lengths == {"tc_resnet8": [49, 25, 13], "tc_resnet14": [49, 49, 25, 25, 13, 13]}[name]


def test_tensorflow_padding_puts_the_odd_zero_last() -> None:
    layers = layers_of("tc_resnet8", (40, 98))
    assert [layers[f"b{i}.conv1"].pads for i in (1, 2, 3)] == [((3, 4),), ((4, 4),), ((4, 4),)]
    assert layers["b1.short"].pads == ((0, 0),)


def test_names_follow_the_papers() -> None:
    assert list(layers_of("tc_resnet8", (40, 98)))[:6] == [
        "conv1", "b1.conv1", "b1.conv2", "b1.short", "b1.add", "b2.conv1",
    ]  # fmt: skip
    assert list(layers_of("ds_cnn_s", (10, 49)))[:3] == ["conv1", "b1.dw", "b1.pw"]
    assert list(layers_of("cnn_1", (40, 49))) == [
        "conv1", "drop1", "pool1", "conv2", "drop2", "fc1", "fc2", "fc",
    ]  # fmt: skip


def test_a_shortcut_is_a_convolution_only_where_the_shape_changes() -> None:
    layers = layers_of("tc_resnet14", (40, 98))
    assert [name for name in layers if name.endswith("short")] == ["b1.short", "b3.short", "b5.short"]
    assert layers["b2.add"].other == "b1.add"
    assert layers["b1.add"].other == "b1.short"


@pytest.mark.parametrize(
    ("shape", "first", "rest"),
    [((40, 44), (100, 41, 23), (100, 21, 12)), ((40, 32), (100, 41, 17), (100, 21, 9))],
)
def test_the_seed_cnn_has_the_printed_map_sizes(
    shape: tuple[int, int], first: tuple[int, ...], rest: tuple[int, ...]
) -> None:
    layers = layers_of("seed_cnn", shape)
    assert layers["conv1"].out_shape == first
    assert {layers[f"conv{i}"].out_shape for i in range(2, 7)} == {rest}
    assert layers["pool"].kernel == rest[1:]


def test_the_seed_ds_cnn_pools_to_190_positions_at_40x44() -> None:
    layers = layers_of("ds_cnn", (40, 44))
    assert layers["pool1"].out_shape == (100, 19, 10)
    assert layers["fc"].in_shape == (100, 19, 10)


def test_the_twin_nets_have_the_sizes_of_table_2() -> None:
    plain, pooled = (layers_of(name, (40, 98)) for name in ("resnet8_2d", "resnet8_2d_pool"))
    assert [plain[f"b{i}.add"].out_shape[1:] for i in (1, 2, 3)] == [(49, 20), (25, 10), (13, 5)]
    assert pooled["pool1"].out_shape == (23, 24, 10)
    assert [pooled[f"b{i}.add"].out_shape[1:] for i in (1, 2, 3)] == [(12, 5), (6, 3), (3, 2)]


def test_ds_cnn_sizes() -> None:
    small, medium = layers_of("ds_cnn_s", (10, 49)), layers_of("ds_cnn_m", (10, 49))
    assert small["conv1"].out_shape == (64, 25, 5)
    assert medium["conv1"].out_shape == (172, 25, 10)
    assert medium["b1.dw"].out_shape == (172, 13, 5)


def test_explicit_padding_equals_half_where_it_says_so() -> None:
    layers = layers_of("seed_cnn", (40, 44), blocks=["conv_k4x10_s1x2_p2x5_c100", "gap", "fc"])
    assert layers["conv1"].out_shape == (100, 41, 23)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"view": "cube"}, "The view is 'cube'"),
        ({"input_shape": [40]}, "The input shape is [40]"),
        ({"input_shape": [40, 0]}, "The input shape is [40, 0]"),
        ({"input_shape": [40, 98.0]}, "The input shape is [40, 98.0]"),
        ({"classes": 0}, "The number of classes is 0"),
        ({"classes": True}, "The number of classes is True"),
        ({"blocks": []}, "The blocks are []"),
        ({"blocks": ["conv_k3_c4"]}, "The blocks are ['conv_k3_c4']"),
        ({"blocks": ["conv_k3x3_c4", "fc"]}, "'conv1' has the size 3x3 on 1 axes"),
        ({"blocks": ["conv_k99_pvalid_c4", "fc"]}, "At 'conv1' the map is 98 and the kernel 99"),
        ({"blocks": ["avg_k99", "fc"]}, "At 'pool1' the map is 98 and the kernel 99"),
        ({"blocks": ["avg_k4_psame", "fc"]}, "The pool 'pool1' has the padding 'same'"),
        ({"blocks": ["fc", "fc"]}, "The dense layer 'fc1' has no size"),
        ({"blocks": ["fc_c8", "gap", "fc"]}, "'pool' follows a dense layer"),
    ],
)
def test_what_cannot_be_laid_out_is_refused_in_three_parts(changes: dict[str, Any], words: str) -> None:
    made = {**architecture("tc_resnet8", input_shape=(40, 98), classes=12), **changes}
    with pytest.raises(ZooError) as caught:
        plan(made)
    assert words in caught.value.what
    assert caught.value.expected and caught.value.remedy


@pytest.mark.parametrize("key", ["name", "width", "view", "input_shape", "classes", "blocks"])
def test_an_incomplete_architecture_names_what_is_missing(key: str) -> None:
    made = dict(architecture("tc_resnet8", input_shape=(40, 98), classes=12))
    del made[key]
    with pytest.raises(ZooError, match=f"no '{key}'"):
        plan(made)


@pytest.mark.parametrize("name", models())
def test_every_model_lays_out_for_other_inputs_or_says_why_not(name: str) -> None:
    for shape in ((40, 98), (10, 49), (64, 500), (1, 1)):
        try:
            made = architecture(name, input_shape=shape, classes=3)
        except ZooError as error:
            assert "kernel" in error.what and shape < (40, 98)
            continue
        assert plan(made).layers[-1].out_shape == (3,)
