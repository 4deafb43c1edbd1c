"""The node palette: every type by stage, searched while typing, dragged or added by Enter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractListModel,
    QByteArray,
    QEvent,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFontMetricsF, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from engine.node import NodeSpec
from engine.registry import LoadError, Registry
from studio.look.icons import icon
from studio.look.shapes import kind_shape
from studio.look.theme import colour, font, kind_colour
from studio.model.document import Document
from studio.model.rank import Entry, ranked

MIME: Final = "application/x-ossicle-node"
STAGES: Final = ("Data", "Features", "Train", "Search", "Compress", "Evaluate", "Deployment", "Hub")
"""Order of the categories we know; others follow by name."""
ROW_PX, HEAD_PX = 27, 30
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class Line:
    """One line: a section's heading, a node type, or a plugin that did not load."""

    text: str
    type_id: str = ""
    kind: str = ""
    tip: str = ""
    is_heading: bool = False
    is_broken: bool = False


def lines_of(registry: Registry, query: str = "") -> list[Line]:
    """What the palette lists: by stage, or the matches of a query, the best first."""
    specs = registry.specs.values()
    if query.strip():
        entries = [Entry(spec, spec.title, (spec.id, spec.category), spec.about) for spec in specs]
        return [_line(match.item) for match in ranked(query, entries)]
    return [*_by_stage(specs), *_broken(registry.errors)]


def _by_stage(specs: Iterable[NodeSpec]) -> list[Line]:
    stages: dict[str, list[NodeSpec]] = {}
    for spec in specs:
        stages.setdefault(spec.category, []).append(spec)
    lines: list[Line] = []
    for stage in sorted(stages, key=_stage_order):
        lines.append(Line(stage.upper(), is_heading=True))
        lines += [_line(spec) for spec in sorted(stages[stage], key=lambda spec: spec.title)]
    return lines


def _stage_order(name: str) -> tuple[int, str]:
    return (STAGES.index(name) if name in STAGES else len(STAGES), name)


def _line(spec: NodeSpec) -> Line:
    ports = [*spec.outputs, *spec.inputs]
    takes, gives = (", ".join(p.type.kind() for p in side) or "nothing" for side in (spec.inputs, spec.outputs))
    tip = f"{spec.title} · {spec.id}\n{spec.about.partition(chr(10) * 2)[0]}\nTakes {takes}. Gives {gives}."
    return Line(spec.title, spec.id, ports[0].type.kind() if ports else "", tip)


def _broken(errors: Sequence[LoadError]) -> list[Line]:
    if not errors:
        return []
    rows = [Line(e.name, tip=f"{e.error}\n{e.remedy}", is_broken=True) for e in errors]
    return [Line("NOT LOADED", is_heading=True), *rows]


class _Lines(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []

    def show(self, lines: list[Line]) -> None:
        self.beginResetModel()
        self.lines = lines
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.lines)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        line = self.lines[index.row()]
        found: Mapping[int, Any] = {
            Qt.ItemDataRole.DisplayRole: line.text,
            Qt.ItemDataRole.ToolTipRole: line.tip or None,
            Qt.ItemDataRole.UserRole: line,
            Qt.ItemDataRole.AccessibleTextRole: f"{line.text} {line.tip}",
        }
        return found.get(role)

    def flags(self, index: Index) -> Qt.ItemFlag:
        line = self.lines[index.row()]
        if not line.type_id:
            return Qt.ItemFlag.ItemIsEnabled if line.is_broken else Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsDragEnabled

    def mimeTypes(self) -> list[str]:
        return [MIME]

    def mimeData(self, indexes: Sequence[Index]) -> QMimeData:
        data = QMimeData()
        names = [self.lines[index.row()].type_id for index in indexes]
        data.setData(MIME, QByteArray((names[0] if names else "").encode()))
        return data


class _Paint(QStyledItemDelegate):
    def sizeHint(self, _option: QStyleOptionViewItem, index: Index) -> QSize:
        line: Line = index.data(Qt.ItemDataRole.UserRole)
        return QSize(80, HEAD_PX if line.is_heading else ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        line: Line = index.data(Qt.ItemDataRole.UserRole)
        area = QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if line.is_heading:
            _draw_heading(painter, area, line.text)
        else:
            lit = QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver
            _draw_line(painter, area, line, is_lit=bool(option.state & lit))
        painter.restore()


def _draw_heading(painter: QPainter, area: QRectF, text: str) -> None:
    small = font(10.5, bold=True)
    small.setLetterSpacing(small.SpacingType.AbsoluteSpacing, 1)
    painter.setFont(small)
    painter.setPen(colour("mute"))
    painter.drawText(area.adjusted(10, 8, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)


def _draw_line(painter: QPainter, area: QRectF, line: Line, *, is_lit: bool) -> None:
    if is_lit:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("raised"))
        painter.drawRoundedRect(area.adjusted(4, 1, -4, -1), 7, 7)
    middle = QPointF(area.left() + 22, area.center().y())
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour("red") if line.is_broken else kind_colour(line.kind))
    painter.translate(middle)
    painter.drawPath(kind_shape(line.kind, 4.6))
    painter.translate(-middle)
    words = font()
    painter.setFont(words)
    painter.setPen(colour("red" if line.is_broken else "text"))
    room = area.adjusted(38, 0, -10, 0)
    text = QFontMetricsF(words).elidedText(line.text, Qt.TextElideMode.ElideRight, room.width())
    painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, text)


class _Search(QLineEdit):
    """The field; arrows and Enter go to the list."""

    def __init__(self, view: QListView) -> None:
        super().__init__()
        self._view = view

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Return)
        if event.key() in keys:
            self._view.keyPressEvent(event)
        elif event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        else:
            super().keyPressEvent(event)


class Palette(QWidget):
    """The dock's content.

    Signals:
        add_requested(str): Enter or a double click on a type; its id.
    """

    add_requested = Signal(str)

    def __init__(self, document: Document, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self.setAccessibleName("Node palette")
        self.setMinimumWidth(160)
        self.model = _Lines()
        self.view = QListView()
        self.view.setModel(self.model)
        self.view.setItemDelegate(_Paint(self.view))
        self.view.setFrameShape(QFrame.Shape.NoFrame)
        self.view.setMouseTracking(True)
        self.view.setDragEnabled(True)
        self.view.setDragDropMode(QListView.DragDropMode.DragOnly)
        self.view.setAccessibleName("Node types")
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.search = _Search(self.view)
        self.search.setPlaceholderText("Search nodes …")
        self.search.setAccessibleName("Search nodes")
        self.search.setClearButtonEnabled(True)
        self._glass = self.search.addAction(icon("search", "mute", 14), QLineEdit.ActionPosition.LeadingPosition)
        self.none = QLabel("Nothing is called that.")
        self.none.setObjectName("mute")
        self.none.setContentsMargins(12, 8, 12, 8)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 12, 8, 8)
        column.setSpacing(4)
        for widget in (self.search, self.none, self.view):
            column.addWidget(widget)
        self.search.textChanged.connect(self.refresh)
        self.view.activated.connect(self._add)
        document.registry_changed.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """List what matches."""
        self.model.show(lines_of(self.document.registry, self.search.text()))
        found = self.model.rowCount()
        self.none.setVisible(found == 0)
        self.view.setVisible(found > 0)
        if self.search.text() and found:
            self.view.setCurrentIndex(self.model.index(0))

    def _add(self, index: Index) -> None:
        line: Line = index.data(Qt.ItemDataRole.UserRole)
        if line.type_id:
            self.add_requested.emit(line.type_id)

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_glass"):
            self._glass.setIcon(icon("search", "mute", 14))
            self.view.viewport().update()
