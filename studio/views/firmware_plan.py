"""The working memory of a Firmware: which map lies where, from layer to layer."""

from __future__ import annotations

from collections.abc import Sequence

from engine.artifact import Artifact, Firmware
from engine.console import size
from studio.views.data.document import top_level
from studio.views.data.firmware import FIRMWARE_FILE, read_map
from studio.views.data.optimisation import MemoryPlan
from studio.views.legend import Entry, Legend
from studio.views.memory_plan import NAMES, TOKENS, MemoryPicture
from studio.views.parts import LoadedCard
from studio.views.viewer import Scene, viewer


def has_plan(artifact: Artifact) -> bool:
    """Whether a firmware.json tells where maps lie."""
    return top_level(artifact.path / FIRMWARE_FILE, "memory")


def read_plan(artifact: Artifact, _scene: Scene) -> MemoryPlan:
    """The plan of a firmware.json."""
    return read_map(artifact).plan


@viewer(Firmware, "Working memory", fits=has_plan)
class FirmwarePlanCard(LoadedCard):
    """Maps and scratch over the layers."""

    title = "Working memory"
    reader = staticmethod(read_plan)

    def __init__(self) -> None:
        super().__init__()
        self.picture = MemoryPicture()
        self.legend = Legend(rows=1, is_switch=False)
        self.inner.addWidget(self.picture, 1)
        self.inner.addWidget(self.legend)

    def show_data(self, data: MemoryPlan) -> None:
        """Show a plan."""
        saved = f" · {size(data.separate_bytes)} without sharing" if data.separate_bytes > data.workspace_bytes else ""
        self.subtitle.setText(f"{size(data.workspace_bytes)}{saved}")
        self.picture.show_plan(data)
        forms = [form for form in NAMES if any(block.form == form for block in data.blocks)]
        self.legend.show_entries([Entry(form, NAMES[form], TOKENS[form], "square") for form in forms])
        if not data.blocks:
            self.say("This network needs no working memory of its own.")

    def table_rows(self) -> list[Sequence[object]]:
        """Every block."""
        head = ("map", "form", "offset", "bytes", "first layer", "last layer")
        blocks = self.picture.plan.blocks
        return [head, *((b.name, b.form, b.offset, b.size_bytes, b.first, b.last) for b in blocks)]

    def restyle(self) -> None:
        """The window became dark or light."""
        self.picture.update()
