"""How the source papers time an inference (SEEDS 11 and 13), as data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median, pstdev
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True)
class Protocol:
    """`runs` timed inferences of one clip after `warmups` discarded ones, on `threads` threads."""

    name: str
    source: str
    runs: int
    warmups: int
    threads: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


PROTOCOLS: Final[Mapping[str, Protocol]] = MappingProxyType(
    {
        "s1": Protocol("s1", "TC-ResNet: mean of 50 after 10 warm-ups, 1 thread", 50, 10, 1),
        "s2": Protocol("s2", "DeepSpectrumLite: mean of 50, 4 threads; 1 warm-up is ours", 50, 1, 4),
        "s4": Protocol("s4", "Bonseyes: mean of 10 after 1 discarded warm-up, 1 thread", 10, 1, 1),
    }
)


def summary(times_us: Sequence[float]) -> dict[str, float]:
    """What S1's tool prints of a series (count, first, last, min, max, mean, spread), and the median."""
    return {
        "count": len(times_us),
        "first_us": times_us[0],
        "last_us": times_us[-1],
        "min_us": min(times_us),
        "max_us": max(times_us),
        "mean_us": fmean(times_us),
        "std_us": pstdev(times_us),
        "median_us": median(times_us),
    }
