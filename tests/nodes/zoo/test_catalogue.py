"""The list of models: complete, light, and exact about names and widths."""

import json
import subprocess
import sys

import pytest

from nodes.zoo import ZooError, architecture, describe, models

DEMANDED = [
    "tc_resnet8", "tc_resnet14", "resnet8_2d", "resnet8_2d_pool", "seed_cnn", "kws1", "kws3", "kws9",
    "ds_cnn", "ds_kws1", "ds_kws3", "ds_kws9", "ds_cnn_s", "ds_cnn_m", "ds_cnn_l", "cnn_1", "cnn_2",
    "kws_lstm", "res8", "res8_narrow", "res15", "res15_narrow", "bc_resnet", "matchboxnet_3x1x64", "matchboxnet_3x2x64",
    *[f"{net}{head}" for net in ("vggish", "m70m", "m20m", "m2m", "m200k", "m20k") for head in ("", "_lstm", "_rnn")],
]  # fmt: skip


def test_every_demanded_model_is_there() -> None:
    assert set(DEMANDED) <= set(models())


@pytest.mark.parametrize("name", models())
def test_an_architecture_is_json_and_comes_back_equal(name: str) -> None:
    entry = models()[name]
    made = architecture(name, width=0.5, input_shape=entry.input_shape, classes=5)
    assert json.loads(json.dumps(made)) == made
    assert describe(json.loads(json.dumps(made))) == describe(made)


def test_widths_are_cut_not_rounded() -> None:
    blocks = architecture("tc_resnet8", width=1.3, input_shape=(40, 98), classes=12)["blocks"]
    assert [block.split("_c")[1] for block in blocks[:4]] == ["20", "31", "41", "62"]


def test_the_twin_starts_with_23_channels() -> None:
    assert architecture("resnet8_2d", input_shape=(40, 98), classes=12)["blocks"][0] == "conv_k3_c23"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "resnet50"}, "There is no model 'resnet50'"),
        ({"width": 0.0}, "The width is 0.0"),
        ({"width": -1.0}, "The width is -1.0"),
        ({"width": float("nan")}, "The width is nan"),
        ({"width": 0.05}, "leaves none of 16 channels"),
        ({"classes": 0}, "The number of classes is 0"),
        ({"input_shape": (0, 98)}, "The input shape is [0, 98]"),
    ],
)
def test_a_wrong_request_is_answered_in_three_parts(arguments: dict[str, object], words: str) -> None:
    given = {"name": "tc_resnet8", "width": 1.0, "input_shape": (40, 98), "classes": 12} | arguments
    with pytest.raises(ZooError) as caught:
        architecture(given.pop("name"), **given)  # type: ignore[arg-type]
    assert words in caught.value.what
    assert caught.value.expected in str(caught.value) and caught.value.remedy in str(caught.value)


def test_listing_and_counting_import_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, nodes.zoo as z\n"
        "[z.describe(z.architecture(n, input_shape=e.input_shape, classes=e.classes)) for n, e in z.models().items()]\n"
        "print(sorted({'torch', 'numpy', 'onnx', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
