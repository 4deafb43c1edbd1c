"""Parity of a Firmware: every stage equal to the reference or not, and how much signal rounding leaves above noise."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QHBoxLayout

from engine.artifact import Artifact, Firmware
from studio.views.bars import BarRow, Bars, scrolled
from studio.views.data.firmware_parity import PARITY_FILE, Parity, Stage, read_parity
from studio.views.parts import Choice, ElidedLabel, LoadedCard
from studio.views.viewer import Scene, viewer

WIDE_PX, NARROW_PX = 560, 300


def has_parity(artifact: Artifact) -> bool:
    """Whether the firmware was compared."""
    return (artifact.path / PARITY_FILE).is_file()


def read_stages(artifact: Artifact, _scene: Scene) -> Parity:
    """The comparison of a parity.json."""
    return read_parity(artifact.json(PARITY_FILE))


@viewer(Firmware, "Parity", fits=has_parity)
class FirmwareParityCard(LoadedCard):
    """A bar per stage: signal to quantization noise, red where the firmware departs from the reference."""

    title = "Parity"
    reader = staticmethod(read_stages)

    def __init__(self) -> None:
        super().__init__()
        self.found: Parity | None = None
        self.chart = Bars("Signal to noise by stage", "teal")
        self.noise = Choice("Noise", (("so far", "up to here"), ("own", "of the stage alone")))
        self.noise.changed.connect(self._draw)
        self.note = ElidedLabel()
        self.note.setObjectName("mute")
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.note, 1)
        foot.addWidget(self.noise)
        self.inner.addWidget(scrolled(self.chart), 1)
        self.inner.addLayout(foot)
        self.offer(self.noise)

    def show_data(self, data: Parity) -> None:
        """Show a comparison."""
        self.found = data
        exact = "✓ equal to the bit" if data.is_exact else "✕ departs"
        self.subtitle.setText(f"{exact} · {data.clips:,} clips · dB above rounding noise")
        self.note.setText(" · ".join(filter(None, ("" if data.is_exact else data.summary, decided(data)))))
        self._draw()

    def _draw(self, *_: object) -> None:
        if self.found is not None:
            self.chart.show_rows([_row(stage, is_own=self.noise.value == "own") for stage in self.found.stages])

    def resizeEvent(self, event: object) -> None:
        """Words need room."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self.note.setVisible(self.width() >= WIDE_PX)
        self.noise.setVisible(self.width() >= NARROW_PX)

    def table_rows(self) -> list[Sequence[object]]:
        """Every stage."""
        head = ("stage", "operator", "bits", "values", "differing", "largest", "sqnr db", "own sqnr db", "outside")
        stages = self.found.stages if self.found is not None else ()
        return [
            head,
            *(
                (s.name, s.operator, s.bits, s.values, s.differing, s.largest, s.sqnr_db, s.own_sqnr_db, s.outside)
                for s in stages
            ),
        ]

    def restyle(self) -> None:
        """The window became dark or light."""
        self.chart.update()


def _row(stage: Stage, *, is_own: bool) -> BarRow:
    ratio_db = stage.own_sqnr_db if is_own else stage.sqnr_db
    if stage.differing:
        end = f"✕ {stage.differing:,} of {stage.values:,} codes"
        return BarRow(stage.name, max(ratio_db or 0.0, 0.0), end=end, note=stage_note(stage), token="red")
    end = "✓" if ratio_db is None else f"✓ {ratio_db:.1f} dB"
    return BarRow(stage.name, None if ratio_db is None else max(ratio_db, 0.0), end=end, note=stage_note(stage))


def stage_note(stage: Stage) -> str:
    """Everything known about a stage, line by line."""
    told = [f"{stage.name} · {stage.operator} · {stage.bits} bits"]
    told.append(
        f"{stage.differing:,} of {stage.values:,} codes differ, by up to {stage.largest:,.0f}"
        if stage.differing
        else f"all {stage.values:,} codes equal the integer reference"
    )
    if stage.sqnr_db is not None:
        told.append(f"{stage.sqnr_db:.1f} dB of signal above rounding noise up to here")
    if stage.own_sqnr_db is not None:
        told.append(f"{stage.own_sqnr_db:.1f} dB of this stage alone")
    return "\n".join([*told, *([f"{stage.outside:.2%} of the values outside its range"] if stage.outside else [])])


def decided(found: Parity) -> str:
    """ "right: float 28, firmware 27 of 32; 1 decided otherwise"."""
    right = ", ".join(f"{name} {count}" for name, count in found.right.items() if name != "integer")
    changed = "" if found.changed is None else f"{found.changed} decided otherwise than in float"
    return "; ".join(filter(None, (f"right: {right} of {found.clips}" if right else "", changed)))
