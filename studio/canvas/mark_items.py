"""Notes and frames as items: how they look and where they can be grasped."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QColor,
    QFontMetricsF,
    QLinearGradient,
    QPainter,
    QPainterPath,
    QPalette,
    QPen,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from studio.canvas.ink import mixed
from studio.look.theme import colour, font
from studio.model.boxes import Box
from studio.model.marks import BAR, LEAST, Mark

Z_FRAME, Z_NOTE = -10.0, -8.0
EDGE: Final = 7.0
"""Width of the border by which a frame is grasped."""
GRIP: Final = 16.0
"""Side of the corner by which a mark is made larger."""
PAD: Final = 12.0
TITLE_LEAST_PX: Final = 10.0
"""A frame's title is never smaller on screen while its bar has room."""
HINT: Final = "Double-click to write"


class MarkItem(QGraphicsItem):
    """A note or a frame. The document is the truth; while dragged, `area` runs ahead of it."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.area = QRectF()
        self.is_chosen = False
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)  # the layer watches the view
        self.setZValue(Z_FRAME if mark.group == "frames" else Z_NOTE)
        self.show_mark(mark)

    def show_mark(self, mark: Mark) -> None:
        """Show other values."""
        self.mark = mark
        self.set_box(mark.box)
        self.setToolTip("" if mark.group == "notes" else mark.text)

    def set_box(self, box: Box) -> None:
        """Stand elsewhere, or be of another size."""
        self.prepareGeometryChange()
        self.setPos(box.x, box.y)
        self.area = QRectF(0, 0, box.width, box.height)
        if self.mark.group == "frames":  # smaller frames lie over larger ones
            self.setZValue(Z_FRAME + 1 / (1 + box.width * box.height / 1e6))
        self.update()

    @property
    def box(self) -> Box:
        """Where it is now."""
        return Box(self.x(), self.y(), self.area.width(), self.area.height())

    def set_chosen(self, is_chosen: bool) -> None:
        """Show it selected or not."""
        if is_chosen != self.is_chosen:
            self.is_chosen = is_chosen
            self.update()

    def boundingRect(self) -> QRectF:
        """With room for the ring of a selected one."""
        return self.area.adjusted(-4, -4, 4, 4)

    def is_grip(self, at: QPointF) -> bool:
        """Whether a point of the scene is in the corner that makes it larger."""
        corner = self.pos() + self.area.bottomRight()
        return corner.x() - GRIP <= at.x() and corner.y() - GRIP <= at.y()

    # ---- painting

    def _draw_grip(self, painter: QPainter) -> None:
        corner = self.area.bottomRight()
        painter.setPen(QPen(colour(self.mark.colour, 0.8), 1.2))
        for away in (4.0, 8.0):
            painter.drawLine(
                QPointF(corner.x() - 4 - away, corner.y() - 4), QPointF(corner.x() - 4, corner.y() - 4 - away)
            )

    def _outline_pen(self, alpha: float) -> QPen:
        if self.is_chosen:
            return QPen(colour("accent"), 1.6)
        return QPen(colour(self.mark.colour, alpha), 1.0)


class FrameItem(MarkItem):
    """A titled area behind nodes. Only its bar and border are grasped: inside, the canvas is as free as elsewhere."""

    def shape(self) -> QPainterPath:
        """The bar, the border and the corner."""
        area = self.area
        path = QPainterPath()
        path.setFillRule(Qt.FillRule.WindingFill)
        path.addRect(QRectF(0, 0, area.width(), BAR))
        path.addRect(QRectF(0, 0, EDGE, area.height()))
        path.addRect(QRectF(area.width() - EDGE, 0, EDGE, area.height()))
        path.addRect(QRectF(0, area.height() - EDGE, area.width(), EDGE))
        path.addRect(QRectF(area.width() - GRIP, area.height() - GRIP, GRIP, GRIP))
        return path

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """A tinted area with a title; the title stays readable from afar."""
        token, area = self.mark.colour, self.area
        painter.setPen(self._outline_pen(0.45))
        painter.setBrush(colour(token, 0.07))
        painter.drawRoundedRect(area, 10, 10)
        scale = painter.worldTransform().m11()
        px = min(max(12.5, TITLE_LEAST_PX / max(scale, 0.01)), area.height() / 3)
        face = font(round(px), bold=True)
        measure = QFontMetricsF(face)
        painter.setFont(face)
        painter.setPen(colour("text" if self.mark.text else "faint"))
        room = QRectF(PAD + 14, 0, area.width() - 2 * PAD - 14, max(BAR, measure.height()))
        text = measure.elidedText(self.mark.text or HINT, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, text)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(token))
        painter.drawRoundedRect(QRectF(PAD, room.center().y() - 4, 8, 8), 2.5, 2.5)
        self._draw_grip(painter)


class NoteItem(MarkItem):
    """Text on the canvas, Markdown understood."""

    def __init__(self, mark: Mark) -> None:
        self._laid_out: tuple[str, QTextDocument] | None = None
        super().__init__(mark)

    def text(self) -> QTextDocument:
        """The text, laid out in the note's width."""
        if self._laid_out is None or self._laid_out[0] != self.mark.text:
            self._laid_out = (self.mark.text, laid_out(self.mark.text))
        text = self._laid_out[1]
        text.setTextWidth(self.area.width() - 2 * PAD)
        return text

    @property
    def needed_height(self) -> float:
        """Height at which all of the text is seen."""
        return self.text().size().height() + 2 * PAD - 4

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """A card with a coloured edge; text that has no room fades out below."""
        token, area = self.mark.colour, self.area
        painter.setPen(self._outline_pen(0.35))
        painter.setBrush(colour("panel"))
        painter.drawRoundedRect(area, 8, 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(token, 0.10))
        painter.drawRoundedRect(area, 8, 8)
        painter.setBrush(colour(token))
        painter.drawRoundedRect(QRectF(0, 8, 3, area.height() - 16), 1.5, 1.5)
        room = area.adjusted(PAD, PAD - 2, -PAD, -PAD + 4)
        painter.save()
        painter.setClipRect(room, Qt.ClipOperation.IntersectClip)
        if self.mark.text.strip():
            self._draw_text(painter, room)
        else:
            painter.setFont(font())
            painter.setPen(colour("faint"))
            painter.drawText(room, Qt.AlignmentFlag.AlignTop, HINT)
        painter.restore()
        if self.needed_height > area.height() + 2:
            self._draw_fade(painter, room)
        self._draw_grip(painter)

    def _draw_fade(self, painter: QPainter, room: QRectF) -> None:
        """There is more text than room."""
        area = QRectF(room.left(), room.bottom() - 26, room.width(), 26)
        shade = mixed(colour(self.mark.colour), colour("panel"), 0.10)
        fade = QLinearGradient(area.topLeft(), area.bottomLeft())
        fade.setColorAt(0, QColor(shade.red(), shade.green(), shade.blue(), 0))
        fade.setColorAt(1, shade)
        painter.fillRect(area, fade)

    def _draw_text(self, painter: QPainter, room: QRectF) -> None:
        painter.translate(room.topLeft())
        context = QAbstractTextDocumentLayout.PaintContext()
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Text, colour("text"))
        context.palette = palette
        context.clip = QRectF(QPointF(), QSizeF(room.width(), room.height()))
        self.text().documentLayout().draw(painter, context)


def laid_out(text: str) -> QTextDocument:
    """Markdown without HTML as a document; headings only a little larger than the text."""
    made = QTextDocument()
    made.setDefaultFont(font())
    made.setDocumentMargin(0)
    made.setIndentWidth(16)
    made.setUndoRedoEnabled(False)
    features = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
    made.setMarkdown(_with_breaks(text), features)
    block = made.begin()
    while block.isValid():
        level = block.blockFormat().headingLevel()
        if level:
            heading = QTextCharFormat()
            heading.setFont(font({1: 16.0, 2: 14.0}.get(level, 13.0), bold=True))
            heading.setProperty(QTextCharFormat.Property.FontSizeAdjustment, 0)
            cursor = QTextCursor(block)
            cursor.select(QTextCursor.SelectionType.BlockUnderCursor)
            cursor.mergeCharFormat(heading)
        block = block.next()
    return made


def _with_breaks(text: str) -> str:
    """Line ends as people type them: a single one breaks the line too, as on a note of paper."""
    return "\n".join(f"{line}  " if line.strip() else line for line in text.splitlines())


def item_of(mark: Mark) -> MarkItem:
    """The item for a mark."""
    return FrameItem(mark) if mark.group == "frames" else NoteItem(mark)


def resized(start: Box, by: QPointF, mark: Mark) -> Box:
    """A box made larger from its corner, never smaller than the least."""
    least = LEAST[mark.group]
    return start._replace(width=max(least[0], start.width + by.x()), height=max(least[1], start.height + by.y()))
