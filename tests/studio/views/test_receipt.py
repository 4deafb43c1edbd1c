"""The receipt card: what was acknowledged, and what was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Receipt, ReceiptMeta
from studio.views.receipt import ReceiptCard, read_receipt
from studio.views.viewer import Scene

FIRST = {"id": "a-1", "seq": 1, "topic": "evt/ossicle/model", "qos": 1, "retained": True, "sha256": "ab"}
SECOND = {"id": "a-2", "seq": 2, "topic": "evt/ossicle/report", "qos": 1, "retained": False, "sha256": "cd"}
MESSAGES = [{**FIRST, "acknowledged": True}, SECOND]


def receipt(folder: Path, content: Any = None) -> Receipt:
    if content is not None:
        (folder / "receipt.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return Receipt(folder, ReceiptMeta(destination="mqtts://hub.local", acknowledged=1))


@pytest.fixture
def card(dark: QApplication, qtbot: QtBot) -> ReceiptCard:
    made = ReceiptCard()
    qtbot.addWidget(made)
    made.resize(600, 300)
    made.show()
    return made


def test_messages_are_listed_with_their_state(card: ReceiptCard, qtbot: QtBot, tmp_path: Path) -> None:
    card.show_artifact(receipt(tmp_path, {"destination": "mqtt://hub", "messages": MESSAGES}), Scene("push-1"))
    qtbot.waitUntil(lambda: bool(card.messages))
    assert card.subtitle.text() == "mqtt://hub · 1 of 2 acknowledged"
    assert [row[1] for row in card.table.source.rows] == ["✓ acknowledged", "✕ not acknowledged"]
    assert card.table_rows()[1] == (1, "a-1", "evt/ossicle/model", 1, True, True, "ab")
    assert card.table.source.tips is not None and "sha256 ab" in card.table.source.tips(0)


@pytest.mark.parametrize(
    ("by", "said", "worth"),
    [("hub", "stored by the hub", "on disk"), ("broker", "taken by the broker", "PUBACK"), ("file", "in the file", "")],
)
def test_who_acknowledged_is_told(
    by: str, said: str, worth: str, card: ReceiptCard, qtbot: QtBot, tmp_path: Path
) -> None:
    found = {"destination": "mqtt://hub", "acknowledged_by": by, "messages": MESSAGES}
    card.show_artifact(receipt(tmp_path, found), Scene("push-1"))
    qtbot.waitUntil(lambda: bool(card.messages))
    assert card.subtitle.text() == f"mqtt://hub · 1 of 2 {said}"
    assert [row[1] for row in card.table.source.rows] == [f"✓ {said}", f"✕ not {said}"]
    assert card.table.source.tips is not None
    assert worth in card.table.source.tips(0) and "PUBACK" not in card.table.source.tips(1)


def test_a_receipt_without_a_list_names_its_destination(tmp_path: Path) -> None:
    found = read_receipt(receipt(tmp_path), Scene())
    assert found.destination == "mqtts://hub.local" and found.messages == ()


@pytest.mark.parametrize("content", ["{", '{"messages": [{"id": "x"}]}', '{"messages": 3}'])
def test_a_damaged_receipt_is_told(content: str, card: ReceiptCard, qtbot: QtBot, tmp_path: Path) -> None:
    card.show_artifact(receipt(tmp_path, content), Scene())
    qtbot.waitUntil(lambda: "cannot be shown" in card.message.text())
