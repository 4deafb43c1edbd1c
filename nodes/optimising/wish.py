"""What is optimised, and how: plain values that the node and the command share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nodes.dsp.parameters import FrontEnd

Floats = NDArray[np.float32]
Method = Literal["q-learning", "exact", "estimate"]
Precision = Literal["float32", "mixed"]
NOISE_CLIPS: Final = 16
"""Inputs for a network nobody gave any."""


@dataclass(frozen=True)
class Judged:
    """Clips (clips, *one input's shape) by which precisions are judged, and their class numbers where known.

    They are none of those that the result is verified on.
    """

    clips: Floats = field(repr=False)
    truth: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Network:
    """A trained network and what it is checked on.

    Attributes:
        name: for people; file names are made from it.
        onnx: bytes of the model.
        inputs: (clips, *one input's shape without the batch axis) it is timed and verified on.
        is_real: whether they come from recordings, or are noise.
        judged: for choosing precisions; the inputs themselves where there are no others.
        front_end, labels: of an application; none for any other network.
    """

    name: str
    onnx: bytes = field(repr=False)
    inputs: Floats = field(repr=False)
    is_real: bool = False
    judged: Judged | None = None
    front_end: FrontEnd | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wish:
    """How a network is to be optimised.

    Attributes:
        target: a name in `nodes.lne.TARGETS`, or "native".
        levels: further targets in the same library, chosen among when it is opened.
        method: how primitives are chosen: by Q-learning or exactly on measured times, or by estimate without measuring.
        precision: "mixed" also looks for layers that may be computed in 8 bits.
        accuracy_drop: share of the clips that 8 bits may cost: of the right ones, or of those that stay as they were.
        episodes, exploring: of Q-learning, the random ones included.
        budget_s: for measuring candidates.
        ram_bytes, flash_bytes: limits of workspace and constants; 0 for none.
        engines: whether installed foreign engines are timed beside ours.
        pythons: interpreters of other environments whose engines are timed as well.
    """

    target: str = "native"
    levels: tuple[str, ...] = ()
    method: Method = "q-learning"
    precision: Precision = "float32"
    accuracy_drop: float = 0.005
    episodes: int = 1000
    exploring: int = 500
    budget_s: float = 70.0
    ram_bytes: int = 0
    flash_bytes: int = 0
    engines: bool = True
    pythons: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Watch:
    """Who follows an optimisation.

    Attributes:
        progress: fraction done (0 to 1) and words; it may raise to stop.
        metric: an episode of the search: its number, its time and the best so far, in microseconds.
        log: one line for the log.
    """

    progress: Callable[[float, str], None] = lambda fraction, text: None
    metric: Callable[[int, float, float], None] = lambda step, latency_us, best_us: None
    log: Callable[[str], None] = lambda text: None
