"""A list of things to choose from: title with matched letters, where it stands, its shortcut. Greyed ones say why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QFrame, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from studio.look.icons import icon
from studio.look.theme import font
from studio.model.rank import Match
from studio.panels.paint import draw_caps, draw_kind, draw_lit, draw_marked, draw_text

Index = QModelIndex | QPersistentModelIndex
ROW_PX: Final = 34
ICON_PX: Final = 14


@dataclass(frozen=True)
class Choice:
    """One line.

    Attributes:
        key: what choosing it tells.
        place: where else it is found ("Edit", "View ▸ Panels"), or what it is.
        keys: its shortcut, as people read it.
        about: a sentence about it, for the tooltip and the search.
        icon: name of an icon in front.
        kind: artifact type whose shape stands in front instead.
        reason: why it cannot be chosen now; "" if it can.
    """

    key: str
    title: str
    place: str = ""
    keys: str = ""
    about: str = ""
    icon: str = ""
    kind: str = ""
    reason: str = ""
    is_checked: bool = False

    @property
    def is_enabled(self) -> bool:
        """Whether it can be chosen."""
        return not self.reason


class ChoiceModel(QAbstractListModel):
    """The choices that match, the best first."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Match[Choice]] = []

    def show(self, found: Sequence[Match[Choice]]) -> None:
        """List these."""
        self.beginResetModel()
        self.found = list(found)
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        """How many there are."""
        return 0 if parent is not None and parent.isValid() else len(self.found)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts of a line; the whole match under UserRole."""
        choice = self.found[index.row()].item
        if role == Qt.ItemDataRole.UserRole:
            return self.found[index.row()]
        texts = {
            int(Qt.ItemDataRole.DisplayRole): choice.title,
            int(Qt.ItemDataRole.ToolTipRole): choice.reason or choice.about or None,
            int(Qt.ItemDataRole.AccessibleTextRole): ", ".join(
                filter(None, (choice.title, choice.place, choice.keys, choice.reason))
            ),
        }
        return texts.get(int(role))


class _Paint(QStyledItemDelegate):
    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return QSize(120, ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        match: Match[Choice] = index.data(Qt.ItemDataRole.UserRole)
        state = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(option.rect).adjusted(0, 1, 0, -1)
        is_chosen = bool(state & QStyle.StateFlag.State_Selected)
        if is_chosen or state & QStyle.StateFlag.State_MouseOver:
            draw_lit(painter, area, is_chosen=is_chosen, has_bar=True)
        _draw(painter, area, match)
        painter.restore()


def _draw(painter: QPainter, area: QRectF, match: Match[Choice]) -> None:
    choice = match.item
    token = "text" if choice.is_enabled else "faint"
    middle = QRectF(area.left() + 12, area.top(), ICON_PX, area.height()).center()
    look = "check" if choice.is_checked else choice.icon
    if look:
        image = icon(look, "accent" if choice.is_checked else "mute" if choice.is_enabled else "faint", ICON_PX)
        corner = middle.toPoint()
        image.paint(painter, corner.x() - ICON_PX // 2, corner.y() - ICON_PX // 2, ICON_PX, ICON_PX)
    elif choice.kind:
        draw_kind(painter, middle, choice.kind, 4.6)
    room = area.adjusted(38, 0, -10, 0)
    room.setRight(room.right() - draw_caps(painter, room, choice.keys, "mute" if choice.is_enabled else "faint"))
    used = draw_marked(painter, room, choice.title, match.marks if choice.is_enabled else (), font(), token)
    rest = room.adjusted(used + 12, 0, 0, 0)
    if rest.width() > 24:
        words = choice.place if choice.is_enabled else " · ".join(filter(None, (choice.place, choice.reason)))
        draw_text(painter, rest, words, font(11.5), "mute" if choice.is_enabled else "faint")


class ChoiceList(QListView):
    """The list; keys are handled by the field above it."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = ChoiceModel()
        self.setModel(self.rows)
        self.setItemDelegate(_Paint(self))
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMouseTracking(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setSelectionMode(QListView.SelectionMode.SingleSelection)

    @property
    def marked(self) -> Choice | None:
        """The line where the keyboard is."""
        index = self.currentIndex()
        return self.rows.found[index.row()].item if index.isValid() else None

    def mark(self, row: int) -> None:
        """Put the keyboard on a line; past the end goes on at the start."""
        if self.rows.found:
            self.setCurrentIndex(self.rows.index(row % len(self.rows.found)))
