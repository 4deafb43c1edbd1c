"""The list of every command."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from engine.errors import OssicleError
from studio.commands import Command
from studio.look import theme
from studio.panels.choices import Choice
from studio.panels.command_palette import CommandPalette, choice_of, reason_of


class Place:
    """A window with a palette and a field that had the focus."""

    def __init__(self, qtbot: QtBot) -> None:
        self.window = QWidget()
        self.window.resize(900, 600)
        qtbot.addWidget(self.window)
        self.before = QLineEdit()
        QVBoxLayout(self.window).addWidget(self.before)
        self.palette = CommandPalette(self.window)
        with qtbot.waitExposed(self.window):
            self.window.show()
        self.before.setFocus()
        self.done: list[str] = []
        self.qtbot = qtbot

    def command(self, id: str, title: str, menu: str = "View", **more: object) -> Command:
        return Command(id, title, menu, lambda: self.done.append(id), **more)  # type: ignore[arg-type]

    def press(self, key: Qt.Key) -> None:
        self.qtbot.keyClick(self.palette.field, key)

    def type(self, text: str) -> None:
        self.qtbot.keyClicks(self.palette.field, text)


@pytest.fixture
def place(dark: QApplication, qtbot: QtBot) -> Place:
    return Place(qtbot)


def test_typing_finds_a_command_and_enter_runs_it(place: Place) -> None:
    place.palette.ask([place.command("view.fit", "Fit graph"), place.command("view.theme", "Dark or light")])
    assert place.palette.isVisible() and place.palette.field.hasFocus()
    place.type("dark")
    assert place.palette.keys == ["view.theme"]
    place.press(Qt.Key.Key_Return)
    assert place.done == ["view.theme"]
    assert not place.palette.isVisible()
    assert place.before.hasFocus()


def test_what_was_used_last_comes_first(place: Place) -> None:
    commands = [place.command(f"a.{k}", f"Do {k}") for k in range(4)]
    place.palette.ask(commands)
    place.palette.list.mark(2)
    with place.qtbot.waitSignal(place.palette.recent_changed) as told:
        place.palette.choose()
    assert told.args == [("a.2",)]
    place.palette.ask(commands)
    assert place.palette.keys == ["a.2", "a.0", "a.1", "a.3"]


def test_what_cannot_be_done_stays_and_says_why(place: Place) -> None:
    place.palette.ask([place.command("edit.undo", "Undo", "Edit", enabled=lambda: False)])
    place.press(Qt.Key.Key_Return)
    assert place.done == []
    assert place.palette.isVisible()
    assert place.palette.count.text() == "Undo: nothing to undo"


def test_a_command_that_fails_is_told(place: Place) -> None:
    def fail() -> None:
        raise OssicleError("no", "yes", "try again")

    place.palette.ask([Command("x", "Fail", "View", fail)])
    with place.qtbot.waitSignal(place.palette.failed) as told:
        place.press(Qt.Key.Key_Return)
    assert told.args[0].what == "no"


def test_escape_closes_and_gives_the_focus_back(place: Place) -> None:
    place.palette.ask([place.command("x", "X")])
    place.press(Qt.Key.Key_Escape)
    assert not place.palette.isVisible() and place.before.hasFocus() and place.done == []


def test_arrows_go_round(place: Place) -> None:
    place.palette.ask([place.command(f"a.{k}", f"Do {k}") for k in range(3)])
    place.press(Qt.Key.Key_Up)
    marked = place.palette.list.marked
    assert marked is not None and marked.key == "a.2"
    place.press(Qt.Key.Key_Down)
    marked = place.palette.list.marked
    assert marked is not None and marked.key == "a.0"


def test_nothing_found_is_said(place: Place) -> None:
    place.palette.ask([place.command("x", "X")])
    place.type("qqqq")
    assert place.palette.keys == [] and place.palette.none.isVisible()
    assert "qqqq" in place.palette.none.text()
    place.press(Qt.Key.Key_Return)
    assert place.done == [] and place.palette.isVisible()


def test_it_asks_for_anything(place: Place) -> None:
    chosen: list[str] = []
    nodes = [Choice("mfcc-1", "MFCC", "mfcc-1", kind="FeatureSet"), Choice("train-1", "Train", "train-1")]
    place.palette.choose_from(nodes, chosen.append, "node", "Go to a node …")
    place.type("train")
    place.press(Qt.Key.Key_Return)
    assert chosen == ["train-1"]
    assert place.palette.count.text() == "1 of 2 nodes"


def test_it_stays_inside_a_small_window(place: Place) -> None:
    place.window.resize(420, 300)
    place.palette.ask([place.command(f"a.{k}", f"Do {k}") for k in range(40)])
    assert place.window.rect().contains(place.palette.geometry())
    place.window.resize(1400, 900)
    assert abs(place.palette.geometry().center().x() - 700) <= 1


@pytest.mark.parametrize(
    ("id", "why"),
    [("edit.undo", "nothing to undo"), ("node.mute", "select a node first"), ("odd.one", "not possible now")],
)
def test_every_disabled_command_has_a_reason(id: str, why: str) -> None:
    command = Command(id, "T", "M", lambda: None, enabled=lambda: False)
    assert reason_of(command) == why
    assert not choice_of(command).is_enabled


def test_a_command_becomes_a_line() -> None:
    line = choice_of(Command("v", "Zoom in", "View/Zoom", lambda: None, ("Ctrl++", "Ctrl+="), is_checked=lambda: True))
    assert (line.place, line.keys, line.is_checked, line.is_enabled) == ("View ▸ Zoom", "Ctrl++", True, True)


def test_it_follows_the_ground(place: Place) -> None:
    place.palette.ask([place.command("x", "X")])
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    dark = place.palette.grab().toImage().pixelColor(40, 60)
    theme.apply(app, "light")
    assert place.palette.grab().toImage().pixelColor(40, 60).lightness() > dark.lightness() + 60
