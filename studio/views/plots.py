"""What a report asks to be drawn (see engine.report_plots): its plots with lines and bands, its pictures of maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QWidget

from engine.artifact import Artifact, Report
from engine.report_plots import COLOURS, LINE_TOKENS, Drawing, drawing, limits, read_arrays
from engine.svg import ticks
from studio.look import theme
from studio.views.chart import Chart, dot, ticks_of
from studio.views.data.document import is_of_kind, top_level
from studio.views.legend import Entry, Legend
from studio.views.parts import LoadedCard
from studio.views.viewer import Scene, viewer

REPORT_FILE: Final = "report.json"
Floats = NDArray[np.float64]


# ---- lines


@dataclass(frozen=True)
class Plotted:
    """A plot with its values as they stand in the report, for the table."""

    drawing: Drawing
    rows: tuple[tuple[object, ...], ...]


def read_plots(artifact: Artifact, _scene: Scene) -> list[Plotted]:
    """Every plot of a report."""
    return [Plotted(drawing(raw), tuple(_rows(raw))) for raw in artifact.json(REPORT_FILE)["plots"]]


def has_plots(artifact: Artifact) -> bool:
    """Whether a report has plots that no card of its own shows better."""
    path = artifact.path / REPORT_FILE
    return top_level(path, "plots") and not any(is_of_kind(path, kind) for kind in ("optimisation", "fit"))


def _rows(raw: Mapping[str, Any]) -> list[tuple[object, ...]]:
    return [(line["name"], x, y) for line in raw["lines"] for x, y in zip(line["x"], line["y"], strict=True)]


@viewer(Report, "Plots", fits=has_plots)
class PlotsCard(LoadedCard):
    """One plot of several; the legend switches lines."""

    title = "Plots"
    reader = staticmethod(read_plots)

    def __init__(self) -> None:
        super().__init__()
        self.plots: list[Plotted] = []
        self.hidden: set[str] = set()
        self.choice = QComboBox()
        self.choice.setAccessibleName("Which plot")
        self.choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.choice.activated.connect(self._draw)
        self.chart = Chart("Plots of a report")
        self.pane = self.chart.pane("main")
        self.point = self.pane.add(dot(10))
        self.bands: list[Any] = []
        self.legend = Legend(rows=2)
        self.legend.switched.connect(self._switch)
        self.inner.addWidget(self.choice, 0, Qt.AlignmentFlag.AlignLeft)
        self.inner.addWidget(self.chart, 1)
        self.inner.addWidget(self.legend)

    def show_data(self, data: list[Plotted]) -> None:
        """Show plots."""
        self.plots = data
        self.choice.clear()
        self.choice.addItems([one.drawing.title for one in data])
        self._draw()
        self._arrange()

    @property
    def shown(self) -> Plotted | None:
        """The plot that is chosen."""
        index = self.choice.currentIndex()
        return self.plots[index] if 0 <= index < len(self.plots) else None

    def _draw(self, *_: object) -> None:
        if self.shown is None:
            return
        found = self.shown.drawing
        self.subtitle.setText(found.caption)
        lines = {name: places for name, places in found.lines.items() if name not in self.hidden}
        for name, places in lines.items():
            x, y = _columns(places)
            self.pane.line(name).show(x, y, self._token(name))
        self.pane.keep(set(lines))
        self._draw_bands({name: places for name, places in found.bands.items() if name in lines})
        self.point.setData(*_columns(list(found.points.values())))
        self.point.setBrush(theme.colour("gold"))
        self.point.setZValue(20)
        self.pane.name_axes(bottom=(found.names[0], "mute"), left=(found.names[1], "mute"))
        for side, marks in zip(("bottom", "left"), found.marks, strict=True):
            self.pane.plot.getAxis(side).setTicks(ticks_of(marks))
        self.pane.set_ranges(*found.spans, (0, 1))
        entries = [Entry(name, name, self._token(name), "line", name not in self.hidden, name) for name in found.lines]
        self.legend.show_entries(entries)

    def _draw_bands(self, bands: Mapping[str, Sequence[tuple[float, float]]]) -> None:
        for item in self.bands:
            self.pane.plot.removeItem(item)
        self.bands = []
        for name, places in bands.items():
            half = len(places) // 2
            low, high = (pg.PlotDataItem(*_columns(part)) for part in (places[:half], places[half:][::-1]))
            item = pg.FillBetweenItem(low, high, brush=theme.colour(self._token(name), 0.18))
            self.bands.append(self.pane.add(item))

    def _token(self, name: str) -> str:
        names = list(self.shown.drawing.lines) if self.shown is not None else [name]
        return LINE_TOKENS[names.index(name) % len(LINE_TOKENS)]

    def _switch(self, key: str, is_on: bool) -> None:
        self.hidden = self.hidden - {key} if is_on else self.hidden | {key}
        self._draw()

    def table_rows(self) -> list[Sequence[object]]:
        """The points of the chosen plot."""
        if self.shown is None:
            return []
        return [("line", *self.shown.drawing.names), *self.shown.rows]

    def resizeEvent(self, event: object) -> None:
        """A small card shows the lines alone."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        is_tall = self.height() >= 260
        self.chart.show_names(is_tall)
        self.legend.setVisible(is_tall)
        self.choice.setVisible(is_tall and len(self.plots) > 1)

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.restyle()
        self._draw()


def _columns(places: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    points = np.array(places, np.float64).reshape(-1, 2)
    return points[:, 0], points[:, 1]


# ---- maps


@dataclass(frozen=True)
class Panel:
    """A map (rows, columns), its first row at the bottom, and the range of its colours."""

    name: str
    values: Floats
    colours: str
    span: tuple[float, float]


@dataclass(frozen=True)
class Maps:
    """A picture: columns of panels on common axes (name and end of each)."""

    title: str
    caption: str
    x: tuple[str, float]
    y: tuple[str, float]
    columns: tuple[tuple[str, tuple[Panel, ...]], ...]


def read_maps(artifact: Artifact, _scene: Scene) -> list[Maps]:
    """Every picture of maps of a report."""
    raw = artifact.json(REPORT_FILE)["maps"]
    arrays = read_arrays(artifact.file("arrays.npz"), raw)
    return [
        Maps(
            picture["title"],
            picture.get("caption", ""),
            (picture["x"]["name"], picture["x"]["end"]),
            (picture["y"]["name"], picture["y"]["size"]),
            tuple(
                (column["name"], tuple(_panel(panel, arrays) for panel in column["panels"]))
                for column in picture["columns"]
            ),
        )
        for picture in raw
    ]


def _panel(raw: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Panel:
    values = arrays[raw["array"]]
    span = limits(values[raw.get("limits_from_row", 0) :], raw["colours"])
    return Panel(raw["name"], values, raw["colours"], span)


def image_of(panel: Panel) -> QImage:
    """A map in its colours, the first row at the bottom."""
    low, high = panel.span
    shares = np.nan_to_num(np.clip((panel.values - low) / (high - low), 0, 1))
    return _indexed(np.ascontiguousarray(np.rint(255 * shares[::-1]).astype(np.uint8)), panel.colours)


def _indexed(levels: NDArray[np.uint8], colours: str) -> QImage:
    drawn = QImage(levels.tobytes(), levels.shape[1], levels.shape[0], levels.shape[1], QImage.Format.Format_Indexed8)
    drawn.setColorTable([QColor(*COLOURS[colours](step / 255)).rgb() for step in range(256)])
    return drawn.copy()


RAMP: Final = np.arange(255, -1, -1, dtype=np.uint8)[:, None]
LEFT, TOP, BOTTOM, BAR, BAR_TEXT, GAP = 34.0, 32.0, 30.0, 8.0, 38.0, 16.0


class MapsPicture(QWidget):
    """Draws one picture of maps."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(120, 90)
        self.setAccessibleName("Maps")
        self.maps: Maps | None = None

    def show_maps(self, maps: Maps | None) -> None:
        """Show another picture."""
        self.maps = maps
        told = [f"{name}: {', '.join(panel.name for panel in panels)}" for name, panels in maps.columns] if maps else []
        self.setAccessibleDescription("\n".join(told))
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the maps with axes and colour bars."""
        if self.maps is None or not self.maps.columns:
            return
        painter = QPainter(self)
        painter.setFont(theme.font(10))
        wide = (self.width() - LEFT) / len(self.maps.columns)
        rows = max(len(panels) for _, panels in self.maps.columns)
        tall = max((self.height() - TOP - BOTTOM - GAP * (rows - 1)) / rows, 8.0)
        for column, (name, panels) in enumerate(self.maps.columns):
            x = LEFT + column * wide
            painter.setPen(theme.colour("text"))
            painter.drawText(QRectF(x, 0, wide - 8, 15), int(Qt.AlignmentFlag.AlignLeft), _cut(painter, name, wide - 8))
            for row, panel in enumerate(panels):
                area = QRectF(x, TOP + row * (tall + GAP), max(wide - BAR - BAR_TEXT - 8, 8.0), tall)
                self._draw_panel(painter, panel, area, is_left=column == 0, is_lowest=row == len(panels) - 1)
        painter.end()

    def _draw_panel(self, painter: QPainter, panel: Panel, area: QRectF, *, is_left: bool, is_lowest: bool) -> None:
        painter.setPen(theme.colour("mute"))
        painter.drawText(QPointF(area.left(), area.top() - 3), _cut(painter, panel.name, area.width()))
        painter.drawImage(area, image_of(panel))
        bar = QRectF(area.right() + 4, area.top(), BAR, area.height())
        painter.drawImage(bar, _indexed(RAMP, panel.colours))
        low, high = panel.span
        for value, y in ((high, bar.top() + 9), (low, bar.bottom())):
            painter.drawText(QPointF(bar.right() + 3, y), f"{value:.2g}")
        if self.maps is None:
            return
        if is_left:
            for value in ticks(0, self.maps.y[1], 3)[:-1]:
                y = area.bottom() - area.height() * value / self.maps.y[1]
                painter.drawText(QRectF(0, y - 12, LEFT - 4, 13), int(Qt.AlignmentFlag.AlignRight), f"{value:g}")
        if is_lowest:
            for value in ticks(0, self.maps.x[1], 3):
                x = area.left() + area.width() * value / self.maps.x[1]
                painter.drawText(
                    QRectF(x - 30, area.bottom() + 1, 60, 13), int(Qt.AlignmentFlag.AlignHCenter), f"{value:g}"
                )
            named = QRectF(area.left(), area.bottom() + 14, area.width(), 14)
            painter.drawText(named, int(Qt.AlignmentFlag.AlignRight), self.maps.x[0])


def _cut(painter: QPainter, text: str, width: float) -> str:
    return QFontMetricsF(painter.font()).elidedText(text, Qt.TextElideMode.ElideRight, width)


@viewer(Report, "Maps", fits=lambda artifact: top_level(artifact.path / REPORT_FILE, "maps"))
class MapsCard(LoadedCard):
    """One picture of several."""

    title = "Maps"
    reader = staticmethod(read_maps)

    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[Maps] = []
        self.choice = QComboBox()
        self.choice.setAccessibleName("Which picture")
        self.choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.choice.activated.connect(self._show)
        self.picture = MapsPicture()
        self.inner.addWidget(self.choice, 0, Qt.AlignmentFlag.AlignLeft)
        self.inner.addWidget(self.picture, 1)

    def show_data(self, data: list[Maps]) -> None:
        """Show pictures."""
        self.pictures = data
        self.choice.clear()
        self.choice.addItems([maps.title for maps in data])
        self.choice.setVisible(len(data) > 1)
        self._show()

    @property
    def shown(self) -> Maps | None:
        """The picture that is chosen."""
        index = self.choice.currentIndex()
        return self.pictures[index] if 0 <= index < len(self.pictures) else None

    def _show(self, *_: object) -> None:
        self.subtitle.setText(self.shown.caption if self.shown is not None else "")
        self.picture.show_maps(self.shown)

    def table_rows(self) -> list[Sequence[object]]:
        """Every value of the picture."""
        if self.shown is None:
            return []
        head = ("column", "map", "row", "place", "value")
        return [
            head,
            *(
                (name, panel.name, row, place, float(panel.values[row, place]))
                for name, panels in self.shown.columns
                for panel in panels
                for row, place in np.ndindex(*panel.values.shape)
            ),
        ]

    def restyle(self) -> None:
        """The window became dark or light."""
        self.picture.update()
