"""Where an artifact came from: all steps, their nodes, the sources; and the card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Artifact, Report, load
from engine.errors import OssicleError
from engine.key import Recipe
from studio.views.lineage import LineageCard, read_lineage, settings_of, sources_of, store_root
from studio.views.viewer import Scene


def test_the_way_back_has_every_node_and_ends_at_the_recordings(artifacts: dict[str, Artifact]) -> None:
    found = read_lineage(artifacts["deploy-1.deployment"], Scene())
    nodes = [step.node for step in found.steps]
    assert nodes[0] == "deploy-1" and nodes[-1] == "ingest-1"
    assert set(nodes) == {"deploy-1", "benchmark-1", "train-1", "mfcc-1", "partition-1", "ingest-1"}
    depths = [step.depth for step in found.steps]
    assert depths == sorted(depths) and depths[0] == 0
    assert "digits" in found.steps[-1].sources and "files " in found.steps[-1].sources
    assert all(not step.sources for step in found.steps[:-1])
    assert found.run and "model.onnx" in found.files
    train = next(step for step in found.steps if step.node == "train-1")
    assert "architecture seed_cnn" in train.settings and train.kind == "Model"


def test_without_its_run_the_store_still_knows_the_types(artifacts: dict[str, Artifact], tmp_path: Path) -> None:
    root = store_root(artifacts["train-1.model"].path)
    (tmp_path / "store").symlink_to(root)
    key = artifacts["train-1.model"].path.name
    found = read_lineage(load(tmp_path / "store" / "objects" / key[:2] / key), Scene())
    assert found.run == "" and [step.node for step in found.steps] == [""] * len(found.steps)
    assert found.steps[0].type == "ossicle.train" and found.steps[-1].type == "ossicle.ingest"


def test_an_artifact_outside_a_store_has_no_known_origin(make_report: Callable[[Any], Report]) -> None:
    with pytest.raises(OssicleError, match="lies in no store"):
        read_lineage(make_report({}), Scene())


def test_settings_and_sources_in_words() -> None:
    assert settings_of({"a": 1, "b": "", "c": None, "d": ["x"], "e": False}) == 'a 1, d ["x"], e false'
    files = {f"file{n}": "0123456789abcdef0123" for n in range(5)}
    recipe = Recipe("x", 1, {"source": "clips.zip"}, {}, files)
    assert sources_of(recipe) == (
        "clips.zip · file0 0123456789abcdef · file1 0123456789abcdef · file2 0123456789abcdef · 2 more"
    )
    assert sources_of(Recipe("x", 1, {}, {}, None)) == ""
    assert sources_of(Recipe("x", 1, {}, {}, "abc")) == "content abc"


@pytest.fixture
def card(dark: QApplication, qtbot: QtBot) -> LineageCard:
    made = LineageCard()
    qtbot.addWidget(made)
    made.resize(600, 300)
    made.show()
    return made


def test_a_step_tells_its_node(card: LineageCard, qtbot: QtBot, artifacts: dict[str, Artifact]) -> None:
    card.show_artifact(artifacts["train-1.model"], Scene("train-1"))
    qtbot.waitUntil(lambda: bool(card.steps))
    assert card.subtitle.text().startswith("4 steps · ")
    assert card.foot.text().startswith("from ")
    with qtbot.waitSignal(card.node_chosen) as told:
        card.table.choose(1)
    assert told.args == ["mfcc-1"]
    assert card.table.source.tips is not None and card.steps[1].content_key in card.table.source.tips(1)
    assert len(card.table_rows()) == 5


def test_an_unknown_origin_is_told(card: LineageCard, qtbot: QtBot, make_report: Callable[[Any], Report]) -> None:
    card.show_artifact(make_report({}), Scene())
    qtbot.waitUntil(lambda: "lies in no store" in card.message.text())
