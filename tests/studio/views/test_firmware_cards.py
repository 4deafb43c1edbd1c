"""Cards of a Firmware: costs per layer, the paper's table beside ours, the plan of the working memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Firmware, FirmwareMeta
from engine.errors import OssicleError
from studio.views.data.firmware import LayerCost, parse
from studio.views.data.firmware_parity import read_parity
from studio.views.firmware_beside import FirmwareBesideCard, beside_rows, sums
from studio.views.firmware_layers import MEASURES, FirmwareLayersCard, cost_note, cost_rows, total_words
from studio.views.firmware_parity import FirmwareParityCard, decided, stage_note
from studio.views.firmware_plan import FirmwarePlanCard
from studio.views.viewer import Scene, load_viewers, viewers_of

RAW: dict[str, Any] = {
    "target": "cortex-m4",
    "sections": [],
    "layers": [
        {"layer": "conv1 pool1", "operator": "ConvPool", "kernel": "dsp-first", "macs": 200_000,
         "instructions": 300_000, "cycles": 400_000, "ms": 6.0, "ms_low": 4.9, "ms_high": 7.5, "ram_bytes": 6_000,
         "flash_bytes": 900},
        {"layer": "view", "operator": "Rearrange", "instructions": 1_000, "ms": 0.02, "ms_low": 0.01, "ms_high": 0.03},
        {"layer": "fc", "operator": "Conv", "macs": 600, "instructions": 900},
    ],
    "estimate": {"clock_hz": 80e6, "cycles_per_instruction": [1.3, 1.6, 2.0]},
    "memory": {
        "arena_bytes": 1_000,
        "steps": ["conv1 pool1", "fc"],
        "blocks": [
            {"name": "pool1", "offset": 0, "bytes": 900, "first": 0, "last": 1, "scratch": False},
            {"name": "ring", "offset": 900, "bytes": 100, "first": 0, "last": 0, "scratch": True},
        ],
    },
    "published": {
        "source": "S3 table VI",
        "clock_hz": 80e6,
        "is_whole": False,
        "rows": [
            {"layer": "conv1 pool1", "ours": 300_000, "paper cycles": 6_000_000, "plain C": 4_500_000},
            {"layer": "fc", "ours": 1_000, "paper cycles": 3_200},
        ],
    },
}  # fmt: skip

PARITY: dict[str, Any] = {
    "name": "m20k", "cpu": "cortex-m4", "is_exact": False, "noisiest": "conv1 pool1",
    "summary": "fc departs first: 3 of 40 codes.",
    "answers": {"clips": 4, "changed": 1, "right": {"float": 4, "integer": 3, "firmware": 3}},
    "stages": [
        {"name": "conv1 pool1", "kind": "layer", "operator": "ConvPool", "bits": 8, "values": 4000, "differing": 0,
         "largest": 0, "noise": {"sqnr_db": 31.25, "own_sqnr_db": 33.0, "largest_steps": 1.5, "outside": 0.002}},
        {"name": "fc", "kind": "layer", "operator": "Conv", "bits": 8, "values": 40, "differing": 3, "largest": 7,
         "noise": {"sqnr_db": 22.0, "own_sqnr_db": None}},
        {"name": "output", "kind": "output", "operator": "", "bits": 8, "values": 40, "differing": 0, "noise": None},
    ],
}  # fmt: skip


@pytest.fixture
def firmware(tmp_path: Path) -> Firmware:
    (tmp_path / "parity.json").write_text(json.dumps(PARITY, indent=1))
    (tmp_path / "firmware.json").write_text(json.dumps(RAW, indent=1))
    return Firmware(tmp_path, FirmwareMeta(target="cortex-m4", flash_bytes=1, ram_bytes=1))


def test_a_firmware_with_everything_has_every_card(firmware: Firmware) -> None:
    load_viewers()
    titles = {spec.title for spec in viewers_of(firmware)}
    assert titles >= {"Memory map", "Cost per layer", "Beside the paper", "Working memory", "Parity"}


def test_one_without_layers_has_the_map_alone(tmp_path: Path) -> None:
    load_viewers()
    plain = Firmware(tmp_path, FirmwareMeta(target="x", flash_bytes=1, ram_bytes=1))
    hidden = {"Cost per layer", "Beside the paper", "Working memory", "Parity"}
    assert not {spec.title for spec in viewers_of(plain)} & hidden


@pytest.mark.parametrize(
    ("key", "texts"),
    [
        ("ms", ["~6.00 ms", "~0.02 ms", ""]),
        ("instructions", ["300,000", "1,000", "900"]),
        ("per_mac", ["1.50 per MAC", "", "1.50 per MAC"]),
        ("flash", ["900 B", "", ""]),
        ("ram", ["6.0 kB", "", ""]),
    ],
)
def test_every_measure_of_a_layer(key: str, texts: list[str]) -> None:
    assert set(MEASURES) == {"ms", "instructions", "per_mac", "flash", "ram"}
    assert [row.end for row in cost_rows(parse(RAW).layers, MEASURES[key])] == texts


def test_the_largest_come_first() -> None:
    rows = cost_rows(parse(RAW).layers, MEASURES["instructions"], is_sorted=True)
    assert [row.name for row in rows] == ["conv1 pool1", "view", "fc"]


def test_times_are_told_as_estimates() -> None:
    layers = parse(RAW).layers
    assert "4.90 to 7.50 ms (estimated)" in cost_note(layers[0])
    assert "1.50 per MAC" in cost_note(layers[0]) and "per MAC" not in cost_note(LayerCost("a", "", 3, None, None))
    assert total_words(layers) == "301,900 instructions · estimated 4.9 to 7.5 ms"


def test_the_layers_card(firmware: Firmware, dark: QApplication, qtbot: QtBot) -> None:
    card = _shown(FirmwareLayersCard(), firmware, qtbot)
    qtbot.waitUntil(lambda: bool(card.chart.rows))
    assert card.subtitle.text().startswith("cortex-m4 · 301,900 instructions")
    assert "80 MHz" in card.note.text()
    card.order.set("largest")
    card.measure.set("flash")
    card.measure.changed.emit("flash")
    assert card.chart.rows[0].end == "900 B"
    assert card.table_rows()[1][:4] == ("conv1 pool1", "ConvPool", "dsp-first", 200_000)
    card.grab()


def test_the_card_beside_the_paper(firmware: Firmware, dark: QApplication, qtbot: QtBot) -> None:
    card = _shown(FirmwareBesideCard(), firmware, qtbot)
    qtbot.waitUntil(lambda: bool(card.chart.rows))
    assert [row.end for row in card.chart.rows] == ["20.0×", "3.2×"]
    assert card.subtitle.text() == "instructions · S3 table VI · some of its layers"
    card.column.setCurrentText("plain C")
    card.column.activated.emit(1)
    assert [row.end for row in card.chart.rows] == ["15.0×", ""]
    assert card.table_rows()[2] == ("fc", 1_000, 3_200, None)
    card.grab()


def test_sums_are_over_what_both_have() -> None:
    found = parse(RAW).beside
    assert sums(found, "plain C") == (300_000, 4_500_000) and sums(found, "paper cycles") == (301_000, 6_003_200)
    assert beside_rows(found, "nobody")[0].peer is None


def test_the_card_of_the_working_memory(firmware: Firmware, dark: QApplication, qtbot: QtBot) -> None:
    card = _shown(FirmwarePlanCard(), firmware, qtbot)
    qtbot.waitUntil(lambda: bool(card.picture.plan.blocks))
    assert card.subtitle.text() == "workspace 1.0 kB"
    assert [row[1] for row in card.table_rows()[1:]] == ["codes", "scratch"]
    card.grab()


def test_the_parity_card(firmware: Firmware, dark: QApplication, qtbot: QtBot) -> None:
    card = _shown(FirmwareParityCard(), firmware, qtbot)
    qtbot.waitUntil(lambda: bool(card.chart.rows))
    assert card.subtitle.text().startswith("✕ departs · 4 clips")
    assert (
        card.note.text() == f"{PARITY['summary']} · right: float 4, firmware 3 of 4; 1 decided otherwise than in float"
    )
    assert [(row.end, row.token) for row in card.chart.rows] == [
        ("✓ 31.2 dB", ""), ("✕ 3 of 40 codes", "red"), ("✓", "")
    ]  # fmt: skip
    card.noise.set("own")
    card.noise.changed.emit("own")
    assert card.chart.rows[0].end == "✓ 33.0 dB" and len(card.table_rows()) == 4
    card.grab()


def test_stages_tell_what_is_known() -> None:
    first, second, last = read_parity(PARITY).stages
    assert "all 4,000 codes equal" in stage_note(first) and "0.20% of the values outside" in stage_note(first)
    assert "3 of 40 codes differ, by up to 7" in stage_note(second) and "dB" not in stage_note(last)
    assert decided(read_parity({**PARITY, "answers": {"clips": 4}})) == ""


@pytest.mark.parametrize(
    "change", [{"stages": 3}, {"stages": [{"name": "x"}]}, {"answers": {}}, {"summary": None, "answers": None}]
)
def test_a_parity_that_is_not_as_described_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(OssicleError, match=r"parity\.json cannot be read"):
        read_parity({**PARITY, **change})


def _shown(card: Any, firmware: Firmware, qtbot: QtBot) -> Any:
    qtbot.addWidget(card)
    card.resize(700, 320)
    card.show()
    card.show_artifact(firmware, Scene("firmware-1"))
    return card
