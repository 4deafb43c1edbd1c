"""The finished application from the waveform on: is it what the reference gives, and what do its features take?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from nodes.application import PROTOCOLS, load
from nodes.application.protocol import summary
from nodes.application.verify import Verification, verify
from nodes.lne.package import Library, open_package
from nodes.optimising.wish import Floats

Json = dict[str, Any]
PROTOCOL: Final = PROTOCOLS["s1"]


def heard(folder: Path, features: Floats, waveforms: Floats | None, *, is_real: bool) -> Verification:
    """Compare the compiled application with its network as written, from the waveform where there is one.

    Raises:
        ApplicationError: the library cannot be used.
    """
    application = load(folder, engine="compiled")
    return verify(application, features, waveforms, is_real=is_real)


def preprocessing(folder: Path, clip: Floats) -> Json:
    """What the features of one clip (samples,) take in C: a summary of times, by the protocol of S1."""
    library = open_package(folder)
    return summary(_times_us(library, clip))


def _times_us(library: Library, clip: Floats) -> list[float]:
    times = []
    for _ in range(PROTOCOL.warmups + PROTOCOL.runs):
        start_ns = time.perf_counter_ns()
        library.features(clip)
        times.append((time.perf_counter_ns() - start_ns) / 1e3)
    return times[PROTOCOL.warmups :]
