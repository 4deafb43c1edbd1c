"""The front end's part of the parity gate: samples in, every stage of every frame against the integer reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.frontend.plan import Plan
from nodes.firmware.frontend.reference import STAGES, float_stages, kind_of, stages
from nodes.firmware.golden import golden_header
from nodes.firmware.parity_report import Stage, stage_row
from nodes.firmware.parity_tally import Exact, Rounded
from nodes.firmware.program import Program
from nodes.firmware.project import write
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntegerGraph

Array = NDArray[Any]
NAMES = tuple(STAGES)
CODES, FEATURES = "codes", "dct"


class FrontEndFiles(Protocol):
    """A front end as C: prefix of its symbols, and two files."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def header(self) -> str: ...


@dataclass(frozen=True)
class Hearing:
    """A front end as it is compared: its numbers, and its C.

    Attributes:
        is_plain: the features are not normalised, so that the float front end's last stages are comparable.
    """

    plan: Plan
    code: FrontEndFiles
    is_plain: bool = True

    def record_bytes(self) -> int:
        """About what one clip leaves in a trace."""
        plan = self.plan
        return plan.front_end.frames * (
            24 * plan.points + 2 * plan.front_end.window_samples + 16 * plan.front_end.n_mels
        )


def write_hearing(program: Program, hearing: Hearing, inputs: Sequence[Codes], folder: Path) -> tuple[str, ...]:
    """Write a project whose test hears: clips in its file are samples. Names of the C sources."""
    sources, name = write(program, folder, inputs), hearing.code.name
    (folder / "golden.h").write_text(golden_header(program, inputs, name))
    (folder / f"{name}.h").write_text(hearing.code.header)
    (folder / f"{name}.c").write_text(f"#define OSSICLE_STAGES 1\n{hearing.code.source}")
    return *sources, f"{name}.c"


@dataclass(frozen=True)
class Heard:
    """What the references make of some clips.

    Attributes:
        codes: of every stage, (clips, frames, values).
        given: the network's input codes (clips, channels, rows, columns).
        features: its float input of the same shape.
    """

    codes: Mapping[str, Array] = field(repr=False)
    reals: Mapping[str, Array] = field(repr=False)
    floats: Mapping[str, Array] = field(repr=False)
    given: Array = field(repr=False)
    features: Array = field(repr=False)


def hear(hearing: Hearing, samples: Array, graph: IntegerGraph) -> Heard:
    """Both references of clips (clips, samples)."""
    plan = hearing.plan
    staged = [stages(plan, clip) for clip in samples]
    floats = [float_stages(plan, clip) for clip in samples]
    codes = {name: _flat([one[name].codes for one in staged]) for name in NAMES}
    reals = {name: _flat([one[name].reals for one in staged]) for name in NAMES}
    exact = {name: _flat([one[name] for one in floats]) for name in NAMES}
    features = exact[FEATURES] if hearing.is_plain else reals[FEATURES]
    return Heard(codes, reals, exact, as_input(codes[CODES], plan, graph), as_input(features, plan, graph))


def _flat(clips: list[Array]) -> Array:
    """(clips, frames, values)"""
    return np.stack([clip.reshape(len(clip), -1) for clip in clips])


def as_input(features: Array, plan: Plan, graph: IntegerGraph) -> Array:
    """Features (clips, frames, coefficients) as the network reads them: the last frames that its ring holds."""
    shape = graph.maps[graph.source]
    kept = features[:, -plan.frames :]
    return kept.reshape(len(features), shape.h, shape.w, shape.c).transpose(0, 3, 1, 2)


@dataclass
class FrontTally:
    """Sums of the front end's stages."""

    hearing: Hearing
    exact: dict[str, Exact] = field(default_factory=lambda: {name: Exact() for name in NAMES})
    rounded: dict[str, Rounded] = field(default_factory=lambda: {name: Rounded() for name in NAMES})

    def add(self, heard: Heard, found: Mapping[int, NDArray[np.uint8]], first_clip: int) -> Array:
        """Take a block of clips and the firmware's records; the codes it gave the network (clips, frames, values)."""
        for stage, name in enumerate(NAMES):
            codes = self.stored(found[stage], name, heard)
            expected = heard.codes[name].astype(codes.dtype)
            self.exact[name].add(expected, codes, first_clip)
            if self.hearing.is_plain or name not in (FEATURES, CODES):
                self.rounded[name].add_reals(heard.floats[name], heard.reals[name])
        return self.stored(found[NAMES.index(CODES)], CODES, heard)

    def stored(self, data: NDArray[np.uint8], name: str, heard: Heard) -> Array:
        """Records of a stage as numbers (clips, frames, values)."""
        return np.ascontiguousarray(data).view(kind_of(self.hearing.plan, name)).reshape(heard.codes[name].shape)

    def rows(self) -> Iterator[Stage]:
        """A row per stage."""
        for name in NAMES:
            form = self.hearing.plan.output if name == CODES else None
            yield stage_row(name, "front end", "", form, self.exact[name], None, self.rounded[name])
