"""Trials of a search as points, the front drawn through, a device's limits as lines; live while the search runs.

The report that is read is described in `studio.views.data.front`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit

from engine.artifact import Artifact, Report
from engine.evidence import metric_text, words
from studio.look import theme
from studio.views.chart import Chart, dot
from studio.views.data.curves import limits as span_of
from studio.views.data.document import is_of_kind
from studio.views.data.front import (
    COMPLETE,
    Limit,
    Objective,
    Search,
    SearchTrial,
    fits,
    front_of,
    read_search,
    search_of_rows,
)
from studio.views.legend import Entry, Legend
from studio.views.parts import ElidedLabel, LoadedCard
from studio.views.viewer import Scene, viewer

NARROW_PX: Final = 520
FRONT: Final = "front"
REPORT_FILE: Final = "report.json"


def is_search(artifact: Artifact) -> bool:
    """Whether a report is that of a search."""
    return is_of_kind(artifact.path / REPORT_FILE, "search")


def read_trials(artifact: Artifact, _scene: Scene) -> Search:
    """The trials of report.json."""
    return read_search(artifact.json(REPORT_FILE))


@viewer(Report, "Pareto", tab="pareto", fits=is_search)
class ParetoCard(LoadedCard):
    """Two objectives against each other.

    Signals:
        trial_chosen(object): the SearchTrial that was clicked; its `workflow` (if any) is the trial's graph.
    """

    title = "Pareto"
    reader = staticmethod(read_trials)
    trial_chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.search = Search((), ())
        self.front: list[SearchTrial] = []
        self.own_limits: dict[str, Limit] = {}
        self.picked: int | None = None
        self._lines: list[Any] = []
        self._node = ""
        self.chart = Chart("Trials of the search")
        self.pane = self.chart.pane("main")
        self.points = dot(8)
        self.points.setZValue(10)
        self.pane.add(self.points)
        self.ring = dot(15)
        self.pane.add(self.ring)
        self.points.sigClicked.connect(self._clicked)
        self.chart.words = self._words
        self.x_choice, self.y_choice = QComboBox(), QComboBox()
        self.limit = QLineEdit()
        self.legend = Legend(rows=1, is_switch=False)
        self.note = ElidedLabel()
        self.note.setObjectName("mute")
        self._build()
        self.say("Trials appear here as they end.")

    def _build(self) -> None:
        self.x_choice.setAccessibleName("Objective along the x axis")
        self.y_choice.setAccessibleName("Objective along the y axis")
        self.limit.setAccessibleName("Limit of the x objective")
        self.limit.setPlaceholderText("limit")
        self.limit.setMaximumWidth(90)
        self.limit.editingFinished.connect(self._set_limit)
        self.words_at, self.words_against = QLabel("against"), QLabel("at most")
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.legend, 1)
        for widget in (self.y_choice, self.words_at, self.x_choice, self.words_against, self.limit):
            if isinstance(widget, QLabel):
                widget.setObjectName("mute")
            if isinstance(widget, QComboBox):
                widget.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
                widget.activated.connect(self._draw)
            foot.addWidget(widget)
        self.inner.addWidget(self.chart, 1)
        self.inner.addLayout(foot)
        self.inner.addWidget(self.note)
        self._arrange()

    # ---- what is shown

    def show_data(self, data: Search) -> None:
        """Show the trials of a report."""
        self._node = self.scene.node
        self._show(data)

    def show_rows(self, node: str, rows: Sequence[Mapping[str, float]], earlier: Sequence[object] = ()) -> None:
        """Show the trials of a running search; rows of single trainings ("step") are no trials."""
        if node != self._node:
            self._node, self.search, self.picked = node, Search((), ()), None
        found = search_of_rows(rows, self.search.objectives if len(self.search.objectives) > 1 else ())
        known = {trial.number: trial for trial in self.search.trials}
        trials = tuple(
            replace(trial, params=known[trial.number].params, workflow=known[trial.number].workflow)
            if trial.number in known
            else trial
            for trial in found.trials
        )
        self._show(Search(found.objectives, trials, self.search.limits))

    def _show(self, search: Search) -> None:
        if len(search.objectives) < 2:
            self.say("A search with two objectives or more is drawn here.")
            self.search = search
            return
        is_new = [o.name for o in search.objectives] != [o.name for o in self.search.objectives]
        self.search = search
        self.say("")
        if is_new or not self.x_choice.count():
            self._offer(search.objectives)
        self._draw()

    def _offer(self, objectives: Sequence[Objective]) -> None:
        first = next((i for i, objective in enumerate(objectives) if objective.is_maximised), 0)
        second = next(i for i in range(len(objectives)) if i != first)
        for choice, index in ((self.y_choice, first), (self.x_choice, second)):
            choice.clear()
            choice.addItems([objective.label for objective in objectives])
            choice.setCurrentIndex(index)
        self._arrange()

    @property
    def axes(self) -> tuple[Objective, Objective]:
        """The objectives along x and y."""
        objectives = self.search.objectives
        return objectives[self.x_choice.currentIndex()], objectives[self.y_choice.currentIndex()]

    @property
    def limited(self) -> Search:
        """The search with the limits that were typed in."""
        own = self.own_limits
        kept = tuple(limit for limit in self.search.limits if limit.objective not in own)
        return replace(self.search, limits=(*kept, *own.values()))

    # ---- drawing

    def _draw(self, *_: object) -> None:
        if len(self.search.objectives) < 2 or self.x_choice.currentIndex() < 0:
            return
        x, y = self.axes
        search = self.limited
        placed = [trial for trial in search.trials if x.name in trial.values and y.name in trial.values]
        fitting = replace(search, trials=tuple(trial for trial in placed if fits(trial, search)))
        self.front = front_of(fitting, x, y)
        self._draw_points(placed, x, y)
        self._draw_front(x, y)
        self._draw_limits(x, y)
        self._draw_ring(x, y)
        self._set_ranges(placed, x, y)
        self.pane.name_axes(bottom=(_axis(x), "mute"), left=(_axis(y), "mute"))
        self._tell(placed)

    def _draw_points(self, placed: Sequence[SearchTrial], x: Objective, y: Objective) -> None:
        on_front = {trial.number for trial in self.front}
        spots = [
            {
                "pos": (trial.values[x.name] * _scale(x), trial.values[y.name] * _scale(y)),
                "data": trial.number,
                "brush": theme.colour(*self._look(trial, on_front)),
                "pen": None,
                "size": 9 if trial.number in on_front else 7,
                "symbol": "o" if trial.state == COMPLETE else "x",
            }
            for trial in placed
        ]
        self.points.setData(spots)

    def _look(self, trial: SearchTrial, on_front: set[int]) -> tuple[str, float]:
        if trial.number in on_front:
            return "violet", 1.0
        return ("mute", 0.75) if fits(trial, self.limited) else ("red", 0.6)

    def _draw_front(self, x: Objective, y: Objective) -> None:
        xs = np.array([trial.values[x.name] * _scale(x) for trial in self.front])
        ys = np.array([trial.values[y.name] * _scale(y) for trial in self.front])
        self.pane.line(FRONT).show(xs, ys, "violet")

    def _draw_limits(self, x: Objective, y: Objective) -> None:
        for line in self._lines:
            self.pane.plot.removeItem(line)
        self._lines = []
        for limit in self.limited.limits:
            for objective, angle in ((x, 90), (y, 0)):
                if limit.objective == objective.name:
                    self._lines.append(self._limit_line(limit, objective, angle))

    def _limit_line(self, limit: Limit, objective: Objective, angle: int) -> Any:
        text = limit.label or _figure(objective.name, limit.value)
        side = 1 if objective.is_maximised else 0  # on the side of what fits
        options = {"position": 0.13, "color": theme.colour("red"), "anchors": [(1.05, side), (1.05, side)]}
        pen = pg.mkPen(theme.colour("red"), width=1, dash=(4, 3))
        line = pg.InfiniteLine(limit.value * _scale(objective), angle, pen, label=text, labelOpts=options)
        line.label.setFont(theme.font(10.5))
        self.pane.plot.addItem(line, ignoreBounds=True)
        return line

    def _draw_ring(self, x: Objective, y: Objective) -> None:
        trial = self.search.trial(self.picked) if self.picked is not None else None
        self.ring.setVisible(trial is not None)
        if trial is not None and x.name in trial.values and y.name in trial.values:
            place = (trial.values[x.name] * _scale(x), trial.values[y.name] * _scale(y))
            self.ring.setData([place[0]], [place[1]], brush=None, pen=pg.mkPen(theme.colour("accent"), width=2))

    def _set_ranges(self, placed: Sequence[SearchTrial], x: Objective, y: Objective) -> None:
        spans = []
        for objective in (x, y):
            values = [trial.values[objective.name] for trial in placed]
            values += [limit.value for limit in self.limited.limits if limit.objective == objective.name]
            spans.append(span_of([np.array(values) * _scale(objective)], 0.08))
        self.pane.set_ranges(spans[0], spans[1], (0, 1))

    def _tell(self, placed: Sequence[SearchTrial]) -> None:
        count = len(self.search.trials)
        self.subtitle.setText(
            " · ".join(filter(None, (self._node, f"{count:,} trials", f"{len(self.front):,} on the front")))
        )
        is_limited = any(not fits(trial, self.limited) for trial in placed)
        entries = [Entry("front", "front", "violet", "dot"), Entry("other", "other trials", "mute", "dot")]
        self.legend.show_entries([*entries, *([Entry("over", "over a limit", "red", "dot")] if is_limited else [])])
        self.note.setText(self._trial_words(self.search.trial(self.picked)) if self.picked is not None else "")

    def _trial_words(self, trial: SearchTrial | None) -> str:
        if trial is None:
            return ""
        figures = [f"{words(name)} {_figure(name, value)}" for name, value in trial.values.items()]
        params = [f"{name} {value}" for name, value in trial.params.items()]
        return " · ".join([f"trial {trial.number} ({trial.state})", *figures, *params])

    # ---- hands

    def _clicked(self, _item: object, spots: Any, *_: object) -> None:
        if len(spots):
            self.choose(int(spots[0].data()))

    def choose(self, number: int) -> None:
        """Choose a trial and tell."""
        trial = self.search.trial(number)
        if trial is not None:
            self.picked = number
            self._draw_ring(*self.axes)
            self.note.setText(self._trial_words(trial))
            self.trial_chosen.emit(trial)

    def _set_limit(self) -> None:
        x, _ = self.axes if len(self.search.objectives) > 1 else (None, None)
        if x is None:
            return
        text = self.limit.text().strip().replace(",", "")
        try:
            value = float(text) / _scale(x) if text else None
        except ValueError:
            self.limit.setProperty("invalid", True)
            self.limit.setToolTip(f"“{self.limit.text()}” is no number. Type one, for example 3000000")
            return
        self.limit.setProperty("invalid", False)
        self.own_limits.pop(x.name, None)
        if value is not None:
            self.own_limits[x.name] = Limit(x.name, value)
        self._draw()

    def _words(self, x: float) -> str:
        """The trial that is nearest to the pointer, along x."""
        pointer = self.chart.mapFromGlobal(self.chart.cursor().pos())
        trial = self._trial_at(QPointF(pointer))
        return self._trial_words(trial).replace(" · ", "\n")

    def _trial_at(self, place: QPointF) -> SearchTrial | None:
        view = self.pane.plot.vb.mapSceneToView(self.chart.mapToScene(place.toPoint()))
        found = self.points.pointsAt(view)
        return self.search.trial(int(found[0].data())) if len(found) else None

    # ---- the rest

    def table_rows(self) -> list[Sequence[object]]:
        """All trials as a table."""
        names = [objective.name for objective in self.search.objectives]
        params = list(dict.fromkeys(name for trial in self.search.trials for name in trial.params))
        on_front = {trial.number for trial in self.front}
        rows = []
        for trial in self.search.trials:
            told = [*(trial.values.get(name, "") for name in names), *(trial.params.get(name, "") for name in params)]
            rows.append((trial.number, trial.state, trial.number in on_front, *told))
        return [("trial", "state", "on front", *names, *params), *rows]

    def resizeEvent(self, event: object) -> None:
        """A small card keeps the points."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        is_wide, is_tall = self.width() >= NARROW_PX, self.height() >= 280
        for widget in (self.x_choice, self.y_choice, self.words_at, self.words_against, self.limit):
            widget.setVisible(is_wide)
        self.note.setVisible(is_tall)

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.restyle()
        self._draw()


def _scale(objective: Objective) -> float:
    """Factor for the axis: shares in percent, operations in millions, times and sizes as they are."""
    if objective.is_maximised and not objective.unit and any(part in objective.name for part in ("accuracy", "uar")):
        return 100.0
    if objective.name.startswith("flops") or objective.name in ("parameters", "params"):
        return 1e-6
    return 1e-3 if objective.name.endswith("_bytes") else 1.0


def _figure(name: str, value: float) -> str:
    """A figure in words; large counts in millions."""
    return f"{value / 1e6:,.2f} M" if abs(value) >= 1e5 and not name.endswith("_bytes") else metric_text(name, value)


def _axis(objective: Objective) -> str:
    units = {100.0: "%", 1e-6: "M", 1e-3: "kB"}
    name = objective.label
    unit = units.get(_scale(objective), "")
    return f"{name} / {unit}" if unit else name
