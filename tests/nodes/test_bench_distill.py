"""The distillation bench runs at its smallest and counts what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.registry import load_registry
from engine.validate import check
from nodes.bench_distill import KINDS, _workflow, distill

MORE = {"teacher": "m2m", "middle": "m200k", "alpha_soft": "0.5", "temperature": "3", "recipe": "s3"}


@pytest.mark.parametrize("options", [{}, MORE])
def test_its_workflow_is_valid(options: dict[str, str]) -> None:
    workflow = _workflow(options, 2)
    assert check(workflow, load_registry()).problems == ()
    alone, taught = workflow.nodes["alone"].params, workflow.nodes["taught"].params
    given = {name: float(value) for name, value in options.items() if name in ("alpha_soft", "temperature")}
    assert taught == {**alone, **given}
    assert f"{'middle' if options else 'teacher'}.model -> taught.teacher" in map(str, workflow.links)


def test_a_short_trial_gives_every_row(recordings: Path, tmp_path: Path) -> None:
    options = {"teacher": "m20k", "folds": "3", "epochs": "1", "teacher_epochs": "1", "batch": "64"}
    data = {"data": str(recordings / "esc10.tar.gz"), "folder": str(tmp_path)}
    rows = {row.name: row for row in distill({**options, **data}).rows}
    gain = rows["gain by distillation"]
    assert gain.value == pytest.approx(rows["taught, fold 3"].value - rows["alone, fold 3"].value, abs=0.01)
    assert gain.aim == ">= 5" and gain.peers["paper, from VGGish"] == pytest.approx(69.72 - 61.83)
    assert list(rows)[1:] == [*(f"{kind}, mean over folds" for kind in KINDS), *(f"{kind}, fold 3" for kind in KINDS)]
    assert all(0 <= rows[f"{kind}, fold 3"].value <= 100 for kind in KINDS)
