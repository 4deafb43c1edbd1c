"""Commands as menu entries with shortcuts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from studio.commands import Command

MENUS = ("File", "Edit", "Add", "Node", "Run", "View", "Help")
Guard = Callable[[Command], Callable[[], object]]


def build(
    commands: Iterable[Command], bar: QMenuBar, window: QWidget, canvas: QWidget, guard: Guard
) -> Mapping[str, QAction]:
    """One QAction per command, in its menu, with its shortcuts; letters act only while the canvas has the focus."""
    menus = {name: bar.addMenu(name) for name in MENUS}
    commands = list(commands)
    actions: dict[str, QAction] = {}
    for command in commands:
        owner = canvas if command.on_canvas else window
        action = QAction(command.title, owner)
        action.setObjectName(command.id)
        letters = [] if command.on_canvas else [text for text in command.shortcuts if len(text) == 1]
        action.setShortcuts([QKeySequence(text) for text in command.shortcuts if text not in letters])
        for text in letters:  # a plain letter of a command of the window must not act while a list has the focus
            key = QShortcut(QKeySequence(text), canvas, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
            key.activated.connect(guard(command))
        scope = (
            Qt.ShortcutContext.WidgetWithChildrenShortcut if command.on_canvas else Qt.ShortcutContext.WindowShortcut
        )
        action.setShortcutContext(scope)
        action.setToolTip(command.about or command.title)
        action.setCheckable(command.is_checked is not None)
        action.triggered.connect(guard(command))
        owner.addAction(action)
        _menu(menus, command.menu).addAction(action)
        actions[command.id] = action
    for menu in menus.values():
        menu.aboutToShow.connect(lambda: refresh(commands, actions))
        menu.aboutToHide.connect(lambda: QTimer.singleShot(0, lambda: enable_all(actions)))
    return actions


def refresh(commands: Iterable[Command], actions: Mapping[str, QAction]) -> None:
    """Grey what cannot be done now; tick what is on."""
    for command in commands:
        action = actions[command.id]
        action.setEnabled(command.enabled())
        if command.words is not None:
            action.setText(command.words())
        if command.is_checked is not None:
            action.setChecked(command.is_checked())


def enable_all(actions: Mapping[str, QAction]) -> None:
    """Shortcuts of greyed actions would be dead until the menu is opened again; the guard says why instead."""
    for action in actions.values():
        action.setEnabled(True)


def _menu(menus: dict[str, QMenu], path: str) -> QMenu:
    """The menu of a path such as "View/Panels", made when first asked for."""
    if path not in menus:
        above, _, name = path.rpartition("/")
        menus[path] = _menu(menus, above or "View").addMenu(name)
    return menus[path]
