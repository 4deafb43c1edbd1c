"""Sums over clips of how far two versions of a stage lie apart, gathered block by block in constant memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.quant.fixed import Fixed

Array = NDArray[Any]


@dataclass(frozen=True)
class Departure:
    """The first code that is not the reference's."""

    clip: int
    place: tuple[int, ...]
    """Row, column, channel of a layer; frame and value of a front end's stage."""
    expected: float
    found: float


@dataclass
class Exact:
    """Codes of the firmware against those of the reference."""

    clips: int = 0
    values: int = 0
    differing: int = 0
    clips_differing: int = 0
    largest: float = 0.0
    energy: float = 0.0
    error: float = 0.0
    first: Departure | None = None

    def add(self, expected: Array, found: Array, first_clip: int) -> list[int]:
        """Take a block of clips (clips, ...); numbers of the clips that differ, counted in the block."""
        self.clips, self.values = self.clips + len(found), self.values + found.size
        unequal = expected != found
        self.energy += float(np.square(expected, dtype=np.float64).sum())
        if not unequal.any():
            return []
        places = np.argwhere(unequal)
        distance = np.abs(expected[unequal].astype(np.float64) - found[unequal])
        self.largest = max(self.largest, float(distance.max()))
        self.error += float(np.square(distance).sum())
        self.differing += len(places)
        clips: list[int] = np.unique(places[:, 0]).tolist()
        self.clips_differing += len(clips)
        if self.first is None:
            clip, *place = places[0].tolist()
            at = tuple(places[0])
            self.first = Departure(first_clip + clip, tuple(place), float(expected[at]), float(found[at]))
        return clips

    @property
    def sqnr_db(self) -> float | None:
        """Of the firmware against the reference; None where there is no error or no value."""
        return ratio_db(self.energy, self.error)


@dataclass
class Rounded:
    """Reals of the integer reference against those of the float graph."""

    form: Fixed | None = None
    """Of the codes; None where a stage has none."""
    values: int = 0
    energy: float = 0.0
    error: float = 0.0
    largest: float = 0.0
    outside: int = 0
    own: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Energy and error of the stage alone, its inputs being the integer network's."""

    def add(self, wanted: Array, codes: Array) -> None:
        """Take a block of clips, as codes."""
        assert self.form is not None
        self.add_reals(wanted, codes.astype(np.float64) * self.form.step)
        low, high = (self.form.low - 0.5) * self.form.step, (self.form.high + 0.5) * self.form.step
        self.outside += int(((wanted < low) | (wanted > high)).sum())

    def add_reals(self, wanted: Array, found: Array) -> None:
        """Take a block of clips, as reals."""
        distance = wanted - found
        self.values += wanted.size
        self.energy += float(np.square(wanted).sum())
        self.error += float(np.square(distance).sum())
        self.largest = max(self.largest, float(np.abs(distance).max(initial=0.0)))

    def add_own(self, wanted: Array, codes: Array) -> None:
        """Take a clip of which the float stage got the integer network's inputs."""
        assert self.form is not None
        self.own[0] += float(np.square(wanted).sum())
        self.own[1] += float(np.square(wanted - codes.astype(np.float64) * self.form.step).sum())

    @property
    def sqnr_db(self) -> float | None:
        """Of the network so far; None where there is no error or no value."""
        return ratio_db(self.energy, self.error)

    @property
    def own_sqnr_db(self) -> float | None:
        """Of this stage alone."""
        return ratio_db(*self.own)


def ratio_db(energy: float, error: float) -> float | None:
    """Decibels of energy over error; None where that is no number."""
    return 10.0 * math.log10(energy / error) if energy > 0.0 and error > 0.0 else None
