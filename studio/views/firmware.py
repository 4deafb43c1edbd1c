"""Memory map of a Firmware: flash and RAM with their sections, the largest symbols, what each layer costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QHelpEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolTip, QWidget

from engine.artifact import Artifact, Firmware
from engine.console import size
from studio.look import theme
from studio.views.bars import BarRow, Bars, scrolled
from studio.views.data.firmware import REGIONS, LayerCost, MemoryMap, Part, read_map
from studio.views.parts import Choice, ElidedLabel, LoadedCard
from studio.views.viewer import Scene, viewer

TOKENS: Final = ("orange", "gold", "rose", "violet", "blue", "teal", "lime")
NAMES: Final = {"flash": "Flash", "ram": "RAM"}
BAR, HEAD, GAP = 18.0, 20.0, 10.0
MOST_SYMBOLS: Final = 24


def read_firmware(artifact: Artifact, _scene: Scene) -> MemoryMap:
    """The memory map of an image."""
    return read_map(artifact)


class Regions(QWidget):
    """A stacked bar per region, as long as the device's memory; what is over it is red."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Memory map")
        self.map = MemoryMap("", (), (), {})
        self._boxes: list[tuple[QRectF, Part]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(round(len(REGIONS) * (BAR + HEAD + GAP)))

    def sizeHint(self) -> QSize:
        """A bar per region."""
        return QSize(320, self.height())

    def show_map(self, found: MemoryMap) -> None:
        """Show another map."""
        self.map = found
        self.setAccessibleDescription("; ".join(words(found, region) for region in REGIONS))
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the regions."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._boxes = []
        for number, region in enumerate(REGIONS):
            self._draw(painter, region, number * (BAR + HEAD + GAP))

    def _draw(self, painter: QPainter, region: str, top: float) -> None:
        is_over = self.map.is_over(region)
        painter.setFont(theme.font(11.5))
        painter.setPen(theme.colour("red" if is_over else "mute"))
        head = QRectF(0, top, self.width(), HEAD)
        painter.drawText(head, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words(self.map, region))
        limit = self.map.limits.get(region, 0)
        whole = max(self.map.used(region), limit, 1)
        box = QRectF(0.5, top + HEAD, self.width() - 1, BAR)
        round_box = QPainterPath()
        round_box.addRoundedRect(box, 5, 5)
        painter.fillPath(round_box, theme.colour("line", 0.7))
        painter.save()
        painter.setClipPath(round_box)
        x = box.left()
        for part, token in zip(self.map.of(region), TOKENS * 40, strict=False):
            wide = box.width() * part.size_bytes / whole
            place = QRectF(x, box.top(), wide, BAR)
            painter.fillRect(place.adjusted(0, 0, -1 if wide > 3 else 0, 0), theme.colour(token, 0.9))
            self._label(painter, part, place)
            self._boxes.append((place, part))
            x += wide
        painter.restore()
        if is_over:
            at = box.left() + box.width() * limit / whole
            painter.fillRect(QRectF(at, box.top(), box.right() - at, BAR), theme.colour("red", 0.45))
            painter.setPen(QPen(theme.colour("red"), 2))
            painter.drawLine(QPointF(at, box.top() - 3), QPointF(at, box.bottom() + 3))

    def _label(self, painter: QPainter, part: Part, place: QRectF) -> None:
        font = theme.font(10, monospace=True)
        if QFontMetricsF(font).horizontalAdvance(part.name) < place.width() - 8:
            painter.setFont(font)
            painter.setPen(theme.colour("background"))
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, part.name)

    def part_at(self, place: QPointF) -> Part | None:
        """The section under a point."""
        return next((part for box, part in self._boxes if box.contains(place)), None)

    def event(self, event: QEvent) -> bool:
        """Say what a section holds."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            part = self.part_at(QPointF(event.pos()))
            text = f"{part.name}: {part.size_bytes:,} bytes of {NAMES[part.region]}" if part is not None else ""
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)


def words(found: MemoryMap, region: str) -> str:
    """ "RAM 141.2 kB of 128.0 kB · 13.2 kB too much"."""
    used, limit = found.used(region), found.limits.get(region)
    if limit is None:
        return f"{NAMES[region]} {size(used)}"
    over = f" · {size(used - limit)} too much" if used > limit else f" · {used / limit:.0%}" if limit else ""
    return f"{NAMES[region]} {size(used)} of {size(limit)}{over}"


@viewer(Firmware, "Memory map")
class FirmwareCard(LoadedCard):
    """Regions above, and below them the largest symbols or the layers."""

    title = "Memory map"
    reader = staticmethod(read_firmware)

    def __init__(self) -> None:
        super().__init__()
        self.map = MemoryMap("", (), (), {})
        self.regions = Regions()
        self.bars = Bars("Largest symbols", "orange")
        self.what = Choice("Below", (("symbols", "largest symbols"), ("layers", "layers")))
        self.what.changed.connect(self._draw)
        self.note = ElidedLabel()
        self.note.setObjectName("mute")
        self.area = scrolled(self.bars)
        foot = QHBoxLayout()
        foot.addWidget(self.note, 1)
        foot.addWidget(self.what)
        self.inner.addWidget(self.regions)
        self.inner.addWidget(self.area, 1)
        self.inner.addLayout(foot)
        self.offer(self.what)

    def show_data(self, data: MemoryMap) -> None:
        """Show a map."""
        self.map = data
        over = [NAMES[region] for region in REGIONS if data.is_over(region)]
        state = f"✕ {' and '.join(over)} does not fit" if over else "✓ fits" if data.limits else ""
        self.subtitle.setText(" · ".join(filter(None, (data.target, state))))
        self.regions.show_map(data)
        self.what.setVisible(bool(data.layers))
        self._draw()

    def _draw(self, *_: object) -> None:
        is_layers = self.what.value == "layers" and bool(self.map.layers)
        rows = layer_rows(self.map.layers) if is_layers else symbol_rows(self.map)
        self.bars.show_rows(rows)
        self.area.setVisible(bool(rows))
        told = len(self.map.symbols)
        self.note.setText(layer_total(self.map.layers) if is_layers else f"{told:,} symbols" if told else "")

    def table_rows(self) -> list[Sequence[object]]:
        """Sections, symbols and layers as a table."""
        found = self.map
        parts = [("section", p.name, p.region, p.size_bytes) for p in found.sections]
        parts += [("symbol", p.name, p.region, p.size_bytes) for p in found.symbols]
        return [("kind", "name", "region", "bytes"), *parts]

    def restyle(self) -> None:
        """The window became dark or light."""
        self.regions.update()
        self.bars.update()


def symbol_rows(found: MemoryMap) -> list[BarRow]:
    """The largest symbols of both regions."""
    largest = sorted(found.symbols, key=lambda part: -part.size_bytes)[:MOST_SYMBOLS]
    return [
        BarRow(
            part.name,
            float(part.size_bytes),
            end=f"{size(part.size_bytes)} {NAMES[part.region]}",
            note=f"{part.name}\n{part.size_bytes:,} bytes of {NAMES[part.region]}"
            + (f" in {part.section}" * bool(part.section)),
        )
        for part in largest
    ]


def layer_rows(layers: Sequence[LayerCost]) -> list[BarRow]:
    """Milliseconds per layer, or instructions where the time is not known."""
    has_ms = any(layer.ms is not None for layer in layers)
    return [BarRow(row.layer, row.ms if has_ms else row.instructions, end=_end(row), note=_note(row)) for row in layers]


def _end(layer: LayerCost) -> str:
    if layer.ms is not None:
        return f"{layer.ms:.2f} ms"
    return f"{layer.instructions:,.0f}" if layer.instructions is not None else ""


def _note(layer: LayerCost) -> str:
    told = [f"{layer.layer} {layer.operator}".strip()]
    if layer.instructions is not None:
        told.append(f"{layer.instructions:,.0f} instructions")
    if layer.ms is not None:
        told.append(f"{layer.ms:.3f} ms")
    if layer.ram_bytes is not None:
        told.append(f"{size(int(layer.ram_bytes))} RAM")
    return "\n".join(told)


def layer_total(layers: Sequence[LayerCost]) -> str:
    """Sums over the layers in words."""
    ms = sum(layer.ms or 0.0 for layer in layers)
    instructions = sum(layer.instructions or 0.0 for layer in layers)
    told = [f"{ms:.1f} ms" if ms else "", f"{instructions:,.0f} instructions" if instructions else ""]
    return " · ".join(filter(None, told))
