"""The start page."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSize, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from engine.registry import Registry
from engine.resource import projects
from engine.workflow import Workflow, save
from studio.look import theme
from studio.panels.graph_picture import picture
from studio.panels.start import ANYWHERE, StartPage
from studio.panels.tiles import look, when


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    here, gone = tmp_path / "here.workflow.json", tmp_path / "gone.workflow.json"
    save(Workflow(name="here"), here)
    return [here, gone]


@pytest.fixture
def page(dark: QApplication, qtbot: QtBot, registry: Registry, files: list[Path]) -> StartPage:
    made = StartPage(files, registry)
    made.resize(1280, 760)
    qtbot.addWidget(made)
    with qtbot.waitExposed(made):
        made.show()
    qtbot.waitUntil(lambda: made.recent_tiles[1].is_missing)
    return made


def test_words_make_a_spotter(page: StartPage, qtbot: QtBot) -> None:
    assert not page.make.isEnabled()
    qtbot.keyClicks(page.words.line, "Marvin,hey sheila")
    assert page.make.isEnabled()
    with qtbot.waitSignal(page.say_words) as told:
        page.make.click()
    assert told.args == [["marvin", "hey sheila"]]
    qtbot.keyClick(page.words.line, Qt.Key.Key_Return)
    with qtbot.waitSignal(page.say_words):
        qtbot.keyClick(page.words.line, Qt.Key.Key_Return)


def test_no_words_make_nothing(page: StartPage, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(page.say_words):
        qtbot.keyClick(page.words.line, Qt.Key.Key_Return)


def test_every_example_is_there_and_opens(page: StartPage, qtbot: QtBot) -> None:
    assert list(page.examples) == projects()
    name, tile = next(iter(page.examples.items()))
    with qtbot.waitSignal(page.open_project) as told:
        qtbot.mouseClick(tile, Qt.MouseButton.LeftButton)
    assert told.args == [name]
    tile.setFocus()
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Space):
        with qtbot.waitSignal(page.open_project):
            qtbot.keyClick(tile, key)
    qtbot.keyClick(tile, Qt.Key.Key_Right)
    assert page.focusWidget() is list(page.examples.values())[1]
    qtbot.keyClick(page.focusWidget(), Qt.Key.Key_Left)
    assert page.focusWidget() is tile


def test_a_press_that_ends_elsewhere_chooses_nothing(page: StartPage, qtbot: QtBot) -> None:
    tile = next(iter(page.examples.values()))
    with qtbot.assertNotEmitted(page.open_project):
        qtbot.mousePress(tile, Qt.MouseButton.LeftButton)
        qtbot.mouseRelease(tile, Qt.MouseButton.LeftButton, pos=QPoint(-20, -20))


def test_recent_files_open_and_lost_ones_can_go(page: StartPage, qtbot: QtBot, files: list[Path]) -> None:
    here, gone = page.recent_tiles
    assert here.when.text().startswith("today") and not here.remove.isVisible()
    with qtbot.waitSignal(page.open_file) as told:
        qtbot.mouseClick(here, Qt.MouseButton.LeftButton)
    assert told.args == [files[0]]
    with qtbot.assertNotEmitted(page.open_file):
        qtbot.mouseClick(gone, Qt.MouseButton.LeftButton)
    assert "not in" in gone.folder.toolTip() and gone.remove.isVisible()
    with qtbot.waitSignal(page.forget) as forgotten:
        gone.remove.click()
    assert forgotten.args == [files[1]]
    assert page.recent_tiles == [here]


def test_without_recent_files_there_is_no_heading(page: StartPage) -> None:
    page.show_recent([])
    assert page.recent_tiles == [] and not page._recent_head.isVisible()


def test_at_most_some_recent_files(page: StartPage, tmp_path: Path) -> None:
    page.show_recent([tmp_path / f"{k}.workflow.json" for k in range(20)])
    assert len(page.recent_tiles) == 6


def drag(paths: list[Path]) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def test_files_can_be_dropped_anywhere(page: StartPage, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    data = drag([tmp_path / "clips"])
    keys, button = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, button, keys)
    page.dragEnterEvent(enter)
    assert enter.isAccepted() and page.zone.is_hot
    assert page.zone_words.text() == "Make nodes for clips"
    page.dragLeaveEvent(QDragLeaveEvent())
    assert not page.zone.is_hot and page.zone_words.text() == ANYWHERE
    with qtbot.waitSignal(page.dropped) as told:
        page.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, button, keys))
    assert told.args == [[tmp_path / "clips"]]


def test_what_is_no_file_is_not_taken(page: StartPage, qtbot: QtBot) -> None:
    data = QMimeData()
    data.setText("marvin")
    keys, button = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, button, keys)
    enter.ignore()
    page.dragEnterEvent(enter)
    assert not enter.isAccepted() and not page.zone.is_hot
    with qtbot.assertNotEmitted(page.dropped):
        page.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, button, keys))


def test_folders_and_archives_are_asked_for(
    page: StartPage, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    with qtbot.waitSignal(page.open_recordings) as told:
        page.folder.click()
    assert told.args == [tmp_path]
    with qtbot.assertNotEmitted(page.open_recordings):
        page.archive.click()


@pytest.mark.parametrize(("width", "fitting"), [(2000, 5), (1280, 5), (904, 4), (800, 3), (420, 1)])
def test_examples_flow_and_nothing_is_cut_off(page: StartPage, qtbot: QtBot, width: int, fitting: int) -> None:
    page.resize(width, 700)
    tiles = list(page.examples.values())
    rows = math.ceil(len(tiles) / fitting)
    columns = math.ceil(len(tiles) / rows)  # rows as even as possible
    qtbot.waitUntil(lambda: len({tile.x() for tile in tiles}) == columns)
    if width > 700:
        assert all(tile.mapTo(page, QPoint(tile.width(), 0)).x() <= width for tile in tiles)
        assert page.empty.mapTo(page, QPoint(page.empty.width(), 0)).x() <= width


def test_tab_goes_from_the_words_to_the_recordings_and_examples(page: StartPage, qtbot: QtBot) -> None:
    page.setFocus()
    assert page.focusWidget() is page.words.line
    for wanted in (page.folder, page.archive, *page.examples.values(), page.empty):
        qtbot.keyClick(page.focusWidget(), Qt.Key.Key_Tab)
        assert page.focusWidget() is wanted


def test_pictures_are_drawn_in_the_types_colours(dark: QApplication, registry: Registry, page: StartPage) -> None:
    workflow = next(iter(page.examples.values())).workflow
    drawn = picture(workflow, registry, QSize(500, 300), 2.0)
    assert drawn.size() == QSize(1000, 600)
    seen = {drawn.pixelColor(x, y).name() for x in range(0, 1000, 2) for y in range(0, 600, 2)}
    assert {theme.kind_colour(kind).name() for kind in ("AudioSet", "FeatureSet", "Model", "Report")} <= seen
    empty = picture(Workflow(), registry, QSize(50, 40))
    assert all(empty.pixelColor(x, y).alpha() == 0 for x in range(50) for y in range(40))
    assert picture(workflow, registry, QSize(0, 0)).isNull()


def test_it_becomes_light(page: StartPage, qapp: QApplication) -> None:
    tile = next(iter(page.examples.values()))
    before = tile.graph.grab().toImage()
    theme.apply(qapp, "light")
    assert tile.graph.grab().toImage() != before


@pytest.mark.parametrize(
    ("at", "words"),
    [("2026-03-05 12:04", "today 12:04"), ("2026-03-04 23:59", "yesterday 23:59"), ("2026-02-01 08:00", "1 Feb"),
     ("2024-11-03 08:00", "3 Nov 2024")],
)  # fmt: skip
def test_times_are_short(at: str, words: str) -> None:
    now = time.mktime(time.strptime("2026-03-05 20:00", "%Y-%m-%d %H:%M"))
    assert when(time.mktime(time.strptime(at, "%Y-%m-%d %H:%M")), now) == words


def test_looking_survives_odd_paths(tmp_path: Path) -> None:
    (gone, odd) = look([tmp_path / "gone", tmp_path / "file" / "below"])
    assert gone.written_s is None and odd.written_s is None
