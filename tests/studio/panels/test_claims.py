"""The table of printed numbers: what it says of each, what it shows of a run, where it leads."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu
from pytestqt.qtbot import QtBot

from engine.claim import Claim
from engine.claim_source import verdicts
from engine.errors import OssicleError
from engine.registry import Registry
from engine.resource import PAPERS, papers, project
from engine.workflow import load
from studio.model import edit
from studio.model.claims import CSV
from studio.model.document import Document
from studio.panels.claims import NO_RUN, NONE, PROJECT, RUN, ClaimsPanel
from studio.panels.claims_table import NAMES, hidden_columns
from studio.run.session import Session

Make = Callable[[Session], ClaimsPanel]
MEASURED = Claim(what="accuracy", source="T1", printed="99.9 %", value=0.999, unit="share", tolerance=0.0005,
                 at="benchmark-1.report:accuracy")  # fmt: skip
LOST = Claim(what="power", source="T2", printed="3 mW", value=3.0, needs="a power meter")


@pytest.fixture
def make(qtbot: QtBot) -> Make:
    def made(session: Session) -> ClaimsPanel:
        panel = ClaimsPanel(session.document, session)
        panel.resize(1100, 320)
        qtbot.addWidget(panel)
        with qtbot.waitExposed(panel):
            panel.show()
        qtbot.waitUntil(lambda: panel.is_settled, timeout=20_000)
        return panel

    return made


@pytest.fixture
def paper(dark: QApplication, registry: Registry, tmp_path: Path) -> Iterator[Session]:
    """A session with the graph of a paper's table, in a folder without runs."""
    document = Document(registry)
    document.work_in(tmp_path)
    document.show(load(project(f"{PAPERS}/s4-table5.workflow.json")), None)
    session = Session(document)
    yield session
    session.close()


@pytest.fixture
def claiming(opened: Session) -> Session:
    """A project with runs whose workflow claims two numbers."""
    opened.document.edit("Claim", lambda now: now.model_copy(update={"claims": (MEASURED, LOST)}))
    return opened


def cell(panel: ClaimsPanel, row: int, name: str) -> str:
    return str(panel.order.index(row, NAMES.index(name)).data())


def test_it_says_what_the_command_says(make: Make, paper: Session, registry: Registry, tmp_path: Path) -> None:
    panel = make(paper)
    assert list(panel.model.verdicts) == verdicts(paper.document.workflow, registry, tmp_path / ".ossicle")
    assert {verdict.state for verdict in panel.model.verdicts} == {"reproduced", "off", "unchecked"}
    assert panel.summary.text().startswith(f"{len(panel.model.verdicts)} claims: ✓ ")
    assert not panel.table.isHidden() and panel.nothing.isHidden() and panel.papers.isHidden()


def test_state_and_words_choose(make: Make, paper: Session) -> None:
    panel = make(paper)
    panel.only.setCurrentIndex(panel.only.findData("off"))
    off = [verdict for verdict in panel.model.verdicts if verdict.state == "off"]
    assert panel.order.shown() == off and cell(panel, 0, "State") == "≠ off" and "off by" in cell(panel, 0, "Why")
    panel.filter.setText("FILE size")
    assert 0 < panel.order.rowCount() < len(off) + 1 and "file size" in cell(panel, 0, "Claim")
    panel.filter.setText("no such words")
    assert panel.order.rowCount() == 0 and "filter" in panel.empty.text() and not panel.nothing.isHidden()


def test_columns_sort_by_number_and_the_arrow_tells(make: Make, paper: Session) -> None:
    panel = make(paper)
    panel.table.sortByColumn(NAMES.index("Printed"), Qt.SortOrder.DescendingOrder)
    values = [verdict.claim.value for verdict in panel.order.shown()]
    assert values == sorted(values, reverse=True)
    assert panel.order.headerData(NAMES.index("Printed"), Qt.Orientation.Horizontal) == "Printed ↓"


def test_a_claim_leads_to_its_node_and_says_why(make: Make, paper: Session, qtbot: QtBot) -> None:
    panel = make(paper)
    assert not panel.buttons["claims.node"].isEnabled() and panel.why.isHidden()
    panel.filter.setText("ds_kws1 operations")
    panel.table.selectRow(0)
    assert panel.buttons["claims.node"].isEnabled() and "off by" in panel.why.text()
    with qtbot.waitSignal(panel.go_to) as went:
        QTest.keyClick(panel.table, Qt.Key.Key_Return)
    assert went.args == ["count-1", ""]


def test_an_edit_is_judged_anew_and_a_moved_box_is_not(
    make: Make, paper: Session, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make(paper)
    asked: list[object] = []
    call = panel._work.call

    def note(name: str, *rest: Any) -> None:
        asked.append(name)
        call(name, *rest)

    monkeypatch.setattr(panel._work, "call", note)
    paper.document.edit("Move", lambda now: edit.move(now, {"count-1": (500.0, 700.0)}))
    qtbot.waitUntil(lambda: panel.is_settled)
    assert not asked
    paper.document.edit("Fewer", lambda now: now.model_copy(update={"claims": now.claims[:2]}))
    qtbot.waitUntil(lambda: panel.is_settled and panel.order.rowCount() == 2, timeout=20_000)
    assert asked == ["claims"]


def test_a_number_that_is_off_unexplained_is_counted_on_the_tab(
    make: Make, paper: Session, qtbot: QtBot, registry: Registry
) -> None:
    panel = make(paper)
    wrong = next(v.claim for v in panel.model.verdicts if v.state == "reproduced").model_copy(
        update={"value": 1.0, "slips": ()}
    )
    with qtbot.waitSignal(panel.count_changed, timeout=20_000) as told:
        paper.document.edit("Wrong", lambda now: now.model_copy(update={"claims": (wrong,)}))
    assert told.args == [1]


def test_measured_by_all_runs_or_by_the_last_alone(make: Make, claiming: Session, qtbot: QtBot) -> None:
    panel = make(claiming)
    assert panel.by.currentText() == PROJECT
    assert [verdict.state for verdict in panel.model.verdicts] == ["off", "unchecked"]
    ours = panel.model.verdicts[0].ours
    assert ours is not None and cell(panel, 0, "Ours").startswith(f"{100 * ours.value:.2f} %")
    assert "power meter" in cell(panel, 1, "Why")
    claiming.board.fold.folder = None
    panel.by.setCurrentText(RUN)
    qtbot.waitUntil(lambda: panel.is_settled)
    assert panel.empty.text() == NO_RUN and panel.papers.isHidden()


def test_the_last_run_is_judged_by_its_own_claims(make: Make, claiming: Session, qtbot: QtBot, project: Any) -> None:
    folder = project.home / "runs" / project.runs[0]
    ran = load(folder / "workflow.json").model_copy(update={"claims": (MEASURED,)})
    (folder / "workflow.json").write_text(ran.model_dump_json(exclude_none=True), encoding="utf-8")
    panel = make(claiming)
    claiming.board.fold.folder = folder
    panel.by.setCurrentText(RUN)
    qtbot.waitUntil(lambda: panel.is_settled and panel.order.rowCount() == 1, timeout=20_000)
    assert panel.model.verdicts[0].ours is not None and panel.model.verdicts[0].state == "off"


def test_a_run_that_is_gone_is_told(make: Make, claiming: Session, qtbot: QtBot, tmp_path: Path) -> None:
    panel = make(claiming)
    claiming.board.fold.folder = tmp_path / "gone"
    panel.by.setCurrentText(RUN)
    qtbot.waitUntil(lambda: "holds no run" in panel.empty.text())
    assert panel.order.rowCount() == 0


def test_saved_as_shown_with_all_digits(
    make: Make, paper: Session, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make(paper)
    panel.only.setCurrentIndex(panel.only.findData("off"))
    file = tmp_path / "table"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args, **_named: (str(file), ""))
    panel.buttons["claims.save"].click()
    rows = list(csv.DictReader(file.with_suffix(".csv").open(encoding="utf-8")))
    assert tuple(rows[0]) == CSV and {row["state"] for row in rows} == {"off"}
    for row, verdict in zip(rows, panel.order.shown(), strict=True):
        assert verdict.ours is not None
        assert (float(row["ours"]), float(row["value"])) == (verdict.ours.value, verdict.claim.value)
    with qtbot.waitSignal(panel.failed) as failed:
        panel.save(tmp_path / "no folder" / "table.csv")
    assert isinstance(failed.args[0], OssicleError)


def test_copied_with_its_heading(make: Make, paper: Session) -> None:
    panel = make(paper)
    panel.table.selectRow(1)
    panel.copy()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t") == list(NAMES) and len(lines) == 2


def test_without_claims_it_offers_the_papers(make: Make, opened: Session, qtbot: QtBot) -> None:
    panel = make(opened)
    assert panel.empty.text() == NONE and not panel.papers.isHidden() and panel.table.isHidden()
    panel.papers.click()
    (menu,) = panel.findChildren(QMenu)
    assert [action.text() for action in menu.actions()] == papers()
    with qtbot.waitSignal(panel.open_paper) as wanted:
        menu.actions()[0].trigger()
    assert wanted.args == [f"{PAPERS}/{papers()[0]}"]
    menu.close()


@pytest.mark.parametrize("width", [320, 500, 860, 1400])
def test_nothing_overlaps_where_it_is_narrow(make: Make, paper: Session, width: int) -> None:
    panel = make(paper)
    panel.resize(width, 320)
    QApplication.processEvents()
    fields = (panel.filter, panel.only, panel.by, panel.summary, *panel.buttons.values())
    shown = [field for field in fields if field.isVisible()]
    assert panel.width() == width
    for first, second in pairwise(shown):
        assert first.geometry().right() < second.geometry().left()
    assert shown[-1].geometry().right() < width


@pytest.mark.parametrize("width", [320, 640, 1100, 1800])
def test_columns_give_way_but_never_the_verdict(width: int) -> None:
    gone = {NAMES[place] for place in hidden_columns(width)}
    assert gone <= {"Node", "Source"} and (width < 1500 or not gone)
