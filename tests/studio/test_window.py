"""The whole window: parts, commands, pages, guards, looks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QDesktopServices, QImage, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from engine.commands.common import Opened
from engine.errors import OssicleError
from engine.registry import load_registry
from engine.resource import projects
from engine.theme import TOKENS
from engine.workflow import Workflow, load, to_text
from studio.docks import PLACES
from studio.look import theme
from studio.model.journal import lost_work
from studio.window import Window

Make = Callable[..., Window]


@pytest.fixture
def make(qapp: QApplication, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Make]:
    """Makes windows without a runner; closes them without questions."""
    monkeypatch.setenv("OSSICLE_HOME", str(tmp_path / "data"))
    made: list[Window] = []

    def window(opened: Opened | None = None, size: tuple[int, int] = (1280, 800)) -> Window:
        theme.apply(qapp, "dark")
        shown = Window(load_registry())
        shown.resize(*size)
        shown.show()
        shown.open_first(opened)
        shown.begin(with_runner=False)
        qtbot.waitExposed(shown)
        made.append(shown)
        return shown

    yield window
    for shown in made:
        shown.document.note_saved()
        shown.close()
        shown.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def demo(folder: Path, name: str = "demo") -> Opened:
    """A project's file in a folder."""
    from engine.resource import project

    path = folder / f"{name}.workflow.json"
    path.write_text(to_text(load(project(path.name))), encoding="utf-8")
    return Opened(load(path), path, folder)


def test_every_command_has_a_menu_entry_and_no_two_share_a_shortcut(make: Make) -> None:
    window = make()
    ids = Counter(command.id for part in [window._all_commands()] for command in part)
    assert max(ids.values()) == 1
    texts = [QKeySequence(text).toString() for command in window.commands.values() for text in command.shortcuts]
    assert [text for text, count in Counter(texts).items() if count > 1] == [] and "" not in texts
    assert [command.id for command in window.commands.values() if not command.shortcuts] == []
    entries = {action.objectName() for action in window.actions_.values()}
    in_menus = {
        action.objectName()
        for menu in window.topbar.menus.findChildren(type(window.topbar.menus.actions()[0].menu()))
        for action in menu.actions()
    }
    assert entries == set(window.commands) and entries <= in_menus


def test_every_command_can_be_given_and_the_canvas_follows(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a fresh document with something selected; what asks a person is answered with no."""
    window = make(demo(tmp_path))
    whole = window.document.workflow
    for name in ("getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *_args, **_named: ("", ""))
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda _url: True)
    monkeypatch.setattr(window.groups, "ask", lambda *_: None)
    monkeypatch.setattr(window.session, "_send", lambda *_args, **_named: None)
    monkeypatch.setattr(window.session.child, "restart", lambda: None)
    monkeypatch.setattr(window.session.child, "kill", lambda: None)
    window.files.ask_unsaved = lambda: "discard"
    given = 0
    for command in window.commands.values():
        window.document.show(whole, tmp_path / "demo.workflow.json")
        window.document.select(["mfcc-1", "train-1"] if "align" in command.id else ["mfcc-1"])
        given += command.enabled()
        window._guarded(command)()
        QApplication.processEvents()
        if (popup := QApplication.activePopupWidget()) is not None:
            popup.close()
        window.canvas.finish()
        assert window.canvas.to_workflow() == window.document.workflow, command.id
        if window.isFullScreen():
            window.showNormal()
    assert given > 0.6 * len(window.commands)


def test_the_start_page_gives_way_to_what_is_opened(make: Make, tmp_path: Path) -> None:
    window = make()
    assert window.middle.currentWidget() is window.start and window.docks.docks["palette"].isHidden()
    window.files.open(demo(tmp_path).path)
    assert window.middle.currentWidget() is window.canvas and not window.docks.docks["palette"].isHidden()
    assert window.document.path == (tmp_path / "demo.workflow.json").resolve()


@pytest.mark.parametrize("name", projects())
def test_every_project_opens_and_is_shown_as_it_is(make: Make, tmp_path: Path, name: str) -> None:
    opened = demo(tmp_path, name)
    window = make(opened)
    window.canvas.finish()
    assert window.canvas.to_workflow() == opened.workflow
    assert window.document.is_saved and window.document.checked.problems == ()


def test_typing_a_word_gives_a_spotter(make: Make) -> None:
    window = make()
    window.start.say_words.emit(["marvin"])
    assert window.document.workflow.variables["data"] == ["marvin"] and not window.document.is_saved
    assert window.document.checked.problems == ()


def test_a_dropped_folder_becomes_a_graph_and_a_second_one_a_node(make: Make, recordings: Path) -> None:
    window = make()
    folder = recordings / "fsdd" / "recordings"
    window.start.dropped.emit([folder])
    nodes = set(window.document.workflow.nodes)
    assert "ingest-1" in nodes and window.document.workflow.variables["data"] == str(folder)
    window.canvas.files_dropped.emit([folder], window.canvas.viewer.seen().center())
    assert set(window.document.workflow.nodes) - nodes == {"ingest-2"}
    window.document.undo()
    assert set(window.document.workflow.nodes) == nodes


def test_what_cannot_be_taken_in_is_told_in_three_parts(make: Make, tmp_path: Path) -> None:
    window = make()
    (tmp_path / "song.txt").write_text("la")
    window.start.dropped.emit([tmp_path / "song.txt"])
    assert window.banner.isVisible() and "song.txt" in window.banner.what.text() and window.banner.rest.text()


def test_a_broken_file_is_told_and_the_open_one_stays(make: Make, tmp_path: Path) -> None:
    window = make(demo(tmp_path))
    bad = tmp_path / "bad.workflow.json"
    bad.write_text('{"nodes": ')
    assert not window.files.open(bad)
    assert window.banner.isVisible() and window.document.workflow.name == "demo"


def test_closing_asks_about_unsaved_work(make: Make, tmp_path: Path) -> None:
    window = make(demo(tmp_path))
    window.views.add_node("ossicle.mfcc")
    answers = ["cancel", "save"]
    window.files.ask_unsaved = lambda: answers.pop(0)
    assert not window.close() and window.isVisible()
    assert window.close() and "mfcc-2" in load(tmp_path / "demo.workflow.json").nodes
    assert lost_work() == []


def test_a_folder_that_cannot_be_written_costs_nothing(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make(demo(tmp_path))
    window.views.add_node("ossicle.mfcc")

    def refuse(_workflow: Workflow, _path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("studio.model.document.save", refuse)
    assert not window.files.save()
    assert "Permission denied" in window.banner.what.text() and not window.document.is_saved
    assert "mfcc-2" in window.document.workflow.nodes


def test_dark_and_light(make: Make, tmp_path: Path) -> None:
    window = make(demo(tmp_path))
    window.canvas.finish()

    def ground() -> str:
        QApplication.processEvents()
        at = window.canvas.mapTo(window, QPoint(4, window.canvas.height() // 2))
        image = window.grab().toImage()
        colours = Counter(image.pixelColor(at.x() + dx, at.y() + dy).name() for dx in range(9) for dy in range(9))
        return colours.most_common(1)[0][0]

    assert ground() == TOKENS["canvas"].dark
    window.views.swap_ground()
    assert ground() == TOKENS["canvas"].light and window.keeping.settings.theme == "light"
    window.views.swap_ground()
    assert ground() == TOKENS["canvas"].dark


@pytest.mark.parametrize("size", [(1280, 800), (2560, 1440)])
def test_nothing_is_cut_off_and_nothing_overlaps(make: Make, tmp_path: Path, size: tuple[int, int]) -> None:
    window = make(demo(tmp_path), size)
    QApplication.processEvents()
    shown = [place.name for place in PLACES if not window.docks.docks[place.name].visibleRegion().isEmpty()]
    assert {"palette", "properties"} <= set(shown)
    areas = {name: window.docks.docks[name].geometry() for name in shown}
    for name, area in areas.items():
        assert window.rect().contains(area), name
        assert not any(area.intersects(other) for key, other in areas.items() if key != name), name
    assert window.canvas.width() > 0.5 * window.width()
    for button in window.topbar.buttons.values():
        assert window.topbar.rect().contains(button.geometry())


def test_panels_come_back_as_they_were_left(make: Make, tmp_path: Path) -> None:
    window = make(demo(tmp_path))
    window.docks.docks["palette"].hide()
    window.docks.show("log")
    state = window.docks.state()
    window.docks.arrange()
    assert not window.docks.docks["palette"].isHidden()
    assert window.docks.restore(state) and window.docks.docks["palette"].isHidden()
    assert not window.docks.restore(b"nonsense")


def test_the_command_palette_finds_and_runs(make: Make, tmp_path: Path, qtbot: QtBot) -> None:
    window = make(demo(tmp_path))
    window.activateWindow()
    window.canvas.setFocus()
    window.commands["view.commands"].run()
    shown = window.command_palette
    qtbot.waitUntil(shown.isVisible)
    before = len(window.document.workflow.nodes)
    field = shown.findChild(QLineEdit)
    QTest.keyClicks(field, "log-mel")
    QTest.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(window.document.workflow.nodes) == before + 1)
    assert "log-mel-1" in window.document.workflow.nodes


def test_a_problem_leads_to_its_parameter(make: Make, tmp_path: Path) -> None:
    window = make(demo(tmp_path))
    window.go_to("train-1", "epochs")
    focus = QApplication.focusWidget()
    assert window.document.selection.node == "train-1"
    assert focus is None or window.properties.isAncestorOf(focus)


def test_an_earlier_run_is_shown_when_its_file_is_opened_again(
    make: Make, small_run: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make()
    monkeypatch.delenv("OSSICLE_HOME")
    window.files.open(small_run.file)
    qtbot.waitUntil(lambda: window.session.state("train-1").state in ("done", "cached"), timeout=20_000)
    qtbot.waitUntil(lambda: bool(window.plots._cards), timeout=20_000)
    assert any(isinstance(card, QWidget) and card.isVisible() for card in window.plots._cards.values())
    window.docks.show("clips")
    view = window.tabs["clips"]
    qtbot.waitUntil(lambda: bool(view._views), timeout=20_000)
    window.docks.show("confusion")
    qtbot.waitUntil(lambda: bool(window.tabs["confusion"]._views), timeout=20_000)


def test_a_copy_of_an_example_lists_the_runs_of_its_folder(
    make: Make, small_run: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make()
    monkeypatch.delenv("OSSICLE_HOME")
    window.open_first(Opened(small_run.workflow, Path("elsewhere") / "digits.workflow.json", small_run.file.parent))
    window.docks.show("runs")
    qtbot.waitUntil(lambda: [facts.record.id for facts in window.runs.found] == [small_run.record.id], timeout=20_000)


def test_a_picture_of_the_graph(make: Make, tmp_path: Path) -> None:
    window = make(demo(tmp_path))
    for name in ("graph.png", "graph.svg"):
        window.views.save_picture_to(tmp_path / name)
    assert QImage(str(tmp_path / "graph.png")).width() > 1000
    assert "<svg" in (tmp_path / "graph.svg").read_text(encoding="utf-8")
    with pytest.raises(OssicleError, match="cannot be written"):
        window.views.save_picture_to(tmp_path / "nowhere" / "graph.png")


def test_the_gui_process_knows_no_torch_and_no_prefect(tmp_path: Path, recordings: Path) -> None:
    code = (
        "import json, sys; from studio.app import make_window; w = make_window('dark'); w.show(); w.open_first(None);"
        "from studio.views.viewer import load_viewers; load_viewers();"
        "print(json.dumps([m for m in ('torch', 'prefect', 'nodes.train', 'onnxruntime') if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True, timeout=60
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert not {"torch", "prefect", "onnxruntime"} & set(found)


def test_a_screenshot_from_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "shot.png"
    words = ["studio", "--screenshot", str(out), "--size", "1000x700", "--theme", "light", "--select", "mfcc-1", "demo"]
    command = [sys.executable, "-P", "-m", "engine.cli", *words]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=120, capture_output=True)
    image = QImage(str(out))
    assert (image.width(), image.height()) == (1000, 700)
    wrong = subprocess.run(
        [*command[:-1], "demo", "--select", "nobody-1"], cwd=tmp_path, timeout=120, capture_output=True, text=True
    )
    assert wrong.returncode == 2 and "nobody-1" in wrong.stderr
    assert not list(tmp_path.glob("*.workflow.json"))
