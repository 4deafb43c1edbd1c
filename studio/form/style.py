"""What only the panel's small parts need beside the window's style sheet."""

from __future__ import annotations

from typing import Final

from PySide6.QtGui import QColor

from engine.theme import TOKENS
from studio.look.theme import colour, ground

_RULES: Final = """
QLineEdit#inner, QComboBox#inner, QPlainTextEdit#inner { background: transparent; border: none; padding: 0; }
QComboBox#inner { padding: 0 16px 0 0; }
QComboBox#inner::drop-down { width: 18px; border: none; }
QToolButton#mini { background: transparent; border: none; padding: 0; border-radius: 5px; color: @mute; }
QToolButton#mini:hover { background: @raised; }
QToolButton#mini:focus { border: 1px solid @accent; }
QToolButton#chip { background: transparent; border: none; padding: 0 2px; text-align: left; border-radius: 5px; }
QToolButton#chip:hover { background: @raised; }
QLineEdit#name { background: transparent; border: 1px solid transparent; border-radius: 5px; padding: 0 4px;
  color: @mute; }
QLineEdit#name:hover { border-color: @line; }
QLineEdit#name:focus { border-color: @accent; background: @canvas; color: @text; }
QPushButton#link { background: transparent; border: none; padding: 0; color: @amber-text; font-size: 11.5px; }
QPushButton#link:hover, QPushButton#link:focus { text-decoration: underline; }
QToolButton#badge, QToolButton#modeBadge { background: @raised; border: 1px solid @line; border-radius: 9px;
  padding: 1px 8px; color: @mute; font-size: 11px; }
QToolButton#modeBadge[mode="muted"], QToolButton#modeBadge[mode="bypassed"] {
  color: @amber-text; border-color: @amber-text; }
QToolButton#badge:hover, QToolButton#modeBadge:hover, QToolButton#badge:focus, QToolButton#modeBadge:focus {
  border-color: @accent; color: @text; }
QLabel#title { font-size: 14px; font-weight: 600; }
QLabel#error { font-size: 11.5px; }
QFrame#tile QLabel#figure { font-size: 17px; font-weight: 600;
  font-family: "JetBrains Mono", "Noto Sans Mono", "DejaVu Sans Mono", monospace; }
QFrame#errorBox { background: @tint; border: 1px solid @red; border-radius: 8px; }
QFrame#warningBox { background: @panel; border: 1px solid @amber-text; border-radius: 8px; }
QTableWidget#grid { background: transparent; border: none; gridline-color: @line; }
QTableWidget#grid::item { padding: 1px 6px; }
QTableWidget#grid QLineEdit { border-radius: 0; padding: 0 5px; }
QScrollArea#properties { background: @panel; }
QWidget#propertyPages { background: @panel; }
"""


def lifted() -> QColor:
    """The ground of what stands out within a field: chips, the chosen segment, badges."""
    return colour("raised" if ground() == "dark" else "panel")


def style_sheet() -> str:
    """The rules with every @token filled in for the present ground."""
    red = colour("red")
    text = _RULES.replace("@tint", f"rgba({red.red()}, {red.green()}, {red.blue()}, 24)")
    for name in sorted(TOKENS, key=len, reverse=True):
        text = text.replace(f"@{name}", colour(name).name())
    return text
