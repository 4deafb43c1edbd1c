"""Node fit and command fit: before training, and after it; stopping a graph, and handing features on."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from typer.testing import CliRunner

from engine import Context, FeatureSet, Model, OssicleError
from engine.runner import LocalRunner, Request
from engine.workflow import parse
from nodes.fit import PAPER, BoardName, FitParams, fit
from nodes.fit_command import command

APP = typer.Typer()
APP.command()(command)


def held(features: FeatureSet, model: Model | None, folder: Path, **params: Any) -> tuple[FeatureSet, Any, Any]:
    found = fit(features, model, FitParams.model_validate(params), Context.for_test(folder))
    return found.features, found.report.json("report.json"), found.report.meta


def test_before_training_the_architecture_is_judged(digit_features: FeatureSet, tmp_path: Path) -> None:
    features, report, meta = held(
        digit_features, None, tmp_path, architecture="tc_resnet8", others=["ds_cnn_s", "tc_resnet8"]
    )
    assert features is digit_features
    assert [row["name"] for row in report["models"]] == ["tc_resnet8", "ds_cnn_s"]
    assert len(report["fits"]) == 2 * len(get_args(BoardName)) and report["kind"] == "fit"
    assert meta.metrics["tc_resnet8.boards"] == sum(
        row["fits"] for row in report["fits"] if row["model"] == "tc_resnet8"
    )
    assert "tc_resnet8 fits" in meta.about
    json.dumps(report, allow_nan=False)


def test_after_training_the_model_is_judged(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    _, report, _ = held(digit_features, digit_model, tmp_path, architecture="m20k", boards=["stm32l476rg"])
    (model,) = report["models"]
    assert model["name"] == digit_model.json("architecture.json")["name"]
    assert model["weight_bytes"] == digit_model.meta.parameters
    (row,) = report["fits"]
    assert row["fits"] and row["firmware"]["instructions"] > 0 and row["firmware"]["ms"][0] < row["firmware"]["ms"][1]


@pytest.mark.parametrize("stop", ["none_fits", "any_fails"])
def test_a_network_that_does_not_fit_stops_the_graph(stop: str, digit_features: FeatureSet, tmp_path: Path) -> None:
    params = {"architecture": "seed_cnn", "boards": ["arduino", "stm32f103c8"], "by": "paper", "stop": stop}
    with pytest.raises(OssicleError, match="seed_cnn on Arduino: needs .* of RAM, has 2,048") as caught:
        held(digit_features, None, tmp_path, **params)
    assert "smaller network" in caught.value.remedy
    _, report, _ = held(digit_features, None, tmp_path, **{**params, "stop": "never"})
    assert not any(row["fits"] for row in report["fits"])


def test_a_network_that_cannot_read_the_features_is_told(digit_features: FeatureSet, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="m20k|patches|axes"):
        held(digit_features, None, tmp_path, architecture="m20k")


def test_nothing_is_trained_for_a_board_that_is_too_small(recordings: Path, tmp_path: Path) -> None:
    """In a graph: training is wired behind the node, and does not begin."""
    params: dict[str, dict[str, Any]] = {
        "ingest-1": {
            "source": str(recordings / "fsdd" / "recordings"),
            "layout": "names",
            "limit_per_class": 2,
            "name_pattern": "(?P<label>[0-9])_(?P<speaker>[a-z]+)_[0-9]+",
        },
        "mfcc-1": {"preset": "s1-40x98"},
        "fit-1": {"architecture": "tc_resnet8", "boards": ["arduino"], "by": "paper"},
        "train-1": {"architecture": "tc_resnet8", "steps": 1},
    }
    nodes = {
        name: {"type": f"ossicle.{name.partition('-')[0]}", "version": 1, "params": given}
        for name, given in params.items()
    }
    ends = ("ingest-1.audio -> mfcc-1.audio", "mfcc-1.features -> fit-1.features", "fit-1.features -> train-1.features")
    workflow = parse({"format": 1, "name": "gate", "nodes": nodes, "links": list(ends)})
    record = LocalRunner().run(Request(workflow, tmp_path), lambda _event: None, threading.Event())
    states = {name: node.state for name, node in record.nodes.items()}
    assert states["mfcc-1"] == "done" and states["fit-1"] == "failed" and states["train-1"] not in ("done", "failed")
    error = record.nodes["fit-1"].error
    assert error is not None and "of RAM, has 2,048" in error.what


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(APP, arguments, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def test_the_command_tells_boards_and_reasons() -> None:
    told = run("m20k", "--board", "uc32", "--board", "stm32l476rg", "--by", "paper")
    assert "needs 34,328 B of RAM, has 32,768" in told and "m20k fits 1 of 2 boards: STM32L476RG." in told
    rows = json.loads(run("m20k", "ds_cnn_s", "--json"))["fits"]
    assert len(rows) == 2 * len(get_args(BoardName))


def test_the_command_reads_a_models_folder(digit_model: Model) -> None:
    found = json.loads(run(str(digit_model.path), "--board", "nrf5340", "--json"))
    assert found["models"][0]["weight_bytes"] == digit_model.meta.parameters


def test_nothing_that_fits_is_exit_code_1() -> None:
    run("m70m", *(part for name in PAPER[:4] for part in ("--board", name)), code=1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no_such_net"], "no model 'no_such_net'"),
        (["m20k", "--board", "toaster"], "--board is 'toaster'"),
        (["m20k", "--every", "-1"], "--every is -1"),
        (["m20k", "--margin", "0"], "--margin is 0"),
        (["tc_resnet8", "--input", "big"], "input is 'big'"),
        (["."], "cannot be read"),
    ],
)
def test_wrong_words_are_told(arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OssicleError, match=told):
        CliRunner().invoke(APP, arguments, catch_exceptions=False)


def test_a_folder_without_a_model_in_json_is_told(tmp_path: Path) -> None:
    (tmp_path / "architecture.json").write_text("[1]")
    with pytest.raises(OssicleError, match="holds no architecture"):
        CliRunner().invoke(APP, [str(tmp_path)], catch_exceptions=False)


def test_neither_torch_nor_the_emulator_is_imported() -> None:
    program = (
        "import sys; sys.argv = ['fit', 'm20k', '--json']; import typer; from nodes.fit_command import command\n"
        "try: typer.run(command)\nexcept SystemExit as end: assert not end.code, end\n"
        "heavy = {'torch', 'librosa', 'optuna', 'unicorn'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
