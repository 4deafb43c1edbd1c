"""Commands become menu entries with shortcuts that stay alive."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMainWindow, QWidget
from pytestqt.qtbot import QtBot

from studio import actions
from studio.commands import Command


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def up(self) -> None:
        self.count += 1


def built(qtbot: QtBot, *commands: Command) -> tuple[QMainWindow, QWidget, dict[str, object]]:
    window = QMainWindow()
    canvas = QWidget()
    canvas.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    window.setCentralWidget(canvas)
    qtbot.addWidget(window)
    made = actions.build(commands, window.menuBar(), window, canvas, lambda command: command.run)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    canvas.setFocus()
    return window, canvas, dict(made)


def test_every_command_has_an_entry_in_its_menu(qtbot: QtBot) -> None:
    counter = Counter()
    window, _, _ = built(
        qtbot,
        Command("a", "Alpha", "File", counter.up, ("Ctrl+J",)),
        Command("b", "Beta", "View/Panels", counter.up),
    )
    menus = {menu.title(): menu for menu in window.menuBar().findChildren(type(window.menuBar().addMenu("x")))}
    assert [action.text() for action in menus["File"].actions()] == ["Alpha"]
    assert [action.text() for action in menus["Panels"].actions()] == ["Beta"]
    menus["File"].actions()[0].trigger()
    assert counter.count == 1


def test_shortcuts_work_also_after_a_menu_greyed_them(qtbot: QtBot) -> None:
    counter, allowed = Counter(), [False]
    window, canvas, made = built(qtbot, Command("a", "A", "File", counter.up, ("Ctrl+J",), lambda: allowed[0]))
    menu = window.menuBar().actions()[0].menu()
    menu.aboutToShow.emit()
    assert not made["a"].isEnabled()  # type: ignore[attr-defined]
    menu.aboutToHide.emit()
    qtbot.waitUntil(made["a"].isEnabled)  # type: ignore[attr-defined]
    QTest.keyClick(canvas, Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier)
    assert counter.count == 1


def test_letters_act_only_on_the_canvas(qtbot: QtBot) -> None:
    counter = Counter()
    window, canvas, made = built(qtbot, Command("run.all", "Run", "Run", counter.up, ("R",), on_canvas=True))
    action = made["run.all"]
    assert action.shortcutContext() == Qt.ShortcutContext.WidgetWithChildrenShortcut  # type: ignore[attr-defined]
    assert action in canvas.actions() and action not in window.actions()


def test_ticks_follow_what_is_on(qtbot: QtBot) -> None:
    on = [False]
    window, _, made = built(qtbot, Command("v", "V", "View", lambda: None, is_checked=lambda: on[0]))
    on[0] = True
    window.menuBar().actions()[5].menu().aboutToShow.emit()
    assert made["v"].isChecked()  # type: ignore[attr-defined]
