"""What a cluster's worker does with a job, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.event import read_events
from engine.execute import installed
from engine.job import Job, Outcome
from engine.key import recipe_of
from engine.remote import FileCheck, event_file, run_remote


@pytest.fixture
def job(tmp_path: Path, fakes: Any) -> Job:
    spec = fakes.find("fake.constant")
    recipe = recipe_of(spec, spec.params(value=4.0), {}, tmp_path)
    return Job("a", recipe, "run-1", str(tmp_path / "store"), str(tmp_path), str(tmp_path))


def test_the_outcome_comes_back_and_the_events_go_to_the_file(job: Job) -> None:
    installed.cache_clear()  # the fake plugin came to the path after the first look
    outcome = Outcome.from_json(run_remote(job.to_json()))
    assert (outcome.node, outcome.state, list(outcome.outputs)) == ("a", "done", ["number"])
    assert [event.kind for event in read_events(event_file(job))] == ["started", "finished"]
    assert Outcome.from_json(run_remote(job.to_json())).state == "cached"


def test_a_cancel_file_is_noticed_and_never_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "cancel"

    assert not FileCheck(path)()
    path.touch()
    asked = FileCheck(path)
    assert asked()
    path.unlink()
    assert asked()
