"""Detections for a fleet to tell, made in real recordings."""

from pathlib import Path

import pytest

from engine import Context, Deployment, Model
from nodes.deploy import DeployParams, deploy
from nodes.hub.errors import HubError
from nodes.hub.heard import detections

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def folder(digit_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment of a network that knows digits."""
    made = deploy(
        digit_model, None, None, None, DeployParams(runs=2, warmups=1), Context.for_test(tmp_path_factory.mktemp("d"))
    )
    assert isinstance(made, Deployment)
    return made.path


def test_what_is_told_was_heard(folder: Path, recordings: Path) -> None:
    files = [recordings / "fsdd" / "recordings" / f"{digit}_theo_0.wav" for digit in range(10)]
    found = detections(folder, files)
    assert 5 <= len(found) <= 20
    assert {body["label"] for body in found} <= set(DIGITS)
    assert all(0.5 <= body["score"] <= 1.0 and len(body["model"]) == 64 for body in found)
    assert [body["at_s"] for body in found] == sorted(body["at_s"] for body in found)


def test_a_deployment_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="is no deployment"):
        detections(tmp_path, [])
