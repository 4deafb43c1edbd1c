"""How a search for primitives went: the best time after every try, beside other ways of searching and the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyqtgraph as pg

from engine.artifact import Artifact, Report
from studio.look import theme
from studio.views.chart import Chart, dot
from studio.views.choices import is_optimisation
from studio.views.data.curves import limits
from studio.views.data.optimisation import REPORT_FILE, Optimisation, Strategy, read_optimisation
from studio.views.legend import Entry, Legend, Mark
from studio.views.parts import ElidedLabel, LoadedCard
from studio.views.viewer import Scene, viewer

TOKENS: Final = ("accent", "blue", "violet", "rose", "gold", "teal")
OPTIMUM: Final = "optimum"
TALL_PX: Final = 240
MOST_TRIED: Final = 80
"""Percentile of the tries up to which the axis reaches: the bad ones are of no interest."""


def read_searches(artifact: Artifact, _scene: Scene) -> Optimisation:
    """The optimisation of report.json."""
    return read_optimisation(artifact.json(REPORT_FILE))


def was_searched(artifact: Artifact) -> bool:
    """Whether a report is that of an optimisation that searched."""
    from studio.views.data.document import top_level

    return is_optimisation(artifact) and top_level(artifact.path / REPORT_FILE, "search")


@viewer(Report, "Search", fits=was_searched)
class SearchCard(LoadedCard):
    """A line per way of searching; those without tries (the optimum) lie level."""

    title = "Search"
    reader = staticmethod(read_searches)

    def __init__(self) -> None:
        super().__init__()
        self.found: Optimisation | None = None
        self.hidden: set[str] = set()
        self._levels: list[Any] = []
        self.chart = Chart("Best time after every try")
        self.chart.words = self._words
        self.pane = self.chart.pane("main")
        self.tried = dot(3.5)
        self.tried.setZValue(-10)
        self.pane.add(self.tried)
        self.legend = Legend(rows=2)
        self.legend.switched.connect(self._switch)
        self.note = ElidedLabel()
        self.note.setObjectName("mute")
        self.inner.addWidget(self.chart, 1)
        self.inner.addWidget(self.legend)
        self.inner.addWidget(self.note)

    def show_data(self, data: Optimisation) -> None:
        """Show the searches of a report."""
        self.found = data
        best = min((one.us for one in data.strategies), default=0.0)
        told = [f"best {best:,.1f} µs"] if data.strategies else []
        if data.optimum_us:
            told.append(f"optimum {data.optimum_us:,.1f} µs")
        self.subtitle.setText(" · ".join(told))
        self.note.setText(" · ".join(strategy_words(one) for one in data.strategies))
        self._draw()
        self._arrange()

    def token(self, name: str) -> str:
        """Colour of a way of searching."""
        names = [one.name for one in self.found.strategies] if self.found is not None else [name]
        return TOKENS[names.index(name) % len(TOKENS)]

    def _draw(self, *_: object) -> None:
        found = self.found
        if found is None:
            return
        lines = [one for one in found.strategies if one.name not in self.hidden]
        drawn = [one for one in lines if len(one.x) > 1]
        for one in drawn:
            self.pane.line(one.name).show(np.array(one.x), np.array(one.best), self.token(one.name))
        self.pane.keep({one.name for one in drawn})
        self._draw_tried(drawn)
        self._draw_levels([(one.name, one.us, self.token(one.name)) for one in lines if len(one.x) < 2], found)
        self._set_ranges(drawn, found)
        self.pane.name_axes(bottom=(found.unit, "mute"), left=("µs", "mute"))
        self._show_legend(found)

    def _draw_tried(self, drawn: Sequence[Strategy]) -> None:
        spots = [
            {"pos": (x, y), "brush": theme.colour(self.token(one.name), 0.28), "pen": None}
            for one in drawn
            for x, y in zip(one.x, one.tried, strict=False)
        ]
        self.tried.setData(spots)

    def _draw_levels(self, levels: Sequence[tuple[str, float, str]], found: Optimisation) -> None:
        for item in self._levels:
            self.pane.plot.removeItem(item)
        best = [(OPTIMUM, found.optimum_us, "green")] if found.optimum_us and OPTIMUM not in self.hidden else []
        self._levels = []
        for _, us, token in [*levels, *best]:
            line = pg.InfiniteLine(us, 0, pg.mkPen(theme.colour(token), width=1.2, dash=(5, 3)))
            self.pane.plot.addItem(line, ignoreBounds=True)
            self._levels.append(line)

    def _set_ranges(self, drawn: Sequence[Strategy], found: Optimisation) -> None:
        xs = [np.array(one.x) for one in drawn]
        seen = [np.array(one.best) for one in drawn]
        tried = [np.array(one.tried) for one in drawn if one.tried]
        level = [np.array([one.us for one in found.strategies] + [found.optimum_us or np.nan])]
        most = [np.array([float(np.percentile(part, MOST_TRIED))]) for part in tried]
        first, last = limits(xs, 0.0)
        self.pane.set_ranges((first, last), limits([*seen, *level, *most]), (0, 1))

    def _show_legend(self, found: Optimisation) -> None:
        entries = []
        for one in found.strategies:
            mark: Mark = "line" if len(one.x) > 1 else "dash"
            entries.append(Entry(one.name, one.name, self.token(one.name), mark, one.name not in self.hidden))
        if found.optimum_us:
            entries.append(Entry(OPTIMUM, "exact optimum", "green", "dash", OPTIMUM not in self.hidden))
        self.legend.show_entries(entries)

    def _switch(self, key: str, is_on: bool) -> None:
        self.hidden = self.hidden - {key} if is_on else self.hidden | {key}
        self._draw()

    def _words(self, x: float) -> str:
        """The best times up to a place."""
        if self.found is None:
            return ""
        rows = [f"{self.found.unit} {max(round(x), 0)}"]
        for one in self.found.strategies:
            known = [best for at, best in zip(one.x, one.best, strict=True) if at <= x]
            if known and one.name not in self.hidden:
                rows.append(f"{one.name} {known[-1]:,.1f} µs")
        return "\n".join(rows)

    def table_rows(self) -> list[Sequence[object]]:
        """Every try of every way of searching."""
        if self.found is None:
            return []
        rows: list[Sequence[object]] = [("search", self.found.unit, "best / us", "tried / us")]
        for one in self.found.strategies:
            tried = (*one.tried, *[""] * (len(one.x) - len(one.tried)))
            rows += [(one.name, *point) for point in zip(one.x, one.best, tried, strict=True)]
        return rows

    def resizeEvent(self, event: object) -> None:
        """A small card shows the lines alone."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        is_tall = self.height() >= TALL_PX
        self.chart.show_names(is_tall)
        self.legend.setVisible(is_tall)
        self.note.setVisible(is_tall)

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.restyle()
        self._draw()


def strategy_words(one: Strategy) -> str:
    """ "q-learning 16.0 µs (+0.4 %)"."""
    regret = f" ({one.regret:+.1%})" if one.regret is not None else ""
    return f"{one.name} {one.us:,.1f} µs{regret}"
