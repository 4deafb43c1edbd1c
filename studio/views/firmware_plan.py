"""The working memory of a Firmware: which map lies where, from layer to layer."""

from __future__ import annotations

from engine.artifact import Artifact, Firmware
from studio.views.data.document import top_level
from studio.views.data.firmware import FIRMWARE_FILE, read_map
from studio.views.data.optimisation import MemoryPlan
from studio.views.memory_plan import MemoryCard
from studio.views.viewer import Scene, viewer


def has_plan(artifact: Artifact) -> bool:
    """Whether a firmware.json tells where maps lie."""
    return top_level(artifact.path / FIRMWARE_FILE, "memory")


def read_plan(artifact: Artifact, _scene: Scene) -> MemoryPlan:
    """The plan of a firmware.json."""
    return read_map(artifact).plan


@viewer(Firmware, "Working memory", fits=has_plan)
class FirmwarePlanCard(MemoryCard):
    """Maps and scratch over the layers."""

    title = "Working memory"
    reader = staticmethod(read_plan)
    step, nothing = "layer", "This network needs no working memory of its own."
