"""How strong a change is: drawn evenly, or decided by how well the network knows a clip (SapAugment, S2 2.1).

A well known clip (small loss) can bear more change. The strength of a clip is lambda = 1 - I_x(s (1 - a), s a), I the
regularised incomplete beta function, x = rank / clips, ranks of the losses in a batch from 1, the smallest. The formula
is that of the paper's repository; the paper points to CutMix for it (slip 35).
"""

from __future__ import annotations

import numpy as np
import scipy.special
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sap_strength(losses: NDArray[np.float32], a: float, s: float) -> Floats:
    """Strength (clips,) in [0, 1] of the changes to the clips of a batch with these losses (clips,)."""
    ranks = np.empty(len(losses))
    ranks[np.argsort(losses, kind="stable")] = np.arange(1, len(losses) + 1)
    strength: Floats = 1.0 - scipy.special.betainc(s * (1.0 - a), s * a, ranks / len(losses))
    return strength


def is_changed(
    share: float, least: float, clips: int, random: np.random.Generator, strength: Floats | None
) -> NDArray[np.bool_]:
    """Which clips (clips,) are changed: a share of them, from `least` to `share` by strength (slip 32)."""
    chance = share if strength is None else least + (share - least) * strength
    chosen: NDArray[np.bool_] = random.random(clips) < chance
    return chosen


def sizes(
    largest: float, shape: tuple[int, ...], random: np.random.Generator, strength: Floats | None = None
) -> Floats:
    """Sizes (clips, ...) of a change: drawn from 0 to `largest`, or `largest` times the strength."""
    if strength is None:
        return random.uniform(0.0, largest, shape)
    return np.broadcast_to(largest * strength.reshape(-1, *[1] * (len(shape) - 1)), shape)
