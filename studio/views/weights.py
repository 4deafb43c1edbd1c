"""Weights and activations of a Model, layer by layer, with the ranges that 8 bits cover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QComboBox, QHBoxLayout

from engine.artifact import Model
from engine.console import size
from studio.look import theme
from studio.views.chart import Chart
from studio.views.data.network import LayerFacts
from studio.views.data.weights import (
    HEADERS,
    Shown,
    Weights,
    activation_shown,
    read_weights,
    table,
    weights_shown,
)
from studio.views.parts import Choice, ElidedLabel, LoadedCard, side_by_side
from studio.views.table import Table, shown
from studio.views.viewer import viewer

WIDE_PX: Final = 640


@viewer(Model, "Weights")
class WeightsCard(LoadedCard):
    """A list of layers, and the histogram of the chosen one."""

    title = "Weights"
    reader = staticmethod(read_weights)

    def __init__(self) -> None:
        super().__init__()
        self.data: Weights | None = None
        self.layer: LayerFacts | None = None
        self._shown: Shown | None = None
        self._marks: list[Any] = []
        self.list = Table("Layers")
        self.list.chosen.connect(self._row_chosen)
        self.chart = Chart("Histogram")
        self.pane = self.chart.pane("main")
        self.bars = pg.PlotDataItem(stepMode="center", fillLevel=0)
        self.pane.add(self.bars)
        self.chart.words = self._words
        self.of = Choice("Values", (("weights", "weights"), ("outputs", "outputs")))
        self.scale = Choice("Counts", (("linear", "linear"), ("log", "log")))
        for choice in (self.of, self.scale):
            choice.changed.connect(self._draw)
        self.choice = QComboBox()
        self.choice.setAccessibleName("Layer")
        self.choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.choice.activated.connect(self._row_chosen)
        self.note = ElidedLabel()
        self.note.setObjectName("mute")
        self._build()

    def _build(self) -> None:
        self.split = side_by_side(self.list, self.chart, (4, 5))
        self.split.setSizes([500, 400])
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.choice)
        foot.addWidget(self.note, 1)
        foot.addWidget(self.of)
        foot.addWidget(self.scale)
        self.inner.addWidget(self.split, 1)
        self.inner.addLayout(foot)
        self.offer(self.of, self.scale)
        self._arrange()

    def show_data(self, data: Weights) -> None:
        """Show the layers of a network; the first one with weights is drawn."""
        self.data = data
        self.list.fill(HEADERS, table(data))
        self.choice.clear()
        self.choice.addItems([layer.name for layer in data.net.layers])
        first = next((n for n, layer in enumerate(data.net.layers) if layer.weights is not None), 0)
        self.list.choose(first)
        self._row_chosen(first)
        layers = data.net.layers
        total = sum(layer.size_bytes for layer in layers)
        numbers = sum(layer.parameters for layer in layers)
        told = (self.scene.node, data.precision, f"{numbers:,} parameters", size(total))
        self.subtitle.setText(" · ".join(filter(None, told)))
        self._arrange()

    def _row_chosen(self, row: int) -> None:
        if self.data is not None and 0 <= row < len(self.data.net.layers):
            self.layer = self.data.net.layers[row]
            self.choice.setCurrentIndex(row)
            self._draw()

    # ---- drawing

    def _draw(self, *_: object) -> None:
        if self.data is None or self.layer is None:
            return
        draw = activation_shown if self.of.value == "outputs" else weights_shown
        self._shown = draw(self.data, self.layer)
        for mark in self._marks:
            self.pane.plot.removeItem(mark)
        self._marks = []
        self.bars.setVisible(self._shown is not None)
        self.note.setText(self._missing() if self._shown is None else f"{self.layer.name} · {self._shown.words}")
        if self._shown is not None:
            self._draw_histogram(self._shown)

    def _missing(self) -> str:
        name = self.layer.name if self.layer is not None else ""
        if self.of.value == "outputs":
            return f"{name}: outputs are kept by the quantize node; wire one to see them"
        return f"{name} has no weights"

    def _draw_histogram(self, found: Shown) -> None:
        counts = found.histogram.counts.astype(np.float64)
        heights = np.log10(counts + 1.0) if self.scale.value == "log" else counts
        token = "violet" if self.of.value == "weights" else "blue"
        self.bars.setData(found.histogram.edges, heights)
        self.bars.setPen(pg.mkPen(theme.colour(token), width=1))
        self.bars.setBrush(theme.colour(token, 0.35))
        edges = found.histogram.edges
        low, high = min(float(edges[0]), found.low), max(float(edges[-1]), found.high)
        spare = 0.04 * (high - low)
        self.pane.set_ranges((low - spare, high + spare), (0.0, float(heights.max()) * 1.12 or 1.0), (0, 1))
        name = "weight" if self.of.value == "weights" else "output"
        self.pane.name_axes(
            bottom=(name, "mute"), left=("log10 (count + 1)" if self.scale.value == "log" else "count", "mute")
        )
        for place in (found.low, found.high):
            self._marks.append(self._mark(place, "rose", "int8" if place == found.high else ""))
        for power in found.powers:
            for place in (-power, power):
                if low - spare <= place <= high + spare:
                    self._marks.append(self._mark(place, "mute", f"{place:g}"))

    def _mark(self, place: float, token: str, text: str) -> Any:
        pen = pg.mkPen(theme.colour(token, 1.0 if token != "mute" else 0.6), width=1, dash=(4, 3))
        options = {"position": 0.95 if token != "mute" else 0.82, "color": theme.colour(token)}
        line = pg.InfiniteLine(place, 90, pen, label=text or None, labelOpts=options)
        if text:
            line.label.setFont(theme.font(10, monospace=True))
        self.pane.plot.addItem(line, ignoreBounds=True)
        return line

    def _words(self, x: float) -> str:
        if self._shown is None:
            return ""
        edges, counts = self._shown.histogram.edges, self._shown.histogram.counts
        index = int(np.searchsorted(edges, x)) - 1
        if not 0 <= index < len(counts):
            return ""
        return f"{edges[index]:.3g} to {edges[index + 1]:.3g}\n{counts[index]:,} of {counts.sum():,}"

    # ---- the rest

    def table_rows(self) -> list[Sequence[object]]:
        """The list of layers as a table."""
        if self.data is None:
            return []
        return [HEADERS, *([shown(cell) for cell in row] for row in table(self.data))]

    def resizeEvent(self, event: object) -> None:
        """A narrow card has a choice of layers instead of the list."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        is_wide, is_tall = self.width() >= WIDE_PX, self.height() >= 300
        self.list.setVisible(is_wide)
        self.choice.setVisible(not is_wide)
        self.scale.setVisible(is_wide)
        self.note.setVisible(is_wide)
        self.chart.show_names(is_tall)

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.restyle()
        self._draw()
