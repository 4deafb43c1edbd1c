"""Headline figures and tables of any report; facts of any artifact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Artifact, Report
from studio.views.data.document import is_of_kind, sheets, tiles, top_level
from studio.views.report import FactsCard, ReportCard
from studio.views.viewer import Scene

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def test_figures_with_intervals_come_first() -> None:
    found = tiles({"clips": 120.0, "accuracy": 0.93, "accuracy_low": 0.9, "accuracy_high": 0.955, "latency_us": 12.5})
    assert [(tile.name, tile.value, tile.interval, tile.short) for tile in found] == [
        ("accuracy", "93.00 %", "90.0–95.5", "90–96"),
        ("clips", "120", "", ""),
        ("latency", "12.5 µs", "", ""),
    ]


def test_a_document_becomes_tables() -> None:
    raw = {
        "kind": "x",
        "model": {"name": "net", "flops": {"true": 3}},
        "classes": ["a", "b"],
        "rows": [{"class": "a", "score": {"low": 1}}, {"class": "b"}],
        "matrix": [[1, 2], [3]],
        "empty": [],
    }
    found = {sheet.name: sheet for sheet in sheets(raw)}
    assert dict(found["facts"].rows) == {  # type: ignore[arg-type]
        "kind": "x",
        "model.name": "net",
        "model.flops.true": 3,
        "classes": "a, b",
        "empty": "",
    }
    assert found["rows"].headers == ("class", "score.low") and found["rows"].rows == (("a", 1), ("b", None))
    assert found["matrix"].rows == ((1, 2), (3, None))


@given(PLAIN)
def test_any_json_gives_tables_whose_rows_fit_their_headers(raw: Any) -> None:
    for sheet in sheets(raw):
        assert all(len(row) == len(sheet.headers) for row in sheet.rows)


@pytest.mark.parametrize("text", ['{\n "kind": "search",\n "trials": []\n}', '{"trials": [], "kind": "search"}'])
def test_keys_are_found_however_the_file_is_written(text: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    assert top_level(path, "kind", "trials") and not top_level(path, "kind", "confusion")
    assert is_of_kind(path, "search") and not is_of_kind(path, "bench")
    assert not top_level(tmp_path / "none.json", "kind")


@pytest.fixture
def card(dark: QApplication, qtbot: QtBot) -> ReportCard:
    made = ReportCard()
    qtbot.addWidget(made)
    made.resize(700, 450)
    made.show()
    return made


def test_a_real_report_has_figures_and_tables(card: ReportCard, qtbot: QtBot, artifacts: dict[str, Artifact]) -> None:
    card.show_artifact(artifacts["benchmark-1.report"], Scene("benchmark-1"))
    qtbot.waitUntil(lambda: bool(card.sheets))
    assert card.tiles.tiles[0].name in ("accuracy", "uar") and card.tiles.tiles[0].interval
    assert "per_class" in [sheet.name for sheet in card.sheets]
    names = [sheet.name for sheet in card.sheets]
    card.choice.setCurrentIndex(names.index("per_class"))
    card.choice.activated.emit(names.index("per_class"))
    assert card.table_rows()[0] == ("class", "precision", "recall", "specificity", "f1", "support")
    card.resize(300, 220)
    assert not card.table.isVisibleTo(card) and card.tiles.isVisibleTo(card)


@pytest.mark.parametrize("content", ["{", ""])
def test_a_damaged_report_is_told(
    content: str, card: ReportCard, qtbot: QtBot, make_report: Callable[[Any], Report]
) -> None:
    card.show_artifact(make_report(content), Scene())
    qtbot.waitUntil(lambda: "cannot be shown" in card.message.text())
    card.clear()
    assert card.message.text() == "Nothing to show yet."


def test_facts_list_files_and_every_json(
    dark: QApplication, qtbot: QtBot, make_report: Callable[[Any], Report]
) -> None:
    report = make_report({"rows": [{"a": 1}]})
    (report.path / "odd.json").write_text("{")
    card = FactsCard()
    qtbot.addWidget(card)
    card.show_artifact(report, Scene())
    qtbot.waitUntil(lambda: bool(card.sheets))
    assert [sheet.name for sheet in card.sheets] == ["files", "odd.json", "report.json: rows"]
    assert card.sheets[1].rows == (("this file is not readable JSON",),)
