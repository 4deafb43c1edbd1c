"""Charts of lines and points in the window's look: quiet axes, units named, two scales on one plot, values on hover."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPen
from PySide6.QtWidgets import QFrame, QLabel, QSizePolicy, QWidget

from studio.look import theme

Floats = NDArray[np.float64]
LONG: Final = 2000
"""Points above which a line is drawn thin and without antialiasing: wide pens on long lines cost 5 times as much."""
DASH: Final = (3.5, 2.5)
Hover = Callable[[float], str]


class Chart(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """Panes one above the other with one x axis. `pointed(float)` tells the place under the pointer.

    `words` gives what the box at the pointer says for a place; "" hides it.
    """

    pointed = Signal(float)
    clicked = Signal(QPointF)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 80)
        self.ci.layout.setContentsMargins(0, 2, 2, 0)
        self.ci.layout.setVerticalSpacing(2)
        self.panes: dict[str, Pane] = {}
        self.words: Hover | None = None
        self.has_names = True
        self._box = QLabel(self)
        self._box.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._box.setFont(theme.font(11, monospace=True))
        self._box.hide()
        self.setMouseTracking(True)
        self.restyle()

    def pane(self, key: str, *, share: int = 1) -> Pane:
        """A pane by its key; made below the others when first asked for. `share` is its part of the height."""
        if key not in self.panes:
            row = len(self.panes)
            pane = self.panes[key] = Pane(self)
            self.addItem(pane.plot, row=row, col=0)
            self.ci.layout.setRowStretchFactor(row, share)
            pane.plot.vb.sigXRangeChanged.connect(self._share)
            pane.restyle()
            self.arrange()
        return self.panes[key]

    def _share(self, box: Any, span: tuple[float, float]) -> None:
        """One x axis for all: pyqtgraph's own links align pixels instead, which moves the ends."""
        for pane in self.panes.values():
            for other in (pane.plot.vb, pane.right):
                if other is not None and other is not box:
                    other.blockSignals(True)
                    other.setXRange(*span, padding=0)
                    other.blockSignals(False)
            pane.plot.getAxis("bottom").linkedViewChanged(pane.plot.vb)  # which blocked signals told nothing

    def drop(self, key: str) -> None:
        """Take a pane out."""
        pane = self.panes.pop(key, None)
        if pane is not None:
            self.removeItem(pane.plot)
            self.arrange()

    def arrange(self) -> None:
        """Only the lowest pane names the x axis; all panes keep the same edges."""
        panes = list(self.panes.values())
        has_right = any(pane.right is not None for pane in panes)
        for pane in panes:
            is_lowest = pane is panes[-1]
            bottom, left, right = (pane.plot.getAxis(side) for side in ("bottom", "left", "right"))
            bottom.setStyle(showValues=is_lowest)
            bottom.showLabel(is_lowest and self.has_names)
            bottom.setHeight((34 if self.has_names else 18) if is_lowest else 2)
            left.setWidth(54 if self.has_names else 36)
            left.showLabel(self.has_names)
            if has_right:
                pane.plot.showAxis("right")
                right.setStyle(showValues=pane.right is not None)
                right.setWidth(44 if self.has_names else 26)
                right.showLabel(self.has_names and pane.right is not None)

    def show_names(self, has_names: bool) -> None:
        """Name the axes, or leave the room to the lines."""
        if has_names != self.has_names:
            self.has_names = has_names
            self.arrange()

    def restyle(self) -> None:
        """Take the present colours."""
        self.setBackground(theme.colour("canvas"))
        for pane in self.panes.values():
            pane.restyle()
        text, ground, line = (theme.colour(token).name() for token in ("text", "raised", "line"))
        self._box.setStyleSheet(
            f"background: {ground}; color: {text}; border: 1px solid {line}; border-radius: 6px; padding: 4px 7px;"
        )

    # ---- pointer

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say what is at the pointer."""
        super().mouseMoveEvent(event)
        pane = self.pane_at(event.position())
        if pane is None:
            self._hide_pointer()
            return
        x = float(pane.plot.vb.mapSceneToView(self.mapToScene(event.position().toPoint())).x())
        self.pointed.emit(x)
        self._show_pointer(x, event.position())

    def pane_at(self, place: QPointF) -> Pane | None:
        """The pane under a point of the widget."""
        scene = self.mapToScene(place.toPoint())
        return next((p for p in self.panes.values() if p.plot.vb.sceneBoundingRect().contains(scene)), None)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is at the pointer."""
        super().leaveEvent(event)
        self._hide_pointer()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Back to the whole picture."""
        super().mouseDoubleClickEvent(event)
        for pane in self.panes.values():
            pane.release()

    def _show_pointer(self, x: float, place: QPointF) -> None:
        text = self.words(x) if self.words is not None else ""
        if not text:
            self._hide_pointer()
            return
        for pane in self.panes.values():
            pane.show_cursor(x)
        self._box.setText(text)
        self._box.adjustSize()
        left = place.x() + 14
        if left + self._box.width() > self.width():
            left = place.x() - 14 - self._box.width()
        top = min(max(place.y() - self._box.height() / 2, 0), max(self.height() - self._box.height(), 0))
        self._box.move(round(max(left, 0)), round(top))
        self._box.show()

    def _hide_pointer(self) -> None:
        self._box.hide()
        for pane in self.panes.values():
            pane.show_cursor(None)


class _Axis(pg.AxisItem):  # type: ignore[misc]
    """An axis that shows values as they are."""

    def updateAutoSIPrefix(self) -> None:
        """No prefixes: 0.14 scales even with enableAutoSIPrefix(False), and sets the label at every change."""


class Pane:
    """One plot of a chart: lines by key on a left and, if asked for, a right scale."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        axes = {side: _Axis(side) for side in ("left", "right", "bottom")}
        self.plot: Any = pg.PlotItem(enableMenu=False, axisItems=axes)
        self.plot.hideAxis("right")
        self.plot.hideButtons()
        self.plot.vb.setMouseEnabled(x=True, y=False)
        self.plot.vb.setDefaultPadding(0)
        self.plot.vb.disableAutoRange()
        self.right: Any = None
        self.lines: dict[str, Line] = {}
        self._names: dict[str, tuple[str, str]] = {}
        self.is_held = False
        """Whether somebody has zoomed: then ranges stay."""
        self.plot.vb.sigRangeChangedManually.connect(self._hold)
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._cursor.hide()
        self.plot.addItem(self._cursor, ignoreBounds=True)
        self._wanted: tuple[tuple[float, float], tuple[float, float], tuple[float, float]] | None = None

    def use_right(self) -> None:
        """Have a scale at the right, too."""
        if self.right is not None:
            return
        self.right = pg.ViewBox(enableMenu=False, defaultPadding=0)
        self.right.setMouseEnabled(x=False, y=False)
        self.right.disableAutoRange()
        self.plot.showAxis("right")
        self.plot.scene().addItem(self.right)
        self.plot.getAxis("right").linkToView(self.right)
        self.plot.getAxis("right").setGrid(False)
        self.chart.arrange()
        self.plot.vb.sigResized.connect(self._follow)
        self._follow()
        self.restyle()

    def _follow(self) -> None:
        self.right.setGeometry(self.plot.vb.sceneBoundingRect())
        self.right.setXRange(*self.plot.vb.viewRange()[0], padding=0)

    def _hold(self, *_: object) -> None:
        self.is_held = True

    def release(self) -> None:
        """Show everything again."""
        self.is_held = False
        if self._wanted is not None:
            self.set_ranges(*self._wanted)

    def set_ranges(self, x: tuple[float, float], left: tuple[float, float], right: tuple[float, float]) -> None:
        """Ranges of the axes, unless somebody has zoomed."""
        self._wanted = (x, left, right)
        if not self.is_held:
            self.plot.vb.setXRange(*x, padding=0)
        self.plot.vb.setYRange(*left, padding=0)
        if self.right is not None:
            self.right.setYRange(*right, padding=0)

    def add(self, item: Any, *, on_right: bool = False) -> Any:
        """Add any item to a scale."""
        (self.right if on_right else self.plot).addItem(item)
        return item

    def line(self, key: str, *, on_right: bool = False) -> Line:
        """The line of a key; made when first asked for."""
        if key not in self.lines:
            if on_right:
                self.use_right()
            self.lines[key] = Line(self, on_right)
        return self.lines[key]

    def drop(self, key: str) -> None:
        """Take a line out."""
        line = self.lines.pop(key, None)
        if line is not None:
            (self.right if line.on_right else self.plot).removeItem(line.item)

    def keep(self, keys: Iterable[str]) -> None:
        """Take all lines out but these."""
        kept = set(keys)
        for key in [key for key in self.lines if key not in kept]:
            self.drop(key)

    def name_axes(self, **names: tuple[str, str]) -> None:
        """Name axes, and give each a colour token: left=("loss", "accent")."""
        for side, (name, token) in names.items():
            if self._names.get(side) != (name, token):
                self._names[side] = (name, token)
                self.plot.getAxis(side).setLabel(name)
                self.restyle()
        self.chart.arrange()

    def show_cursor(self, x: float | None) -> None:
        """A line at a place, or none."""
        self._cursor.setVisible(x is not None)
        if x is not None:
            self._cursor.setPos(x)

    def restyle(self) -> None:
        """Take the present colours."""
        mute, line = theme.colour("mute"), theme.colour("line")
        nothing = QPen(Qt.PenStyle.NoPen)
        for side in ("left", "right", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(line if side == "bottom" else nothing)
            colour = theme.colour(self._names[side][1]) if side in self._names else mute
            axis.setTextPen(colour)
            axis.setTickPen(line)
            axis.setTickFont(theme.font(10, monospace=True))
            axis.setStyle(
                tickLength=0 if side != "bottom" else -3, tickTextOffset=5, hideOverlappingLabels=True, maxTickLevel=0
            )
            axis.label.setFont(theme.font(10.5))
            axis.label.setDefaultTextColor(colour)
        self.plot.getAxis("left").setGrid(150)
        self._cursor.setPen(pg.mkPen(theme.colour("mute", 0.6), width=1))
        for drawn in self.lines.values():
            drawn.restyle()


class Line:
    """One line; its colour is a token, so that it follows the window's colours."""

    def __init__(self, pane: Pane, on_right: bool) -> None:
        self.on_right = on_right
        self.item: Any = pg.PlotDataItem(connect="finite", skipFiniteCheck=False)
        pane.add(self.item, on_right=on_right)
        self.item.setDownsampling(auto=True, method="peak")
        self.item.setClipToView(True)
        self._style: tuple[str, bool, bool, bool] | None = None

    def show(self, x: Floats, y: Floats, token: str, *, is_dashed: bool = False, is_pale: bool = False) -> None:
        """Draw these points; style is set only where it changed."""
        style = (token, is_dashed, is_pale, len(x) > LONG)
        if style != self._style:
            self._style = style
            self.restyle()
        self.item.setData(x, y)

    def restyle(self) -> None:
        """Take the present colours."""
        if self._style is None:
            return
        token, is_dashed, is_pale, is_long = self._style
        pen = pg.mkPen(theme.colour(token, 0.3 if is_pale else 1.0), width=1 if is_long or is_pale else 1.8)
        if is_dashed and not is_long:
            pen.setDashPattern(DASH)
        self.item.opts["antialias"] = not is_long
        self.item.setPen(pen)
        self.item.setZValue(-5 if is_pale else 0 if is_dashed else 5)


def dot(size_px: float = 9.0) -> Any:
    """A marked point."""
    return pg.ScatterPlotItem(size=size_px, pxMode=True)


def label(text: str = "", anchor: tuple[float, float] = (0, 1)) -> Any:
    """A small text at a point of the plot."""
    item = pg.TextItem(text, anchor=anchor)
    item.setFont(theme.font(10.5, monospace=True))
    return item


def ticks_of(marks: Mapping[float, str]) -> list[list[tuple[float, str]]]:
    """Ticks by place and text, as an axis takes them."""
    return [sorted(marks.items())]


def bounds(rect: Sequence[float]) -> QRectF:
    """Left, top, width, height as a rectangle."""
    return QRectF(*rect)
