"""The table of runs and what can be done with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from pytestqt.qtbot import QtBot

from engine.runs import RECORD
from studio.model import edit
from studio.panels.run_facts import folders, read_runs
from studio.panels.runs import RunsPanel
from studio.panels.runs_table import COLUMNS, NAMES, Run, hidden_columns
from studio.run.session import Session


@pytest.fixture
def panel(qtbot: QtBot, opened: Session) -> RunsPanel:
    made = RunsPanel(opened.document, opened)
    made.resize(1100, 300)
    qtbot.addWidget(made)
    with qtbot.waitExposed(made):
        made.show()
    qtbot.waitUntil(lambda: len(made.found) == 3)
    return made


def cell(panel: RunsPanel, row: int, name: str) -> str:
    return str(panel.order.index(row, NAMES.index(name)).data())


def test_it_lists_the_runs_newest_first(panel: RunsPanel, project: Any) -> None:
    assert [facts.record.id for facts in panel.found] == list(reversed(project.runs))
    assert [cell(panel, row, "State") for row in range(3)] == ["failed", "done", "done"]
    assert cell(panel, 2, "Nodes") == "6 run"
    assert cell(panel, 1, "Nodes") == "3 run, 3 cached"
    assert cell(panel, 2, "Accuracy").endswith("%") and cell(panel, 2, "Size").endswith("B")
    assert cell(panel, 2, "Differs in") == "as now"
    assert cell(panel, 1, "Differs in") == "epochs 2"
    assert panel.count.text() == "3 runs"


def test_accuracy_comes_with_its_interval(panel: RunsPanel) -> None:
    figure = panel.found[2].figures["accuracy"]
    assert figure.low is not None and figure.high is not None and figure.low <= figure.value <= figure.high
    assert "95 %" in str(panel.order.index(2, 0).data(Qt.ItemDataRole.ToolTipRole))


def test_the_failure_is_in_the_tooltip(panel: RunsPanel) -> None:
    assert "nowhere" in str(panel.order.index(0, 1).data(Qt.ItemDataRole.ToolTipRole))


def test_differences_follow_the_graph(panel: RunsPanel, qtbot: QtBot) -> None:
    panel.document.edit("Fewer", lambda now: edit.set_params(now, "train-1", {"epochs": 2}))
    qtbot.waitUntil(lambda: cell(panel, 1, "Differs in") == "as now")
    assert cell(panel, 2, "Differs in") == "epochs 3"


def test_filter_and_sort(panel: RunsPanel) -> None:
    panel.filter.setText("failed")
    assert panel.order.rowCount() == 1 and panel.count.text() == "1 of 3 runs"
    panel.filter.setText("no such thing")
    assert panel.order.rowCount() == 0 and "no such thing" in panel.empty.text() and not panel.empty.isHidden()
    panel.filter.clear()
    panel.table.sortByColumn(NAMES.index("Started"), Qt.SortOrder.AscendingOrder)
    assert cell(panel, 0, "State") == "done" and cell(panel, 2, "State") == "failed"
    assert panel.order.headerData(NAMES.index("Started"), Qt.Orientation.Horizontal) == "Started ↑"


def test_a_click_on_the_pin_pins(panel: RunsPanel, qtbot: QtBot, project: Any) -> None:
    at = panel.table.visualRect(panel.order.index(1, 0)).center()
    qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    qtbot.waitUntil(lambda: panel.found[1].record.pinned)
    assert (project.home / "runs" / project.runs[1] / "pinned").exists()
    qtbot.keyClick(panel.table, Qt.Key.Key_P)
    qtbot.waitUntil(lambda: not panel.found[1].record.pinned)


def test_buttons_need_the_right_number_of_runs(panel: RunsPanel, project: Any) -> None:
    assert not any(button.isEnabled() for button in panel.buttons.values())
    panel.select_runs(project.runs[0])
    assert panel.buttons["runs.restore"].isEnabled() and not panel.buttons["runs.compare"].isEnabled()
    panel.select_runs(*project.runs[:2])
    assert panel.buttons["runs.compare"].isEnabled() and not panel.buttons["runs.restore"].isEnabled()


def test_restore_and_show_tell_the_record(panel: RunsPanel, qtbot: QtBot, project: Any) -> None:
    panel.select_runs(project.runs[1])
    with qtbot.waitSignal(panel.restore) as restored:
        panel.buttons["runs.restore"].click()
    assert restored.args[0].id == project.runs[1]
    with qtbot.waitSignal(panel.replay) as shown:
        qtbot.keyClick(panel.table, Qt.Key.Key_Return)
    assert shown.args[0].id == project.runs[1]


def test_a_report_is_written_if_there_is_none(panel: RunsPanel, qtbot: QtBot, project: Any) -> None:
    panel.select_runs(project.runs[0])
    with qtbot.waitSignal(panel.open_report, timeout=20_000) as told:
        panel.buttons["runs.report"].click()
    report: Path = told.args[0]
    assert report.is_file() and "<html" in report.read_text(encoding="utf-8")[:400].lower()
    qtbot.waitUntil(lambda: panel.found[2].has_report)


def test_verify_gives_the_command(panel: RunsPanel, qtbot: QtBot, project: Any) -> None:
    panel.select_runs(project.runs[0])
    with qtbot.waitSignal(panel.told) as told:
        next(command for command in panel.commands() if command.id == "runs.verify").run()
    assert QGuiApplication.clipboard().text().startswith("ossicle verify ")
    assert project.runs[0] in told.args[0].remedy


def test_its_folder_opens(panel: RunsPanel, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    panel.select_runs(project.runs[0])
    next(command for command in panel.commands() if command.id == "runs.folder").run()
    assert Path(opened[0].toLocalFile()).name == project.runs[0]


def test_copying_gives_the_chosen_rows(panel: RunsPanel, qtbot: QtBot, project: Any) -> None:
    panel.select_runs(project.runs[1])
    qtbot.keyClick(panel.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    head, row = QGuiApplication.clipboard().text().split("\n")
    assert head.startswith("Run\tState") and row.startswith(f"{project.runs[1]}\tdone")
    assert panel.text() == QGuiApplication.clipboard().text()


def test_the_menu_offers_everything(panel: RunsPanel, project: Any) -> None:
    panel.select_runs(project.runs[0])
    menu = panel.more.menu()
    panel._fill_menu(menu)
    words = {action.text(): action.isEnabled() for action in menu.actions()}
    assert len(words) == len(panel.commands())
    assert words["Restore its graph"] and not words["Compare two runs"]


def test_a_damaged_run_is_left_out(panel: RunsPanel, qtbot: QtBot, project: Any) -> None:
    runs = project.home / "runs"
    (runs / project.runs[0] / RECORD).write_text("{half", encoding="utf-8")
    (runs / project.runs[1] / "workflow.json").write_text("nonsense", encoding="utf-8")
    (runs / project.runs[2] / "workflow.json").unlink()
    assert len(folders(project.home)) == 2
    found = read_runs(project.home)
    assert [facts.record.id for facts in found] == [project.runs[1]]
    panel.refresh()
    qtbot.waitUntil(lambda: len(panel.found) == 1)


def test_nothing_yet(qtbot: QtBot, opened: Session, tmp_path: Path) -> None:
    opened.document.path = tmp_path / "new.workflow.json"
    panel = RunsPanel(opened.document, opened)
    qtbot.addWidget(panel)
    with qtbot.waitExposed(panel):
        panel.show()
    assert panel.empty.isVisible() and "Press R" in panel.empty.text()
    assert panel.found == [] and not panel.filter.isEnabled()


def test_it_reads_only_while_somebody_looks(qtbot: QtBot, opened: Session) -> None:
    panel = RunsPanel(opened.document, opened)
    qtbot.addWidget(panel)
    panel.refresh()
    assert panel.found == [] and panel._is_stale
    panel.show()
    qtbot.waitUntil(lambda: len(panel.found) == 3)


def test_columns_give_way(panel: RunsPanel) -> None:
    runs = [Run(facts) for facts in panel.found]
    wide, narrow = hidden_columns(runs, 1600), hidden_columns(runs, 620)
    assert {COLUMNS[k].name for k in wide} == {"Graph"}
    assert {"Graph", "Nodes", "Took"} <= {COLUMNS[k].name for k in narrow}
    assert NAMES.index("State") not in narrow and NAMES.index("Accuracy") not in narrow
    failed = hidden_columns(runs[:1], 1600)
    assert {COLUMNS[k].name for k in failed} == {"Graph", "Accuracy", "Size", "Latency"}


def test_two_runs_open_the_comparison_and_escape_closes_it(panel: RunsPanel, qtbot: QtBot, project: Any) -> None:
    panel.select_runs(*project.runs[:2])
    panel.buttons["runs.compare"].click()
    qtbot.waitUntil(lambda: panel.compare.compared is not None)
    assert panel.pages.currentWidget() is panel.compare
    qtbot.keyClick(panel.compare.tree, Qt.Key.Key_Escape)
    assert panel.pages.currentIndex() == 0
    assert {facts.record.id for facts in panel.selected} == set(project.runs[:2])


def test_nothing_is_cut_off(panel: RunsPanel, qtbot: QtBot) -> None:
    for width in (400, 560, 800, 1600):
        panel.resize(width, 260)
        qtbot.waitUntil(lambda: panel.more.mapTo(panel, QPoint(panel.more.width(), 0)).x() <= panel.width())
        assert panel.width() == width
        assert (panel.buttons["runs.compare"].text() == "") == (width < 620)
