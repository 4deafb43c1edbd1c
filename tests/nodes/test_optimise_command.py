"""`ossicle optimise`: on ONNX files nobody here made, through the real command line, with what may go wrong."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from strangers import stranger

from engine.cli import call
from nodes.lne.cross import can_emulate
from nodes.lne.package import open_package
from nodes.lne.target import find_target

Json = dict[str, Any]
SHAPE = (1, 2, 9, 11)


def optimised(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = call(["optimise", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_strangers_network(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model, out = stranger(tmp_path / "a b.onnx", SHAPE), tmp_path / "engine"
    quick = ("--search", "estimate", "--no-engines", "--level", "c")
    code, told, _ = optimised(capsys, model, "-o", out, *quick, "--json")
    report: Json = json.loads(told)
    assert code == 0 and report["folder"] == str(out)
    assert report["kind"] == "optimisation" and report["verification"]["agreement"] == 1.0
    assert json.loads((out / "report.json").read_text())["layers"] == report["layers"]
    assert "report.json" in json.loads((out / "deployment.json").read_text())["files"]
    library = open_package(out)
    values = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    wanted = onnxruntime.InferenceSession(str(model)).run(None, {"x": values})[0]
    for level in library.levels:
        library.use(level)
        np.testing.assert_allclose(library(values), wanted, atol=1e-5)
    code, told, _ = optimised(capsys, model, "-o", out, *quick)
    assert code == 0, "an older folder of the same network is replaced"
    lines = told.splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("layer"))
    assert lines[head + 2].startswith("first") and "whole inference" in told and f"written to {out}" in told


def test_the_examples_of_its_help_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stranger(tmp_path / "model.onnx", SHAPE)
    help_text = help_of(capsys)
    found = [line.strip() for line in help_text.splitlines() if line.strip().startswith("ossicle ")]
    assert len(found) >= 2
    for example in found:
        words = [*shlex.split(example)[2:], "--search", "estimate", "--no-engines"]
        assert optimised(capsys, *words)[0] == 0, example
    assert open_package(tmp_path / "engine").levels[-1] == "c"


def help_of(capsys: pytest.CaptureFixture[str]) -> str:
    return optimised(capsys, "--help")[1]


def test_inputs_of_ones_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model, inputs = stranger(tmp_path / "n.onnx", SHAPE), tmp_path / "inputs.npy"
    np.save(inputs, np.random.default_rng(0).normal(size=(24, *SHAPE[1:])))
    arguments = ("--inputs", inputs, "--search", "estimate", "--no-engines", "--precision", "mixed", "--json")
    code, told, _ = optimised(capsys, model, "-o", tmp_path / "engine", *arguments)
    report = json.loads(told)
    assert code == 0 and report["verification"]["clips"] == "recordings" and report["verification"]["count"] == 24
    trials = report["trade_off"]["trials"]
    assert [trial["params"]["chosen"] for trial in trials].count("yes") == 1


def test_another_machine(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = find_target("aarch64")
    if not can_emulate(target):
        pytest.skip("needs a compiler and an emulator for aarch64")
    arguments = ("--target", "aarch64", "--json")
    code, told, _ = optimised(capsys, stranger(tmp_path / "n.onnx", SHAPE), "-o", tmp_path / "engine", *arguments)
    report = json.loads(told)
    assert code == 0 and report["target"] == "aarch64" and not report["inference"]
    assert report["verification"]["error"] <= 1e-4 * report["verification"]["logit_range"]


BAD: dict[str, tuple[tuple[object, ...], str]] = {
    "no file": (("nowhere.onnx", "-o", "out"), "nowhere.onnx"),
    "a folder of something else": (("n.onnx", "-o", "taken", "--search", "estimate", "--no-engines"), "something else"),
    "unknown level": (("n.onnx", "-o", "out", "--level", "z80", "--search", "estimate", "--no-engines"), "z80"),
    "mixed without inputs": (("n.onnx", "-o", "out", "--precision", "mixed"), "judged on inputs"),
    "inputs of another shape": (("n.onnx", "-o", "out", "--inputs", "wrong.npy"), "wrong.npy holds"),
    "inputs that are a pickle": (("n.onnx", "-o", "out", "--inputs", "pickle.npy"), "cannot be read"),
    "an operator nobody knows": (("odd.onnx", "-o", "out"), "act"),
    "too little memory": (
        ("n.onnx", "-o", "out", "--search", "estimate", "--no-engines", "--ram-limit", "8"),
        "no choice of primitives keeps",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Three lines and exit code 2; nothing is written."""
    monkeypatch.chdir(tmp_path)
    stranger(tmp_path / "n.onnx", SHAPE)
    stranger(tmp_path / "odd.onnx", SHAPE, operator="Det")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    np.save("wrong.npy", np.zeros((3, 4)))
    np.save("pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    arguments, wanted = BAD[case]
    code, told, complaint = optimised(capsys, *arguments)
    assert code == 2 and wanted in complaint and "do:" in complaint, (told, complaint)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["thesis.txt"]


def test_ctrl_c_stops_it_and_leaves_nothing(tmp_path: Path) -> None:
    """A stop in the middle of measuring: exit code 130, no folder; what was measured is kept for the next time."""
    model, out = stranger(tmp_path / "n.onnx", SHAPE), tmp_path / "engine"
    command = [sys.executable, "-P", "-m", "engine.cli", "optimise", str(model), "-o", str(out), "--no-engines"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as child:
        end_s = time.monotonic() + 120
        while not list((tmp_path / "cache").rglob("*.jsonl")) and child.poll() is None and time.monotonic() < end_s:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, complaint = child.communicate(timeout=120)
    assert child.returncode == 130, complaint
    assert not out.exists() and "stopping" in complaint
    kept = next((tmp_path / "cache").rglob("*.jsonl"))
    assert len(kept.read_text().splitlines()) > 1
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
