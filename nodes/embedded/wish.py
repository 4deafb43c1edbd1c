"""What firmware is made of, and how: plain values that the node and the command share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.toolchain import Name

if TYPE_CHECKING:
    from nodes.dsp.parameters import FrontEnd

Floats = NDArray[np.float32]
RuleName = Literal["sqnr", "overload"]
FormName = Literal["project", "library", "arduino", "header"]
DftName = Literal["measured", "preset", "shortest"]
NOISE_CLIPS: Final = 32
"""Inputs for a network nobody gave any."""


@dataclass(frozen=True)
class Clips:
    """Inputs (clips, *one input's shape) and, where known, the number of each one's class.

    Attributes:
        is_real: whether they come from recordings, or are noise.
    """

    values: Floats = field(repr=False)
    truth: NDArray[np.int64] | None = field(default=None, repr=False)
    is_real: bool = True

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Network:
    """A trained network and the clips that formats are chosen on and that firmware is compared on.

    Attributes:
        name: for people; names of files and functions are made from it.
        onnx: bytes of the float model.
        calibration: for choosing formats; none is needed where `formats` are given.
        judged: what the firmware is compared on; none of them calibrated it.
        front_end: what makes the features; None if nobody knows.
        recording: samples at the front end's rate, on which the whole way is tried.
        sounds: samples (clips, the front end's) of the judged clips, for parity from the samples on.
        formats: a fixed.json, the formats that a quantizing node chose and fine-tuned for.
    """

    name: str
    onnx: bytes = field(repr=False)
    judged: Clips
    calibration: Clips | None = None
    formats: Path | None = None
    front_end: FrontEnd | None = None
    recording: NDArray[np.int16] | None = field(default=None, repr=False)
    sounds: NDArray[np.int16] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Wish:
    """What firmware is wanted.

    Attributes:
        toolchain: the best there is if None.
        clock_hz: for the estimated milliseconds.
        bits, bias_bits, rule, channel_scales: of the integers, where the model brings no formats of its own; with
            `channel_scales` every output channel of a convolution has a step of its own, that is no power of two.
        hears: whether the front end is part of the firmware.
        dft: of the front end: the preset's, the shortest that nearly gives its bands, or the shortest if it was
            measured to lose no more than rounding.
        forms: in which the network leaves; "project" is always among them.
        golden_clips: inputs compiled into the test that travels with the project.
        ram_bytes, flash_bytes: limits; 0 for none.
        device: the board's name, for people.
    """

    cpu: str = "cortex-m4"
    toolchain: Name | None = None
    clock_hz: float = 80e6
    bits: int = 8
    bias_bits: int = 32
    rule: RuleName = "sqnr"
    channel_scales: bool = False
    hears: bool = True
    dft: DftName = "measured"
    forms: tuple[FormName, ...] = ()
    golden_clips: int = 2
    ram_bytes: int = 0
    flash_bytes: int = 0
    device: str = ""


@dataclass(frozen=True)
class Watch:
    """Who follows: `progress` gets the fraction done (0 to 1) and words, and may raise to stop; `log` one line."""

    progress: Callable[[float, str], None] = lambda fraction, text: None
    log: Callable[[str], None] = lambda text: None
