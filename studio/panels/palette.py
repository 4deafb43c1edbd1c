"""The node palette: every type by stage, searched while typing, dragged or added by Enter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
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
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent
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

from engine.node import NodeSpec, Port
from engine.registry import LoadError, Registry
from engine.subgraph import PREFIX
from studio.commands import Command
from studio.look.icons import icon
from studio.look.paint import draw_caps, draw_kind, draw_lit, draw_marked, draw_text
from studio.look.theme import font
from studio.model.document import Document
from studio.model.rank import Entry, ranked

MIME: Final = "application/x-ossicle-node"
STAGES: Final = ("Data", "Features", "Train", "Search", "Compress", "Evaluate", "Deployment", "Hub")
"""Order of the categories we know; others follow by name, sub-graphs last."""
SUBGRAPHS: Final = "Sub-graphs"
ROW_PX, HEAD_PX, BROKEN_PX = 27, 30, 42
CAP_ROOM_PX: Final = 98
"""Room for the field's icon and key cap beside its placeholder; where it is less there is no cap."""
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class Line:
    """One line: a section's heading, a node type, or a plugin that did not load.

    Attributes:
        marks: letters of the text that the search matched.
        about: what stands at the right in a search (the stage), or below a plugin's name (its error).
    """

    text: str
    type_id: str = ""
    kind: str = ""
    tip: str = ""
    about: str = ""
    marks: tuple[int, ...] = ()
    is_heading: bool = False
    is_broken: bool = False


def lines_of(registry: Registry, query: str = "") -> list[Line]:
    """What the palette lists: by stage, or the matches of a query, the best first."""
    specs = registry.specs.values()
    if query.strip():
        entries = [Entry(spec, spec.title, (spec.id, spec.category), spec.about) for spec in specs]
        return [replace(_line(m.item), marks=m.marks, about=m.item.category) for m in ranked(query, entries)]
    return [*_by_stage(specs), *_broken(registry.errors)]


def _by_stage(specs: Iterable[NodeSpec]) -> list[Line]:
    stages: dict[str, list[NodeSpec]] = {}
    for spec in specs:
        stages.setdefault(SUBGRAPHS if spec.id.startswith(PREFIX) else spec.category, []).append(spec)
    lines: list[Line] = []
    for stage in sorted(stages, key=_stage_order):
        lines.append(Line(stage.upper(), is_heading=True))
        lines += [_line(spec) for spec in sorted(stages[stage], key=lambda spec: spec.title.casefold())]
    return lines


def _stage_order(name: str) -> tuple[int, str]:
    known = len(STAGES)
    return (STAGES.index(name) if name in STAGES else known + (name == SUBGRAPHS), name)


def _line(spec: NodeSpec) -> Line:
    ports = [*spec.outputs, *spec.inputs]
    return Line(spec.title, spec.id, ports[0].type.kind() if ports else "", help_of(spec))


def help_of(spec: NodeSpec) -> str:
    """What a node does, takes and gives, as the tooltip's rich text (which Qt wraps)."""
    about = " ".join(spec.about.partition("\n\n")[0].split())
    takes = ", ".join(_port_words(port) for port in spec.inputs) or "nothing"
    gives = ", ".join(_port_words(port) for port in spec.outputs) or "nothing"
    lines = [f"<b>{escape(spec.title)}</b> &nbsp;<code>{escape(spec.id)}</code>", escape(about)]
    lines.append(f"Takes {escape(takes)}.<br>Gives {escape(gives)}.")
    if spec.needs:
        lines.append(f"Needs the machine's {escape(', '.join(spec.needs))}.")
    return "".join(f"<p style='margin: 2px 0'>{line}</p>" for line in lines)


def _port_words(port: Port) -> str:
    more = " (any number)" if port.many else " (optional)" if port.optional else ""
    return f"{port.name}: {port.type.kind()}{more}"


def _broken(errors: Sequence[LoadError]) -> list[Line]:
    if not errors:
        return []
    rows = [
        Line(e.name, tip=f"<p>{escape(e.error)}</p><p>{escape(e.remedy)}</p>", about=e.remedy, is_broken=True)
        for e in errors
    ]
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
            Qt.ItemDataRole.AccessibleTextRole: f"{line.text} {re.sub('<[^>]+>', ' ', line.tip)}".strip(),
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
        return QSize(80, HEAD_PX if line.is_heading else BROKEN_PX if line.is_broken else ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        line: Line = index.data(Qt.ItemDataRole.UserRole)
        state, area = option.state, QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if line.is_heading:
            _draw_heading(painter, area, line.text)
        elif line.is_broken:
            _draw_broken(painter, area, line)
        else:
            is_chosen = bool(state & QStyle.StateFlag.State_Selected)
            if is_chosen or state & QStyle.StateFlag.State_MouseOver:
                draw_lit(painter, area.adjusted(2, 1, -2, -1), is_chosen=is_chosen)
            _draw_line(painter, area, line)
        painter.restore()


def _draw_heading(painter: QPainter, area: QRectF, text: str) -> None:
    small = font(10.5, bold=True)
    small.setLetterSpacing(small.SpacingType.AbsoluteSpacing, 1)
    draw_text(painter, area.adjusted(4, 8, 0, 0), text, small, "mute")


def _draw_line(painter: QPainter, area: QRectF, line: Line) -> None:
    draw_kind(painter, QPointF(area.left() + 17, area.center().y()), line.kind, 4.6)
    room = area.adjusted(32, 0, -10, 0)
    if line.about:
        room.setRight(room.right() - draw_text(painter, room, line.about, font(11), "mute", at_right=True) - 8)
    draw_marked(painter, room, line.text, line.marks, font())


def _draw_broken(painter: QPainter, area: QRectF, line: Line) -> None:
    """A plugin's name in red, below it what to do."""
    icon("error", "red", 14).paint(painter, round(area.left()) + 10, round(area.top()) + 5, 14, 14)
    room = area.adjusted(32, 2, -10, 0)
    draw_text(painter, QRectF(room.left(), room.top(), room.width(), 19), line.text, font(), "red")
    draw_text(painter, QRectF(room.left(), room.top() + 18, room.width(), 17), line.about, font(11), "mute")


class _View(QListView):
    """The list: Enter and double click choose on every desktop; letters go on in the field."""

    chosen = Signal(object)
    typed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setItemDelegate(_Paint(self))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        self.setDragEnabled(True)
        self.setDragDropMode(QListView.DragDropMode.DragOnly)
        self.setAccessibleName("Node types")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.doubleClicked.connect(lambda index: self.chosen.emit(index))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter chooses; a letter starts a search."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit(self.currentIndex())
        elif event.text().isprintable() and event.text().strip() and not event.modifiers() & ~_SHIFT:
            self.typed.emit(event.text())
        else:
            super().keyPressEvent(event)


_SHIFT: Final = Qt.KeyboardModifier.ShiftModifier


class _Search(QLineEdit):
    """The field; arrows and Enter go to the list. While it is empty, a key cap tells the canvas's own search."""

    def __init__(self, view: QListView) -> None:
        super().__init__()
        self._view = view
        self.setPlaceholderText("Search nodes …")
        self.setAccessibleName("Search nodes")
        self.setToolTip("On the canvas, Space asks for a node right where the pointer is")
        self.setClearButtonEnabled(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys for the list go there."""
        given = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, *_ENTER)
        if event.key() in given:
            self._view.keyPressEvent(event)
        elif event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The field, and the hint at its right end."""
        super().paintEvent(event)
        words = self.fontMetrics().horizontalAdvance(self.placeholderText())
        if not self.text() and self.width() - words > CAP_ROOM_PX:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            draw_caps(painter, QRectF(self.rect()).adjusted(0, 0, -6, 0), "Space")


_ENTER: Final = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


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
        self.view = _View()
        self.view.setModel(self.model)
        self.search = _Search(self.view)
        self._glass = self.search.addAction(icon("search", "mute", 14), QLineEdit.ActionPosition.LeadingPosition)
        self.none = QLabel()
        self.none.setObjectName("mute")
        self.none.setWordWrap(True)
        self.none.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.none.setContentsMargins(12, 8, 12, 8)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 12, 8, 8)
        column.setSpacing(4)
        for widget in (self.search, self.none, self.view):
            column.addWidget(widget)
        self.search.textChanged.connect(self.refresh)
        self.view.chosen.connect(lambda index: self._add(index))
        self.view.typed.connect(self._go_on_typing)
        document.registry_changed.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """List what matches; the type that was chosen stays chosen where it can."""
        query, before = self.search.text().strip(), self.chosen
        lines = lines_of(self.document.registry, query)
        self.model.show(lines)
        self.none.setText(f"No node is called “{query}”.")
        self.none.setVisible(not lines)
        self.view.setVisible(bool(lines))
        places = [place for place, line in enumerate(lines) if line.type_id]
        kept = next((place for place in places if lines[place].type_id == before), -1)
        wanted = places[0] if query and places else kept
        if wanted >= 0:
            self.view.setCurrentIndex(self.model.index(wanted))

    @property
    def chosen(self) -> str:
        """Id of the chosen type, or ""."""
        index = self.view.currentIndex()
        return self.model.lines[index.row()].type_id if index.isValid() else ""

    def _go_on_typing(self, text: str) -> None:
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.setText(self.search.text() + text)

    def _add(self, index: Index) -> None:
        line: Line | None = index.data(Qt.ItemDataRole.UserRole) if index.isValid() else None
        if line is not None and line.type_id:
            self.add_requested.emit(line.type_id)

    def ask(self) -> None:
        """Put the cursor into the search."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def commands(self) -> list[Command]:
        """Search the palette."""
        return [Command("add.find", "Find a node type…", "Add", self.ask, ("Ctrl+Alt+A",), icon="search")]

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_glass"):
            self._glass.setIcon(icon("search", "mute", 14))
            self.view.viewport().update()
