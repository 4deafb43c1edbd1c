"""`ossicle models`: complete for programs, readable for people, and light."""

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from engine.errors import OssicleError
from nodes.models_command import all_rows, command, one_row
from nodes.zoo import models

APP = typer.Typer()
APP.command()(command)


def run(*arguments: str) -> str:
    done = CliRunner().invoke(APP, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_json_lists_every_model_with_what_the_contract_names() -> None:
    rows = json.loads(run("--json"))
    assert {row["name"] for row in rows} == set(models())
    for row in rows:
        assert {"input_shape", "params", "flops", "bytes"} <= row.keys()
        assert row["flops"]["true"] > 0 and row["buffer_bytes"]["live"] > 0
        if row["flops"]["printed"]:
            assert row["flops"]["computed"] == row["flops"]["by_rule"][row["flops"]["rule"]]
            (figure,) = (figure for figure in row["figures"] if figure["name"] == "flops")
            assert figure["computed"] == row["flops"]["computed"]
        assert row["bytes"] == 4 * row["params"]


def test_printed_widths_are_rows_of_their_own() -> None:
    widths = [row["width"] for row in all_rows() if row["name"] == "tc_resnet14"]
    assert widths == [1.0, 1.5]


def test_text_has_a_line_for_every_row() -> None:
    lines = run().splitlines()
    assert len(lines) == 1 + len(list(all_rows()))
    line = next(line for line in lines if line.startswith("kws1 "))
    assert line.split() == [
        "kws1",
        "1",
        "40x32",
        "10",
        "176,070",
        "56.21M",
        "223.4M",
        "kws",
        "223.44M",
        "704,280",
        "38,600",
    ]


def test_one_model_is_shown_layer_by_layer() -> None:
    text = run("tc_resnet8", "--width", "1.5")
    assert text.splitlines()[3].split() == ["b1.conv2", "conv", "36x49", "11,664", "11,808", "1,143,072"]
    assert "145,248" in text
    row = json.loads(run("tc_resnet8", "--width", "1.5", "--json"))
    assert sum(layer["params"] for layer in row["layers"]) == row["params"] == 145_248


def test_another_input_has_no_printed_figures() -> None:
    row = one_row("kws9", shape=(40, 44))
    assert row["input_shape"] == [40, 44]
    assert row["printed"] is None and row["flops"]["printed"] is None
    assert row["flops"]["true"] > one_row("kws9")["flops"]["true"]


def test_a_small_input_leaves_out_the_models_it_cannot_feed() -> None:
    names = {row["name"] for row in json.loads(run("--json", "--input", "10x20"))}
    assert "tc_resnet8" in names and "cnn_1" not in names


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resnet50",), "There is no model 'resnet50'"),
        (("--input", "40"), "The input is '40'"),
        (("--input", "40x-1"), "The input is '40x-1'"),
        (("cnn_1", "--input", "10x10"), "At 'conv1' the map is 10x10"),
        (("tc_resnet8", "--width", "0"), "The width is 0.0"),
    ],
)
def test_a_wrong_request_is_answered_in_three_parts(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(OssicleError) as caught:
        CliRunner().invoke(APP, arguments, catch_exceptions=False)
    assert words in caught.value.what


def test_the_command_imports_no_heavy_library() -> None:
    code = (
        "import sys\nfrom nodes.models_command import all_rows\nlist(all_rows())\n"
        "print(sorted({'torch', 'numpy', 'onnx', 'onnxruntime', 'h5py', 'prefect'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
