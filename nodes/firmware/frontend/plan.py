"""A front end in integers: every table and shift, decided once, from the same parameters as the float front end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.mel import dct_matrix, hann
from nodes.dsp.parameters import FrontEnd
from nodes.firmware.errors import FirmwareError
from nodes.firmware.frontend.bands import Bands, bands_of
from nodes.firmware.frontend.dft import MOST_POINTS, Codes, Scaling, Stage, scaling, stages_of
from nodes.firmware.frontend.tables import MAGNITUDE_BITS
from nodes.quant.fixed import Fixed

LOG_BITS = 15
"""Bits behind the point of natural logarithms before they are rounded to 16 bits."""
T = TypeVar("T", np.int64, np.float64)
DECIBELS = 10.0 / math.log(10.0)
MOST_FLOOR = 1 << 60


@dataclass(frozen=True, eq=False)
class Plan:
    """Of one front end.

    Attributes:
        output: format of a feature.
        dft_samples: of the transform.
        window: (window samples,) in int16.
        floors: (bands,) what is added to a band's sum, or the least it may be.
        log_bias: (bands,) what is added to a band's logarithm, `LOG_BITS` behind the point.
        log_fraction: bits behind the point of logarithms in int16.
        silence: a band's logarithm below its floor, in decibels.
        range_codes: logarithms are raised to so much below the largest of all frames; 0 where no floor depends on them.
        matrix: (coefficients, bands) in int16; without a cosine transform (bands,), a factor for each.
        bias: (coefficients,) what sums begin with.
        right: sums are shifted by this to codes.
    """

    front_end: FrontEnd
    output: Fixed
    dft_samples: int
    scaling: Scaling
    window: Codes
    bands: Bands
    floors: Codes
    log_bias: Codes
    log_fraction: int
    silence: int
    range_codes: int
    matrix: Codes
    bias: Codes
    right: int

    @property
    def points(self) -> int:
        """Complex points of the transform."""
        return self.dft_samples // 2

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Of the transform."""
        return stages_of(self.points)

    @property
    def frames(self) -> int:
        """Frames that a network sees at once."""
        return self.front_end.patch_frames or self.front_end.frames

    @property
    def ends(self) -> tuple[int, int]:
        """Zeros before and behind a clip's samples."""
        f = self.front_end
        return f.pad_samples, f.pad_samples + f.append_samples


def plan(
    front_end: FrontEnd,
    output: Fixed,
    *,
    gain: Sequence[float] | None = None,
    offset: Sequence[float] | None = None,
    dft_samples: int | None = None,
) -> Plan:
    """Decide every number of a front end that gives `gain * feature + offset` in the format `output`.

    Args:
        gain, offset: one per coefficient (1 and 0 without), where the network wants features normalised.
        dft_samples: of the transform, a power of two from half the window on; `fft_samples` without.
            A shorter one (`shortest_dft`) is faster, and its bands differ a little (`errors` measures it).

    Raises:
        FirmwareError: a microcontroller cannot compute this front end; every reason is listed.
    """
    samples = dft_samples or front_end.fft_samples
    if reasons := _refusals(front_end, output, samples, gain, offset):
        raise FirmwareError(
            f"The front end has no form in integers: {'; '.join(reasons)}.",
            "frames of 16 to 4,096 samples that follow each other, zeros around a clip",
            "Choose another preset, or change these values.",
        )
    window = hann(front_end.window_samples)
    bits = scaling(samples // 2, folded(window[None], samples)[0])
    stored = np.minimum(np.floor(window * 2.0**bits.window_bits + 0.5), 32767).astype(np.int64)
    bands = bands_of(front_end, samples)
    floors, biases = _logarithms(front_end, bands, bits)
    fraction = _log_fraction(front_end)
    silence = math.floor(quietest(front_end) * 2.0**fraction + 0.5)
    is_late = front_end.log == "db" and front_end.db_range < _reach_db(front_end)
    range_codes = math.floor(front_end.db_range / DECIBELS * 2.0**fraction + 0.5) if is_late else 0
    matrix, bias, right = _matrix(front_end, output, fraction, gain, offset)
    logs = (floors, biases, fraction, silence, range_codes)
    return Plan(front_end, output, samples, bits, stored, bands, *logs, matrix, bias, right)


def shortest_dft(front_end: FrontEnd) -> int:
    """The shortest DFT that still gives nearly the same bands: a power of two from three quarters of the window on.

    Half the work where a preset puts many zeros behind its window. Magnitudes need all of the window.
    """
    least = front_end.window_samples * (1.0 if front_end.power == 1 else 0.75)
    return min(front_end.fft_samples, 1 << math.ceil(math.log2(least)))


def folded(frames: NDArray[T], dft_samples: int) -> NDArray[T]:
    """Frames (frames, window) as long as the DFT: zeros behind, or what is too long added to the beginning."""
    size = frames.shape[1]
    if size <= dft_samples:
        return np.pad(frames, ((0, 0), (0, dft_samples - size)))
    kept, beyond = frames[:, :dft_samples].copy(), frames[:, dft_samples:]
    np.add(kept[:, : size - dft_samples], beyond, out=kept[:, : size - dft_samples])
    return kept


def _refusals(
    f: FrontEnd, output: Fixed, samples: int, gain: Sequence[float] | None, offset: Sequence[float] | None
) -> list[str]:
    is_power = samples & (samples - 1) == 0 and 16 <= samples <= 2 * MOST_POINTS
    rules = (
        (not is_power, f"a DFT of {samples:,} samples is no power of two from 16 to {2 * MOST_POINTS:,}"),
        (f.window_samples > 2 * samples, f"a window of {f.window_samples:,} samples is more than twice the DFT's"),
        (samples < f.window_samples and f.power == 1, "magnitudes need a DFT as long as the window"),
        (f.hop_samples > f.window_samples, f"a hop of {f.hop_samples:,} samples leaves gaps between windows"),
        (f.pad_samples > 0 and f.padding == "reflect", "a clip's ends are reflected, which a stream does not know"),
        (output.bits > 16, f"features of {output.bits} bits"),
        (f.n_mfcc > 0 and f.n_mels % 4 != 0, f"a cosine transform of {f.n_mels} bands, which are no multiple of 4"),
        (f.n_mfcc % 2 != 0, f"{f.n_mfcc} coefficients, an odd number"),
        (f.window_samples % 2 != 0, f"a window of {f.window_samples:,} samples is odd"),
        *(
            (values is not None and len(values) != f.coefficients, f"{name} has not {f.coefficients} values")
            for name, values in (("gain", gain), ("offset", offset))
        ),
    )
    return [reason for broken, reason in rules if broken]


def _reach_db(f: FrontEnd) -> float:
    """Decibels from the floor to the loudest band there can be: a range beyond this never cuts anything off."""
    return DECIBELS * (_loudest(f) - math.log(f.db_floor))


def _loudest(f: FrontEnd) -> float:
    """Logarithm of a bound of every band: all samples at the end of their range, in every bin."""
    widest = float(bands_of(f, f.fft_samples).counts.max()) or 1.0
    return math.log(widest) + f.power * math.log(float(hann(f.window_samples).sum()))


def _logarithms(f: FrontEnd, bands: Bands, bits: Scaling) -> tuple[Codes, Codes]:
    """Floors of the sums, and what is added to their logarithms."""
    spectrum = 2.0 ** (2 * bits.gain_bits if f.power == 2 else bits.gain_bits + MAGNITUDE_BITS)
    unit = bands.unit / spectrum
    floors = np.clip(np.floor(math.exp(quietest(f)) / unit + 0.5), 1, MOST_FLOOR).astype(np.int64)
    bias = np.floor(np.log(unit) * 2.0**LOG_BITS + 0.5).astype(np.int64)
    return floors, bias


def _log_fraction(f: FrontEnd) -> int:
    """Bits that leave room for every band; a cosine transform adds two bands, which takes one bit more."""
    return 14 - (f.n_mfcc > 0) - math.floor(math.log2(max(abs(quietest(f)), _loudest(f), 1.0)))


def quietest(f: FrontEnd) -> float:
    """Natural logarithm of silence."""
    return math.log(f.log_offset if f.log == "ln" else f.db_floor)


def _matrix(
    f: FrontEnd, output: Fixed, fraction: int, gain: Sequence[float] | None, offset: Sequence[float] | None
) -> tuple[Codes, Codes, int]:
    """Factors in 16 bits with the most bits behind the point that no sum overflows, biases, and the last shift."""
    factors = np.ones(f.coefficients) if gain is None else np.asarray(gain, np.float64)
    factors = factors * (1.0 if f.log == "ln" else DECIBELS)
    shifts = np.zeros(f.coefficients) if offset is None else np.asarray(offset, np.float64)
    matrix = dct_matrix(f) * factors[:, None] if f.n_mfcc else factors[:, None]
    sums = np.abs(matrix).sum(1) + np.abs(shifts) * 2.0 ** (fraction - 15) + 2.0 ** (-16 - output.fraction)
    limits = (0.99 * 2.0**16 / float(sums.max()), 32767.0 / float(np.abs(matrix).max()))
    bits = math.floor(math.log2(min(limits)))
    if bits + fraction <= output.fraction:
        raise FirmwareError(
            f"The network's input has steps of 2^-{output.fraction}.",
            f"steps of 2^-{bits + fraction - 1} or more, as the logarithms have",
            "Choose a coarser format for the input.",
        )
    right = bits + fraction - output.fraction
    stored = np.floor(matrix * 2.0**bits + 0.5).astype(np.int64)
    if f.n_mfcc:  # rounding must not break the symmetry
        opposite = stored[:, : f.n_mels // 2][:, ::-1] * (1 - 2 * (np.arange(f.n_mfcc) % 2))[:, None]
        stored = np.concatenate((stored[:, : f.n_mels // 2], opposite), axis=1)
    bias = np.floor(shifts * 2.0 ** (bits + fraction) + 0.5).astype(np.int64) + (1 << (right - 1))
    return (stored if f.n_mfcc else stored[:, 0]), bias, right
