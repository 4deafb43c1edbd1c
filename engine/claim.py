"""A number that somebody has printed, where ours is, and what comes of holding the one against the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from engine.theme import State as Look

State = Literal["reproduced", "off", "unchecked"]
LOOKS: Final[Mapping[State, Look]] = {
    "reproduced": Look("✓", "reproduced", "green"),
    "off": Look("≠", "off", "red"),
    "unchecked": Look("?", "cannot be checked here", "amber-text"),
}
"""How each state is shown: never by colour alone."""


class Claim(BaseModel):
    """One printed number.

    Attributes:
        what: what is claimed, in words ("TC-ResNet8, parameters").
        source: where it is printed ("S1 table 2").
        printed: as printed ("66K").
        value: the same as a number, in `unit`.
        tolerance: how far ours may be off and still round to what is printed.
        unit: "share" for what is printed in percent (0.961), "FLOP", "parameters", "bytes", "ms" …
        at: where ours is, "node.port:name.of.metric"; empty if it cannot be checked at all.
        needs: what must be at hand to check it ("UrbanSound8K, 10 folds"); empty if nothing but this program.
        clips: how many clips the print was measured on; a measurement on another number is on other data.
        runs: how many trainings the print is the mean of.
        slips: numbers of the paper's known slips that concern it (projects/papers/SLIPS.md).
        note: a known slip in words, or why it cannot be checked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    what: str
    source: str
    printed: str
    value: float
    unit: str = ""
    tolerance: float = Field(default=0.0, ge=0.0)
    at: str = ""
    needs: str = ""
    clips: int = Field(default=0, ge=0)
    runs: int = Field(default=1, ge=1)
    slips: tuple[int, ...] = ()
    note: str = ""

    @property
    def place(self) -> Place | None:
        """`at` in its three parts; None if it is empty or not of that form."""
        end, colon, metric = self.at.partition(":")
        node, dot, port = end.rpartition(".")
        return Place(node, port, metric) if colon and dot and node and port and metric else None

    def renamed(self, old: str, new: str) -> Claim:
        """The same after a node got another id."""
        place = self.place
        if place is None or place.node != old:
            return self
        return self.model_copy(update={"at": f"{new}.{place.port}:{place.metric}"})


@dataclass(frozen=True)
class Place:
    """A number of an artifact: `metric` is a name in its metrics, or a path in its report.json."""

    node: str
    port: str
    metric: str


@dataclass(frozen=True)
class Ours:
    """Our number for a claim.

    Attributes:
        low: lower end of its 95 % interval, or None.
        spread: standard deviation over several runs, or None.
        runs: how many runs it is the mean of; 0 for what is computed from definitions.
        origin: which runs, in words.
        obstacle: why it does not measure what was printed (other data, other settings); empty if it does.
    """

    value: float
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    runs: int = 0
    origin: str = ""
    obstacle: str = ""


@dataclass(frozen=True)
class Missing:
    """Why there is no number of ours; `is_fault` if the claim itself is wrong."""

    why: str
    is_fault: bool = False


@dataclass(frozen=True)
class Verdict:
    """A claim and what became of it.

    Attributes:
        ours: our number, shown beside the print even where it settles nothing.
        why: the difference, or what is missing, in words.
        is_fault: the claim points at something that is not there.
    """

    claim: Claim
    state: State
    ours: Ours | None
    why: str
    is_fault: bool = False

    @property
    def is_surprise(self) -> bool:
        """Off without a known slip, or broken: what should not be there in a shipped file."""
        return self.is_fault or (self.state == "off" and not self.claim.slips)


def judge(claim: Claim, found: Ours | Missing) -> Verdict:
    """Hold our number against the print: equal within its rounding, off, or not to be told."""
    if isinstance(found, Missing):
        return Verdict(claim, "unchecked", None, found.why, found.is_fault)
    if found.obstacle:
        return Verdict(claim, "unchecked", found, found.obstacle)
    off = found.value - claim.value
    if abs(off) <= claim.tolerance + 1e-9 * abs(claim.value):
        return Verdict(claim, "reproduced", found, found.origin)
    return Verdict(claim, "off", found, difference(claim, found))


def difference(claim: Claim, ours: Ours) -> str:
    """How far ours is from the print: "off by +3.83 M (+32 %)"; with an interval, whether the print lies in it."""
    off, unit = ours.value - claim.value, claim.unit
    if unit == "share":
        words = f"off by {100 * off:+.2f} points"
    elif unit == "yes or no":
        words = f"the print says {value_text(claim.value, unit)}, ours is {value_text(ours.value, unit)}"
    else:
        words = f"off by {'+' if off > 0 else '−'}{value_text(abs(off), unit)}{_relative(off, claim.value)}"
    if ours.low is None or ours.high is None:
        return words
    inside = "inside" if ours.low <= claim.value <= ours.high else "outside"
    return f"{words}; the print lies {inside} our 95 % interval"


def _relative(off: float, printed: float) -> str:
    """The difference as a share of the print; empty where that says nothing."""
    is_telling = printed and abs(off / printed) < 10
    return f" ({100 * off / printed:+.3g} %)" if is_telling else ""


def ours_text(verdict: Verdict) -> str:
    """Our number with its interval or spread, in the unit of the claim; "–" if there is none."""
    ours, unit = verdict.ours, verdict.claim.unit
    if ours is None:
        return "–"
    words = value_text(ours.value, unit)
    if ours.spread is not None:
        words += f" ± {value_text(ours.spread, unit)}"
    if ours.low is not None and ours.high is not None:
        words += f" ({value_text(ours.low, unit)} to {value_text(ours.high, unit)})"
    return words


def remark(verdict: Verdict) -> str:
    """What there is to say beside the numbers: the difference or the obstacle, the slips, then the note."""
    parts = [verdict.why, *(f"slip {number}" for number in verdict.claim.slips), verdict.claim.note]
    return "; ".join(dict.fromkeys(part for part in parts if part))


def summary(found: Iterable[Verdict]) -> str:
    """How many claims of each state: "✓ 12 reproduced, ≠ 1 off, ? 3 cannot be checked here"."""
    counts = Counter(verdict.state for verdict in found)
    return ", ".join(f"{LOOKS[state].mark} {counts[state]:,} {LOOKS[state].word}" for state in get_args(State))


def row_json(workflow: str, verdict: Verdict) -> dict[str, JsonValue]:
    """A verdict for programs and tables: what was printed, ours, and why they agree or not."""
    claim, ours = verdict.claim, verdict.ours
    return {
        "workflow": workflow,
        "what": claim.what,
        "source": claim.source,
        "state": verdict.state,
        "printed": claim.printed,
        "value": claim.value,
        "unit": claim.unit,
        "tolerance": claim.tolerance,
        "ours": None if ours is None else ours.value,
        "low": None if ours is None else ours.low,
        "high": None if ours is None else ours.high,
        "spread": None if ours is None else ours.spread,
        "runs": 0 if ours is None else ours.runs,
        "difference": None if ours is None or verdict.state == "unchecked" else ours.value - claim.value,
        "why": verdict.why,
        "needs": claim.needs,
        "slips": list(claim.slips),
        "note": claim.note,
        "at": claim.at,
    }


def value_text(value: float, unit: str) -> str:
    """A number as a person reads it in that unit."""
    return TEXTS[unit](value) if unit in TEXTS else f"{_plain(value)} {unit}".strip()


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:,.5g}"


def _scaled(value: float) -> str:
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.4g} {letter}"
    return _plain(value)


TEXTS: Final[Mapping[str, Callable[[float], str]]] = {
    "share": lambda value: f"{100 * value:.2f} %" if abs(value) >= 0.002 or not value else f"{100 * value:.3g} %",
    "FLOP": _scaled,
    "parameters": _plain,
    "bytes": lambda value: f"{_plain(value)} B",
    "yes or no": lambda value: "yes" if value else "no",
    "times": lambda value: f"{value:,.4g}x",
}
