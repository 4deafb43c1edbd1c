"""Windows of one length slid over recordings (S2, II-A): what is longer is cut up, what is shorter may be filled up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
FULL_SCALE = 32767


def chunks(samples: Samples, size: int, hop: int, *, fills: bool) -> Iterator[tuple[int, Samples]]:
    """First sample and content (size,) of every chunk of a recording (samples,).

    A tail shorter than a chunk is left out. A whole recording shorter than one gives one chunk with zeros behind it
    where `fills`, else none.
    """
    if len(samples) < size:
        if fills:
            yield 0, np.pad(samples, (0, size - len(samples)))
        return
    for first in range(0, len(samples) - size + 1, hop):
        yield first, samples[first : first + size]


def levelled(samples: Samples, peak: float) -> Samples:
    """Samples scaled so that the largest is `peak` of full scale; silence stays silence."""
    largest = int(np.abs(samples.astype(np.int32)).max(initial=0))
    if not largest:
        return samples
    scaled: Samples = np.rint(samples * (peak * FULL_SCALE / largest)).astype(np.int16)
    return scaled
