"""The memory map: sections, limits, symbols, layers; and the card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Firmware, FirmwareMeta
from engine.errors import OssicleError
from studio.views.data.firmware import parse, read_map
from studio.views.firmware import FirmwareCard, layer_rows, layer_total, symbol_rows, words
from studio.views.viewer import Scene

RAW: dict[str, Any] = {
    "target": "STM32L476RG",
    "limits": {"flash_bytes": 1_000_000, "ram_bytes": 128_000},
    "sections": [
        {"name": ".text", "region": "flash", "bytes": 60_000},
        {"name": ".rodata", "region": "flash", "bytes": 200_000},
        {"name": "arena", "region": "ram", "bytes": 141_200},
    ],
    "symbols": [
        {"name": "conv1_weight", "region": "flash", "section": ".rodata", "bytes": 1_920},
        {"name": "arena", "region": "ram", "bytes": 141_200},
    ],
    "layers": [
        {"layer": "conv1", "operator": "Conv", "instructions": 800_000, "ms": 10.5, "ram_bytes": 6_272},
        {"layer": "fc", "instructions": 1_000},
    ],
}


def firmware(folder: Path, content: Any = RAW) -> Firmware:
    if content is not None:
        (folder / "firmware.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return Firmware(folder, FirmwareMeta(target="STM32", flash_bytes=1000, ram_bytes=500))


def test_what_does_not_fit_is_told_in_bytes() -> None:
    found = parse(RAW)
    assert found.used("flash") == 260_000 and not found.is_over("flash")
    assert found.is_over("ram")
    assert words(found, "ram") == "RAM 141.2 kB of 128.0 kB · 13.2 kB too much"
    assert words(found, "flash") == "Flash 260.0 kB of 1.0 MB · 26%"
    assert [part.name for part in found.of("flash")] == [".rodata", ".text"]


def test_symbols_and_layers_become_rows() -> None:
    found = parse(RAW)
    assert [(row.name, row.end) for row in symbol_rows(found)] == [
        ("arena", "141.2 kB RAM"),
        ("conv1_weight", "1.9 kB Flash"),
    ]
    rows = layer_rows(found.layers)
    assert [(row.value, row.end) for row in rows] == [(10.5, "10.50 ms"), (None, "1,000")]
    assert layer_total(found.layers) == "10.5 ms · 801,000 instructions"


def test_without_a_file_the_metadata_stand_for_one_section_each(tmp_path: Path) -> None:
    found = read_map(firmware(tmp_path, None))
    assert (found.used("flash"), found.used("ram"), found.limits, found.target) == (1000, 500, {}, "STM32")
    assert words(found, "ram") == "RAM 500 B"


@pytest.mark.parametrize(
    "change",
    [
        {"sections": None},
        {"sections": [{"name": "x", "region": "disk", "bytes": 1}]},
        {"sections": [{"name": "x", "region": "ram", "bytes": -1}]},
        {"symbols": [{"name": "x"}]},
        {"layers": [{"operator": "Conv"}]},
        {"limits": {"ram_bytes": "much"}},
    ],
)
def test_maps_that_are_not_as_described_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(OssicleError, match=r"firmware\.json cannot be read"):
        parse({**RAW, **change})


@pytest.fixture
def card(dark: QApplication, qtbot: QtBot) -> FirmwareCard:
    made = FirmwareCard()
    qtbot.addWidget(made)
    made.resize(600, 400)
    made.show()
    return made


def test_the_card_shows_regions_symbols_and_layers(card: FirmwareCard, qtbot: QtBot, tmp_path: Path) -> None:
    card.show_artifact(firmware(tmp_path), Scene("firmware-1"))
    qtbot.waitUntil(lambda: bool(card.bars.rows))
    assert card.subtitle.text() == "STM32L476RG · ✕ RAM does not fit"
    assert "too much" in card.regions.accessibleDescription()
    card.regions.grab()
    part = card.regions.part_at(QPointF(10, 25))
    assert part is not None and part.name == ".rodata" and card.regions.part_at(QPointF(595, 25)) is None
    card.what.set("layers")
    card.what.changed.emit("layers")
    assert [row.name for row in card.bars.rows] == ["conv1", "fc"]
    assert ("symbol", "arena", "ram", 141_200) in card.table_rows()


def test_a_damaged_map_is_told(card: FirmwareCard, qtbot: QtBot, tmp_path: Path) -> None:
    card.show_artifact(firmware(tmp_path, "{"), Scene())
    qtbot.waitUntil(lambda: "cannot be shown" in card.message.text())
    card.show_artifact(firmware(tmp_path, {"sections": 3}), Scene())
    qtbot.waitUntil(lambda: "Firmware.json cannot be read" in card.message.text())
