"""The whole graph as a picture file."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgGenerator

from engine.errors import OssicleError
from studio.canvas.canvas import Canvas
from studio.look.theme import colour

MARGIN, SCALE, WIDEST = 24.0, 2.0, 16_000


def save(canvas: Canvas, path: Path) -> None:
    """Draw the graph at twice its size (less where the picture would be larger than 16,000 pixels).

    Raises:
        OssicleError: the file cannot be written.
    """
    canvas.finish()
    was_far = canvas.is_far
    canvas.set_far(False)
    scene = canvas.viewer.scene()
    area = scene.itemsBoundingRect().adjusted(-MARGIN, -MARGIN, MARGIN, MARGIN)
    try:
        is_saved = _svg(canvas, path, area) if path.suffix.casefold() == ".svg" else _png(canvas, path, area)
    finally:
        canvas.set_far(True if was_far else None)
    if not is_saved:
        raise OssicleError(f"{path} cannot be written", "a writable folder and .png or .svg", "Choose another name")


def _png(canvas: Canvas, path: Path, area: QRectF) -> bool:
    scale = min(SCALE, WIDEST / max(area.width(), area.height(), 1.0))
    drawn = QImage((area.size() * scale).toSize(), QImage.Format.Format_ARGB32_Premultiplied)
    drawn.fill(colour("canvas"))
    painter = QPainter(drawn)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    canvas.viewer.scene().render(painter, QRectF(drawn.rect()), area)
    painter.end()
    return drawn.save(str(path))


def _svg(canvas: Canvas, path: Path, area: QRectF) -> bool:
    made = QSvgGenerator()
    made.setFileName(str(path))
    made.setSize(QSize(round(area.width()), round(area.height())))
    made.setViewBox(QRectF(0, 0, area.width(), area.height()))
    made.setTitle(canvas.document.workflow.name)
    painter = QPainter()
    if not painter.begin(made):
        return False
    painter.fillRect(QRectF(0, 0, area.width(), area.height()), colour("canvas"))
    canvas.viewer.scene().render(painter, QRectF(0, 0, area.width(), area.height()), area)
    return painter.end()
