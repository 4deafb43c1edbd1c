"""The window of a sweep without a runner: rows, problems, figures read from a folder, and what is said at the end."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QPoint
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from engine import Context, Params, Report, ReportMeta, node
from engine.errors import OssicleError
from engine.fault import Fault
from engine.registry import Registry
from engine.runner import LocalRunner
from engine.sweep import SweepRequest, run_sweep
from engine.sweep_record import Point
from engine.sweep_summary import write_summary
from engine.sweep_text import list_text, read_list
from engine.workflow import Workflow, parse
from studio.model.document import Document
from studio.model.sweep import Known, candidates, figures_of, known
from studio.panels.sweep import SweepWindow
from studio.panels.sweep_figures import Figures, tip_of
from studio.run.session import Session
from studio.run.sweep import SweepView
from studio.sweep_commands import notice_of_end


class SeedParams(Params):
    seed: int = 0
    fold: int = 1


@node("shown.score", version=1, category="Fakes")
def score(params: SeedParams, ctx: Context) -> Report:
    """An accuracy that follows from the seed."""
    folder = ctx.folder("report")
    (folder / "report.json").write_text("{}")
    metrics = {"clips": 10.0, "accuracy": 0.9 + 0.01 * params.seed, "fold_ms": 3.0 * params.fold}
    return Report(folder, ReportMeta(title="Benchmark", metrics=metrics))


def work() -> Workflow:
    params = {"seed": "{seed}", "fold": "{fold}"}
    return parse(
        {
            "name": "shown",
            "variables": {"fold": 1, "seed": 0, "data": "x", "zeta": 1},
            "nodes": {"score-1": {"type": "shown.score", "params": params}},
        }
    )


@pytest.fixture
def shown(qtbot: QtBot, dark: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepWindow:
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    document = Document(Registry({score.id: score}))
    document.show(work(), tmp_path / "shown.workflow.json")
    window = SweepWindow(document, Session(document))
    qtbot.addWidget(window)
    return window


def swept(base: Path, over: Any) -> Path:
    request = SweepRequest(work(), base, over, registry=Registry({score.id: score}), finish=(write_summary,))
    return run_sweep(request, LocalRunner(), lambda _event: None, threading.Event()).folder


TEXTS = {
    "1..4": [1, 2, 3, 4],
    "1, 2": [1, 2],
    "none, cutmix": ["none", "cutmix"],
    "1..3, 7": [1, 2, 3, 7],
    '["a, b", null]': ["a, b", None],
    "-2..0": [-2, -1, 0],
    "0.1, 1e-3": [0.1, 0.001],
    "true, NaN": [True, "NaN"],
    "": [],
}


@pytest.mark.parametrize("text", TEXTS)
def test_values_as_a_person_writes_them(text: str) -> None:
    assert read_list(text) == TEXTS[text]


@pytest.mark.parametrize(
    "values",
    [[1, 2, 3], [1, 2], [3, 1], ["a", "b"], ["a, b"], ["1", "2"], [[1, 2], [3]], [True, None], [0.5], ["1..3"], ["x "]],
)
def test_values_as_text_and_back(values: list[Any]) -> None:
    assert read_list(list_text(values)) == values
    assert list_text([1, 2, 3]) == "1..3" and list_text(["none", "cutmix"]) == "none, cutmix"


@pytest.mark.parametrize("text", ["5..1", "1..99999999"])
def test_a_range_that_goes_nowhere_is_told(text: str) -> None:
    with pytest.raises(OssicleError, match="has no values, or too many"):
        read_list(text)


def test_what_can_be_swept_over_is_offered() -> None:
    registry = Registry({score.id: score})
    assert candidates(work(), registry) == ["seed", "fold"]
    assert candidates(work(), registry, "score-1") == ["seed", "fold", "score-1.seed", "score-1.fold"]


def test_rows_come_and_go_and_are_part_of_the_workflow(shown: SweepWindow) -> None:
    document = shown.document
    shown.ask()
    assert [row.variable for row in shown.rows] == ["seed"] and shown.focusWidget() is shown.rows[0].values
    shown.rows[0].values.setText("1..3")
    shown.more.click()
    assert [row.variable for row in shown.rows] == ["seed", "fold"]
    shown.rows[1].values.setText("1, 2")
    shown.rows[1].values.editingFinished.emit()
    assert document.workflow.sweep == {"seed": [1, 2, 3], "fold": [1, 2]}
    assert shown.message.text() == "6 points" and shown.message.objectName() == "mute"
    shown.rows[0].drop.click()
    assert document.workflow.sweep == {"fold": [1, 2]}
    document.edit("Elsewhere", lambda w: w.model_copy(update={"sweep": {"seed": [9]}}))
    assert [(row.variable, row.values.text()) for row in shown.rows] == [("seed", "9")]
    document.edit("About", lambda w: w.model_copy(update={"about": "x"}))
    assert [row.variable for row in shown.rows] == ["seed"]


def test_what_is_wrong_is_told_while_one_types(shown: SweepWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[Any] = []
    monkeypatch.setattr(shown.session, "run_sweep", orders.append)
    shown.ask()
    row = shown.rows[0]
    for text, part in {"1, 1": "more than once", "9..1": "has no values, or too many"}.items():
        row.values.setText(text)
        assert part in shown.message.text() and shown.message.objectName() == "error"
    row.values.setText("1, much")
    assert shown.message.text() == "2 points"
    shown.run.click()
    assert "seed=much: score-1.seed: the value is 'much'" in shown.message.text() and not orders
    row.name.setCurrentText("sed")
    assert "Did you mean seed?" in shown.message.text()
    row.name.setCurrentText("data")
    assert "no node uses the variable 'data'" in shown.message.text()
    row.name.setCurrentText("seed")
    row.values.setText("4..5")
    shown.run.click()
    assert orders == [{"seed": [4, 5]}]


def test_a_sweep_that_was_run_elsewhere_is_shown(shown: SweepWindow, qtbot: QtBot, tmp_path: Path) -> None:
    folder = swept(tmp_path, {"seed": [1, 2, 3]})
    shown.document.edit("Sweep", lambda w: w.model_copy(update={"sweep": {"seed": [1, 2, 3]}}))
    shown.ask()
    qtbot.waitUntil(lambda: bool(shown.figures.figures), timeout=20_000)
    assert [figure.name for figure in shown.figures.figures] == ["accuracy", "clips", "fold_ms"]
    assert shown.figures.figures[0].text == "92.00 % ± 1.00 %"
    assert shown.points.isVisible() and shown.report.isVisible() and "3 of 3" in shown.message.text()
    image = shown.figures.grab().toImage()
    colours = {image.pixelColor(x, y).name() for x in range(0, image.width(), 2) for y in range(0, image.height(), 2)}
    assert len(colours) > 8, "dots, bands and words are drawn"
    QApplication.sendEvent(shown.figures, QHelpEvent(QEvent.Type.ToolTip, QPoint(5, 5), QPoint(5, 5)))
    assert "95 % of the mean" in tip_of(shown.figures.figures[0]) and QToolTip.text() in (
        "", tip_of(shown.figures.figures[0]),
    )  # fmt: skip
    assert known(work(), tmp_path, {"seed": [7]}) is None and known(work(), tmp_path, {}) is None
    (folder / "summary.json").write_text("{broken")
    assert figures_of(folder) == ()


def test_a_single_point_has_a_figure_without_spread(qtbot: QtBot, dark: QApplication, tmp_path: Path) -> None:
    figures = Figures()
    qtbot.addWidget(figures)
    figures.show_figures(figures_of(swept(tmp_path, {"seed": [1]})))
    assert figures.figures[0].text == "91.00 %" and figures.sizeHint().height() == 90
    figures.resize(500, 90)
    assert not figures.grab().isNull()


def test_what_is_said_at_the_end(tmp_path: Path) -> None:
    figures = figures_of(swept(tmp_path, {"seed": [1, 2, 3]}))
    points = tuple(Point(number, {"seed": number}, "done") for number in (1, 2, 3))
    done = notice_of_end(Known(SweepView(points=points, state="done", seconds=61.0), figures))
    assert done.level == "info" and done.what == "3 points done in 1 min 01 s: accuracy 92.00 % ± 1.00 %"
    bad = Point(2, {"seed": 2}, "failed", node="train-1", error=Fault("the loss is nan", "a finite loss", "Lower it"))
    failed = notice_of_end(Known(SweepView(points=(points[0], bad, points[2]), state="failed")))
    assert (failed.level, failed.node) == ("warning", "train-1")
    assert (
        failed.what == "1 of 3 points failed" and "seed=2" in failed.expected and "the loss is nan" in failed.expected
    )
    waiting = (points[0], *(Point(number, {"seed": number}) for number in (2, 3)))
    stopped = notice_of_end(Known(SweepView(points=waiting, state="cancelled")))
    assert stopped.what == "The sweep ended after 1 of 3 points" and "go on" in stopped.remedy
    assert json.dumps(stopped.what)
