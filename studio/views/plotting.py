"""Sound on a chart: a waveform above a viridis map on one time axis, a play head, one frame's values at the side."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import QWidget

from engine.svg import viridis
from engine.theme import TOKENS
from studio.look import theme
from studio.views.chart import Chart, Pane
from studio.views.data.maps import Map, Sound, Spread

WIDE_PX: Final = 420
"""From this width on a chart names its axes."""
SIDE_SHARE, LEAST_SIDE_PX, MOST_SIDE_PX = 0.26, 72, 200
SMOOTH_PX: Final = 14.0
"""Columns wider than this are shown with sharp edges."""
ON_MAP: Final = {"head": "#ffffff", "mark": TOKENS["accent"].dark}
"""Lines over the map: viridis is the same on both grounds."""
KEYS: Final = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


@functools.cache
def lookup() -> NDArray[np.uint8]:
    """Viridis as a table (256, 3)."""
    return np.array([viridis(step / 255) for step in range(256)], np.uint8)


class MapItem(pg.ImageItem):  # type: ignore[misc]
    """A map of steps 0 to 255 through viridis; smooth unless a column is so wide that its edges are of interest."""

    def __init__(self) -> None:
        super().__init__(axisOrder="row-major")
        self.setLookupTable(lookup())
        self.setAutoDownsample(False)

    def show_map(self, found: Map) -> None:
        """Show a map in its place in time."""
        self.setImage(found.pixels, autoLevels=False, levels=None)
        self.setRect(QRectF(found.start_s, 0.0, found.frames * found.hop_s, found.rows))

    def paint(self, painter: QPainter, *args: Any) -> None:
        """Draw it, smooth where columns are narrow."""
        is_smooth = painter.transform().m11() * self.transform().m11() < SMOOTH_PX
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, is_smooth)
        super().paint(painter, *args)


class SoundChart(Chart):
    """Waveform, map, play head. Wheel zooms in time, double click shows all again.

    Signals:
        frame_chosen(int): a frame was clicked or walked to; -1: none any more.
        sought(float): somebody pointed at a time, in s.
    """

    frame_chosen = Signal(int)
    sought = Signal(float)
    side: Pane | None = None

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.map: Map | None = None
        self.sound: Sound | None = None
        self.spread: Spread | None = None
        self.frame = -1
        self._at = QPointF()
        self.top = self.pane("wave", share=2)
        self.main = self.pane("map", share=5)
        self.image = MapItem()
        self.image.setZValue(-10)
        self.main.add(self.image)
        self.wave = self.top.line("wave")
        self.heads = [pane.add(pg.InfiniteLine(angle=90, movable=False)) for pane in (self.top, self.main)]
        self.mark = self.main.add(pg.InfiniteLine(angle=90, movable=False))
        for item in (*self.heads, self.mark):
            item.hide()
        self.side = self._make_side()
        self.words = self._say
        self.scene().sigMouseClicked.connect(self._click)
        self.restyle()
        self.arrange()

    def _make_side(self) -> Pane:
        side = Pane(self)
        self.addItem(side.plot, row=1, col=1)
        side.plot.hide()
        side.plot.vb.setMouseEnabled(x=False, y=False)
        for key in ("low", "high", "mean", "frame"):
            side.line(key).item.setClipToView(False)
            side.lines[key].item.setDownsampling(auto=False)
        self.band = side.add(pg.FillBetweenItem(side.lines["low"].item, side.lines["high"].item))
        self.ci.layout.setColumnStretchFactor(0, 1)
        return side

    # ---- what is shown

    def show_sound(self, sound: Sound | None, found: Map, seconds: float = 0.0) -> None:
        """Show a clip.

        Args:
            sound: its samples; None where they are not known.
            seconds: length of the time axis; by default that of the sound, or of the map.
        """
        is_same = self.map is not None and (self.map.rows, self.map.is_timed) == (found.rows, found.is_timed)
        self.sound, self.map = (sound if found.is_timed else None), found
        self.image.show_map(found)
        self._show_wave()
        length = seconds or (self.sound.seconds if self.sound is not None else 0.0) or found.end_s
        self._set_span(length, found.rows)
        if not is_same:
            self.arrange()
        self.choose_frame(self.frame if self.frame < found.frames else -1)

    def _show_wave(self) -> None:
        sound = self.sound
        self.top.plot.setVisible(sound is not None)
        self.ci.layout.setRowStretchFactor(0, 2 if sound is not None else 0)
        self.ci.layout.setRowMaximumHeight(0, 16777215 if sound is not None else 0)
        if sound is not None:
            self.wave.show(sound.times, sound.level, "teal")

    def _set_span(self, length: float, rows: int) -> None:
        peak = float(np.abs(self.wave.item.yData).max()) if self.sound is not None and len(self.sound.samples) else 1.0
        reach = max(peak, 1e-4) * 1.04
        self.top.set_ranges((0.0, length), (-reach, reach), (0.0, 1.0))
        self.main.set_ranges((0.0, length), (0.0, float(rows)), (0.0, 1.0))
        for pane in (self.top, self.main):
            pane.plot.vb.setLimits(xMin=0.0, xMax=length, minXRange=length / 500)
        if self.side is not None:
            self.side.plot.vb.setYRange(0.0, float(rows), padding=0)

    @property
    def seconds(self) -> float:
        """Length of the time axis."""
        return float(self.main.plot.vb.state["limits"]["xLimits"][1] or 0.0)

    def show_all(self) -> None:
        """Undo every zoom."""
        for pane in self.panes.values():
            pane.release()

    def move_head(self, seconds: float | None) -> None:
        """The play head at a time, or none."""
        for head in self.heads:
            head.setVisible(seconds is not None)
            if seconds is not None:
                head.setPos(seconds)

    # ---- one frame

    def choose_frame(self, frame: int) -> None:
        """Show the values of a frame at the side; -1 for none."""
        self.frame = frame
        self.mark.setVisible(frame >= 0)
        if frame >= 0 and self.map is not None:
            self.mark.setPos(self.map.middle_s(frame))
        self._show_side()

    def show_spread(self, spread: Spread | None) -> None:
        """Mean and standard deviation of every row at the side, or not."""
        self.spread = spread
        self._show_side()

    @property
    def has_side(self) -> bool:
        """Whether there is something at the side."""
        return self.map is not None and (self.frame >= 0 or self.spread is not None)

    def _show_side(self) -> None:
        side, found, spread = self.side, self.map, self.spread
        if side is None or found is None:
            return
        if side.plot.isVisible() != self.has_side:
            side.plot.setVisible(self.has_side)
            self._set_side_width()
        if not self.has_side:
            return
        rows = np.arange(found.rows) + 0.5
        drawn: dict[str, NDArray[np.float64]] = {}
        if spread is not None and len(spread.mean) == found.rows:
            drawn = {"low": spread.mean - spread.deviation, "mean": spread.mean, "high": spread.mean + spread.deviation}
        if self.frame >= 0:
            drawn["frame"] = np.asarray(found.values[:, self.frame], np.float64)
        for key, line in side.lines.items():
            values = drawn.get(key, np.zeros(0))
            is_frame = key == "frame"
            heights = np.asarray(rows[: len(values)], np.float64)
            line.show(values, heights, "accent" if is_frame else "mute", is_pale=key in ("low", "high"))
        self.band.setVisible("low" in drawn)
        self._fit_side(list(drawn.values()), found)

    def _fit_side(self, drawn: Sequence[NDArray[np.float64]], found: Map) -> None:
        """The loudness row of an MFCC may leave the picture: the others are what differs."""
        known = np.concatenate([v[1:] if found.rows_name == "coefficient" and len(v) > 1 else v for v in drawn])
        known = known[np.isfinite(known)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        spare = 0.06 * (high - low) or 0.5
        if self.side is not None:
            self.side.plot.vb.setXRange(low - spare, high + spare, padding=0)
            name_ticks(self.side.plot.getAxis("bottom"), found.unit)

    # ---- arrangement and colours

    def arrange(self) -> None:
        """Axes that are read where there is room for them; the map alone where there is not."""
        if self.side is None:
            return
        is_wide = self.width() >= WIDE_PX
        for pane in (self.top, self.main, self.side):
            left, bottom = pane.plot.getAxis("left"), pane.plot.getAxis("bottom")
            is_lower = pane is not self.top
            left.setWidth((46 if pane is not self.side else 0) if is_wide else 0)
            left.setStyle(showValues=is_wide and pane is self.main)
            left.showLabel(is_wide and pane is self.main)
            left.setVisible(is_wide and pane is not self.side)
            bottom.setStyle(showValues=is_wide and is_lower)
            bottom.showLabel(False)
            bottom.setHeight(18 if is_wide and is_lower else 1)
        if self.map is not None:
            self.main.plot.getAxis("left").setTicks([list(self.map.ticks)])
            words = "Hz" if self.map.row_hz is not None else self.map.rows_name
            self.main.plot.getAxis("left").setLabel(words, color=theme.colour("mute").name())
            name_ticks(self.main.plot.getAxis("bottom"), "s" if self.map.is_timed else "")
        self._set_side_width()

    def _set_side_width(self) -> None:
        wide = max(LEAST_SIDE_PX, min(MOST_SIDE_PX, SIDE_SHARE * self.width())) if self.has_side else 0.0
        if self.side is not None:  # it stays in the scene: a plot outside of one does not survive its collection
            self.side.plot.setMinimumWidth(wide)
            self.side.plot.setMaximumWidth(wide)
        self.ci.layout.setHorizontalSpacing(8 if wide else 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More room, more axes."""
        super().resizeEvent(event)
        if self.side is not None:
            self.arrange()

    def restyle(self) -> None:
        """Take the present colours."""
        super().restyle()
        if self.side is None:
            return
        self.side.restyle()
        for pane in (self.top, self.main, self.side):
            pane.plot.getAxis("left").setGrid(False)
            for edge in ("left", "bottom"):
                pane.plot.getAxis(edge).setPen(theme.colour("line", 0.0))
                pane.plot.getAxis(edge).setStyle(tickLength=0)
        for head in self.heads:
            head.setPen(pg.mkPen(theme.colour("text"), width=1))
        self.heads[1].setPen(pg.mkPen(ON_MAP["head"], width=1))
        self.band.setBrush(theme.colour("mute", 0.22))
        self.mark.setPen(pg.mkPen(ON_MAP["mark"], width=1, style=Qt.PenStyle.DashLine))
        self.arrange()

    # ---- hands

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Remember where, then say what is there."""
        self._at = event.position()
        super().mouseMoveEvent(event)

    def _say(self, seconds: float) -> str:
        found, pane = self.map, self.pane_at(self._at)
        if found is None or pane is None:
            return ""
        if pane is self.top:
            return self._say_wave(seconds)
        frame = found.frame_at(seconds)
        row = int(pane.plot.vb.mapSceneToView(self.mapToScene(self._at.toPoint())).y())
        if frame < 0 or not 0 <= row < found.rows:
            return ""
        place = f"{seconds:.3f} s" if found.is_timed else f"frame {frame}"
        return f"{place} · {found.row_text(row)} · {found.value_text(row, frame)}"

    def _say_wave(self, seconds: float) -> str:
        sound = self.sound
        index = int(seconds * sound.rate_hz) if sound is not None else -1
        if sound is None or not 0 <= index < len(sound.samples):
            return ""
        return f"{seconds:.3f} s · {sound.samples[index] / 32768:+.3f}"

    def _click(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton or event.double() or self.map is None:
            return
        pane = self.pane_at(QPointF(self.mapFromScene(event.scenePos())))
        if pane is None:
            return
        seconds = float(pane.plot.vb.mapSceneToView(event.scenePos()).x())
        self.sought.emit(seconds)
        if pane is self.main:
            frame = self.map.frame_at(seconds)
            self._tell_frame(-1 if frame == self.frame else frame)

    def _tell_frame(self, frame: int) -> None:
        self.choose_frame(frame)
        self.frame_chosen.emit(frame)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right walk through the frames, Escape lets go."""
        key = Qt.Key(event.key())
        if key in KEYS and self.map is not None and self.map.frames:
            self._tell_frame(max(0, min(self.map.frames - 1, self.frame + KEYS[key])))
        elif key == Qt.Key.Key_Escape and self.frame >= 0:
            self._tell_frame(-1)
        else:
            event.ignore()


def name_ticks(axis: Any, unit: str) -> None:
    """Write the unit behind every number of an axis: an axis label would cost a line."""

    def texts(values: Sequence[float], scale: float, _spacing: float) -> list[str]:
        return [f"{value * scale:.6g} {unit}".rstrip() for value in values]

    axis.tickStrings = texts
    axis.picture = None
    axis.update()
