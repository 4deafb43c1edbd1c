"""Every shipped workflow is valid, in canonical form, and runs on a small slice of real recordings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine import workflow as wf
from engine.registry import load_registry
from engine.validate import check

PROJECTS = sorted((Path(__file__).parent.parent / "projects").glob(f"*{wf.SUFFIX}"))
REGISTRY = load_registry()


def name_of(path: Path) -> str:
    return path.name.removesuffix(wf.SUFFIX)


@pytest.mark.parametrize("path", PROJECTS, ids=name_of)
def test_file_is_canonical_valid_and_has_the_variable_data(path: Path) -> None:
    workflow = wf.load(path)
    assert wf.to_text(workflow) == path.read_text(encoding="utf-8")
    assert check(workflow, REGISTRY).problems == ()
    assert "data" in workflow.variables and workflow.name == name_of(path) and workflow.about
    assert set(workflow.layout["positions"]) == set(workflow.nodes)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", PROJECTS, ids=name_of)
def test_the_readme_tells_about_it(path: Path, checkout: Path) -> None:
    assert f"`{name_of(path)}`" in (checkout / "README.md").read_text(encoding="utf-8")


def slices(recordings: Path) -> Mapping[str, dict[str, Any]]:
    """Small settings per project: seconds instead of minutes, the same graph."""
    fast = {"train-1.epochs": 2}
    few = {"quantize-1.clips": 4, "firmware-1.parity_clips": 2}
    return {
        "demo": fast | {"data": ["yes", "no"], "speak-1.clips_per_word": 24, "speak-1.voices": 8},
        "iot_edge_cloud": fast
        | {
            "data": ["yes", "no"],
            "speak-1.clips_per_word": 24,
            "speak-1.voices": 8,
            "seconds": 8,
            "device-1.gap_s": 0.5,
        },
        "keyword_spotting": fast
        | {"data": str(recordings / "speech_commands_subset.tar.gz"), "ingest-1.limit_per_class": 30},
        "spoken_digits": fast | {"data": str(recordings / "fsdd" / "recordings"), "ingest-1.limit_per_class": 30},
        "optimise": fast
        | {"data": str(recordings / "fsdd" / "recordings"), "ingest-1.limit_per_class": 30, "optimise-1.budget_s": 1.0},
        "sound_events": fast | {"data": str(recordings / "esc10.tar.gz"), "ingest-1.limit_per_class": 12},
        "sound_events_m4": fast
        | {"data": str(recordings / "esc10.tar.gz"), "ingest-1.limit_per_class": 12, "distill-1.epochs": 2}
        | {"quantize-1.steps": 2}
        | few,
        "keyword_m4": fast
        | {"data": str(recordings / "speech_commands_subset.tar.gz"), "ingest-1.limit_per_class": 20}
        | few
        | {"train-2.epochs": 2, "quantize-1.steps": 2, "quantize-2.steps": 2}
        | {name.replace("-1", "-2"): value for name, value in few.items()},
    }


@pytest.mark.parametrize("path", PROJECTS, ids=name_of)
def test_runs_on_a_slice(path: Path, recordings: Path, tmp_path: Path) -> None:
    settings = [f"--set={name}={json.dumps(value)}" for name, value in slices(recordings)[name_of(path)].items()]
    command = [sys.executable, "-P", "-m", "engine.cli", "run", name_of(path), "--runner", "local", "--json", *settings]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["state"] == "done"
    assert {entry["state"] for entry in found["nodes"].values()} == {"done"}
    assert (Path(found["folder"]) / "report.html").stat().st_size > 10_000
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    states = {entry["state"] for entry in json.loads(again.stdout.splitlines()[-1])["nodes"].values()}
    assert states == {"cached"}


@pytest.mark.parametrize(
    ("name", "board", "reason"),
    [
        ("keyword_m4", "stm32f103c8", r"tc_resnet8 on .*[\d,]+ .*flash"),
        ("sound_events_m4", "arduino", "m20k_rnn_pad3x3 on Arduino: no kernels"),
    ],
)
def test_a_board_that_cannot_hold_the_network_stops_the_graph_before_training(
    name: str, board: str, reason: str, recordings: Path, tmp_path: Path
) -> None:
    given = slices(recordings)[name] | {"board": board, "ingest-1.limit_per_class": 4}
    settings = [f"--set={key}={json.dumps(value)}" for key, value in given.items()]
    command = [sys.executable, "-P", "-m", "engine.cli", "run", name, "--to=train-1", "--runner=local", "--json"]
    done = subprocess.run([*command, *settings], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    nodes = json.loads(done.stdout.splitlines()[-1])["nodes"]
    assert nodes["fit-1"]["state"] == "failed" and nodes["train-1"]["state"] not in ("done", "failed")
    assert re.search(reason, nodes["fit-1"]["error"]["what"])
    assert "board" in nodes["fit-1"]["error"]["remedy"]


def test_a_table_of_a_paper_runs_on_a_slice_and_is_not_called_reproduced(recordings: Path, tmp_path: Path) -> None:
    archive = str(recordings / "speech_commands_subset.tar.gz")
    settings = {"data": archive, "ingest-1.limit_per_class": 12, "train-1.steps": 3}
    given = [f"--set={name}={json.dumps(value)}" for name, value in settings.items()]
    ossicle = [sys.executable, "-P", "-m", "engine.cli"]
    command = [*ossicle, "run", "s0-table1", "--runner", "local", "--json", *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (Path(json.loads(done.stdout.splitlines()[-1])["folder"]) / "report.html").read_text(encoding="utf-8")
    assert "<h2>Claims" in page and "✓ reproduced" in page and "slip 7" in page
    told = subprocess.run([*ossicle, "claims", "s0-table1", "--json"], cwd=tmp_path, capture_output=True, check=True)
    rows = {row["what"]: row for row in json.loads(told.stdout)}
    accuracy = rows["CNN, accuracy"]
    assert accuracy["state"] == "unchecked" and 0 <= accuracy["low"] <= accuracy["ours"] <= accuracy["high"] <= 1
    assert "ingest-1.limit_per_class = 12" in accuracy["why"]
    assert rows["window of the average pool, height"]["state"] == "reproduced"
