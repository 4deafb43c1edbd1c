"""Networks against boards (S3, figure 5): a rectangle per network, a point per board; inside it, a board is too small.

The report that is read is described in `studio.views.data.fit`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QPen
from PySide6.QtWidgets import QGraphicsRectItem, QHBoxLayout

from engine.artifact import Artifact, Report
from engine.console import size
from studio.look import theme
from studio.views.chart import Chart, dot, label, ticks_of
from studio.views.data.document import is_of_kind
from studio.views.data.fit import Board, By, Fits, Network, read_fits
from studio.views.legend import Entry, Legend
from studio.views.parts import Choice, ElidedLabel, LoadedCard
from studio.views.viewer import Scene, viewer

REPORT_FILE: Final = "report.json"
COLOURS: Final = ("accent", "violet", "teal", "blue", "rose")
WIDE_PX: Final = 460
SPARE: Final = 0.4
"""Room around everything, in decades."""
PREFIXES: Final = {0: "", 3: "k", 6: "M", 9: "G"}
TITLED: Final = 12
"""More boards than this are named only when they are pointed at."""


def is_fit(artifact: Artifact) -> bool:
    """Whether a report holds networks against boards."""
    return is_of_kind(artifact.path / REPORT_FILE, "fit")


def read_report(artifact: Artifact, _scene: Scene) -> Fits:
    """The tables of report.json."""
    return read_fits(artifact.json(REPORT_FILE))


@viewer(Report, "Boards", fits=is_fit)
class FitCard(LoadedCard):
    """Memory against speed. `board_chosen(str)` tells the board that was clicked."""

    title = "Does it fit?"
    reader = staticmethod(read_report)
    board_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.fits: Fits | None = None
        self.picked = ""
        self._drawn: list[Any] = []
        self.chart = Chart("Networks against boards")
        self.pane = self.chart.pane("main")
        self.pane.plot.vb.setMouseEnabled(x=False, y=False)
        self.points = self.pane.add(dot(9))
        self.points.setZValue(10)
        self.points.sigClicked.connect(self._clicked)
        self.chart.words = self._words
        self.rule = Choice("What decides", (("firmware", "our firmware"), ("paper", "paper's rule")))
        self.rule.changed.connect(self._draw)
        self.legend = Legend(is_switch=False)
        self.note = ElidedLabel()
        self.note.setObjectName("mute")
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.legend, 1)
        foot.addWidget(self.rule, 0, Qt.AlignmentFlag.AlignRight)
        self.inner.addWidget(self.chart, 1)
        self.inner.addLayout(foot)
        self.inner.addWidget(self.note)
        self.offer(self.rule)

    # ---- what is shown

    def show_data(self, data: Fits) -> None:
        """Show a report by the answer that decided."""
        self.fits, self.picked = data, ""
        self.rule.set(data.by)
        self._draw()

    @property
    def by(self) -> By:
        """The answer that is drawn."""
        return "paper" if self.rule.value == "paper" else "firmware"

    def _draw(self, *_: object) -> None:
        for item in self._drawn:
            self.pane.plot.removeItem(item)
        self._drawn = []
        if self.fits is None or not self.fits.boards:
            return
        needs = list(self._needs(self.fits))
        offers = [(board, *board.offers(self.by)) for board in self.fits.boards]
        low, high = _limits([*(need[1:] for need in needs), *(offer[1:] for offer in offers)])
        middle = (low[0] + high[0]) / 2
        for place, need in enumerate(needs):
            self._draw_network(place, need, low, middle)
        self._draw_boards(offers, middle)
        self.pane.set_ranges((low[0], high[0]), (low[1], high[1]), (0, 1))
        speed = "MIPS" if self.by == "paper" else "clock / MHz"
        self.pane.name_axes(bottom=(speed, "mute"), left=("RAM / bytes", "mute"))
        for side, ends in (("bottom", (low[0], high[0])), ("left", (low[1], high[1]))):
            self.pane.plot.getAxis(side).setTicks(ticks_of(_decades(*ends)))
        self._tell(needs)

    def _needs(self, fits: Fits) -> Iterator[tuple[Network, float, float]]:
        for network in fits.networks:
            if (need := network.needs(self.by, fits.frame_s, fits.margin)) is not None:
                yield network, *need

    def _draw_network(
        self, place: int, need: tuple[Network, float, float], low: tuple[float, float], middle: float
    ) -> None:
        network, (x, y) = need[0], (math.log10(need[1]), math.log10(need[2]))
        token = COLOURS[place % len(COLOURS)]
        area = QGraphicsRectItem(QRectF(QPointF(*low), QPointF(x, y)))
        area.setPen(QPen(Qt.PenStyle.NoPen))
        area.setBrush(theme.colour(token, 0.08))
        corners = np.array([[low[0], y], [x, y], [x, low[1]]])
        line = pg.PlotDataItem(corners, pen=pg.mkPen(theme.colour(token), width=1.6))
        name = label(f" {network.name} ", (1 if x > middle else 0, 1))
        name.setColor(theme.colour(token))
        name.setPos(x, y)
        self._drawn += [self.pane.add(item) for item in (area, line, name)]

    def _draw_boards(self, offers: Sequence[tuple[Board, float, float]], middle: float) -> None:
        assert self.fits is not None
        spots = []
        for board, speed, ram in offers:
            is_held = bool(self.fits.holding(board.title, self.by))
            place = (math.log10(speed), math.log10(ram))
            edge = pg.mkPen(theme.colour("text"), width=2) if board.title == self.picked else None
            brush = theme.colour("green") if is_held else theme.colour("mute")
            spots.append(
                {"pos": place, "data": board.title, "brush": brush, "pen": edge, "symbol": "o" if is_held else "x"}
            )
            if len(offers) <= TITLED or board.title == self.picked:
                title = label(f" {board.title} ", (1 if place[0] > middle else 0, 0.5))
                title.setColor(theme.colour("text" if board.title == self.picked else "mute"))
                title.setPos(*place)
                self._drawn.append(self.pane.add(title))
        self.points.setData(spots)

    def _tell(self, needs: Sequence[tuple[Network, float, float]]) -> None:
        assert self.fits is not None
        entries = [Entry(need[0].name, need[0].name, COLOURS[place % len(COLOURS)]) for place, need in enumerate(needs)]
        points = [Entry("holds", "holds one", "green", "dot"), Entry("none", "holds none", "mute", "dot")]
        self.legend.show_entries([*entries, *points])
        networks, boards = len(self.fits.networks), len(self.fits.boards)
        words = f"{networks} network{'s' * (networks != 1)}", f"{boards} board{'s' * (boards != 1)}"
        self.subtitle.setText(" · ".join(words))
        self.note.setText(self._board_words(self.picked) if self.picked else self.fits.answer)

    # ---- hands

    def _clicked(self, _item: object, spots: Any, *_: object) -> None:
        if len(spots):
            self.choose(str(spots[0].data()))

    def choose(self, board: str) -> None:
        """Mark a board, say what it holds, and tell."""
        self.picked = board
        self._draw()
        self.board_chosen.emit(board)

    def _board_words(self, title: str, separator: str = " · ") -> str:
        assert self.fits is not None
        board = next((one for one in self.fits.boards if one.title == title), None)
        if board is None:
            return ""
        told = [f"{title} ({board.core}, {size(board.ram_bytes)} of RAM)" if board.core else title]
        for one in self.fits.of(title):
            took = "" if one.ms is None else f", estimated {one.ms[0]:.3g} to {one.ms[1]:.3g} ms"
            why = f": {one.why_not}" if one.why_not and self.by == self.fits.by else ""
            told.append(f"{one.network} {'fits' if one.fits[self.by] else 'does not fit'}{took}{why}")
        return separator.join(told)

    def _words(self, _x: float) -> str:
        """The board under the pointer."""
        place = QPointF(self.chart.mapFromGlobal(self.chart.cursor().pos()))
        found = self.points.pointsAt(self.pane.plot.vb.mapSceneToView(self.chart.mapToScene(place.toPoint())))
        return self._board_words(str(found[0].data()), "\n") if len(found) and self.fits is not None else ""

    # ---- the rest

    def table_rows(self) -> list[Sequence[object]]:
        """Every verdict."""
        head = ("network", "board", "fits", "fits by the paper's rule", "ms low", "ms high", "why not")
        verdicts = self.fits.verdicts if self.fits is not None else ()
        return [
            head,
            *(
                (one.network, one.board, one.fits["firmware"], one.fits["paper"], *(one.ms or ("", "")), one.why_not)
                for one in verdicts
            ),
        ]

    def restyle(self) -> None:
        """The window became dark or light."""
        super().restyle()
        self.chart.restyle()
        self._draw()

    def resizeEvent(self, event: object) -> None:
        """A small card keeps the picture."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self.rule.setVisible(self.width() >= WIDE_PX)
        self.note.setVisible(self.height() >= 240)


def _limits(places: Sequence[Sequence[float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Logarithms of the lowest and highest, with room around."""
    logs = np.log10(np.array(places, np.float64))
    low, high = logs.min(0) - SPARE, logs.max(0) + SPARE
    return (float(low[0]), float(low[1])), (float(high[0]), float(high[1]))


def _decades(low: float, high: float) -> dict[float, str]:
    """A tick at every power of ten."""
    places = range(math.ceil(low), math.floor(high) + 1)
    return {float(place): f"{10 ** (place % 3 if place >= 0 else 0):g}{_prefix(place)}" for place in places}


def _prefix(place: int) -> str:
    return PREFIXES.get(place // 3 * 3, f"e{place}") if place >= 0 else f"e{place}"
