"""What each layer of a Firmware costs: estimated time with its range, instructions, flash and RAM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout

from engine.artifact import Artifact, Firmware
from engine.console import size
from studio.views.bars import BarRow, Bars, scrolled
from studio.views.data.document import top_level
from studio.views.data.firmware import FIRMWARE_FILE, LayerCost, MemoryMap, read_map
from studio.views.parts import Choice, ElidedLabel, LoadedCard
from studio.views.viewer import Scene, viewer


@dataclass(frozen=True)
class Measure:
    """One way to look at a layer's cost."""

    title: str
    value: Callable[[LayerCost], float | None]
    text: Callable[[float], str]


MEASURES: Final[Mapping[str, Measure]] = {
    "ms": Measure("time", lambda layer: layer.ms, lambda value: f"~{value:.2f} ms"),
    "instructions": Measure("instructions", lambda layer: layer.instructions, lambda value: f"{value:,.0f}"),
    "per_mac": Measure("per MAC", lambda layer: layer.per_mac, lambda value: f"{value:.2f} per MAC"),
    "flash": Measure("flash", lambda layer: layer.flash_bytes, lambda value: size(int(value))),
    "ram": Measure("RAM", lambda layer: layer.ram_bytes, lambda value: size(int(value))),
}
WIDE_PX: Final = 420


def has_layers(artifact: Artifact) -> bool:
    """Whether a firmware.json tells about layers."""
    return top_level(artifact.path / FIRMWARE_FILE, "layers")


def read_layers(artifact: Artifact, _scene: Scene) -> MemoryMap:
    """The memory map with its layers."""
    return read_map(artifact)


@viewer(Firmware, "Cost per layer", fits=has_layers)
class FirmwareLayersCard(LoadedCard):
    """A bar per layer, by time, instructions, instructions per MAC, flash or RAM."""

    title = "Cost per layer"
    reader = staticmethod(read_layers)

    def __init__(self) -> None:
        super().__init__()
        self.map: MemoryMap | None = None
        self.chart = Bars("Cost per layer", "violet")
        self.measure = Choice("Measure", tuple((key, one.title) for key, one in MEASURES.items()))
        self.measure.changed.connect(self._draw)
        self.order = Choice("Order", (("network", "network"), ("largest", "largest first")))
        self.order.changed.connect(self._draw)
        self.note = ElidedLabel()
        self.note.setObjectName("faint")
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.measure)
        foot.addStretch(1)
        foot.addWidget(self.order, 0, Qt.AlignmentFlag.AlignRight)
        self.inner.addWidget(scrolled(self.chart), 1)
        self.inner.addLayout(foot)
        self.inner.addWidget(self.note)
        self.offer(self.measure)
        self.offer(self.order)
        self._arrange()

    def show_data(self, data: MemoryMap) -> None:
        """Show a map's layers."""
        self.map = data
        self.note.setText(estimate_words(data))
        self._draw()

    def _draw(self, *_: object) -> None:
        if self.map is None:
            return
        measure = MEASURES[self.measure.value]
        self.chart.show_rows(cost_rows(self.map.layers, measure, is_sorted=self.order.value == "largest"))
        self.subtitle.setText(" · ".join(filter(None, (self.map.target, total_words(self.map.layers)))))

    def resizeEvent(self, event: object) -> None:
        """Controls need room; the menu has them where there is none."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        self.measure.setVisible(self.width() >= WIDE_PX)
        self.order.setVisible(self.width() >= 1.4 * WIDE_PX)
        self.note.setVisible(self.width() >= WIDE_PX and self.height() >= 220)

    def table_rows(self) -> list[Sequence[object]]:
        """Every figure of every layer."""
        head = (
            "layer",
            "operator",
            "kernel",
            "macs",
            "instructions",
            "cycles",
            "ms low",
            "ms",
            "ms high",
            "flash",
            "ram",
        )
        return [head, *(_cells(layer) for layer in (self.map.layers if self.map is not None else ()))]

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.update()


def _cells(layer: LayerCost) -> Sequence[object]:
    return (
        layer.layer, layer.operator, layer.kernel, layer.macs, layer.instructions, layer.cycles, layer.ms_low, layer.ms,
        layer.ms_high, layer.flash_bytes, layer.ram_bytes,
    )  # fmt: skip


def cost_rows(layers: Sequence[LayerCost], measure: Measure, *, is_sorted: bool = False) -> list[BarRow]:
    """A row per layer with that figure; none where it is not known."""
    rows = [(measure.value(layer), layer) for layer in layers]
    if is_sorted:
        rows.sort(key=lambda row: -(row[0] or 0.0))
    return [
        BarRow(layer.layer, value, end="" if value is None else measure.text(value), note=cost_note(layer))
        for value, layer in rows
    ]


def cost_note(layer: LayerCost) -> str:
    """Everything known about a layer, line by line."""
    told = [f"{layer.layer} · {layer.kernel or layer.operator}"]
    if layer.instructions is not None:
        per_mac = f", {layer.per_mac:.2f} per MAC" if layer.per_mac is not None else ""
        told.append(f"{layer.instructions:,.0f} instructions{per_mac}")
    if layer.cycles is not None:
        told.append(f"{layer.cycles:,.0f} cycles with memory that never waits (estimated)")
    if layer.ms_low is not None and layer.ms_high is not None:
        told.append(f"{layer.ms_low:.2f} to {layer.ms_high:.2f} ms (estimated)")
    sizes = {"flash": layer.flash_bytes, "RAM": layer.ram_bytes}
    told += [f"{size(int(value))} {name}" for name, value in sizes.items() if value is not None]
    return "\n".join(told)


def total_words(layers: Sequence[LayerCost]) -> str:
    """ "1,298,903 instructions · estimated 21.1 to 32.5 ms"."""
    instructions = sum(layer.instructions or 0.0 for layer in layers)
    low, high = (sum(getattr(layer, name) or 0.0 for layer in layers) for name in ("ms_low", "ms_high"))
    told = f"{instructions:,.0f} instructions" if instructions else ""
    return " · ".join(filter(None, (told, f"estimated {low:.1f} to {high:.1f} ms" if high else "")))


def estimate_words(found: MemoryMap) -> str:
    """What the times stand on."""
    if not found.clock_hz:
        return ""
    return f"Instructions are counted in emulation; times are estimated from them for {found.clock_hz / 1e6:g} MHz."
