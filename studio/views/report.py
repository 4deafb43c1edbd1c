"""Any report as headline figures with their intervals and tidy tables; any artifact as facts and files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QComboBox, QSizePolicy, QWidget

from engine.artifact import Artifact, Report
from engine.console import size
from engine.evidence import facts_of
from studio.look import theme
from studio.views.data.document import Sheet, Tile, sheets, tiles
from studio.views.parts import LoadedCard
from studio.views.table import Table, shown
from studio.views.viewer import Scene, all_viewers, viewer

REPORT_FILE: Final = "report.json"
TILE_WIDE, TILE_TALL, GAP = 132.0, 52.0, 8.0
MOST_JSON_BYTES: Final = 4_000_000


@dataclass(frozen=True)
class Told:
    """What a report says: its title, headline figures and tables."""

    title: str
    tiles: tuple[Tile, ...]
    sheets: tuple[Sheet, ...]


def read_report(artifact: Artifact, _scene: Scene) -> Told:
    """Headline figures and tables of report.json."""
    meta = artifact.meta
    metrics = getattr(meta, "metrics", {})
    found = sheets(artifact.json(REPORT_FILE))
    return Told(getattr(meta, "title", ""), tuple(tiles(metrics)), tuple(found))


class Tiles(QWidget):
    """Headline figures side by side, as many rows as there is room for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Headline figures")
        self.tiles: tuple[Tile, ...] = ()
        self.most_rows = 2
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_tiles(self, found: Sequence[Tile]) -> None:
        """Show other figures."""
        self.tiles = tuple(found)
        told = (f"{tile.name} {tile.value}" + (f" ({tile.interval})" if tile.interval else "") for tile in found)
        self.setToolTip("\n".join(told))
        self.setAccessibleDescription(self.toolTip())
        self.setVisible(bool(found))
        self.updateGeometry()
        self.update()

    def _columns(self, width: float) -> int:
        return max(1, int((width + GAP) // (TILE_WIDE + GAP)))

    def _rows(self, width: float) -> int:
        columns = self._columns(width)
        return min(self.most_rows, -(-len(self.tiles) // columns))

    def hasHeightForWidth(self) -> bool:
        """Narrow widgets need more rows."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Height of the rows that are shown."""
        return round(self._rows(width) * (TILE_TALL + GAP)) if self.tiles else 0

    def sizeHint(self) -> QSize:
        """A row of three."""
        return QSize(round(3 * (TILE_WIDE + GAP)), self.heightForWidth(max(self.width(), 200)))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the tiles."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        columns = self._columns(self.width())
        shown_tiles = self.tiles[: columns * self._rows(self.width())]
        used = min(columns, len(shown_tiles)) or 1
        wide = (self.width() - GAP * (used - 1)) / used
        for index, tile in enumerate(shown_tiles):
            x, y = (index % columns) * (wide + GAP), (index // columns) * (TILE_TALL + GAP)
            _draw_tile(painter, tile, QRectF(x, y, wide, TILE_TALL))


def _draw_tile(painter: QPainter, tile: Tile, box: QRectF) -> None:
    painter.setPen(QPen(theme.colour("line"), 1))
    painter.setBrush(theme.colour("panel"))
    painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
    inside = box.adjusted(9, 6, -9, -6)
    head, bold, tiny = theme.font(11), theme.font(15, bold=True, monospace=True), theme.font(10, monospace=True)
    painter.setFont(head)
    painter.setPen(theme.colour("mute"))
    name = QFontMetricsF(head).elidedText(tile.name, Qt.TextElideMode.ElideRight, inside.width())
    painter.drawText(inside, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, name)
    painter.setFont(bold)
    painter.setPen(theme.colour("text"))
    painter.drawText(inside, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, tile.value)
    room = inside.width() - QFontMetricsF(bold).horizontalAdvance(tile.value) - 5
    ends = (tile.interval, tile.short)
    fitting = next((text for text in ends if text and QFontMetricsF(tiny).horizontalAdvance(text) <= room), "")
    painter.setFont(tiny)
    painter.setPen(theme.colour("mute"))
    where = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom
    painter.drawText(inside.adjusted(0, 0, 0, -2), where, fitting)


class SheetsCard(LoadedCard):
    """Tiles above one of several tables."""

    def __init__(self) -> None:
        super().__init__()
        self.sheets: tuple[Sheet, ...] = ()
        self.tiles = Tiles()
        self.choice = QComboBox()
        self.choice.setAccessibleName("Which table")
        self.choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.choice.activated.connect(self._show_sheet)
        self.table = Table("Figures")
        self.inner.addWidget(self.tiles)
        self.inner.addWidget(self.choice, 0, Qt.AlignmentFlag.AlignLeft)
        self.inner.addWidget(self.table, 1)

    def show_told(self, told: Told) -> None:
        """Show figures and tables."""
        self.subtitle.setText(told.title)
        self.tiles.show_tiles(told.tiles)
        self.sheets = told.sheets
        self.choice.clear()
        self.choice.addItems([f"{sheet.name.replace('_', ' ')} · {len(sheet.rows):,}" for sheet in told.sheets])
        self._show_sheet()
        self._arrange()

    def _show_sheet(self, *_: object) -> None:
        index = self.choice.currentIndex()
        found = self.sheets[index] if 0 <= index < len(self.sheets) else Sheet("", (), ())
        self.table.fill([header.replace("_", " ") for header in found.headers], found.rows)

    def table_rows(self) -> list[Sequence[object]]:
        """The shown table."""
        index = self.choice.currentIndex()
        if not 0 <= index < len(self.sheets):
            return []
        found = self.sheets[index]
        return [found.headers, *([shown(cell) for cell in row] for row in found.rows)]

    def resizeEvent(self, event: object) -> None:
        """A small card shows the figures alone."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        has_room = self.height() >= 260 or not self.tiles.tiles
        self.table.setVisible(has_room)
        self.choice.setVisible(has_room and len(self.sheets) > 1)


@viewer(Report, "Figures")
class ReportCard(SheetsCard):
    """Headline figures with intervals, and every table of the report."""

    title = "Figures"
    reader = staticmethod(read_report)

    def show_data(self, data: Told) -> None:
        """Show a report."""
        self.show_told(data)


def read_anything(artifact: Artifact, _scene: Scene) -> Told:
    """Facts, files, and every JSON file of an artifact."""
    facts = Sheet("facts", ("name", "value"), tuple(facts_of(artifact)))
    paths = sorted(path for path in artifact.path.iterdir() if path.is_file())
    files = Sheet(
        "files", ("file", "bytes"), tuple((p.name, (size(p.stat().st_size), p.stat().st_size)) for p in paths)
    )
    found = [facts, files]
    for path in paths:
        if path.suffix == ".json" and path.name != "artifact.json" and path.stat().st_size <= MOST_JSON_BYTES:
            found += [_named(path.name, sheet) for sheet in _readable(path.read_text(encoding="utf-8"))]
    metrics: dict[str, Any] = getattr(artifact.meta, "metrics", {})
    return Told(artifact.kind(), tuple(tiles(metrics)), tuple(sheet for sheet in found if sheet.rows))


def _readable(text: str) -> list[Sheet]:
    try:
        return sheets(json.loads(text))
    except ValueError:
        return [Sheet("", ("text",), (("this file is not readable JSON",),))]


def _named(file: str, sheet: Sheet) -> Sheet:
    name = file if sheet.name in ("", "facts") else f"{file}: {sheet.name}"
    return Sheet(name, sheet.headers, sheet.rows)


def is_foreign(artifact: Artifact) -> bool:
    """Whether no other viewer was made for an artifact's type (a plugin's type, a base type)."""
    made_for = {spec.kind for spec in all_viewers() if spec.kind is not Artifact}
    return not any(isinstance(artifact, kind) for kind in made_for)


@viewer(Artifact, "Facts", fits=is_foreign)
class FactsCard(SheetsCard):
    """What is known about any artifact: for types that have no viewer of their own."""

    title = "Facts"
    reader = staticmethod(read_anything)

    def show_data(self, data: Told) -> None:
        """Show facts."""
        self.show_told(data)
