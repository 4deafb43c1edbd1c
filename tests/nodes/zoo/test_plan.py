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
    maps, patches = ((40, 98), (10, 49), (64, 500), (1, 1)), ((1, 64, 96), (9, 40, 50), (2, 1, 1))
    for shape in patches if models()[name].view == "patches" else maps:
        try:
            made = architecture(name, input_shape=shape, classes=3)
        except ZooError as error:
            assert "kernel" in error.what and min(shape[-2:]) <= 49
            continue
        assert plan(made).layers[-1].out_shape == (3,)


@pytest.mark.parametrize("name", models())
def test_a_model_refuses_features_with_other_axes_and_says_what_to_do(name: str) -> None:
    is_patches = models()[name].view == "patches"
    shape, wanted = ((40, 98), "patches x bands x frames") if is_patches else ((4, 64, 96), "coefficients x frames")
    with pytest.raises(ZooError) as caught:
        architecture(name, input_shape=shape, classes=3)
    assert caught.value.expected == wanted and str(list(shape)) in caught.value.what
    assert ("s3-96x64" in caught.value.remedy) == is_patches


def test_m20k_has_the_sizes_of_table_6_with_either_pool() -> None:
    wanted = [
        (4, 94, 62), (4, 47, 31), (8, 45, 29), (8, 23, 15), (16, 21, 13), (16, 11, 7), (16, 9, 5), (16, 5, 3),
        (32, 3, 1), (32, 2, 1), (64,), (128,), (60,), (10,),
    ]  # fmt: skip
    kernels: dict[str, list[tuple[int, ...]]] = {}
    for name in ("m20k_rnn", "m20k_rnn_pad3x3"):
        entry = models()[name]
        layers = plan(architecture(name, input_shape=entry.input_shape, classes=10)).layers
        assert [layer.out_shape for layer in layers] == wanted
        kernels[name] = [layer.kernel for layer in layers if layer.op == "max"]
    assert kernels == {"m20k_rnn": [(2, 2)] * 5, "m20k_rnn_pad3x3": [(2, 2), *[(3, 3)] * 4]}


def test_res15_dilates_by_2_to_the_i_div_3() -> None:
    layers = [layer for layer in layers_of("res15", (40, 98)).values() if layer.op == "conv"][1:]
    assert [layer.dilation[0] for layer in layers] == [2 ** (i // 3) for i in range(13)]
    assert {layer.out_shape for layer in layers} == {(45, 98, 40)}


def test_bc_resnet_has_the_sizes_of_its_table_1() -> None:
    layers = layers_of("bc_resnet", (40, 98))
    stages = [layers[name].out_shape for name in ("conv1", "b2.add", "b4.add", "b8.add", "b12.add", "b13.pw")]
    assert stages == [(16, 20, 98), (8, 20, 98), (12, 10, 98), (16, 5, 98), (20, 5, 98), (32, 1, 98)]
    assert [layers[f"b{i}.time"].dilation[1] for i in (1, 3, 5, 9)] == [1, 2, 4, 8]
    assert {layers[f"b{i}.frequency"].bands for i in range(1, 13)} == {5}


@pytest.mark.parametrize(("rows", "bands"), [(40, 5), (64, 4), (13, 1), (12, 4)])
def test_sub_spectral_bands_divide_the_rows(rows: int, bands: int) -> None:
    blocks = ["conv_k1_c2_nssn", "gap", "fc"]
    layer = layers_of("bc_resnet", (40, 98), input_shape=[rows, 20], blocks=blocks)["conv1"]
    assert layer.bands == bands


PATCHED = {"view": "patches", "input_shape": [4, 64, 96]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({**PATCHED, "blocks": ["gap", "fc"]}, "No recurrent block joins the patches"),
        ({**PATCHED, "blocks": ["gap", "gru_c4", "rnn_c4", "fc"]}, "'rnn1' reads 4, which is no sequence"),
        ({"view": "time_frequency", "blocks": ["lstm_c4", "fc"]}, "'lstm1' reads 1x98x40, which is no sequence"),
        ({"blocks": ["pair_k3_c8", "gap", "fc"]}, "'b1' turns 40x98 into 8x98"),
        ({"blocks": ["bc_c8", "gap", "fc"]}, "'b1' reads 40x98"),
        ({"blocks": ["conv_k9_d20_pvalid_c4", "gap", "fc"]}, "At 'conv1' the map is 98 and the kernel 161"),
        ({"blocks": ["avg_k4_phalf", "fc"]}, "The pool 'pool1' has the padding 'half'"),
        ({"blocks": ["max_k4_p2", "fc"]}, "The pool 'pool1' has the padding (2,)"),
        ({"view": "patches"}, "The input shape is [40, 98]"),
        ({"input_shape": [4, 64, 96]}, "The input shape is [4, 64, 96]"),
    ],
)
def test_new_kinds_are_refused_where_they_cannot_stand(changes: dict[str, Any], words: str) -> None:
    made = {**architecture("tc_resnet8", input_shape=(40, 98), classes=12), **changes}
    with pytest.raises(ZooError) as caught:
        plan(made)
    assert words in caught.value.what
    assert caught.value.expected and caught.value.remedy


@pytest.mark.parametrize(
    ("name", "stage"),
    [("m20k", "fc2"), ("vggish", "fc3"), ("tc_resnet8", "pool"), ("kws_lstm", "lstm1"), ("cnn_2", "fc3")],
)
def test_the_embedding_is_what_the_head_reads(name: str, stage: str) -> None:
    entry = models()[name]
    assert plan(architecture(name, input_shape=entry.input_shape, classes=4)).embedding == stage
