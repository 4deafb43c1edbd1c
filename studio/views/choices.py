"""Why each layer is computed as it is: its candidates on one time axis, the chosen one large, the machine's limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from engine.artifact import Artifact, Report
from studio.views.bars import scrolled
from studio.views.data.document import is_of_kind
from studio.views.data.optimisation import (
    CAST,
    KIND,
    REPORT_FILE,
    Candidate,
    Choice,
    Optimisation,
    candidate_words,
    choice_rows,
    families,
    read_optimisation,
    told,
)
from studio.views.legend import Entry, Legend
from studio.views.parts import Choice as Segments
from studio.views.parts import ElidedLabel, LoadedCard
from studio.views.strips import Spot, Strip, Strips
from studio.views.viewer import Scene, viewer

TOKENS: Final = ("rose", "violet", "teal", "gold", "blue", "lime", "orange", "accent")
WIDE_PX, TALL_PX = 520, 260


def is_optimisation(artifact: Artifact) -> bool:
    """Whether a report is that of an optimisation."""
    return is_of_kind(artifact.path / REPORT_FILE, KIND)


def read_choices(artifact: Artifact, _scene: Scene) -> Optimisation:
    """The optimisation of report.json."""
    return read_optimisation(artifact.json(REPORT_FILE))


@viewer(Report, "Choice per layer", fits=is_optimisation)
class ChoicesCard(LoadedCard):
    """A row per layer. `layer_chosen(str)` tells the layer that was clicked."""

    title = "Choice per layer"
    reader = staticmethod(read_choices)
    layer_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.found: Optimisation | None = None
        self.picked = ""
        self.chart = Strips("Candidates per layer", "µs")
        self.chart.chosen.connect(self._pick)
        self.order = Segments("Order", (("network", "network"), ("slowest", "slowest first")))
        self.order.changed.connect(self._draw)
        self.legend = Legend(rows=2, is_switch=False)
        self.note = ElidedLabel()
        self.note.setObjectName("mute")
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.legend, 1)
        foot.addWidget(self.order, 0, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        area = scrolled(self.chart)
        area.verticalScrollBar().valueChanged.connect(lambda _: self.chart.update())  # the axis stays in sight
        self.inner.addWidget(area, 1)
        self.inner.addWidget(self.note)
        self.inner.addLayout(foot)
        self.offer(self.order)
        self._arrange()

    def show_data(self, data: Optimisation) -> None:
        """Show an optimisation; the slowest layer is told about first."""
        self.found = data
        slowest = max(data.choices, key=lambda choice: choice.us, default=None)
        self.picked = slowest.layer if slowest is not None else ""
        whole = f"{data.us or data.layers_us:,.1f} µs"
        self.subtitle.setText(" · ".join(filter(None, (data.network, data.target, whole))))
        self._draw()
        self._arrange()

    def _draw(self, *_: object) -> None:
        found = self.found
        if found is None:
            return
        tokens = tokens_of(found)
        choices = list(found.choices)
        if self.order.value == "slowest":
            choices.sort(key=lambda choice: -choice.us)
        self.chart.show_strips([strip_of(choice, found, tokens) for choice in choices], self.picked)
        entries = [Entry(name, name, token, "dot") for name, token in tokens.items()]
        limit = [Entry("limit", "direct at the machine's peak", "mute", "line")] if found.peak_gflops else []
        self.legend.show_entries([*entries, *limit])
        self._tell()

    def _tell(self) -> None:
        choice = next((c for c in self.found.choices if c.layer == self.picked), None) if self.found else None
        if choice is None or self.found is None:
            self.note.setText("")
            return
        lines = list(told(choice, self.found))
        self.note.setText(" · ".join(filter(None, (choice.layer, choice.primitive, choice.why or lines[-1]))))
        refused = [f"{name}: {reason}" for name, reason in choice.refused]
        self.note.setToolTip("\n".join([*lines, *(["", "cannot compute it:"] if refused else []), *refused]))

    def _pick(self, layer: str) -> None:
        self.picked = layer
        self._tell()
        self.layer_chosen.emit(layer)

    def pictured(self) -> QWidget:
        """All rows, also those out of sight."""
        return self.chart if self.chart.visibleRegion().boundingRect().height() < self.chart.height() else self.content

    def table_rows(self) -> list[Sequence[object]]:
        """Every candidate of every layer."""
        return choice_rows(self.found) if self.found is not None else []

    def resizeEvent(self, event: object) -> None:
        """A small card keeps the rows."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        is_wide, is_tall = self.width() >= WIDE_PX, self.height() >= TALL_PX
        self.order.setVisible(is_wide)
        self.note.setVisible(is_tall)
        self.legend.setVisible(is_tall)

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.update()


def tokens_of(found: Optimisation) -> dict[str, str]:
    """A colour for every kind of primitive."""
    return dict(zip(families(found.choices), TOKENS * 4, strict=False))


def strip_of(choice: Choice, found: Optimisation, tokens: Mapping[str, str]) -> Strip:
    """A layer as a row; candidates without a time are told, not drawn."""
    drawn = [choice.chosen, *(one for one in choice.others if one.us is not None)]
    return Strip(
        choice.layer,
        tuple(_spot(one, choice, tokens) for one in drawn if one.us),
        found.limit_us(choice),
        f"{_micro(choice.us):>5} {choice.primitive}",
        "\n".join(told(choice, found)),
        _micro(choice.us),
        "" if choice.operator != CAST else f"→ {choice.form}",
    )


def _spot(one: Candidate, choice: Choice, tokens: Mapping[str, str]) -> Spot:
    shape = "square" if one.form.startswith("u8") else "circle"
    is_chosen = one == choice.chosen
    return Spot(one.us or 0.0, tokens.get(one.family, "mute"), candidate_words(one, choice), shape, is_chosen)  # type: ignore[arg-type]


def _micro(us: float) -> str:
    return f"{us:.2f}" if us < 10 else f"{us:.1f}" if us < 100 else f"{us:,.0f}"
