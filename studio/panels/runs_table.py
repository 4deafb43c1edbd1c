"""The table of runs: model, sorting and filter, and how its cells are drawn (pins, states, intervals)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import (
    QPointF,
    QRectF,
    Qt,
)
from PySide6.QtGui import QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QTableView

from engine.console import count, duration
from engine.errors import sentence
from engine.theme import state as state_look
from studio.look.icons import icon
from studio.look.paint import draw_text
from studio.look.theme import colour, font, state_colour
from studio.model.graph_diff import Difference, summary
from studio.panels.rows_model import LEFT, RIGHT, Index, RowsModel, RowsOrder
from studio.panels.run_facts import Figure, RunFacts

FACTS_ROLE: Final = Qt.ItemDataRole.UserRole
SORT_ROLE: Final = Qt.ItemDataRole.UserRole + 1
Differences = tuple[Difference, ...]
ROW_PX: Final = 28


@dataclass(frozen=True)
class Run:
    """One row: the run, and what its graph had other than the present one (None: not known)."""

    facts: RunFacts
    differs: Differences | None = None


@dataclass(frozen=True)
class Column:
    """One column: its heading, its text and what it is sorted by, its width, and whether it holds numbers."""

    name: str
    text: Callable[[Run], str]
    key: Callable[[Run], Any]
    width: int
    is_number: bool = False
    about: str = ""


def started_text(run: Run) -> str:
    """When it began: today's by the time, others by the day."""
    at = time.localtime(run.facts.record.started_s)
    is_today = at[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if is_today else "%d %b %H:%M", at)


def nodes_text(run: Run) -> str:
    """ "3 run, 5 cached"."""
    counts = run.facts.counts
    told = [f"{counts.get('done', 0)} run"] + [
        f"{counts[name]} {name}" for name in ("cached", "failed", "cancelled", "running") if counts.get(name)
    ]
    return ", ".join(told)


def differs_text(run: Run) -> str:
    """What it had other than the present graph."""
    return "" if run.differs is None else summary(run.differs) or "as now"


def _figure(name: str) -> Callable[[Run], str]:
    return lambda run: run.facts.figures[name].text if name in run.facts.figures else ""


def _value(name: str) -> Callable[[Run], float]:
    return lambda run: run.facts.figures[name].value if name in run.facts.figures else float("-inf")


PIN, STATE, ACCURACY = "", "State", "Accuracy"
COLUMNS: Final = (
    Column(PIN, lambda _run: "", lambda run: run.facts.record.pinned, 30, about="Pinned runs are kept for ever"),
    Column(STATE, lambda run: state_look(run.facts.record.state).word, lambda run: run.facts.record.state, 98),
    Column("Started", started_text, lambda run: run.facts.record.started_s, 104),
    Column("Graph", lambda run: run.facts.record.workflow, lambda run: run.facts.record.workflow.casefold(), 112),
    Column("Took", lambda run: duration(run.facts.record.seconds), lambda run: run.facts.record.seconds, 82, True),
    Column("Nodes", nodes_text, lambda run: run.facts.counts.get("done", 0), 136),
    Column(ACCURACY, _figure("accuracy"), _value("accuracy"), 150, True, "with its 95 % interval, on one scale"),
    Column("Size", _figure("size"), _value("size"), 88, True, "of the last model or image"),
    Column("Latency", _figure("latency"), _value("latency"), 104, True, "median, on the deployment's target"),
    Column("Differs in", differs_text, differs_text, 200, about="What that run had, where the graph "
           "has something else now"),
)  # fmt: skip


NAMES: Final = tuple(column.name for column in COLUMNS)
OPTIONAL: Final = (ACCURACY, "Size", "Latency")
"""Columns shown only where they tell something."""
FIRST_TO_GO: Final = ("Graph", "Nodes", "Took", "Latency", "Size")
"""Columns that give way, in this order, where it is narrow."""
LEAST_REST_PX: Final = 150


def hidden_columns(runs: Sequence[Run], width: int) -> set[int]:
    """Columns that tell nothing about these runs; then those that tell least, until the rest fits into `width`."""
    gone = {k for k, c in enumerate(COLUMNS) if c.name in OPTIONAL and not any(c.text(run) for run in runs)}
    if len({run.facts.record.workflow for run in runs}) < 2:
        gone.add(NAMES.index("Graph"))
    for name in FIRST_TO_GO:
        if sum(c.width for k, c in enumerate(COLUMNS[:-1]) if k not in gone) > width - LEAST_REST_PX:
            gone.add(NAMES.index(name))
    return gone


def as_text(runs: Sequence[Run]) -> str:
    """Runs as a table, tab-separated, their ids first."""
    lines = ["\t".join(["Run", *NAMES[1:]])]
    lines += ["\t".join([run.facts.record.id, *(column.text(run) for column in COLUMNS[1:])]) for run in runs]
    return "\n".join(lines)


class RunsModel(RowsModel):
    """The runs, the newest first."""

    def __init__(self) -> None:
        super().__init__(COLUMNS, frozenset(column.name for column in COLUMNS if column.is_number) - {ACCURACY})
        self.runs: list[Run] = []
        self.scale = (0.0, 1.0)
        """Lowest and highest end of all accuracy intervals."""

    def show(self, runs: Sequence[Run]) -> None:
        """List these. Rows that stay keep their place in the view."""
        self.scale = _scale([run.facts for run in runs])
        if [_id(run) for run in runs] == [_id(run) for run in self.runs]:
            self.runs = list(runs)
            if runs:
                self.dataChanged.emit(self.index(0, 0), self.index(len(runs) - 1, len(COLUMNS) - 1), [])
            return
        self.beginResetModel()
        self.runs = list(runs)
        self.endResetModel()

    def listed(self) -> Sequence[object]:
        """See `RowsModel`."""
        return self.runs

    def data(self, index: Index, role: int = 0) -> Any:
        """One cell."""
        run, column = self.runs[index.row()], COLUMNS[index.column()]
        tell = _ROLES.get(int(role))
        return tell(run, column) if tell is not None else None


def _id(run: Run) -> tuple[str, str]:
    return run.facts.record.id, run.facts.record.state


def _scale(all_: Sequence[RunFacts]) -> tuple[float, float]:
    ends = [end for facts in all_ for end in _ends(facts.figures.get("accuracy")) if end is not None]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return (low, high) if high - low > 1e-6 else (low - 0.05, high + 0.05)


def _ends(figure: Figure | None) -> tuple[float | None, ...]:
    return (figure.low, figure.high, figure.value) if figure is not None else ()


def tip_of(run: Run) -> str:
    """The whole story of a run, in lines."""
    facts = run.facts
    record = facts.record
    lines = [record.id, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.started_s)) + f" · {record.runner}"]
    lines += [f"{name} {figure.text}{_interval(figure)} ({figure.node})" for name, figure in facts.figures.items()]
    lines += [f"{node.node}: {sentence(node.error.what)}" for node in record.nodes.values() if node.error is not None][
        :4
    ]
    if record.to:
        lines.append(f"run up to {record.to}")
    if run.differs:
        lines.append(f"{count(len(run.differs), 'difference')} from the graph:")
        lines += [f"  {d.where}  {d.before or '(none)'}, now {d.after or '(none)'}" for d in run.differs[:12]]
    return "\n".join(lines)


def _interval(figure: Figure) -> str:
    return f" (95 %: {figure.interval})" if figure.interval else ""


def _token(run: Run, column: Column) -> Any:
    if column.name == STATE:
        return state_colour(run.facts.record.state)
    return colour("mute") if column.name in ("Nodes", "Graph") or differs_text(run) == "as now" else None


_ROLES: Final[Mapping[int, Callable[[Run, Column], Any]]] = {
    int(Qt.ItemDataRole.DisplayRole): lambda run, column: column.text(run),
    int(Qt.ItemDataRole.ToolTipRole): lambda run, column: tip_of(run),
    int(Qt.ItemDataRole.TextAlignmentRole): lambda run, column: RIGHT if column.is_number else LEFT,
    int(Qt.ItemDataRole.FontRole): lambda run, column: (
        font(11.5, monospace=True) if column.is_number or column.name == "Started" else font()
    ),
    int(Qt.ItemDataRole.ForegroundRole): _token,
    int(FACTS_ROLE): lambda run, column: run,
    int(SORT_ROLE): lambda run, column: column.key(run),
}


class RunsOrder(RowsOrder):
    """Runs in order, also while they go on."""

    def __init__(self, source: RunsModel) -> None:
        super().__init__(source, int(SORT_ROLE))
        self._source = source
        self.setDynamicSortFilter(True)

    def told(self, row: int) -> str:
        """See `RowsOrder`."""
        run = self._source.runs[row]
        return " ".join([*(column.text(run) for column in COLUMNS), tip_of(run)])

    def run(self, row: int) -> Run:
        """The run in a row as shown."""
        return self._source.runs[self.place(row)]


class KeyTable(QTableView):
    """A table whose keys are asked for first: it would take letters and Ctrl+C for itself."""

    def __init__(self, ask: Callable[[QKeyEvent], bool]) -> None:
        super().__init__()
        self._ask = ask
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSortingEnabled(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ask, then do what tables do."""
        if not self._ask(event):
            super().keyPressEvent(event)


class RunsPaint(QStyledItemDelegate):
    """Draws pins, states with their marks, and accuracies with their intervals."""

    def __init__(self, model: RunsModel) -> None:
        super().__init__()
        self._model = model

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """No frame around the current cell: the whole row is chosen."""
        super().initStyleOption(option, index)
        option.state &= ~QStyle.StateFlag.State_HasFocus

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """One cell."""
        draw = _DRAW.get(COLUMNS[index.column()].name)
        if draw is None:
            super().paint(painter, option, index)
            return
        run: Run = index.data(FACTS_ROLE)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, colour("raised"))
        draw(painter, QRectF(option.rect), run, self._model.scale)
        painter.restore()


Scale = tuple[float, float]


def _draw_pin(painter: QPainter, area: QRectF, run: Run, _scale: Scale) -> None:
    is_pinned = run.facts.record.pinned
    corner = (area.center() - QPointF(7, 7)).toPoint()
    icon("pin", "accent" if is_pinned else "line", 14).paint(painter, corner.x(), corner.y(), 14, 14)


def _draw_state(painter: QPainter, area: QRectF, run: Run, _scale: Scale) -> None:
    look = state_look(run.facts.record.state)
    draw_text(painter, area.adjusted(8, 0, -4, 0), f"{look.mark} {look.word}", font(), look.token)


def _draw_accuracy(painter: QPainter, area: QRectF, run: Run, scale: Scale) -> None:
    """The value, and its interval as a whisker on the scale of all runs."""
    figure = run.facts.figures.get("accuracy")
    if figure is None:
        return
    draw_text(painter, QRectF(area.left() + 8, area.top(), 60, area.height()), figure.text,
              font(11.5, monospace=True), "text")  # fmt: skip
    room = area.adjusted(74, 0, -10, 0)
    if room.width() < 24:
        return
    middle = room.center().y()

    def place(value: float) -> float:
        return room.left() + room.width() * (value - scale[0]) / (scale[1] - scale[0])

    painter.setPen(QPen(colour("line"), 1))
    painter.drawLine(QPointF(room.left(), middle), QPointF(room.right(), middle))
    if figure.low is not None and figure.high is not None:
        painter.setPen(QPen(colour("gold"), 1.5))
        low, high = place(figure.low), place(figure.high)
        painter.drawLine(QPointF(low, middle), QPointF(high, middle))
        for x in (low, high):
            painter.drawLine(QPointF(x, middle - 3), QPointF(x, middle + 3))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour("gold"))
    painter.drawEllipse(QPointF(place(figure.value), middle), 3, 3)


_DRAW: Final[Mapping[str, Callable[[QPainter, QRectF, Run, Scale], None]]] = {
    PIN: _draw_pin,
    STATE: _draw_state,
    ACCURACY: _draw_accuracy,
}
