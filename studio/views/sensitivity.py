"""Fixed point in pictures: every layer rounded alone, and of a tensor what its format rests on (S3 Fig. 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout

from engine.artifact import Artifact, Report
from studio.look import theme
from studio.views.bars import BarRow, Bars, scrolled
from studio.views.chart import Chart, Pane, ticks_of
from studio.views.data.document import is_of_kind
from studio.views.data.sensitivity import KIND, REPORT_FILE, Layer, Sensitivity, Tensor, parse
from studio.views.legend import Entry, Legend
from studio.views.parts import Choice, LoadedCard
from studio.views.viewer import Scene, viewer

LEAST_SHARE: Final = 1e-7
"""Where the axis of overload ends; no overload at all is drawn there."""
LEAST_BAR: Final = 0.005
RULES: Final = {"sqnr": ("best SQNR", "teal"), "overload": ("overload threshold", "gold")}
WIDE_PX, TALL_PX = 380, 250


def is_sensitivity(artifact: Artifact) -> bool:
    """Whether a report is that of the sensitivity node."""
    return is_of_kind(artifact.path / REPORT_FILE, KIND)


def read_sensitivity(artifact: Artifact, _scene: Scene) -> Sensitivity:
    """The report."""
    return parse(artifact.json(REPORT_FILE))


# ---- layers


@viewer(Report, "Layers alone", fits=is_sensitivity)
class LayersAloneCard(LoadedCard):
    """A bar per layer: what is lost, or how loud the noise is, when it alone is rounded."""

    title = "Layers alone"
    reader = staticmethod(read_sensitivity)

    def __init__(self) -> None:
        super().__init__()
        self.found: Sensitivity | None = None
        self.chart = Bars("Cost of rounding one layer", "rose")
        self.measure = Choice("Measure", (("noise", "noise"), ("answers", "answers"), ("accuracy", "accuracy")))
        self.order = Choice("Order", (("network", "as in the network"), ("worst", "worst first")))
        for choice in (self.measure, self.order):
            choice.changed.connect(self._draw)
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.measure)
        foot.addStretch(1)
        foot.addWidget(self.order)
        self.inner.addWidget(scrolled(self.chart), 1)
        self.inner.addLayout(foot)
        self.offer(self.measure, self.order)

    def show_data(self, data: Sensitivity) -> None:
        """Show a report."""
        self.found = data
        told = f"{data.bits} bits · float {data.exact:.1%}, all in integers {data.rounded:.1%}"
        self.subtitle.setText(told)
        self._draw()

    def _draw(self, *_: object) -> None:
        if self.found is not None:
            rows = [bar_of(layer, self.measure.value) for layer in self.found.layers]
            if self.order.value == "worst":
                rows.sort(key=lambda row: -(row.value or 0.0))
            self.chart.show_rows(rows)

    def resizeEvent(self, event: object) -> None:
        """Choices need room; the menu has them, too."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self.measure.setVisible(self.width() >= WIDE_PX)
        self.order.setVisible(self.width() >= 1.5 * WIDE_PX)

    def table_rows(self) -> list[Sequence[object]]:
        """Every layer."""
        layers = self.found.layers if self.found is not None else ()
        head = ("layer", "operator", "accuracy", "lost", "agreement", "sqnr db")
        return [head, *((one.name, one.operator, one.accuracy, one.lost, one.agreement, one.sqnr_db) for one in layers)]

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.update()


def bar_of(layer: Layer, measure: str) -> BarRow:
    """The row of a layer; noise as its share of the logits' amplitude, so that longer is worse."""
    note = "\n".join(
        [
            f"{layer.name} · {layer.operator}",
            f"accuracy {layer.accuracy:.2%}, {layer.lost:+.2%} lost",
            f"{layer.agreement:.2%} of the answers as in float",
            "no noise in the logits"
            if layer.sqnr_db is None
            else f"{layer.sqnr_db:.1f} dB of logits above their noise",
        ]
    )
    if measure == "noise":
        share = 0.0 if layer.sqnr_db is None else 10.0 ** (-layer.sqnr_db / 20.0)
        end = "none" if layer.sqnr_db is None else f"{layer.sqnr_db:.1f} dB"
        return BarRow(layer.name, share, end=end, note=note)
    if measure == "answers":
        changed = 1.0 - layer.agreement
        return BarRow(layer.name, changed, end=f"{changed:.2%} changed", note=note)
    return BarRow(layer.name, max(layer.lost, 0.0), end=f"{layer.accuracy:.2%}", note=note)


# ---- tensors


@viewer(Report, "Values between powers of two", fits=is_sensitivity)
class TensorCard(LoadedCard):
    """One tensor: its histogram, what overflows and what rounding costs, over the same powers of two."""

    title = "Values between powers of two"
    reader = staticmethod(read_sensitivity)

    def __init__(self) -> None:
        super().__init__()
        self.found: Sensitivity | None = None
        self.choice = QComboBox()
        self.choice.setAccessibleName("Which tensor")
        self.choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.choice.activated.connect(self._draw)
        self.chart = Chart("Values, overload and rounding noise over powers of two")
        self.chart.words = self.words
        self.values = self.chart.pane("values")
        self.overload = self.chart.pane("overload")
        self.noise = self.chart.pane("noise")
        self.bars: Any = self.values.add(pg.BarGraphItem(x=[], height=[], width=0.9))
        self.marks = {
            (name, rule): pane.add(pg.InfiniteLine(angle=90, movable=False))
            for name, pane in self._panes().items()
            for rule in RULES
        }
        self.legend = Legend(rows=1, is_switch=False)
        self.inner.addWidget(self.choice, 0, Qt.AlignmentFlag.AlignLeft)
        self.inner.addWidget(self.chart, 1)
        self.inner.addWidget(self.legend)
        self._arrange()

    def _panes(self) -> dict[str, Pane]:
        return {"values": self.values, "overload": self.overload, "noise": self.noise}

    @property
    def shown(self) -> Tensor | None:
        """The tensor that is chosen."""
        index = self.choice.currentIndex()
        return self.found.tensors[index] if self.found is not None and 0 <= index < len(self.found.tensors) else None

    def show_data(self, data: Sensitivity) -> None:
        """Show a report, its first tensor chosen."""
        self.found = data
        self.choice.clear()
        self.choice.addItems([tensor.name for tensor in data.tensors])
        self._draw()

    def choose(self, name: str) -> None:
        """Show the tensor of a name."""
        self.choice.setCurrentText(name)
        self._draw()

    def _draw(self, *_: object) -> None:
        tensor, found = self.shown, self.found
        if tensor is None or found is None:
            return
        self.subtitle.setText(words_of(tensor))
        self._draw_values(tensor)
        share = np.maximum(tensor.overload, LEAST_SHARE)
        self.overload.line("overload").show(tensor.integers, np.log10(share), "rose")
        span = _span(tensor)
        ends = np.array(span)
        self.overload.line("threshold").show(ends, np.full(2, np.log10(found.threshold)), "mute", is_dashed=True)
        self.noise.line("noise").show(tensor.integers, tensor.sqnr_db, "blue")
        self._draw_marks(tensor)
        self._name_axes(tensor, span)
        entries = [
            Entry(rule, f"{name}: {tensor.rules[rule]} integer bits", token, "line")
            for rule, (name, token) in RULES.items()
            if rule in tensor.rules
        ]
        self.legend.show_entries(entries)

    def _draw_values(self, tensor: Tensor) -> None:
        """Bars between the powers of two: that of e covers e - 1 to e."""
        share = tensor.counts / max(tensor.counts.sum() + tensor.zeros, 1.0)
        self.bars.setOpts(
            x=tensor.exponents - 0.5, height=share, width=0.9, brush=theme.colour("teal", 0.6), pen=pg.mkPen(None)
        )

    def _draw_marks(self, tensor: Tensor) -> None:
        for (_name, rule), mark in self.marks.items():
            mark.setVisible(rule in tensor.rules)
            style = Qt.PenStyle.DashLine if rule == "overload" else Qt.PenStyle.SolidLine
            mark.setPen(pg.mkPen(theme.colour(RULES[rule][1]), width=1.6, style=style))
            mark.setPos(tensor.rules.get(rule, 0))

    def _name_axes(self, tensor: Tensor, span: tuple[float, float]) -> None:
        names = {"values": "share of values", "overload": "log₁₀ P(overload)", "noise": "SQNR (dB)"}
        for key, pane in self._panes().items():
            pane.name_axes(bottom=("power of two, integer bits", "mute"), left=(names[key], "mute"))
            pane.plot.getAxis("bottom").setTicks(ticks_of(_marks(span)))
        share = tensor.counts / max(tensor.counts.sum() + tensor.zeros, 1.0)
        ratios = tensor.sqnr_db[np.isfinite(tensor.sqnr_db)]
        low, high = (float(ratios.min()), float(ratios.max())) if len(ratios) else (0.0, 1.0)
        room = max(0.05 * (high - low), 1.0)
        self.values.set_ranges(span, (0.0, 1.1 * float(share.max(initial=0.0)) or 1.0), (0, 1))
        self.overload.set_ranges(span, (np.log10(LEAST_SHARE), 0.2), (0, 1))
        self.noise.set_ranges(span, (low - room, high + room), (0, 1))

    def words(self, x: float) -> str:
        """What is known of the power of two at the pointer."""
        tensor = self.shown
        if tensor is None or not len(tensor.integers):
            return ""
        place = int(np.abs(tensor.integers - x).argmin())
        integer = int(tensor.integers[place])
        fraction = tensor.bits - 1 - integer
        told = [f"{integer} integer bits, {fraction} behind the point", f"overload {tensor.overload[place]:.3g}"]
        ratio = tensor.sqnr_db[place]
        return "\n".join([*told, "no error" if np.isnan(ratio) else f"SQNR {ratio:.1f} dB"])

    def table_rows(self) -> list[Sequence[object]]:
        """The curves of the chosen tensor."""
        tensor = self.shown
        if tensor is None:
            return []
        counts = dict(zip(tensor.exponents.tolist(), tensor.counts.tolist(), strict=True))
        rows = zip(tensor.integers.tolist(), tensor.overload.tolist(), tensor.sqnr_db.tolist(), strict=True)
        head = ("tensor", "integer bits", "values below 2^i", "overload", "sqnr db")
        return [head, *((tensor.name, int(i), int(counts.get(i, 0)), share, ratio) for i, share, ratio in rows)]

    def resizeEvent(self, event: object) -> None:
        """A small card shows the curves without names."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        is_tall = self.height() >= TALL_PX
        self.chart.show_names(is_tall)
        self.legend.setVisible(is_tall)

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.restyle()
        self._draw()


def words_of(tensor: Tensor) -> str:
    """A tensor in a line: its format, its largest value, how many are zero."""
    if tensor.is_constant:
        return f"{tensor.bits} bits · all values are the same: nothing passes here"
    total = float(tensor.counts.sum()) + tensor.zeros
    zeros = f" · {tensor.zeros / total:.0%} zeros" if tensor.zeros else ""
    point = f"{tensor.integer} before and {tensor.fraction} behind the point"
    return f"{tensor.bits} bits, {point} · up to {tensor.largest:.3g}{zeros}"


def _marks(span: tuple[float, float]) -> dict[float, str]:
    """At most about a dozen powers of two."""
    step = max(1, round((span[1] - span[0]) / 12))
    return {float(power): str(power) for power in range(-64, 65, step) if span[0] <= power <= span[1]}


def _span(tensor: Tensor) -> tuple[float, float]:
    """Powers of two from the first curve or bar to the last; bars too low to be seen do not count."""
    seen = tensor.exponents[tensor.counts >= LEAST_BAR * tensor.counts.max(initial=0.0)]
    places = np.concatenate([tensor.integers, seen])
    return (float(places.min()) - 1.0, float(places.max()) + 0.5) if len(places) else (-1.0, 1.0)
