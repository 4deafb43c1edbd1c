"""Where a device's sound should be heard: on the device (edge) or at the hub (cloud), by what was measured of both.

The rule: a way that breaks a wish is out. Of two that keep all wishes, the one counts that keeps its distance: the
largest share of a limit that it uses up is smaller; without limits, the one that sends fewer bytes. Where both break
wishes the answer is "neither", with the one that breaks fewer as the lesser evil.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

EDGE, CLOUD, NEITHER = "edge", "cloud", "neither"


@dataclass(frozen=True)
class Figures:
    """One way on one device, as measured.

    Attributes:
        delay_ms: 95th percentile from a word's end to its stored row; None where nothing was heard.
        bytes_per_hour: that leave the device.
        cpu_percent: of one core of the device.
        sends_sound: whether sound leaves the device.
    """

    delay_ms: float | None
    bytes_per_hour: float
    cpu_percent: float
    sends_sound: bool


@dataclass(frozen=True)
class Wishes:
    """What must hold; None does not matter."""

    delay_ms: float | None = None
    bytes_per_hour: float | None = None
    cpu_percent: float | None = None
    keeps_sound_private: bool = False


@dataclass(frozen=True)
class Choice:
    """The answer. `where` is "edge", "cloud" or "neither"; `lesser` is the way that comes closest."""

    where: str
    lesser: str
    reasons: tuple[str, ...]


def choose(edge: Figures, cloud: Figures, wishes: Wishes) -> Choice:
    """Choose by the rule above."""
    ways: Mapping[str, Figures] = {EDGE: edge, CLOUD: cloud}
    broken = {name: broken_wishes(found, wishes) for name, found in ways.items()}
    fit = [name for name in ways if not broken[name]]
    told = tuple(f"{name}: {why}" for name, reasons in broken.items() for why in reasons)
    if len(fit) == 1:
        return Choice(fit[0], fit[0], (*told, f"{fit[0]} keeps every wish"))
    if not fit:
        lesser = min(ways, key=lambda name: (len(broken[name]), _strain(ways[name], wishes)))
        return Choice(NEITHER, lesser, (*told, f"{lesser} comes closest"))
    return _of_two(ways, wishes)


def broken_wishes(found: Figures, wishes: Wishes) -> tuple[str, ...]:
    """In words, every wish that is not kept."""
    reasons = [
        f"{title} {value:,.4g} {unit}, wished at most {limit:,.4g}"
        for title, unit, value, limit in _limits(found, wishes)
        if value > limit
    ]
    if wishes.delay_ms is not None and found.delay_ms is None:
        reasons.append("the delay is not known: nothing was heard")
    if wishes.keeps_sound_private and found.sends_sound:
        reasons.append("sound leaves the device, wished private")
    return tuple(reasons)


def _of_two(ways: Mapping[str, Figures], wishes: Wishes) -> Choice:
    strains = {name: _strain(found, wishes) for name, found in ways.items()}
    if strains[EDGE] != strains[CLOUD]:
        best = min(strains, key=strains.__getitem__)
        told = tuple(f"{name} uses {100 * strain:.3g} % of its tightest limit" for name, strain in strains.items())
        return Choice(best, best, (*told, f"{best} keeps more distance"))
    best = min(ways, key=lambda name: ways[name].bytes_per_hour)
    told = tuple(f"{name} sends {found.bytes_per_hour:,.4g} bytes per hour" for name, found in ways.items())
    return Choice(best, best, (*told, f"{best} sends less"))


def _strain(found: Figures, wishes: Wishes) -> float:
    """The largest share of a limit that is used up; 0 without limits."""
    return max(
        (value / limit if limit else float(value > 0) for _, _, value, limit in _limits(found, wishes)), default=0.0
    )


def _limits(found: Figures, wishes: Wishes) -> Sequence[tuple[str, str, float, float]]:
    """Title, unit, value and limit of every figure that is known and limited."""
    rows = []
    for title, (unit, value_of, limit_of) in _FIGURES.items():
        value, limit = value_of(found), limit_of(wishes)
        if value is not None and limit is not None:
            rows.append((title, unit, value, limit))
    return rows


_FIGURES: Final[Mapping[str, tuple[str, Callable[[Figures], float | None], Callable[[Wishes], float | None]]]] = (
    MappingProxyType(
        {
            "delay": ("ms", lambda found: found.delay_ms, lambda wishes: wishes.delay_ms),
            "traffic": ("bytes per hour", lambda found: found.bytes_per_hour, lambda wishes: wishes.bytes_per_hour),
            "CPU": ("% of a core", lambda found: found.cpu_percent, lambda wishes: wishes.cpu_percent),
        }
    )
)
