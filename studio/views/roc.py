"""ROC and DET curves per class and over all classes, areas, and what a threshold does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSlider

from engine.artifact import Artifact, FeatureSet, Model, Report
from studio.look import theme
from studio.views.chart import Chart, dot, ticks_of
from studio.views.data.document import top_level
from studio.views.data.roc import (
    DET_HIGH,
    DET_LOW,
    DET_TICKS,
    MICRO,
    Floats,
    Operating,
    RocCurve,
    clip_seconds,
    corners,
    curves,
    det,
    deviates,
    operate,
)
from studio.views.legend import Entry, Legend
from studio.views.parts import Choice, ElidedLabel, LoadedCard
from studio.views.viewer import Scene, viewer

ARRAYS_FILE, REPORT_FILE = "arrays.npz", "report.json"
TOKENS: Final = ("blue", "teal", "violet", "rose", "lime", "mute")
STEPS: Final = 1000
MOST_LINES: Final = 12
"""Classes whose curves are shown from the start; the others by a click on the legend."""
NARROW_PX: Final = 460


@dataclass(frozen=True)
class Curves:
    """What the card shows; `clip_s` is None where the clips' length is not known."""

    curves: tuple[RocCurve, ...]
    clip_s: float | None
    title: str


def has_scores(artifact: Artifact) -> bool:
    """Whether a report keeps the scores of every clip."""
    return (artifact.path / ARRAYS_FILE).is_file() and top_level(artifact.path / REPORT_FILE, "classes")


def read_scores(artifact: Artifact, scene: Scene) -> Curves:
    """Curves from the scores in arrays.npz."""
    raw = artifact.json(REPORT_FILE)
    with np.load(artifact.file(ARRAYS_FILE), allow_pickle=False) as arrays:
        probabilities, truth = arrays["probabilities"], arrays["truth"]
    found = curves(probabilities, truth, tuple(map(str, raw["classes"])))
    return Curves(tuple(found), _clip_s(scene), scene.node)


def _clip_s(scene: Scene) -> float | None:
    for kind in (FeatureSet, Model):
        found = scene.find(kind)
        seconds = clip_seconds(getattr(found.meta, "front_end", {})) if found is not None else None
        if seconds is not None:
            return seconds
    return None


@viewer(Report, "ROC", fits=has_scores)
class RocCard(LoadedCard):
    """Curves with one operating point that a slider moves."""

    title = "ROC"
    reader = staticmethod(read_scores)

    def __init__(self) -> None:
        super().__init__()
        self.data: Curves | None = None
        self.hidden: set[str] = set()
        self.chart = Chart("ROC curves")
        self.pane = self.chart.pane("main")
        self.chart.words = self._words
        self.point = dot(10)
        self.pane.add(self.point)
        self.form = Choice("Form", (("roc", "ROC"), ("det", "DET")))
        self.form.changed.connect(self._draw)
        self.target = QComboBox()
        self.target.setAccessibleName("Class of the operating point")
        self.target.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.target.activated.connect(self._move)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Threshold")
        self.slider.setRange(0, STEPS)
        self.slider.setValue(STEPS // 2)
        self.slider.valueChanged.connect(self._move)
        self.words = ElidedLabel()
        self.words.setFont(theme.font(11, monospace=True))
        self.legend = Legend(rows=2)
        self.legend.switched.connect(self._switch)
        self._build()

    def _build(self) -> None:
        knob = QHBoxLayout()
        knob.setSpacing(8)
        self.knob_name = QLabel("threshold")
        self.knob_name.setObjectName("mute")
        for widget, stretch in ((self.knob_name, 0), (self.slider, 2), (self.target, 0), (self.form, 0)):
            knob.addWidget(widget, stretch)
        self.inner.addWidget(self.chart, 1)
        self.inner.addWidget(self.legend)
        self.inner.addLayout(knob)
        self.inner.addWidget(self.words)
        self.offer(self.form)
        self._arrange()

    def show_data(self, data: Curves) -> None:
        """Show curves."""
        self.data = data
        self.hidden = {found.name for found in self._worst_last()[MOST_LINES:]}
        self.target.clear()
        self.target.addItems([found.name for found in data.curves])
        if data.curves:
            self.slider.setValue(round(STEPS * data.curves[0].equal_threshold))
        self._draw()
        self._arrange()

    def _worst_last(self) -> list[RocCurve]:
        """All classes pooled, then the classes with the smallest area: what needs looking at first."""
        found = self.data.curves if self.data is not None else ()
        return sorted(found, key=lambda item: (item.name != MICRO, item.area))

    @property
    def is_det(self) -> bool:
        """Whether the axes are normal deviates."""
        return self.form.value == "det"

    def _places(self, found: RocCurve) -> tuple[Floats, Floats]:
        return det(found) if self.is_det else corners(found)

    def _draw(self, *_: object) -> None:
        if self.data is None:
            return
        shown = [found for found in self.data.curves if found.name not in self.hidden]
        for found in shown:
            x, y = self._places(found)
            line = self.pane.line(found.name)
            line.show(x, y, self._token(found.name))
        keys = {found.name for found in shown}
        keys |= self._draw_chance()
        self.pane.keep(keys)
        self._set_axes()
        entries = [self._entry(found) for found in self._worst_last()]
        self.legend.show_entries(entries)
        self._move()

    def _entry(self, found: RocCurve) -> Entry:
        tip = f"{found.name}: area {found.area:.4f}, equal error {found.equal_error:.1%}"
        is_on = found.name not in self.hidden
        return Entry(found.name, f"{found.name} {found.area:.3f}", self._token(found.name), "line", is_on, tip)

    def _draw_chance(self) -> set[str]:
        if self.is_det:
            return set()
        ends = np.array([0.0, 1.0])
        self.pane.line("chance").show(ends, ends, "mute", is_pale=True)
        return {"chance"}

    def _set_axes(self) -> None:
        names = ("false alarms", "misses") if self.is_det else ("false alarms / %", "found / %")
        self.pane.name_axes(bottom=(names[0], "mute"), left=(names[1], "mute"))
        marks: Any = ticks_of(DET_TICKS) if self.is_det else ticks_of({k / 5: f"{20 * k}" for k in range(6)})
        for side in ("bottom", "left"):
            self.pane.plot.getAxis(side).setTicks(marks)
        low, high = deviates(np.array([DET_LOW, DET_HIGH])) if self.is_det else (-0.005, 1.01)
        span = (float(low), float(high))
        self.pane.set_ranges(span, span, (0, 1))

    def _token(self, name: str) -> str:
        if name == MICRO or self.data is None:
            return "accent"
        names = [found.name for found in self.data.curves if found.name != MICRO]
        return TOKENS[names.index(name) % len(TOKENS)]

    def _switch(self, key: str, is_on: bool) -> None:
        self.hidden = self.hidden - {key} if is_on else self.hidden | {key}
        self._draw()

    # ---- the operating point

    @property
    def operating(self) -> Operating | None:
        """What the present threshold does to the chosen class."""
        found = self._chosen()
        if found is None or self.data is None:
            return None
        clip_s = self.data.clip_s if found.name != MICRO else None
        return operate(found, self.slider.value() / STEPS, clip_s)

    def _chosen(self) -> RocCurve | None:
        index = self.target.currentIndex()
        return self.data.curves[index] if self.data is not None and 0 <= index < len(self.data.curves) else None

    def _move(self, *_: object) -> None:
        found, at = self._chosen(), self.operating
        if found is None or at is None or self.data is None:
            return
        x, y = (at.false_alarm, at.hit)
        if self.is_det:
            x, y = (float(v) for v in deviates(np.array([at.false_alarm, 1 - at.hit])))
        self.point.setData([x], [y], brush=theme.colour(self._token(found.name)), pen=theme.colour("text"))
        self.point.setZValue(20)
        self.words.setText(f"{found.name} · {at.words}")
        told = (self.data.title, f"area {found.area:.3f}", f"equal error {found.equal_error:.1%}")
        self.subtitle.setText(" · ".join(filter(None, told)))

    def _words(self, x: float) -> str:
        """Rates of the shown curves at a false alarm rate."""
        if self.data is None or self.is_det or not 0 <= x <= 1:
            return ""
        shown = [found for found in self._worst_last() if found.name not in self.hidden][:10]
        lines = [f"{found.name:<14.14} {np.interp(x, found.false_alarm, found.hit):>7.1%}" for found in shown]
        return "\n".join([f"false alarms {x:.1%}", *lines])

    # ---- the rest

    def table_rows(self) -> list[Sequence[object]]:
        """All points as a table."""
        head = ("class", "threshold", "false alarm rate", "hit rate")
        rows = [
            (found.name, float(t), float(x), float(y))
            for found in (self.data.curves if self.data is not None else ())
            for t, x, y in zip(found.threshold, found.false_alarm, found.hit, strict=True)
        ]
        return [head, *rows]

    def resizeEvent(self, event: object) -> None:
        """A small card keeps the curves and the slider."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        is_wide, is_tall = self.width() >= NARROW_PX, self.height() >= 300
        self.chart.show_names(is_tall)
        self.legend.setVisible(is_tall)
        self.target.setVisible(is_wide)
        self.knob_name.setVisible(is_wide)
        self.words.setVisible(is_tall)

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.restyle()
        self._move()
