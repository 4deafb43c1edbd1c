"""For tests of the views: the small run's artifacts, an int8 model and its application, copies to damage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import Context
from engine.artifact import Artifact, Deployment, Model, Report, ReportMeta

MakeReport = Callable[[Any], Report]


@pytest.fixture(scope="session")
def artifacts(small_run: Any) -> dict[str, Artifact]:
    """Artifacts of the small run by "node.port"."""
    found: dict[str, Artifact] = small_run.artifacts
    return found


@pytest.fixture(scope="session")
def int8_model(artifacts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The small run's model in int8."""
    from nodes.compress import QuantizeParams, quantize

    params = QuantizeParams(clips=10, error_clips=5)
    context = Context.for_test(tmp_path_factory.mktemp("int8"))
    made: Model = quantize(artifacts["train-1.model"], artifacts["mfcc-1.features"], params=params, ctx=context)
    return made


@pytest.fixture(scope="session")
def int8_deployment(int8_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The int8 model as an application."""
    from nodes.deploy import DeployParams, deploy

    params = DeployParams(runs=3, warmups=1, verify_clips=2)
    context = Context.for_test(tmp_path_factory.mktemp("application"))
    made: Deployment = deploy(int8_model, None, None, None, params, context)
    return made


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Artifact], Artifact]:
    """Copies an artifact into the test's folder, where it may be damaged."""

    def copy(artifact: Artifact) -> Artifact:
        target = tmp_path / "copy"
        shutil.copytree(artifact.path, target)
        for path in target.iterdir():
            path.chmod(0o644)
        return replace(artifact, path=target)

    return copy


@pytest.fixture
def make_report(tmp_path: Path) -> MakeReport:
    """Writes a report.json (a text as it is) and opens it."""

    def make(content: Any) -> Report:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "report.json").write_text(text, encoding="utf-8")
        return Report(tmp_path, ReportMeta(title="handmade"))

    return make
