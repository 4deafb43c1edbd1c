"""Our own icons: small SVG drawings in resources/icons, tinted with a token, crisp at any scale."""

from __future__ import annotations

import functools

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QImage, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from engine.resource import resource
from studio.look.theme import Ground, colour, ground

SCALES = (1, 2, 3)


def icon(name: str, token: str = "text", px: int = 16) -> QIcon:
    """An icon of resources/icons in a token's colour; "currentColor" in the file takes it."""
    return _icon(name, token, px, ground())


@functools.cache
def _icon(name: str, token: str, px: int, _ground: Ground) -> QIcon:
    found = QIcon()
    for scale in SCALES:
        found.addPixmap(QPixmap.fromImage(image(name, token, px, scale)))
    return found


def image(name: str, token: str = "text", px: int = 16, scale: float = 1.0) -> QImage:
    """The same as an image of `px` logical pixels."""
    text = resource(f"icons/{name}.svg").read_text(encoding="utf-8").replace("currentColor", colour(token).name())
    drawn = QImage(round(px * scale), round(px * scale), QImage.Format.Format_ARGB32_Premultiplied)
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    QSvgRenderer(QByteArray(text.encode())).render(painter, QRectF(0, 0, px * scale, px * scale))
    painter.end()
    drawn.setDevicePixelRatio(scale)
    return drawn
