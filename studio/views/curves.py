"""Training curves as they come: losses at the left, accuracies at the right, other figures in strips below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel

from engine.artifact import Artifact, Model
from engine.console import duration
from engine.errors import OssicleError
from engine.evidence import rows_of_curves
from studio.look import theme
from studio.run.state import NodeState
from studio.views.chart import Chart, Pane, dot, label
from studio.views.data.curves import (
    LOSS,
    RATE,
    SHARE,
    Best,
    Curve,
    Floats,
    Progress,
    Row,
    Scale,
    Track,
    Tracks,
    best_point,
    figure,
    is_validation,
    limits,
    progress_of,
    scale_of,
    spoken,
    stem_of,
    token_of,
    value_near,
)
from studio.views.legend import Entry, Legend, Mark
from studio.views.parts import ElidedLabel, LoadedCard
from studio.views.viewer import Scene, viewer

__all__ = ["Curve", "CurvesCard"]

CURVES_FILE: Final = "curves.json"
MOST_EARLIER: Final = 6
MAIN: Final = "main"
NARROW_PX: Final = 460
OTHER_TITLE: Final = "So far"
"""Where what comes step by step is no training: a search, say."""


@dataclass(frozen=True)
class Stored:
    """The curves of a trained model."""

    rows: list[Row]
    earlier: tuple[Curve, ...]
    selected: float | None
    """Where the kept weights stand, in the unit of the x axis."""


def has_curves(artifact: Artifact) -> bool:
    """Whether the model was trained by a node that keeps its curves."""
    return (artifact.path / CURVES_FILE).is_file()


def read_curves(artifact: Artifact, scene: Scene) -> Stored:
    """The curves of a model and of its earlier runs."""
    raw = artifact.json(CURVES_FILE)
    earlier = tuple(
        Curve(f"earlier {number}", rows_of_curves(item.json(CURVES_FILE)))
        for number, item in enumerate(scene.earlier[:MOST_EARLIER], 1)
        if has_curves(item) and item.path != artifact.path
    )
    rows = rows_of_curves(raw)
    if not rows:
        raise OssicleError("curves.json holds no points", "one point per validation", "Train for at least one epoch")
    return Stored(rows, earlier, _selected(raw, rows))


def _selected(raw: Any, rows: Sequence[Row]) -> float | None:
    step = raw.get("selected_step") if isinstance(raw, dict) else None
    chosen = next((row for row in rows if row.get("step") == step), None) if step is not None else None
    return float(chosen.get("epoch", chosen["step"])) if chosen is not None else None


@viewer(Model, "Training", fits=has_curves)
class CurvesCard(LoadedCard):
    """Curves of one node, appended to as rows come; earlier runs pale behind."""

    title = "Training"
    reader = staticmethod(read_curves)

    def __init__(self) -> None:
        super().__init__()
        self.node = ""
        self.tracks = Tracks()
        self.earlier: tuple[tuple[str, Tracks], ...] = ()
        self.best: Best | None = None
        self.hidden: set[str] = {"learning_rate"}
        self._chosen_at: float | None = None
        self._progress: Progress | None = None
        self._seconds = 0.0
        self.chart = Chart("Training curves")
        self.chart.words = self._words
        self.main = self.chart.pane(MAIN, share=3)
        self.main.use_right()
        self.mark, self.mark_text = dot(), label()
        self._mark_home: Any = None
        self.legend = Legend(rows=2)
        self.legend.switched.connect(self._switch)
        self.note = ElidedLabel()
        self.note.setObjectName("faint")
        self.note.setFont(theme.font(11))
        self.progress = QLabel()
        self.progress.setObjectName("faint")
        self.progress.setFont(theme.font(11))
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.legend, 1)
        foot.addWidget(self.progress, 0, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        self.inner.addWidget(self.chart, 1)
        self.inner.addLayout(foot)
        self.inner.addWidget(self.note)
        self._arrange()
        self.say("Curves appear here with the first figures.")

    # ---- what is shown

    def show_rows(self, node: str, rows: Sequence[Row], earlier: Sequence[Curve] = ()) -> None:
        """Show the metric rows of a node; rows that were shown before are not read again."""
        if node != self.node:
            self.node, self._chosen_at, self._progress, self._seconds = node, None, None, 0.0
            self.tracks = Tracks()
        self.tracks.follow(rows)
        names = tuple(curve.run for curve in earlier[:MOST_EARLIER])
        if names != tuple(run for run, _ in self.earlier):
            self.earlier = tuple((curve.run, _tracks_of(curve)) for curve in earlier[:MOST_EARLIER])
        self.say("" if self.tracks.tracks else "Curves appear here with the first figures.")
        self._draw()

    def show_state(self, state: NodeState) -> None:
        """Show how far the node is ("epoch 13 of 20") and how long it has taken."""
        self._seconds = state.seconds
        self._progress = progress_of(state.text) or self._progress
        self._tell()
        self._set_ranges()

    def show_data(self, data: Stored) -> None:
        """Show the stored curves of a model."""
        self.node = ""
        self.show_rows(self.scene.node or "model", data.rows, data.earlier)
        self._chosen_at = data.selected
        last = data.rows[-1]
        self._progress = Progress(self.tracks.x_name, _place(last), _place(last))
        self._draw()

    def clear(self) -> None:
        """Nothing to show."""
        super().clear()
        self.node, self.tracks, self.earlier = "", Tracks(), ()
        self._draw()

    # ---- drawing

    @property
    def shown(self) -> dict[str, Track]:
        """Metrics that are switched on."""
        return {name: track for name, track in self.tracks.tracks.items() if name not in self.hidden}

    def _sides(self) -> tuple[Scale | None, Scale | None]:
        """The scales of the main pane: losses left and shares right, else the first two there are."""
        scales = list(dict.fromkeys(scale_of(name) for name in self.tracks.tracks if scale_of(name) != RATE))
        right = SHARE if SHARE in scales else None
        rest = [scale for scale in scales if scale != SHARE]
        left = LOSS if LOSS in rest else next(iter(rest), None)
        if right is None:
            right = next((scale for scale in rest if scale != left), None)
        return left, right

    def _draw(self) -> None:
        left, right = self._sides()
        keys: dict[str, set[str]] = {MAIN: set()}
        for name, track in self.shown.items():
            scale = scale_of(name)
            pane_key = MAIN if scale in (left, right) else scale.name
            pane = self.chart.pane(pane_key)
            keys.setdefault(pane_key, set()).add(name)
            line = pane.line(name, on_right=scale == right and pane_key == MAIN)
            line.show(
                track.x,
                track.shown(scale),
                self.token(name),
                is_dashed=not is_validation(name) and self._has_twin(name),
            )
            keys[pane_key] |= self._draw_earlier(pane, name, scale, on_right=scale == right and pane_key == MAIN)
        for pane_key, pane in list(self.chart.panes.items()):
            pane.keep(keys.get(pane_key, ()))
            if pane_key not in keys:
                self.chart.drop(pane_key)
        self._name_axes(left, right)
        self._mark_best(right)
        self._set_ranges()
        self._show_legend()
        self._tell()

    def _draw_earlier(self, pane: Pane, name: str, scale: Scale, *, on_right: bool) -> set[str]:
        keys = set()
        for run, tracks in self.earlier:
            track = tracks.tracks.get(name)
            if track is not None and f"run:{run}" not in self.hidden:
                key = f"{run}:{name}"
                keys.add(key)
                if key not in pane.lines:  # an earlier run does not change any more
                    pane.line(key, on_right=on_right).show(track.x, track.shown(scale), self.token(name), is_pale=True)
        return keys

    def token(self, name: str) -> str:
        """A metric's colour: one per thing measured, the same for training and validation."""
        return token_of(name, self.tracks.tracks)

    def _has_twin(self, name: str) -> bool:
        """Whether the same was measured on validation clips, too."""
        return any(is_validation(other) and stem_of(other) == stem_of(name) for other in self.tracks.tracks)

    def _name_axes(self, left: Scale | None, right: Scale | None) -> None:
        named = {scale_of(name): self.token(name) for name in reversed(self.tracks.tracks)}
        for key, pane in self.chart.panes.items():
            scale = left if key == MAIN else next((s for s in named if s.name == key), None)
            pane.name_axes(left=_axis(scale, named), bottom=(self.tracks.x_name, "mute"))
        self.main.name_axes(right=_axis(right, named))
        self.main.plot.getAxis("right").setStyle(showValues=right is not None)

    def _mark_best(self, right: Scale | None) -> None:
        self.best = best_point(self.shown, self._chosen_at)
        is_seen = self.best is not None and len(self.tracks.tracks[self.best.metric].x) > 1
        self.mark.setVisible(is_seen)
        self.mark_text.setVisible(is_seen)
        if self.best is None:
            return
        on_right = scale_of(self.best.metric) == right
        if self._mark_home is not on_right:
            for item in (self.mark, self.mark_text):
                if item.scene() is not None:
                    (self.main.right if self._mark_home else self.main.plot).removeItem(item)
                self.main.add(item, on_right=on_right)
            self._mark_home = on_right
        colour = theme.colour(self.token(self.best.metric))
        self.mark.setData([self.best.x], [self.best.y], brush=colour, pen=theme.colour("canvas"))
        self.mark.setZValue(20)
        self.mark_text.setText(figure(self.best.y, scale_of(self.best.metric)))
        self.mark_text.setColor(theme.colour("text"))
        is_right_half = self.best.x > 0.6 * self._x_range()[1]
        is_low = scale_of(self.best.metric).best == "low"
        self.mark_text.setAnchor((1.05 if is_right_half else -0.05, 1.15 if is_low else -0.15))
        self.mark_text.setPos(self.best.x, self.best.y)

    def _x_range(self) -> tuple[float, float]:
        ends = [float(track.x[-1]) for track in self.tracks.tracks.values() if track.count]
        starts = [float(track.x[0]) for track in self.tracks.tracks.values() if track.count]
        first, last = min(starts, default=0.0), max(ends, default=1.0)
        if self._progress is not None and self._progress.unit == self.tracks.x_name:
            last = max(last, self._progress.total)
        return (first if last > first else first - 0.5), (last + 0.02 * (last - first) if last > first else last + 0.5)

    def _set_ranges(self) -> None:
        left, right = self._sides()
        x = self._x_range()
        for key, pane in self.chart.panes.items():
            scales = (left, right) if key == MAIN else (None, None)
            spans = []
            for scale in scales:
                spans.append(limits(self._values(scale)) if scale is not None else (0.0, 1.0))
            if key != MAIN:
                named = [name for name in self.shown if scale_of(name).name == key]
                spans[0] = limits([self.shown[name].shown(scale_of(name)) for name in named])
            pane.set_ranges(x, spans[0], spans[1])

    def _values(self, scale: Scale) -> list[Floats]:
        own = [track.shown(scale) for name, track in self.shown.items() if scale_of(name) == scale]
        old = [
            track.shown(scale)
            for run, tracks in self.earlier
            for name, track in tracks.tracks.items()
            if scale_of(name) == scale and name in self.shown and f"run:{run}" not in self.hidden
        ]
        return own + old

    # ---- words

    def _show_legend(self) -> None:
        left, right = self._sides()
        place = {scale: number for number, scale in enumerate((left, right))}
        first = self._headline() if self.width() < NARROW_PX else []
        order = {name: (name not in first, place.get(scale_of(name), 9), stem_of(name)) for name in self.tracks.tracks}
        names = sorted(order, key=order.__getitem__)
        entries = [
            Entry(name, self._short(name), self.token(name), self._mark(name), name not in self.hidden, spoken(name))
            for name in names
        ]
        entries += [
            Entry(f"run:{run}", run, "mute", "pale", f"run:{run}" not in self.hidden) for run, _ in self.earlier
        ]
        self.legend.show_entries(entries)

    def _mark(self, name: str) -> Mark:
        return "dash" if not is_validation(name) and self._has_twin(name) else "line"

    def _short(self, name: str) -> str:
        is_narrow = self.width() < NARROW_PX
        return spoken(name).replace("validation", "val.").replace("learning ", "") if is_narrow else spoken(name)

    def _switch(self, key: str, is_on: bool) -> None:
        self.hidden = self.hidden - {key} if is_on else self.hidden | {key}
        self._draw()

    def _tell(self) -> None:
        is_training = any(scale_of(name) in (LOSS, SHARE, RATE) for name in self.tracks.tracks)
        self.heading.setText(self.title if is_training or not self.tracks.tracks else OTHER_TITLE)
        self.subtitle.setText(" · ".join(filter(None, (self.node, ", ".join(map(spoken, self._headline()))))))
        done, total = self._last(), self._x_range()[1]
        if self._progress is not None:
            done, total = self._progress.done, self._progress.total
        unit = self._progress.unit if self._progress is not None else self.tracks.x_name
        self.progress.setText(
            f"{unit} {done:,.0f} of {total:,.0f}" if self._progress is not None else f"{unit} {done:,.0f}"
        )
        told = [duration(self._seconds)] if self._seconds else []
        if self.best is not None:
            value = figure(self.best.y, scale_of(self.best.metric))
            told.append(f"best {spoken(self.best.metric)} {value} at {self.tracks.x_name} {self.best.x:,.0f}")
        self.note.setText(" · ".join(told))
        self.progress.setToolTip(self.note.text())

    def _headline(self) -> list[str]:
        names = list(self.shown)
        judged = [name for name in names if is_validation(name) and scale_of(name) == SHARE]
        return [*(name for name in names if name == "loss"), *judged] or names[:2]

    def _last(self) -> float:
        return max((float(track.x[-1]) for track in self.tracks.tracks.values() if track.count), default=0.0)

    def _words(self, x: float) -> str:
        """Values at a place, a line each."""
        lines = []
        for name, track in self.shown.items():
            if track.count:
                index = value_near(track, x)
                scale = scale_of(name)
                lines.append(f"{spoken(name):<20} {figure(float(track.shown(scale)[index]), scale):>9}")
                where = float(track.x[index])
        return "\n".join([f"{self.tracks.x_name} {where:g}", *lines]) if lines else ""

    def table_rows(self) -> list[Sequence[object]]:
        """All points as a table."""
        tracks = self.tracks.tracks
        places = sorted({float(x) for track in tracks.values() for x in track.x})
        known = {name: dict(zip(track.x.tolist(), track.y.tolist(), strict=True)) for name, track in tracks.items()}
        return [(self.tracks.x_name, *tracks), *((x, *(known[name].get(x, "") for name in tracks)) for x in places)]

    def resizeEvent(self, event: object) -> None:
        """A small card leaves the room to the lines."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        self.chart.show_names(self.height() >= 300)
        self.note.setVisible(self.height() >= 300)
        self.legend.set_rows(1 if self.height() < 300 else 2)
        self._show_legend()

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.restyle()
        self._mark_best(self._sides()[1])


def _axis(scale: Scale | None, tokens: Mapping[Scale, str]) -> tuple[str, str]:
    """An axis' name and its colour: that of its lines."""
    return ("", "mute") if scale is None else (scale.label, tokens.get(scale, "mute"))


def _tracks_of(curve: Curve) -> Tracks:
    found = Tracks()
    found.follow(curve.rows)
    return found


def _place(row: Mapping[str, float]) -> float:
    return float(row.get("epoch", row.get("step", 0.0)))
