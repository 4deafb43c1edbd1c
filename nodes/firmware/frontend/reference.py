"""What the firmware's front end computes, stage by stage, in numpy: equal to the C to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.mel import dct_matrix, hann, mel_matrix
from nodes.dsp.parameters import FrontEnd
from nodes.firmware.errors import FirmwareError
from nodes.firmware.frontend import tables
from nodes.firmware.frontend.dft import Codes, bins, transform
from nodes.firmware.frontend.plan import DECIBELS, LOG_BITS, Plan, folded
from nodes.quant.fixed import codes as coded
from nodes.quant.fixed import reals

LN2 = round(np.log(2.0) * 2**31)
STAGES: Mapping[str, str] = MappingProxyType(
    {
        "framing": "<i2",
        "window": "<i4",
        "fft": "<i4",
        "power": "<u8",
        "mel": "<u8",
        "log": "<i2",
        "dct": "<i4",
        "codes": "<i1",
    }
)
"""Stages in order, and the C type of their values; `codes` of more than 8 bits are "<i2" (`kind_of`)."""


@dataclass(frozen=True, eq=False)
class Staged:
    """One stage of all frames: what the firmware holds, and what it stands for, of samples in [-1, 1)."""

    codes: Codes
    reals: NDArray[np.float64]


def kind_of(plan: Plan, stage: str) -> str:
    """The numpy type of a stage's values in the firmware's memory."""
    if stage == "codes":
        return "<i1" if plan.output.bits <= 8 else "<i2"
    return STAGES[stage]


def framed(front_end: FrontEnd, samples: Codes) -> Codes:
    """Frames (frames, window) of a clip's samples, zeros around it as the front end puts them.

    Raises:
        FirmwareError: these are no 16-bit samples, or not as many as a clip has.
    """
    if samples.shape != (front_end.clip_samples,) or samples.dtype.kind not in "iu":
        raise FirmwareError(
            f"A clip of shape {samples.shape} and type {samples.dtype}.",
            f"{front_end.clip_samples:,} integer samples",
            "Cut or pad the clip, and give 16-bit samples.",
        )
    if samples.size and not (samples.min() >= -32768 and samples.max() <= 32767):
        raise FirmwareError("A sample is outside 16 bits.", "-32768 to 32767", "Scale the clip to 16 bits.")
    pad = front_end.pad_samples
    whole = np.pad(samples.astype(np.int64), (pad, pad + front_end.append_samples))
    windows = np.lib.stride_tricks.sliding_window_view(whole, front_end.window_samples)
    return windows[:: front_end.hop_samples][: front_end.frames]


def stages(plan: Plan, samples: Codes) -> dict[str, Staged]:
    """Every stage of a clip (samples,) of 16 bits, by the names of `STAGES`; first axis: frames."""
    f, gain = plan.front_end, 2.0**plan.scaling.gain_bits
    frames = framed(f, samples)
    window = folded(frames * plan.window, plan.dft_samples)
    spectrum = transform(plan.stages, (window[:, 0::2], window[:, 1::2]))
    real, imaginary = bins(spectrum, plan.scaling.down)
    power = real * real + imaginary * imaginary
    if f.power == 1:
        power = tables.root(power)
    mel = plan.bands(power)
    log = logarithm(plan, mel)
    heard = np.maximum(log, log.max() - plan.range_codes) if plan.range_codes else log
    sums = heard @ plan.matrix.T + plan.bias if f.n_mfcc else heard * plan.matrix + plan.bias
    codes = np.clip(sums >> plan.right, plan.output.low, plan.output.high)
    step = 1.0 / gain**2 if f.power == 2 else 1.0 / (gain * 2**tables.MAGNITUDE_BITS)
    log_step = 2.0**-plan.log_fraction * (1.0 if f.log == "ln" else DECIBELS)
    return {
        "framing": _staged(frames, 2.0**-15),
        "window": _staged(window, 2.0 ** (-15 - plan.scaling.window_bits)),
        "fft": _staged(np.stack(spectrum, axis=-1), 2.0**-plan.scaling.down / gain),
        "power": _staged(power, step),
        "mel": _staged(mel, step * plan.bands.unit),
        "log": _staged(log, log_step),
        "dct": _staged(sums, 2.0 ** -(plan.right + plan.output.fraction), 1 << (plan.right - 1)),
        "codes": _staged(codes, plan.output.step),
    }


def _staged(codes: Codes, step: float | NDArray[np.float64], added: int = 0) -> Staged:
    return Staged(codes, np.asarray((codes - added) * step, np.float64))


def codes_of(plan: Plan, samples: Codes) -> Codes:
    """Features (frames, coefficients) of a clip in the network's input format."""
    return stages(plan, samples)["codes"].codes


def logarithm(plan: Plan, mel: Codes) -> Codes:
    """Natural logarithms of sums, in int16."""
    adds = plan.front_end.log == "ln"
    found = ((tables.log2(mel + plan.floors if adds else np.maximum(mel, 1)) * LN2) >> 32) + plan.log_bias
    right = LOG_BITS - plan.log_fraction
    logs = (found + (1 << right >> 1)) >> right
    return logs if adds else np.where(mel < plan.floors, plan.silence, logs)


def float_stages(plan: Plan, samples: Codes) -> dict[str, NDArray[np.float64]]:
    """The same stages in float64; `mel` and what follows from the front end's own DFT, the others as the plan's."""
    f = plan.front_end
    frames = framed(f, samples) / 2.0**15
    windowed = frames * hann(f.window_samples)
    window = folded(windowed, plan.dft_samples)
    pairs = np.fft.fft(window[:, 0::2] + 1j * window[:, 1::2])
    exact = np.abs(np.fft.rfft(windowed, f.fft_samples)) ** f.power
    mel = exact @ mel_matrix(f).T
    log = np.log(mel + f.log_offset) if f.log == "ln" else DECIBELS * np.log(np.maximum(mel, f.db_floor))
    heard = np.maximum(log, log.max() - f.db_range) if plan.range_codes else log
    features = heard @ dct_matrix(f).T if f.n_mfcc else heard
    return {
        "framing": frames,
        "window": window,
        "fft": np.stack((pairs.real, pairs.imag), axis=-1),
        "power": (np.abs(np.fft.rfft(window)) ** f.power)[:, 1:-1],
        "mel": mel,
        "log": log,
        "dct": features,
        "codes": reals(coded(features, plan.output), plan.output),
    }


@dataclass(frozen=True)
class FeatureError:
    """How far features in integers are from the float ones, before they are rounded to the network's format."""

    rms: float
    largest: float
    sqnr_db: float


def errors(plan: Plan, clips: list[Codes]) -> FeatureError:
    """Over clips of 16-bit samples, for a plan without gain and offset."""
    found = np.concatenate([stages(plan, clip)["dct"].reals for clip in clips])
    exact = np.concatenate([float_stages(plan, clip)["dct"] for clip in clips])
    off = found - exact
    power, noise = float(np.square(exact).mean()), float(np.square(off).mean())
    return FeatureError(float(np.sqrt(noise)), float(np.abs(off).max()), 10.0 * float(np.log10(power / noise)))
