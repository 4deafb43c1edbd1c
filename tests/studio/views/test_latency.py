"""Latency per layer: profiles read, peers beside, ratios, order; the card on real applications."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Artifact, Deployment
from studio.views.data.latency import csv_rows, note, read_peers, read_profile, rows_of, with_facts
from studio.views.data.network import LayerFacts
from studio.views.latency import LatencyCard
from studio.views.viewer import Scene


def raw(scale: float = 1.0, **more: Any) -> dict[str, Any]:
    layers = [("conv1", "Conv", 8.0), ("b1.conv1", "Conv", 20.0), ("fc", "Gemm", 2.0)]
    return {
        "target": "onnxruntime",
        "precision": "float32",
        "inference": {"median_us": 40.0 * scale},
        "preprocessing": {"median_us": 200.0},
        "memory": {"inference_bytes": 9_000_000, "label": "x"},
        "profile": {"layers": [{"layer": n, "operator": o, "mean_us": us * scale} for n, o, us in layers]},
        **more,
    }


# ---- data


def test_a_profile_is_read_with_shares_of_its_own_sum() -> None:
    found = read_profile(raw())
    assert (found.us, found.preprocessing_us, found.memory) == (40.0, 200.0, {"inference_bytes": 9e6})
    assert [layer.share for layer in found.layers] == pytest.approx([8 / 30, 20 / 30, 2 / 30])
    assert read_profile({}).layers == () and read_profile({"profile": None}).us == 0.0


def test_the_ratio_is_the_peers_time_over_ours() -> None:
    rows = rows_of(read_profile(raw()), read_profile(raw(2.5)))
    assert [row.ratio for row in rows] == pytest.approx([2.5, 2.5, 2.5])
    assert [row.layer for row in rows] == ["conv1", "b1.conv1", "fc"]
    assert [row.layer for row in rows_of(read_profile(raw()), None, "slowest")] == ["b1.conv1", "conv1", "fc"]


def test_layers_that_only_one_side_has_stay() -> None:
    ours = read_profile(raw())
    lacking = replace(ours, layers=ours.layers[1:])
    rows = {row.layer: row for row in rows_of(lacking, ours)}
    assert rows["conv1"].ours is None and rows["conv1"].ratio is None and rows["conv1"].us == 8.0
    free = replace(ours, layers=(replace(ours.layers[0], us=0.0),))
    assert rows_of(free, ours)[0].ratio is None, "nothing is infinitely faster"
    assert csv_rows(list(rows.values()), "a", "b")[-1][2:4] == ("", 8.0)


def test_facts_of_the_network_fill_what_the_profile_lacks() -> None:
    facts = [LayerFacts("conv1", "Conv", (40, 98), (16, 98), 1936, 376_320, 7744)]
    told = raw()
    told["profile"]["layers"][0] |= {"primitive": "winograd", "why": "3 x 3, stride 1", "flops": 5.0}
    layer = with_facts(read_profile(told), facts).layers[0]
    assert (layer.out_shape, layer.size_bytes, layer.flops) == ((16, 98), 7744.0, 5.0)
    assert "winograd: 3 x 3, stride 1" in list(note(layer)) and "40 × 98 → 16 × 98" in list(note(layer))


def test_other_engines_are_read_the_same_way() -> None:
    peers = read_peers(raw(peers=[{**raw(3.0), "name": "tflite"}, "nonsense"]))
    assert [(peer.name, peer.us) for peer in peers] == [("tflite", 120.0)]


# ---- card


@pytest.fixture
def card(dark: QApplication, qtbot: QtBot) -> LatencyCard:
    made = LatencyCard()
    qtbot.addWidget(made)
    made.resize(700, 420)
    made.show()
    return made


def test_int8_stands_beside_float(
    card: LatencyCard, qtbot: QtBot, artifacts: dict[str, Artifact], int8_deployment: Deployment
) -> None:
    scene = Scene("deploy-2", related={"deploy-1": artifacts["deploy-1.deployment"]})
    card.show_artifact(int8_deployment, scene)
    qtbot.waitUntil(lambda: bool(card.rows))
    assert card.subtitle.text() == "µs · int8 onnxruntime, fp32 onnxruntime · deploy-1"
    assert all(row.ratio is not None for row in card.rows if row.ours and row.peer and row.ours.us)
    layers = {row["layer"] for row in int8_deployment.json("deployment.json")["profile"]["layers"]}
    assert layers <= {row.layer for row in card.rows}
    convolution = next(row.ours for row in card.rows if row.ours is not None and row.ours.operator == "Conv")
    assert convolution.flops > 0 and convolution.out_shape
    assert list(card.legend.chips) == ["ours", "peer"]


def test_alone_and_slowest_first(card: LatencyCard, qtbot: QtBot, artifacts: dict[str, Artifact]) -> None:
    card.show_artifact(artifacts["deploy-1.deployment"], Scene("deploy-1"))
    qtbot.waitUntil(lambda: bool(card.rows))
    assert card.beside is None and all(bar.peer is None for bar in card.chart.rows)
    actions = {action.text(): action for action in card.menu.actions()}
    actions["slowest first"].trigger()
    times = [row.us for row in card.rows]
    assert times == sorted(times, reverse=True)
    assert card.order.value == "slowest" and len(card.table_rows()) == len(card.rows) + 1


def test_earlier_runs_can_be_chosen_and_a_damaged_one_is_left_out(
    card: LatencyCard, qtbot: QtBot, artifacts: dict[str, Artifact], copy_of: Callable[[Artifact], Artifact]
) -> None:
    deployment = artifacts["deploy-1.deployment"]
    earlier = copy_of(deployment)
    broken = replace(earlier, path=earlier.path / "nowhere")
    card.show_artifact(deployment, Scene("deploy-1", earlier=(earlier, broken)))
    qtbot.waitUntil(lambda: bool(card.rows))
    assert card.peer.count() == 2 and card.peer.itemText(1).endswith("earlier run 1")
    assert all(row.ratio == 1.0 for row in card.rows if row.ours is not None and row.ours.us)


def test_a_row_tells_its_layer(card: LatencyCard, qtbot: QtBot, artifacts: dict[str, Artifact]) -> None:
    card.show_artifact(artifacts["deploy-1.deployment"], Scene())
    qtbot.waitUntil(lambda: bool(card.rows))
    with qtbot.waitSignal(card.layer_chosen) as told:
        qtbot.mouseClick(card.chart, Qt.MouseButton.LeftButton, pos=QPoint(80, round(1.5 * card.chart.step)))
    assert told.args == [card.rows[1].layer]
    qtbot.keyClick(card.chart, Qt.Key.Key_Up)
    assert card.chart.accessibleDescription().startswith(card.rows[0].layer)


def test_a_deployment_without_layers_says_so(
    card: LatencyCard, qtbot: QtBot, artifacts: dict[str, Artifact], copy_of: Callable[[Artifact], Artifact]
) -> None:
    empty = copy_of(artifacts["deploy-1.deployment"])
    (empty.path / "deployment.json").write_text(json.dumps({"name": "x"}))
    card.show_artifact(empty, Scene())
    qtbot.waitUntil(lambda: "No layer of this application was timed" in card.message.text())
    (empty.path / "deployment.json").unlink()
    card.show_artifact(replace(empty), Scene())
    qtbot.waitUntil(lambda: "has no file deployment.json" in card.message.text())
