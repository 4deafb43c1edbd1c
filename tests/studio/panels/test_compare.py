"""Two runs beside each other."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from engine.registry import Registry
from studio.panels.compare import ComparePanel
from studio.panels.run_compare import Compared, Verdict, compare, judge
from studio.panels.run_facts import Figure, read_runs
from studio.run.session import Session


@pytest.fixture
def compared(project: Any, registry: Registry) -> Compared:
    failed, fewer, first = read_runs(project.home)
    return compare(fewer, first, registry)


def test_the_older_comes_first(compared: Compared, project: Any) -> None:
    assert (compared.before.record.id, compared.after.record.id) == project.runs[:2]


def test_figures_stand_side_by_side(compared: Compared) -> None:
    lines = {line.name: line for line in compared.sections[0].lines}
    size = lines["train-1 · size"]
    assert size.before == size.after and size.verdict == "same"
    accuracy = lines["benchmark-1 · accuracy"]
    assert "to" in accuracy.before and accuracy.verdict in ("same", "unclear")
    assert not any(name.endswith(("low", "high")) for name in lines)


def test_parameters_differ_where_they_were_set(compared: Compared) -> None:
    assert [(line.name, line.before, line.after) for line in compared.sections[1].lines] == [
        ("train-1.epochs", "3", "2")
    ]
    assert compared.sections[2].lines == ()


def test_curves_of_both(compared: Compared) -> None:
    (pair,) = compared.curves
    assert pair.node == "train-1"
    assert len(pair.before) > len(pair.after) > 0


def test_a_failed_run_compares_as_well(project: Any, registry: Registry) -> None:
    failed, _fewer, first = read_runs(project.home)
    found = compare(failed, first, registry)
    states = {line.name: (line.before, line.after, line.why) for line in found.sections[2].lines}
    assert states["ingest-1"][:2] == ("done", "failed") and "nowhere" in states["ingest-1"][2]
    assert states["train-1"][:2] == ("done", "skipped")
    (pair,) = found.curves
    assert len(pair.after) == 0


def test_the_panel_shows_it(qtbot: QtBot, opened: Session, project: Any) -> None:
    failed, fewer, first = read_runs(project.home)
    panel = ComparePanel(opened.document)
    panel.resize(1100, 400)
    qtbot.addWidget(panel)
    with qtbot.waitExposed(panel):
        panel.show()
    panel.show_pair(first, fewer)
    assert panel.message.isVisible()
    qtbot.waitUntil(lambda: panel.compared is not None)
    assert panel.tree.topLevelItemCount() == 4
    assert panel.tree.topLevelItem(0).text(0) == "FIGURES"
    assert panel.card is not None and panel.card.node == "train-1" and len(panel.card.earlier) == 1
    assert panel.split.isVisible() and not panel.message.isVisible()
    panel.copy()
    text = QGuiApplication.clipboard().text()
    assert "train-1.epochs\t3\t2" in text and text.startswith(f"\t{project.runs[0]}\t{project.runs[1]}")
    panel.show_pair(failed, first)
    qtbot.waitUntil(lambda: panel.compared is not None)
    assert panel.card.earlier == () and "only in" in panel.card.subtitle.text()
    with qtbot.waitSignal(panel.closed):
        panel.back.click()


@pytest.mark.parametrize(
    ("name", "a", "b", "told", "verdict"),
    [
        ("accuracy", Figure(0.9, "", "", 0.88, 0.92), Figure(0.91, "", "", 0.89, 0.93), "+1.00 points", "unclear"),
        ("accuracy", Figure(0.8, "", "", 0.78, 0.82), Figure(0.9, "", "", 0.88, 0.92), "+10.00 points", "better"),
        ("accuracy", Figure(0.9, "", "", 0.88, 0.92), Figure(0.8, "", "", 0.78, 0.82), "−10.00 points", "worse"),
        ("accuracy", Figure(0.9, ""), Figure(0.8, ""), "−10.00 points", "changed"),
        ("size_bytes", Figure(1000, ""), Figure(250, ""), "−75.0 %", "better"),
        ("size_bytes", Figure(1000, ""), Figure(1001, ""), "+0.1 %", "worse"),
        ("latency_us", Figure(100, ""), Figure(103, ""), "+3.0 %", "unclear"),
        ("latency_us", Figure(100, ""), Figure(150, ""), "+50.0 %", "worse"),
        ("clips", Figure(8, ""), Figure(8, ""), "same", "same"),
        ("clips", Figure(0, ""), Figure(8, ""), "+8", "changed"),
        ("score", Figure(-2.0, ""), Figure(-1.0, ""), "+50.0 %", "changed"),
    ],
)
def test_better_is_only_said_where_it_is_known(name: str, a: Figure, b: Figure, told: str, verdict: Verdict) -> None:
    found = judge(name, a, b)
    assert found[:2] == (told, verdict)
    assert bool(found[2]) == (verdict in ("better", "worse", "unclear"))


@pytest.mark.parametrize(
    ("figure", "told"),
    [
        (Figure(0.9, "90.00 %", "", 0.88, 0.92), "88.0 to 92.0"),
        (Figure(1.5, "1.5", "", 1.25, 1.75), "1.25 to 1.75"),
        (Figure(1.5, "1.5", "", 1.25), ""),
    ],
)
def test_intervals_have_the_unit_of_their_figure(figure: Figure, told: str) -> None:
    assert figure.interval == told
