"""Clips as samples: which DFT the device computes, and parity from the first sample to the answer."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.parameters import FrontEnd
from nodes.embedded.feed import Feed
from nodes.firmware.frontend import Plan, float_stages, frontend_source, plan, shortest_dft, stages
from nodes.firmware.parity import check
from nodes.firmware.parity_front import Hearing, as_input, write_hearing
from nodes.firmware.parity_report import Parity
from nodes.firmware.program import Program
from nodes.firmware.project import make
from nodes.firmware.toolchain import Toolchain
from nodes.lne.ir import Graph
from nodes.quant.batched import float_maps
from nodes.quant.integer import IntegerGraph
from nodes.quant.simulate import simulated_maps

Samples = NDArray[np.int16]
NAME: Final = "ears"
TRIED_CLIPS: Final = 256
CLIPS_AT_ONCE: Final = 64
PRESET, SHORTEST, FLOAT = "preset", "shortest", "float"


@dataclass(frozen=True)
class Sounds:
    """What the network is shown of some clips, one input each.

    Attributes:
        front_end: of one input of the network.
        samples: (inputs, its samples).
        truth: number of each input's class; None where an input is a part of a clip, or nobody knows.
    """

    front_end: FrontEnd
    samples: Samples = field(repr=False)
    truth: Sequence[int] | None = field(default=None, repr=False)


def sounds(front_end: FrontEnd, fed: Feed, clips: Samples, truth: Sequence[int] | None = None) -> Sounds | None:
    """Clips (clips, samples); for a network over patches a patch each, another one from clip to clip.

    None if patches of a clip are not those of a stream: its ends are put into silence.
    """
    if fed.pieces == 1:
        return Sounds(front_end, clips, truth)
    if front_end.pad_samples:
        return None
    frames, hop = front_end.patch_frames, front_end.hop_samples
    piece = replace(front_end, clip_samples=front_end.window_samples + (frames - 1) * hop, append_samples=0)
    whole = np.pad(clips, ((0, 0), (0, front_end.append_samples)))
    begins = [number % fed.pieces * frames * hop for number in range(len(clips))]
    parts = [clip[first : first + piece.clip_samples] for clip, first in zip(whole, begins, strict=True)]
    return Sounds(piece, np.stack(parts))


@dataclass(frozen=True)
class Tried:
    """What a shorter DFT costs, measured.

    Attributes:
        dft_samples: of the DFTs, "preset" and "shortest".
        rms: of the features' error with each, and of rounding float features to the input's format ("rounding").
        changed: inputs on which the integers with each decide otherwise than the float network on float features.
        right: inputs decided rightly, also by "float"; empty without truth.
    """

    inputs: int
    dft_samples: Mapping[str, int]
    rms: Mapping[str, float]
    changed: Mapping[str, int]
    right: Mapping[str, int]

    @property
    def lost(self) -> int:
        """Inputs that the shorter DFT loses against the preset's; negative where it wins."""
        if self.right:
            return self.right[PRESET] - self.right[SHORTEST]
        return self.changed[SHORTEST] - self.changed[PRESET]

    @property
    def is_within_rounding(self) -> bool:
        """Whether the shorter DFT errs less than rounding, and loses no more decisions than that changes."""
        return self.rms[SHORTEST] <= self.rms["rounding"] and self.lost <= self.changed[PRESET]


def try_dfts(found: Sounds, graph: IntegerGraph, float_graph: Graph) -> Tried | None:
    """Hold the shortest DFT against the preset's; None where they are the same."""
    front_end, form = found.front_end, graph.forms[graph.source]
    lengths = {PRESET: front_end.fft_samples, SHORTEST: shortest_dft(front_end)}
    if lengths[PRESET] == lengths[SHORTEST]:
        return None
    plans = {name: plan(front_end, form, dft_samples=samples) for name, samples in lengths.items()}
    rows = np.unique(np.linspace(0, len(found.samples) - 1, min(TRIED_CLIPS, len(found.samples))).round().astype(int))
    blocks = [
        _tried(plans, graph, float_graph, found.samples[rows[first : first + CLIPS_AT_ONCE]])
        for first in range(0, len(rows), CLIPS_AT_ONCE)
    ]
    squares = {name: float(np.mean([block[0][name] for block in blocks])) for name in blocks[0][0]}
    decided = {name: np.concatenate([block[1][name] for block in blocks]) for name in blocks[0][1]}
    changed = {name: int((decided[name] != decided[FLOAT]).sum()) for name in plans}
    truth = None if found.truth is None else np.asarray(found.truth)[rows]
    right = {} if truth is None else {name: int((values == truth).sum()) for name, values in decided.items()}
    return Tried(len(rows), lengths, {name: value**0.5 for name, value in squares.items()}, changed, right)


def _tried(
    plans: Mapping[str, Plan], graph: IntegerGraph, float_graph: Graph, samples: Samples
) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Mean squares of errors, and decisions, by name."""
    first = plans[PRESET]
    floats = [float_stages(first, clip) for clip in samples]
    exact, coded = (np.stack([one[name] for one in floats]) for name in ("dct", "codes"))
    squares = {"rounding": float(np.square(coded - exact).mean())}
    decided = {FLOAT: _decisions(float_maps(float_graph, as_input(exact, first, graph))[graph.result])}
    for name, one in plans.items():
        made = [stages(one, clip) for clip in samples]
        squares[name] = float(np.square(np.stack([found["dct"].reals for found in made]) - exact).mean())
        given = as_input(np.stack([found["codes"].codes for found in made]), one, graph)
        decided[name] = _decisions(simulated_maps(graph, given)[graph.result])
    return squares, decided


def _decisions(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(values.reshape(len(values), -1).argmax(1))


def told(tried: Tried) -> Iterator[tuple[str, Any]]:
    """For the report."""
    yield "inputs", tried.inputs
    yield "dft_samples", dict(tried.dft_samples)
    yield "features_rms_error", dict(tried.rms)
    yield "decisions_changed", dict(tried.changed)
    if tried.right:
        yield "accuracy", {name: count / tried.inputs for name, count in tried.right.items()}
    yield "is_within_rounding", tried.is_within_rounding


def check_from_samples(
    found: Sounds,
    made: Plan,
    program: Program,
    toolchain: Toolchain,
    float_graph: Graph,
    on_progress: Callable[[int, int], None] | None = None,
) -> Parity:
    """Every stage from the samples to the answer: framing, window, DFT, mel, logarithm, cosine transform, every layer.

    Args:
        made: the front end as it ships; its tables are those of one input too.

    Raises:
        FirmwareError: the test does not build or does not run.
    """
    one = replace(made, front_end=found.front_end)
    shape = program.graph.maps[program.graph.source].shape
    hearing = Hearing(one, frontend_source(one, NAME if program.name != NAME else f"{NAME}_front"))
    with tempfile.TemporaryDirectory(prefix="ossicle-ears-") as place:
        folder = Path(place)
        elf = make(toolchain, program, folder, write_hearing(program, hearing, [np.zeros(shape, np.int64)], folder))
        return check(
            program, elf, found.samples, float_graph, front_end=hearing, truth=found.truth, on_progress=on_progress
        )
