"""What a fleet says: real detections, made by the device's own runtime in real recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from nodes.hub.device.ear import open_ear
from nodes.hub.device.runtime import Manner, Runtime
from nodes.hub.device.source import Files
from nodes.hub.errors import HubError

Body = dict[str, Any]
AT_ONCE: Final = 0.0
"""Speed of a source that is heard as fast as possible."""


def detections(deployment: Path, recordings: Sequence[Path]) -> tuple[Body, ...]:
    """Bodies of the results a device with this deployment tells when it hears the recordings one after another.

    Raises:
        HubError: a deployment or recording cannot be read, or nothing was heard in any of them.
    """
    ear = open_ear(deployment)
    manner = Manner(ear.facts.hop_s, smoothing=ear.facts.smoothing, telemetry_s=0.0)
    runtime = Runtime(ear, manner, lambda _said: None)
    found = tuple(said.body for said in runtime.run(Files(tuple(recordings), ear.facts.rate_hz, AT_ONCE)))
    if not found:
        raise HubError(
            f"{deployment.name} heard nothing in {len(recordings)} recordings",
            "words it was trained on",
            "Name other recordings",
        )
    return found
