"""An optimised network beside whole other engines on the same machine: the time of one inference, and the ratio."""

from __future__ import annotations

from collections.abc import Sequence

from engine.artifact import Artifact, Report
from studio.views.bars import BarRow, Bars, scrolled
from studio.views.choices import is_optimisation
from studio.views.data.document import top_level
from studio.views.data.optimisation import REPORT_FILE, Backend, Optimisation, read_optimisation
from studio.views.parts import ElidedLabel, LoadedCard
from studio.views.viewer import Scene, viewer

OURS = "ossicle"


def has_engines(artifact: Artifact) -> bool:
    """Whether a report is that of an optimisation that timed other engines."""
    return is_optimisation(artifact) and top_level(artifact.path / REPORT_FILE, "backends")


def read_engines(artifact: Artifact, _scene: Scene) -> Optimisation:
    """The optimisation of report.json."""
    return read_optimisation(artifact.json(REPORT_FILE))


@viewer(Report, "Engines", fits=has_engines)
class EnginesCard(LoadedCard):
    """A bar per engine, the fastest first; what could not be timed is told below."""

    title = "Engines"
    reader = staticmethod(read_engines)

    def __init__(self) -> None:
        super().__init__()
        self.found: Optimisation | None = None
        self.chart = Bars("Time of one inference by engine")
        self.note = ElidedLabel()
        self.note.setObjectName("mute")
        self.inner.addWidget(scrolled(self.chart), 1)
        self.inner.addWidget(self.note)

    def show_data(self, data: Optimisation) -> None:
        """Show an optimisation's engines."""
        self.found = data
        self.chart.show_rows(engine_rows(data))
        best = min((one.us for one in data.backends if one.us), default=None)
        ratio = best / data.beside_us if best and data.beside_us else None
        told = f"{ratio:.2f}× as fast as the best of {len(data.backends)}" if ratio else ""
        self.subtitle.setText(" · ".join(filter(None, ("µs", data.network, told))))
        failed = [f"{one.name}: {one.error}" for one in data.backends if one.us is None]
        self.note.setText(" · ".join(failed))
        self.note.setVisible(bool(failed))

    def table_rows(self) -> list[Sequence[object]]:
        """Engines as a table."""
        if self.found is None:
            return []
        rows = [(one.name, one.version, one.us, one.error) for one in self.found.backends]
        return [("engine", "version", "us", "error"), (OURS, "", self.found.beside_us, ""), *rows]

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.update()


def engine_rows(found: Optimisation) -> list[BarRow]:
    """Ours and every engine that could be timed, the fastest first."""
    us = found.beside_us
    ours = BarRow(OURS, us, end=f"{us:,.1f}", note=f"{OURS}: {us:,.1f} µs")
    timed = [_row(one, us) for one in found.backends if one.us]
    return sorted([ours, *timed], key=lambda row: row.value or 0.0)


def _row(one: Backend, ours_us: float) -> BarRow:
    ratio = f" · {one.us / ours_us:.2f}×" if one.us and ours_us else ""
    note = f"{one.name} {one.version}: {one.us:,.1f} µs"
    return BarRow(one.name, one.us, None, f"{one.us:,.1f}{ratio}", note, "faint")
