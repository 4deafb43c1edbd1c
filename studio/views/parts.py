"""Small widgets that several cards share: loading in a thread, a message, choices, a table, a row of facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QAction, QActionGroup, QFontMetrics, QKeySequence, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QButtonGroup,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from engine.artifact import Artifact
from engine.errors import OssicleError
from engine.evidence import UNREADABLE
from studio.look import theme
from studio.views.card import Card
from studio.views.viewer import Scene
from studio.work import Background

Reader = Callable[[Artifact, Scene], Any]
Index = QModelIndex | QPersistentModelIndex
RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
LEFT: Final = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
VALUE_ROLE: Final = Qt.ItemDataRole.UserRole
AGAIN: Final = "Run the node again; `ossicle store verify --repair` finds what is damaged"


class ElidedLabel(QLabel):
    """A line that is cut with "…" where it does not fit; the tooltip has all of it."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setText(text)

    def setText(self, text: str) -> None:
        """Show a text."""
        super().setText(text)
        self.setToolTip(text)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw what fits."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        metrics = QFontMetrics(self.font())
        cut = metrics.elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), int(LEFT if self.alignment() & Qt.AlignmentFlag.AlignLeft else RIGHT), cut)


def read_safely(reader: Reader, artifact: Artifact, scene: Scene) -> Any:
    """What a reader gives; a damaged file is told as one.

    Raises:
        OssicleError: the files cannot be read or are not what they should be.
    """
    try:
        return reader(artifact, scene)
    except OssicleError:
        raise
    except UNREADABLE as error:
        raise OssicleError(
            f"the files of this {artifact.kind()} cannot be shown ({type(error).__name__}: {error})",
            "the files that its node wrote",
            AGAIN,
        ) from error


class LoadedCard(Card):
    """A card whose data is read in a thread by `reader`; then `show_data` shows it. Widgets stand in `content`."""

    reader: Reader
    """Called in a thread with the artifact and its scene; a plain function, not a method."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.work = Background(self, threads=1)
        self.bar.removeWidget(self.subtitle)
        self.subtitle.deleteLater()
        self.subtitle = ElidedLabel(parent=self)
        self.subtitle.setObjectName("mute")
        self.bar.insertWidget(1, self.subtitle, 1)
        self.artifact: Artifact | None = None
        self.scene = Scene()
        self.content = QWidget()
        self.inner = QVBoxLayout(self.content)
        self.inner.setContentsMargins(0, 0, 0, 0)
        self.inner.setSpacing(4)
        self.message = QLabel()
        self.message.setObjectName("mute")
        self.message.setWordWrap(True)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.message.hide()
        self.body.addWidget(self.content, 1)
        self.body.addWidget(self.message, 1)

    def show_artifact(self, artifact: Artifact, scene: Scene) -> None:
        """Read the artifact in a thread, then show it."""
        self.artifact, self.scene = artifact, scene
        reader = type(self).reader
        self.work.call("read", partial(read_safely, reader, artifact, scene), self._take, self.refuse)

    def _take(self, data: Any) -> None:
        try:
            self.show_data(data)
        except UNREADABLE as error:
            self.refuse(
                OssicleError(f"this cannot be shown ({type(error).__name__}: {error})", "a readable artifact", AGAIN)
            )
        else:
            self.say("")

    def show_data(self, data: Any) -> None:
        """Show what the reader gave."""

    def say(self, text: str) -> None:
        """A message instead of the content; "" shows the content again."""
        self.message.setObjectName("mute")
        self.message.setStyleSheet("")
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.content.setVisible(not text)

    def refuse(self, error: OssicleError) -> None:
        """Tell why nothing is shown."""
        self.say(f"{sentence(error.what)}\n{sentence(error.remedy)}")
        self.message.setToolTip(f"expected: {error.expected}")

    def clear(self) -> None:
        """Nothing to show."""
        super().clear()
        self.work.forget("read")
        self.artifact = None
        self.say("Nothing to show yet.")


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


class Choice(QWidget):
    """A few exclusive choices as joined buttons. `changed(str)` tells the chosen key."""

    changed = Signal(str)

    def __init__(self, name: str, choices: Sequence[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._buttons: dict[str, _Segment] = {}
        self._group = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(0)
        for key, text in choices:
            button = _Segment(text)
            button.setAccessibleName(f"{name}: {text}")
            button.clicked.connect(partial(self._choose, key))
            self._group.addButton(button)
            self._buttons[key] = button
            layout.addWidget(button)
        self.value = choices[0][0]
        self._buttons[self.value].setChecked(True)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The ground that the buttons share."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.colour("line"), 1))
        painter.setBrush(theme.colour("background"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 7, 7)

    def _choose(self, key: str, _checked: bool = True) -> None:
        if key != self.value:
            self.set(key)
            self.changed.emit(key)

    def set(self, key: str) -> None:
        """Choose without telling."""
        self.value = key
        self._buttons[key].setChecked(True)

    def add_to(self, menu: QMenu) -> None:
        """The same choices in a menu, for cards too narrow to show the buttons."""
        group = QActionGroup(menu)
        menu.addSection(self.name)
        for key, button in self._buttons.items():
            action = QAction(button.text(), menu, checkable=True, checked=key == self.value)
            action.triggered.connect(partial(self._choose, key))
            group.addAction(action)
            menu.addAction(action)
            self.changed.connect(lambda chosen, action=action, key=key: action.setChecked(chosen == key))


class _Segment(QAbstractButton):
    """One of several joined buttons."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.setText(text)
        self.setFont(theme.font(11))
        self.setCheckable(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Text and a little air."""
        return QSize(QFontMetrics(self.font()).horizontalAdvance(self.text()) + 16, 20)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The chosen one is raised."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.isChecked() or self.hasFocus():
            painter.setPen(QPen(theme.colour("accent" if self.hasFocus() else "line"), 1))
            painter.setBrush(theme.colour("raised" if self.isChecked() else "background"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        painter.setFont(self.font())
        painter.setPen(theme.colour("text" if self.isChecked() or self.underMouse() else "mute"))
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), self.text())


class Rows(QAbstractTableModel):
    """Read-only rows of plain values. Cells: a value, or (shown text, value to sort by)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.headers: Sequence[str] = ()
        self.rows: Sequence[Sequence[object]] = ()
        self.numbers: frozenset[int] = frozenset()
        self.tips: Callable[[int], str] | None = None

    def fill(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Show other rows."""
        self.beginResetModel()
        self.headers, self.rows = tuple(headers), tuple(rows)
        columns = range(len(self.headers))
        self.numbers = frozenset(c for c in columns if all(_is_number(row[c]) for row in self.rows[:200]))
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt declares it
        """Rows."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt declares it
        """Columns."""
        return 0 if parent.isValid() else len(self.headers)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Column names."""
        if orientation == Qt.Orientation.Horizontal and section < len(self.headers):
            if role == Qt.ItemDataRole.DisplayRole:
                return self.headers[section]
            if role == Qt.ItemDataRole.TextAlignmentRole:
                return RIGHT if section in self.numbers else LEFT
        return None

    def data(self, index: Index, role: int = 0) -> Any:
        """One cell."""
        cell = self.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return shown(cell)
        if role == VALUE_ROLE:
            return value_of(cell)
        if role == Qt.ItemDataRole.ToolTipRole:
            return (self.tips(index.row()) if self.tips is not None else "") or shown(cell)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return RIGHT if index.column() in self.numbers else LEFT
        if role == Qt.ItemDataRole.FontRole and index.column() in self.numbers:
            return theme.font(11.5, monospace=True)
        return None


def _is_number(cell: object) -> bool:
    value = cell[1] if isinstance(cell, tuple) else cell
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def shown(cell: object) -> str:
    """A cell's text."""
    if isinstance(cell, tuple):
        return str(cell[0])
    if isinstance(cell, bool) or cell is None:
        return {True: "yes", False: "no", None: "–"}[cell]
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.4g}"
    return str(cell)


def value_of(cell: object) -> Any:
    """What a cell is sorted by."""
    return cell[1] if isinstance(cell, tuple) else cell


class _Sorted(QSortFilterProxyModel):
    def lessThan(self, left: Index, right: Index) -> bool:
        """Missing values first, else as numbers or texts."""
        a, b = left.data(VALUE_ROLE), right.data(VALUE_ROLE)
        if a is None or b is None:
            return a is None and b is not None
        return bool(a < b) if type(a) is type(b) or _both_numbers(a, b) else str(a) < str(b)


def _both_numbers(a: object, b: object) -> bool:
    return isinstance(a, (int, float)) and isinstance(b, (int, float))


class Table(QTableView):
    """A quiet table: sorts by any column, copies with Ctrl+C. `chosen(int)` tells the row, as given."""

    chosen = Signal(int)

    def __init__(self, name: str, parent: QWidget | None = None, *, is_sortable: bool = True) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.source = Rows(self)
        self._order = _Sorted(self)
        self._order.setSourceModel(self.source)
        self.setModel(self._order)
        self.setSortingEnabled(is_sortable)
        if is_sortable:
            self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        self.verticalHeader().setMinimumSectionSize(20)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(36)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.setAutoFillBackground(False)
        self.setStyleSheet("QTableView, QHeaderView, QHeaderView::section { background: transparent; }")
        self.selectionModel().currentRowChanged.connect(self._tell)

    def fill(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Show other rows, in the given order until a header is clicked."""
        self.source.fill(headers, rows)
        self.resizeColumnsToContents()
        self._stretch()

    def _stretch(self) -> None:
        """The first column takes what is left over."""
        header = self.horizontalHeader()
        if not header.count():
            return
        others = sum(header.sectionSize(column) for column in range(1, header.count()))
        wanted = self.sizeHintForColumn(0) + 12
        spare = self.viewport().width() - others
        header.resizeSection(0, max(min(wanted, 220) if spare < wanted else spare, 48))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the width used."""
        super().resizeEvent(event)
        self._stretch()

    def _tell(self, current: QModelIndex) -> None:
        if current.isValid():
            self.chosen.emit(self._order.mapToSource(current).row())

    def choose(self, row: int) -> None:
        """Make a row (as given) the current one."""
        index = self._order.mapFromSource(self.source.index(row, 0))
        self.setCurrentIndex(index)

    def keyPressEvent(self, event: Any) -> None:
        """Ctrl+C copies the current row, or the whole table if there is none."""
        if event.matches(QKeySequence.StandardKey.Copy):
            row = self.currentIndex()
            rows = [self._order.mapToSource(row).row()] if row.isValid() else range(len(self.source.rows))
            lines = ["\t".join(shown(cell) for cell in self.source.rows[r]) for r in rows]
            QApplication.clipboard().setText("\n".join(lines))
            return
        super().keyPressEvent(event)
