"""What a parity check found, as data: a row per stage, and what it means in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nodes.firmware.parity_tally import Departure, Exact, Rounded
from nodes.quant.fixed import Fixed


@dataclass(frozen=True)
class Noise:
    """What rounding costs a stage, in the integer reference against the float graph.

    Attributes:
        sqnr_db: of the network up to here; None where there is no error.
        own_sqnr_db: of this stage alone, with the inputs the integer network has.
        largest: error, as a real and in steps.
        outside: share of float values beyond the range of the format; None where a stage has no format.
    """

    sqnr_db: float | None
    own_sqnr_db: float | None
    largest: float
    largest_steps: float | None
    outside: float | None


@dataclass(frozen=True)
class Stage:
    """One stage: the firmware against the integer reference, to the bit, and that against the float graph.

    Attributes:
        kind: "front end", "layer" or "output".
        fraction: of the codes, for reals; None where a stage has no format of its own.
        differing: codes that are not the reference's, over all clips.
        own_differing: codes that differ even from what the firmware's own inputs should give; None if not looked at.
        largest, largest_real: difference in codes and as a real.
        sqnr_db: of the firmware against the reference; None if equal.
    """

    name: str
    kind: str
    operator: str
    bits: int
    fraction: int | None
    values: int
    differing: int
    clips_differing: int
    own_differing: int | None
    largest: float
    largest_real: float | None
    sqnr_db: float | None
    first: Departure | None
    noise: Noise | None

    @property
    def is_exact(self) -> bool:
        """Whether every code is the reference's."""
        return not self.differing


@dataclass(frozen=True)
class Answers:
    """What becomes of the decisions.

    Attributes:
        changed: clips for which the integer network decides otherwise than the float one; None without a float graph.
        right: clips classified rightly by "float", "integer" and "firmware"; empty without truth.
    """

    clips: int
    changed: int | None = None
    right: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Parity:
    """A network's firmware, compared stage by stage."""

    name: str
    cpu: str
    stages: tuple[Stage, ...]
    answers: Answers
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        """Whether every code of every stage is the reference's."""
        return all(stage.is_exact for stage in self.stages)

    @property
    def first(self) -> Stage | None:
        """The first stage that departs."""
        return next((stage for stage in self.stages if not stage.is_exact), None)

    @property
    def culprits(self) -> tuple[Stage, ...]:
        """Stages that are wrong by themselves: the first, and those that compute something else from what they got."""
        return tuple(one for one in self.stages if one.own_differing or (one is self.first))

    @property
    def noisiest(self) -> Stage | None:
        """The stage that adds most noise of its own by rounding."""
        heard = [one for one in self.stages if one.noise is not None and one.noise.own_sqnr_db is not None]
        return min(heard, key=_own_db, default=None)

    @property
    def summary(self) -> str:
        """In a sentence: equal, or the first stage that departs and by how much."""
        clips, first = self.answers.clips, self.first
        if first is None or first.first is None:
            return f"All {len(self.stages)} stages equal the integer reference to the bit over {clips:,} clips."
        real = "" if first.largest_real is None else f" ({first.largest_real:.4g})"
        ratio = "" if first.sqnr_db is None else f", SQNR {first.sqnr_db:.1f} dB"
        others = [stage.name for stage in self.culprits if stage is not first]
        also = f" Wrong by themselves too: {', '.join(others)}." if others else ""
        return (
            f"{first.name} departs first: {first.differing:,} of {first.values:,} codes in {first.clips_differing:,} "
            f"of {clips:,} clips, by up to {first.largest:,.0f} codes{real}{ratio}; in clip {first.first.clip} at "
            f"{first.first.place}, {first.first.found:g} instead of {first.first.expected:g}.{also}"
        )

    def as_data(self) -> dict[str, Any]:
        """For JSON; the same values and names, and what is derived from them."""
        return {
            **asdict(self),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "is_exact": self.is_exact,
            "first": self.first.name if self.first else None,
            "culprits": [stage.name for stage in self.culprits],
            "noisiest": self.noisiest.name if self.noisiest else None,
            "summary": self.summary,
        }


def stage_row(
    name: str, kind: str, operator: str, form: Fixed | None, exact: Exact, own: int | None, rounded: Rounded | None
) -> Stage:
    """A row from what was gathered."""
    step = None if form is None else form.step
    return Stage(
        name,
        kind,
        operator,
        0 if form is None else form.bits,
        None if form is None else form.fraction,
        exact.values,
        exact.differing,
        exact.clips_differing,
        own if exact.differing else None,
        exact.largest,
        None if step is None else exact.largest * step,
        exact.sqnr_db,
        exact.first,
        None if rounded is None or not rounded.values else noise_row(rounded),
    )


def noise_row(rounded: Rounded) -> Noise:
    """A row from what was gathered."""
    form, largest = rounded.form, rounded.largest
    if form is None:
        return Noise(rounded.sqnr_db, None, largest, None, None)
    return Noise(rounded.sqnr_db, rounded.own_sqnr_db, largest, largest / form.step, rounded.outside / rounded.values)


def _own_db(stage: Stage) -> float:
    assert stage.noise is not None and stage.noise.own_sqnr_db is not None
    return stage.noise.own_sqnr_db
