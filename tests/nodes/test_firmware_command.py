"""`ossicle firmware` through the real command line, on networks nobody here made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from strangers import stranger

from engine.cli import call

SHAPE = (1, 2, 9, 8)


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = call(["firmware", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_strangers_network(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model, out = stranger(tmp_path / "a b.onnx", SHAPE), tmp_path / "board"
    np.save(tmp_path / "x.npy", np.random.default_rng(2).normal(size=(6, *SHAPE[1:])).astype(np.float32))
    code, said, _ = told(capsys, model, "-o", out, "--inputs", tmp_path / "x.npy", "--json")
    report = json.loads(said)
    assert code == 0 and report["folder"] == str(out) and report["kind"] == "firmware"
    assert {key: value for key, value in report.items() if key != "folder"} == json.loads(
        (out / "firmware.json").read_text()
    )
    assert str(tmp_path) not in (out / "firmware.json").read_text()
    code, _, complaint = told(capsys, model, "-o", out)
    assert code != 0 and "is not empty" in complaint


def test_people_get_a_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, said, _ = told(capsys, stranger(tmp_path / "net.onnx", SHAPE), "-o", tmp_path / "board", "--cpu", "cortex-m3")
    assert code == 0 and "instructions on a cortex-m3, estimated" in said and "written to" in said
    lines = said.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("layer"))
    assert any(line.startswith("first") for line in lines[head + 1 :])


@pytest.mark.parametrize("cpu", ["cortex-m0plus", "cortex-m55", "rv32imac"])
def test_other_processors(cpu: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, said, complaint = told(
        capsys, stranger(tmp_path / "net.onnx", SHAPE), "-o", tmp_path / "out", "--cpu", cpu, "--json"
    )
    report = json.loads(said)
    assert code == 0, complaint
    assert report["cpu"] == cpu and "to the bit" in report["parity"]["summary"]
    assert min(row["instructions"] for row in report["layers"]) > 0


@pytest.mark.parametrize("operator", ["Erf"])
def test_operators_without_an_integer_form_are_told(
    operator: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, complaint = told(
        capsys, stranger(tmp_path / "net.onnx", SHAPE, operator=operator), "-o", tmp_path / "board"
    )
    assert code != 0 and "act" in complaint and "Traceback" not in complaint


def test_a_file_that_is_no_network(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"no network")
    code, _, complaint = told(capsys, tmp_path / "net.onnx", "-o", tmp_path / "board")
    assert code != 0 and "Traceback" not in complaint
