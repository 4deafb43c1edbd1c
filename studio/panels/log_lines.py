"""Lines of the log: from events, filtered, with tracebacks folded away. No widgets."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from engine.console import duration
from engine.event import Event
from engine.theme import state

Level = Literal["detail", "info", "warning", "error"]
LEVELS: Final[Mapping[str, tuple[Level, ...]]] = {
    "Everything": ("detail", "info", "warning", "error"),
    "Messages": ("info", "warning", "error"),
    "Warnings and errors": ("warning", "error"),
    "Errors": ("error",),
}
"""What each choice of the filter shows; "detail" is a node queued, started, finished."""
MOST: Final = 20_000
DROP: Final = 2_000
"""When there are too many lines, so many of the oldest go at once."""
LineRole: Final = int(Qt.ItemDataRole.UserRole)
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class LogLine:
    """One line.

    Attributes:
        token: the colour of its mark.
        more: a traceback, folded away.
        is_more: whether this is an unfolded line of a traceback.
    """

    time_s: float
    node: str
    level: Level
    mark: str
    token: str
    text: str
    more: tuple[str, ...] = ()
    is_more: bool = False

    @property
    def clock(self) -> str:
        """ "12:40:01.250"."""
        return f"{time.strftime('%H:%M:%S', time.localtime(self.time_s))}.{int(self.time_s * 1000) % 1000:03d}"

    def to_text(self) -> str:
        """As it is copied."""
        if self.is_more:
            return f"    {self.text}"
        return "  ".join(part for part in (self.clock, self.node, self.mark, self.text) if part)


_WORDS: Final[Mapping[str, tuple[str, Level]]] = {
    "run_started": ("running", "info"),
    "queued": ("queued", "detail"),
    "started": ("running", "detail"),
    "cached": ("cached", "detail"),
    "finished": ("done", "detail"),
    "failed": ("failed", "error"),
    "skipped": ("skipped", "info"),
    "cancelled": ("cancelled", "info"),
}


def line_of(event: Event) -> LogLine | None:
    """An event as a line; None for those that are none (progress, metrics)."""
    values = event.values
    if event.kind == "log":
        level: Level = "warning" if values.get("level") == "warning" else "info"
        mark, token = ("!", "amber-text") if level == "warning" else ("·", "mute")
        first, *rest = str(values.get("text", "")).splitlines() or [""]
        return LogLine(event.time_s, event.node, level, mark, token, first, tuple(rest))
    if event.kind == "run_finished":
        look = state(str(values.get("state", "")))
        told = f"run {look.word} in {duration(_seconds(values))}"
        return LogLine(event.time_s, "", "info", look.mark, look.token, told)
    if event.kind not in _WORDS:
        return None
    name, level = _WORDS[event.kind]
    look = state(name)
    more = tuple(str(values.get("traceback", "")).splitlines())
    return LogLine(event.time_s, event.node, level, look.mark, look.token, _text(event, look.word), more)


def _text(event: Event, word: str) -> str:
    values = event.values
    match event.kind:
        case "run_started":
            nodes = values.get("nodes")
            many = f", {len(nodes)} nodes" if isinstance(nodes, list) else ""
            return f"run {event.run}{many}"
        case "queued":
            return f"queued: {values.get('reason')}" if values.get("reason") else "queued"
        case "started":
            return "started"
        case "finished":
            return f"done in {duration(_seconds(values))}"
        case "failed":
            parts = (values.get("what"), f"Expected: {values.get('expected')}", values.get("remedy"))
            return " ".join(f"{str(part).rstrip('.')}." for part in parts if part)
        case "skipped":
            return f"skipped: {values.get('because')} failed"
    return word


def _seconds(values: Mapping[str, Any]) -> float:
    found = values.get("seconds")
    return float(found) if isinstance(found, int | float) else 0.0


@dataclass(frozen=True)
class Filter:
    """Which lines are shown."""

    levels: tuple[Level, ...] = LEVELS["Everything"]
    node: str = ""
    text: str = ""

    def fits(self, line: LogLine) -> bool:
        """Whether a line is shown."""
        if line.level not in self.levels or (self.node and line.node != self.node):
            return False
        wanted = self.text.casefold()
        return not wanted or any(wanted in part.casefold() for part in (line.text, line.node, *line.more))


class LogModel(QAbstractListModel):
    """The lines that fit the filter; unfolded tracebacks are lines of their own under theirs."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.filter = Filter()
        self._lines: list[LogLine] = []
        self._rows: list[LogLine] = []
        self._nodes: dict[str, None] = {}

    @property
    def nodes(self) -> list[str]:
        """Nodes that have said something, in order of their first line."""
        return list(self._nodes)

    @property
    def total(self) -> int:
        """How many lines there are, shown or not."""
        return len(self._lines)

    def add(self, events: Iterable[Event]) -> None:
        """Append what events say."""
        new = [line for event in events if (line := line_of(event)) is not None]
        new = new[-MOST:]
        self._nodes |= dict.fromkeys(line.node for line in new if line.node)
        self._lines += new
        if len(self._lines) > MOST:
            del self._lines[: max(DROP, len(self._lines) - MOST)]
            self._rebuild()
        elif fitting := [line for line in new if self.filter.fits(line)]:
            first = len(self._rows)
            self.beginInsertRows(QModelIndex(), first, first + len(fitting) - 1)
            self._rows += fitting
            self.endInsertRows()

    def clear(self) -> None:
        """No lines."""
        self._lines, self._nodes = [], {}
        self._rebuild()

    def set_filter(self, wanted: Filter) -> None:
        """Show other lines."""
        if wanted != self.filter:
            self.filter = wanted
            self._rebuild()

    def _rebuild(self) -> None:
        self.beginResetModel()
        self._rows = [line for line in self._lines if self.filter.fits(line)]
        self.endResetModel()

    def toggle(self, row: int) -> None:
        """Unfold or fold the traceback of a line."""
        line = self._rows[row]
        if not line.more or line.is_more:
            return
        if self.is_open(row):
            self.beginRemoveRows(QModelIndex(), row + 1, row + len(line.more))
            del self._rows[row + 1 : row + 1 + len(line.more)]
            self.endRemoveRows()
        else:
            unfolded = [replace(line, text=text, more=(), is_more=True) for text in line.more]
            self.beginInsertRows(QModelIndex(), row + 1, row + len(unfolded))
            self._rows[row + 1 : row + 1] = unfolded
            self.endInsertRows()
        self.dataChanged.emit(self.index(row), self.index(row), [])

    def is_open(self, row: int) -> bool:
        """Whether the traceback of a line is unfolded."""
        return row + 1 < len(self._rows) and self._rows[row + 1].is_more

    def line(self, row: int) -> LogLine:
        """The line of a row."""
        return self._rows[row]

    def to_text(self, rows: Sequence[int]) -> str:
        """Rows as they are copied; a folded traceback is copied with its line."""
        return "\n".join(part for row in sorted(rows) for part in self._texts(row))

    def _texts(self, row: int) -> Iterator[str]:
        line = self._rows[row]
        yield line.to_text()
        if line.more and not self.is_open(row):
            yield from (f"    {text}" for text in line.more)

    def rowCount(self, parent: Index | None = None) -> int:
        """How many rows are shown."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """A row's line, its text, or its whole text as a tooltip."""
        if not index.isValid():
            return None
        line = self._rows[index.row()]
        if role == LineRole:
            return line
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return line.to_text()
        return line.text if role == Qt.ItemDataRole.ToolTipRole else None
