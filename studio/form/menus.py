"""Menus that vanish when they are closed."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget


def new_menu(parent: QWidget) -> QMenu:
    """An empty menu; its tooltips are shown."""
    menu = QMenu(parent)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    menu.setToolTipsVisible(True)
    return menu


def add(menu: QMenu, title: str, act: Callable[[], object]) -> QAction:
    """One more entry."""
    action = QAction(title, menu)
    action.triggered.connect(lambda: act())
    menu.addAction(action)
    return action
