"""Does the finished application give what the reference gives?"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from nodes.application.application import Application
from nodes.application.network import logits_of, open_network, options

Floats = NDArray[np.float32]
Scope = Literal["front end and network", "network"]


@dataclass(frozen=True)
class Verification:
    """What was compared, and how far apart it was.

    Attributes:
        scope: from where the application was run; below that it was handed the reference's features.
        clips: "recordings" or "noise".
        error: largest difference of a logit.
        logit_range: largest minus smallest reference logit, for scale.
        agreement: share of clips with the same top class.
    """

    scope: Scope
    clips: Literal["recordings", "noise"]
    count: int
    error: float
    logit_range: float
    agreement: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def verify(application: Application, reference: Floats, waveforms: Floats | None, *, is_real: bool) -> Verification:
    """Compare the application with its own network run exactly as written, all of the engine's optimisations off.

    Args:
        reference: features (clips, *input_shape) that the reference network is given.
        waveforms: (clips, clip_samples) of the same clips; with them the application starts at the waveform.
    """
    wanted = _as_written(application, reference)
    found = application.engine.logits(reference) if waveforms is None else application.logits(waveforms)
    return Verification(
        scope="network" if waveforms is None else "front end and network",
        clips="recordings" if is_real else "noise",
        count=len(reference),
        error=float(np.abs(found - wanted).max()),
        logit_range=float(wanted.max() - wanted.min()),
        agreement=float((found.argmax(axis=1) == wanted.argmax(axis=1)).mean()),
    )


def _as_written(application: Application, features: Floats) -> Floats:
    made = options(threads=1)
    made.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return logits_of(open_network(application.bundle.network, application.bundle.name, made=made), features)
