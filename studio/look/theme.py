"""Colours of the window: the engine's tokens as QColors, a palette and one style sheet. Dark or light."""

from __future__ import annotations

import functools
from typing import Final, Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from engine import theme as table
from engine.resource import resource

Ground = Literal["dark", "light"]
FAMILIES: Final = ("Inter", "Noto Sans", "Segoe UI", "SF Pro Text", "Cantarell", "Ubuntu", "DejaVu Sans")
MONOSPACE: Final = ("JetBrains Mono", "Noto Sans Mono", "Cascadia Mono", "SF Mono", "DejaVu Sans Mono")
POINT_PX: Final = 12.5


def ground() -> Ground:
    """Whether the window is dark or light now."""
    app = QGuiApplication.instance()
    return "light" if app is not None and app.property("ground") == "light" else "dark"


def wanted(setting: str) -> Ground:
    """Dark or light as the settings say; "system" follows the desktop, and is dark where that does not tell."""
    if setting in ("dark", "light"):
        return "dark" if setting == "dark" else "light"
    app = QGuiApplication.instance()
    scheme = app.styleHints().colorScheme() if isinstance(app, QGuiApplication) else Qt.ColorScheme.Unknown
    return "light" if scheme == Qt.ColorScheme.Light else "dark"


def colour(token: str, alpha: float = 1.0) -> QColor:
    """A token's colour on the present ground; do not change the returned object."""
    return _colour(token, alpha, ground())


@functools.cache
def _colour(token: str, alpha: float, on: Ground) -> QColor:
    shade = table.TOKENS[token]
    found = QColor(shade.dark if on == "dark" else shade.light)
    found.setAlphaF(alpha)
    return found


def kind_colour(artifact_type: str) -> QColor:
    """Colour of an artifact type."""
    return colour(table.kind(artifact_type).token)


def state_colour(state: str) -> QColor:
    """Colour of a node state."""
    return colour(table.state(state).token)


def apply(app: QApplication, on: Ground) -> None:
    """Paint the whole application dark or light; nothing to do if it is so already (a style sheet costs a moment)."""
    if app.property("ground") == on and app.styleSheet():
        return
    app.setProperty("ground", on)
    app.setStyle("Fusion")
    app.setFont(font())
    app.setPalette(_palette())
    app.setStyleSheet(style_sheet())


def font(px: float = POINT_PX, *, bold: bool = False, monospace: bool = False) -> QFont:
    """The window's font: the desktop's own, or the nearest known; numbers and ids in monospace."""
    return QFont(_font(px, bold, monospace))


@functools.cache
def _font(px: float, bold: bool, monospace: bool) -> QFont:
    found = QFont(_family(MONOSPACE if monospace else FAMILIES))
    found.setPixelSize(round(px)) if float(px).is_integer() else found.setPointSizeF(px * 72 / 96)
    found.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    if monospace:
        found.setStyleHint(QFont.StyleHint.Monospace)
    return found


@functools.cache
def _family(wanted: tuple[str, ...]) -> str:
    known = set(QFontDatabase.families())
    return next((name for name in wanted if name in known), QFontDatabase.systemFont(_GENERAL).family())


_GENERAL: Final = QFontDatabase.SystemFont.GeneralFont

_ROLES: Final[tuple[tuple[QPalette.ColorRole, str], ...]] = (
    (QPalette.ColorRole.Window, "background"),
    (QPalette.ColorRole.Base, "background"),
    (QPalette.ColorRole.AlternateBase, "panel"),
    (QPalette.ColorRole.Button, "raised"),
    (QPalette.ColorRole.ToolTipBase, "raised"),
    (QPalette.ColorRole.WindowText, "text"),
    (QPalette.ColorRole.Text, "text"),
    (QPalette.ColorRole.ButtonText, "text"),
    (QPalette.ColorRole.ToolTipText, "text"),
    (QPalette.ColorRole.PlaceholderText, "mute"),
    (QPalette.ColorRole.Highlight, "accent"),
    (QPalette.ColorRole.HighlightedText, "background"),
    (QPalette.ColorRole.Link, "blue"),
    (QPalette.ColorRole.Mid, "line"),
)


def _palette() -> QPalette:
    palette = QPalette()
    for role, token in _ROLES:
        palette.setColor(role, colour(token))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, colour("faint"))
    return palette


def style_sheet() -> str:
    """The style sheet of resources/studio/studio.qss with every @token filled in."""
    text = resource("studio/studio.qss").read_text(encoding="utf-8")
    for name in sorted(table.TOKENS, key=len, reverse=True):
        text = text.replace(f"@{name}", colour(name).name())
    return text
