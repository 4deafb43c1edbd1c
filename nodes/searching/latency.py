"""The latency of a shape on this machine, before it is trained: weights do not change it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine import Context, FeatureSet

if TYPE_CHECKING:
    from nodes.zoo import Architecture

PROTOCOL: Final = "s1"
"""50 runs after 10 warm-ups on one thread (TC-ResNet)."""
NOISE: Final = 0.1
"""Loudness of the clip that is timed; what is heard does not change the time."""


@dataclass(frozen=True)
class Stopwatch:
    """Measures shapes under the protocol of `nodes.application.measure`, each in a process of its own."""

    features: FeatureSet
    ctx: Context

    def median_us(self, architecture: Architecture) -> float:
        """Median time of one inference in microseconds.

        Raises:
            ApplicationError: the network cannot be run.
            Cancelled: the user asked to stop.
        """
        import numpy as np

        from nodes.application import PROTOCOLS
        from nodes.application.measure import measure

        front_end = self.features.meta.front_end
        samples = int(front_end["clip_samples"])
        clip = (NOISE * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)
        with tempfile.TemporaryDirectory(dir=self.ctx.scratch) as place:
            self._bundle(architecture, Path(place))
            found = measure(Path(place), clip, PROTOCOLS[PROTOCOL], self.ctx.check)
        return float(found["inference"]["median_us"])

    def _bundle(self, architecture: Architecture, folder: Path) -> None:
        """The untrained network and its front end as an application."""
        from nodes.application.bundle import bundle_of, write_description
        from nodes.zoo import build, export_onnx

        export_onnx(build(architecture), folder / "model.onnx")
        meta = self.features.meta
        facts = {
            "architecture": architecture["name"], "classes": list(meta.classes), "front_end": meta.front_end,
            "input_shape": list(meta.shape), "precision": "float32",
        }  # fmt: skip
        write_description(folder, bundle_of(folder, facts, "the candidate"), {})
