"""Sweeps on the command line, and every other command on a file with a sweep."""

from __future__ import annotations

import json
import shlex
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import cli
from engine.errors import OssicleError
from engine.execute import installed
from engine.export import to_python
from engine.runner import LocalRunner
from engine.runs import load_run, referenced
from engine.sweep_record import find_sweep, load_sweep
from engine.verify import verify_run
from engine.workflow import Workflow, parse, save, to_json

Build = Callable[..., Workflow]
TINY = Path(__file__).parent / "tiny"


# ---- command line


DEMO = {
    "name": "demo",
    "variables": {"seed": 1},
    "nodes": {
        "tones-1": {"type": "tiny.tones"},
        "spectra-1": {"type": "tiny.spectra"},
        "train-1": {"type": "tiny.train", "params": {"epochs": "{seed}"}},
        "score-1": {"type": "tiny.score"},
    },
    "links": [
        "tones-1.audio -> spectra-1.audio",
        "spectra-1.features -> train-1.features",
        "spectra-1.features -> score-1.features",
        "train-1.model -> score-1.model",
    ],
    "sweep": {"seed": [1, 2]},
}
Call = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def ossicle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """The command line in this process, in a folder with a demo project of tiny nodes."""
    monkeypatch.syspath_prepend(str(TINY))
    monkeypatch.setenv("PYTHONPATH", str(TINY), prepend=":")
    monkeypatch.setenv("OSSICLE_RUNNER", "local")
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    save(parse(DEMO), tmp_path / "demo.workflow.json")
    installed.cache_clear()

    def call(words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.call(shlex.split(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield call
    installed.cache_clear()


def test_a_sweep_of_the_file_is_run_listed_and_shown(ossicle: Call, tmp_path: Path) -> None:
    assert ossicle("sweeps")[1].strip() == "no sweeps yet"
    code, out, err = ossicle("sweep demo --dry")
    assert code == 0 and "2 of 2 points to run" in out and not (tmp_path / ".ossicle" / "runs").exists()
    code, out, err = ossicle("sweep demo")
    assert code == 0 and not err and "point 2 of 2: seed=2" in out and "2 points, 2 done" in out
    assert out.count("⟲ cached") == 2 and "90.00 %" in out
    report = Path(out.strip().splitlines()[-1].strip())
    assert report.is_file() and report.name == "report.html"
    sweep_name = report.parent.name
    assert "0 of 2 points to run" in ossicle("sweep demo --dry")[1]
    listed = json.loads(ossicle("sweeps --json")[1])
    assert [(row["sweep"], row["state"], row["done"]) for row in listed] == [(sweep_name, "done", 2)]
    assert "2 of 2" in ossicle("sweeps")[1]
    code, out, _ = ossicle(f"show {sweep_name} --plots plots")
    assert code == 0 and "seed=2" in out and "accuracy" in out
    assert [path.suffix for path in (tmp_path / "plots").iterdir()] == [".svg"]
    assert json.loads(ossicle(f"show {sweep_name[:8]} --json")[1])["summary"]["done"] == 2
    assert ossicle(f"show {sweep_name}-p2")[0] == 0
    assert find_sweep(tmp_path / ".ossicle", sweep_name).state == "done"
    with pytest.raises(OssicleError, match="there is no sweep 'nothing'"):
        find_sweep(tmp_path / ".ossicle", "nothing")


def test_json_is_one_object_with_points_and_summary(ossicle: Call) -> None:
    code, out, _ = ossicle("sweep demo --over seed=1..3 --over tones-1.clips=3,4 --json")
    found = json.loads(out)
    assert code == 0 and found["state"] == "done" and found["over"] == {"seed": [1, 2, 3], "tones-1.clips": [3, 4]}
    assert [point["values"] for point in found["points"][:2]] == [
        {"seed": 1, "tones-1.clips": 3}, {"seed": 1, "tones-1.clips": 4},
    ]  # fmt: skip
    assert found["summary"]["results"][0]["metrics"]["accuracy"]["n"] == 6
    assert found["summary"]["results"][0]["confusion"]["matrix"][0] == [54, 6, 0]
    assert Path(found["folder"]).is_dir()


def test_events_carry_the_points(ossicle: Call, tmp_path: Path) -> None:
    code, out, _ = ossicle("sweep demo --events - --json")
    *lines, last = map(json.loads, out.splitlines())
    assert code == 0 and last["state"] == "done"
    assert (lines[0]["kind"], lines[-1]["kind"]) == ("sweep_started", "sweep_finished")
    runs = {line["values"]["run"] for line in lines if line["kind"] == "point_started"}
    assert {line["run"] for line in lines if line["run"]} == runs and len(runs) == 2
    ossicle("sweep demo --over seed=4,5 --events told.jsonl --parallel 2")
    kinds = Counter(json.loads(line)["kind"] for line in (tmp_path / "told.jsonl").read_text().splitlines())
    assert kinds["point_started"] == kinds["point_finished"] == kinds["run_finished"] == 2
    assert kinds["sweep_started"] == kinds["sweep_finished"] == 1


def test_exit_codes(ossicle: Call) -> None:
    code, _, err = ossicle("sweep demo --over train-1.fail=[true,false]")
    assert code == 1 and "train-1.fail=true: train-1: loss is nan" in err and "do:" in err
    code, out, _ = ossicle("sweep demo --over train-1.fail=true,false --fail-fast --json")
    assert code == 1 and [p["state"] for p in json.loads(out)["points"]] == ["failed", "waiting"]


WRONG = {
    "sweep demo --over seed": ("--over 'seed' has no name or no values", "--over seed=1..15"),
    "sweep demo --over seed=": ("seed has no values",),
    "sweep demo --over seed=9..1": ("the range 9..1 has no values",),
    "sweep demo --over seed=0..2": ("seed=0: train-1.epochs: the value is 0",),
    "sweep demo --over sed=1,1": ("'sed' does not exist", "more than once"),
    "sweep demo --to nowhere-1": ("there is no node 'nowhere-1'",),
    "sweep demo --parallel 0": ("--parallel",),
    "sweep nothing": ("there is no workflow 'nothing'",),
}


@pytest.mark.parametrize("words", WRONG)
def test_mistakes_give_2_and_run_nothing(words: str, ossicle: Call, tmp_path: Path) -> None:
    code, _, err = ossicle(words)
    assert code == 2 and all(part in err for part in (*WRONG[words], "expected:", "do:")), err
    assert not (tmp_path / ".ossicle" / "runs").exists()


def test_a_file_with_a_sweep_works_with_every_other_command(ossicle: Call, tmp_path: Path) -> None:
    assert ossicle("run demo")[0] == 0
    assert ossicle("validate demo")[0] == 0
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(to_python(parse(DEMO)), "demo.py", "exec"), names)  # noqa: S102 - what a user does with the file
    assert to_json(names["graph"].workflow()) == to_json(parse(DEMO))
    save(parse({**DEMO, "sweep": {"seed": [1, 3]}}), tmp_path / "other.workflow.json")
    code, out, _ = ossicle("diff demo other --json")
    assert code == 1 and [row["where"] for row in json.loads(out)["differences"]] == ["sweep.seed"]
    ossicle("sweep demo")
    (folder,) = (tmp_path / ".ossicle" / "sweeps").iterdir()
    record = load_sweep(folder)
    run = load_run(record.run_folder(record.points[1]))
    found = verify_run(run, LocalRunner(), lambda _event: None, threading.Event())
    assert found.verdict == "identical" and len(found.findings) == 4


def test_garbage_collection_keeps_or_drops_a_sweep_as_a_whole(ossicle: Call, tmp_path: Path) -> None:
    ossicle("sweep demo --over seed=1..4")
    home = tmp_path / ".ossicle"
    (folder,) = (home / "sweeps").iterdir()
    used = {
        key
        for point in load_sweep(folder).points
        for found in load_run(home / "runs" / point.run).nodes.values()
        for key in found.outputs.values()
    }
    assert len(used) == 2 + 2 * 4 - 3  # four reports of equal content are one
    assert referenced(home, recent=1) == used and referenced(home, recent=0) == set()
