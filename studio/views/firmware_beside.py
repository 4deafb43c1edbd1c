"""A Firmware's layers beside what others print for the same layers: the paper's table VI, CMSIS-NN, plain C."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QComboBox, QHBoxLayout

from engine.artifact import Artifact, Firmware
from studio.views.bars import BarRow, Bars, scrolled
from studio.views.data.document import top_level
from studio.views.data.firmware import FIRMWARE_FILE, Beside, read_map
from studio.views.legend import Entry, Legend
from studio.views.parts import LoadedCard
from studio.views.viewer import Scene, viewer

WIDE_PX = 420


def has_published(artifact: Artifact) -> bool:
    """Whether somebody printed figures for this network's layers."""
    return top_level(artifact.path / FIRMWARE_FILE, "published")


def read_beside(artifact: Artifact, _scene: Scene) -> Beside:
    """The comparison of a firmware.json."""
    return read_map(artifact).beside


@viewer(Firmware, "Beside the paper", fits=has_published)
class FirmwareBesideCard(LoadedCard):
    """Two bars per layer, ours and the chosen column's, with the ratio."""

    title = "Beside the paper"
    reader = staticmethod(read_beside)

    def __init__(self) -> None:
        super().__init__()
        self.found = Beside()
        self.chart = Bars("Instructions per layer", "violet")
        self.column = QComboBox()
        self.column.setAccessibleName("Compare with")
        self.column.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.column.activated.connect(self._draw)
        self.legend = Legend(rows=1, is_switch=False)
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.legend, 1)
        foot.addWidget(self.column)
        self.inner.addWidget(scrolled(self.chart), 1)
        self.inner.addLayout(foot)
        self._arrange()

    def show_data(self, data: Beside) -> None:
        """Show a comparison, the first column chosen."""
        self.found = data
        self.column.clear()
        self.column.addItems(list(data.columns))
        self._draw()
        if not data.rows:
            self.say("Nobody printed figures for layers like these.")

    def _draw(self, *_: object) -> None:
        column = self.column.currentText()
        self.chart.show_rows(beside_rows(self.found, column))
        ours, theirs = sums(self.found, column)
        part = "" if self.found.is_whole else " · some of its layers"
        self.subtitle.setText(f"instructions · {self.found.source}{part}")
        ratio = f" · {theirs / ours:.1f}×" if ours else ""
        self.legend.show_entries(
            [
                Entry("ours", f"ours {ours:,.0f}", "violet", "square"),
                Entry("theirs", f"{column} {theirs:,.0f}{ratio}", "mute", "square"),
            ]
        )

    def resizeEvent(self, event: object) -> None:
        """The choice of a column needs room."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        self.column.setVisible(self.width() >= WIDE_PX)

    def table_rows(self) -> list[Sequence[object]]:
        """The whole table."""
        rows = [
            (name, ours, *(figures.get(one) for one in self.found.columns)) for name, ours, figures in self.found.rows
        ]
        return [("layer", "ours", *self.found.columns), *rows]

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.update()


def beside_rows(found: Beside, column: str) -> list[BarRow]:
    """A row per layer: ours over theirs, and how often ours goes into theirs."""
    return [_row(name, ours, figures.get(column), column) for name, ours, figures in found.rows]


def _row(name: str, ours: float, theirs: float | None, column: str) -> BarRow:
    note = f"{name}\nours: {ours:,.0f} instructions"
    if theirs is None:
        return BarRow(name, ours, note=note)
    end = f"{theirs / ours:.1f}×" if ours else ""
    return BarRow(name, ours, theirs, end, f"{note}\n{column}: {theirs:,.0f}")


def sums(found: Beside, column: str) -> tuple[float, float]:
    """Ours and theirs over the layers that both have."""
    both = [(ours, figures[column]) for _, ours, figures in found.rows if column in figures]
    return sum(ours for ours, _ in both), sum(theirs for _, theirs in both)
