"""The DFT of a frame in 32 bits: the order of its points in memory, its turns, and the same steps in numpy.

N real samples are transformed as n = N / 2 complex ones, even samples real, odd ones imaginary; `bins` takes them
apart. Stages have radix 4, but the first where n is no power of 4. The first stage reads samples, so it can put its
results where the last stage's come out sorted. Every stage but the last divides by 4: it multiplies by turns of 30
bits and keeps the upper half of the product, so 32 bits hold any tone; what is lost is far below 16-bit samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Pair = tuple[Codes, Codes]
"""Real and imaginary parts."""
TURN_BITS, SPLIT_BITS = 30, 31
MOST_POINTS = 2048
LARGEST = float(1 << 31)


@dataclass(frozen=True)
class Stage:
    """One pass over the points.

    Attributes:
        span: points of the transforms that begin here; a butterfly takes every (span / radix)-th.
        done: outputs found by earlier stages; they lie side by side.
        last: results are neither turned nor divided.
    """

    radix: int
    span: int
    done: int
    last: bool

    @property
    def rest(self) -> int:
        """Butterflies of one transform."""
        return self.span // self.radix


def stages_of(points: int) -> tuple[Stage, ...]:
    """Stages of a transform of so many points, a power of two from 8 to `MOST_POINTS`."""
    fours = (points.bit_length() - 1) // 2
    radices = [4] * fours if points == 4**fours else [2, *[4] * fours]
    found, done = [], 1
    for index, radix in enumerate(radices):
        found.append(Stage(radix, points // done, done, index == len(radices) - 1))
        done *= radix
    return tuple(found)


def places(stages: tuple[Stage, ...], index: int) -> Codes:
    """Where output 0 of every butterfly (rest,) of a stage goes, in order of the butterflies' inputs."""
    stage = stages[index]
    rest, found, weight = np.arange(stage.rest), np.zeros(stage.rest, np.int64), stage.done * stage.radix
    for after in stages[index + 1 :]:
        digit, rest = rest // after.rest, rest % after.rest
        found += digit * weight
        weight *= after.radix
    return found


def turns(stage: Stage) -> Pair:
    """Cosines and sines (rest, radix - 1) of the turns of a stage's outputs 1, 2, ..."""
    angles = 2 * np.pi * np.arange(stage.rest)[:, None] * np.arange(1, stage.radix) / stage.span
    return rounded(np.cos(angles), TURN_BITS), rounded(np.sin(angles), TURN_BITS)


def split_turns(points: int, down: int) -> Pair:
    """Cosines and sines of the turns of `bins` 1 to points / 2: a quarter further than the bin's own."""
    angles = np.pi * np.arange(1, points // 2 + 1) / points + np.pi / 2
    return rounded(np.cos(angles), SPLIT_BITS - down), rounded(np.sin(angles), SPLIT_BITS - down)


def rounded(values: NDArray[np.float64], bits: int) -> Codes:
    """Numbers up to 1 with so many bits behind the point, in 32 bits."""
    return np.clip(np.floor(values * 2.0**bits + 0.5), -(1 << 31), (1 << 31) - 1).astype(np.int64)


def upper(x: Codes, y: Codes) -> Codes:
    """Upper half of the product of numbers of 32 bits, rounded down (SMMUL)."""
    return (x * y) >> 32


def upper_rounded(x: Codes, y: Codes) -> Codes:
    """Upper half of the product, rounded to nearest (SMMULR)."""
    return (x * y + (1 << 31)) >> 32


def turned(x: Pair, by: Pair, product: Callable[[Codes, Codes], Codes] = upper) -> Pair:
    """x (cosine - j sine) in upper halves, every product rounded by itself."""
    return product(x[0], by[0]) + product(x[1], by[1]), product(x[1], by[0]) + product(-x[0], by[1])


def transform(stages: tuple[Stage, ...], points: Pair) -> Pair:
    """DFT of points (frames, n), divided by 4 in every stage but the last; outputs in order."""
    held = points
    for index in range(len(stages)):
        held = _pass(stages, index, held)
    return held


def _pass(stages: tuple[Stage, ...], index: int, held: Pair) -> Pair:
    stage = stages[index]
    first = (places(stages, index)[:, None] + np.arange(stage.done)).ravel()
    reads = [
        np.arange(stage.rest) + leg * stage.rest if index == 0 else first + leg * stage.done
        for leg in range(stage.radix)
    ]
    values = _DFTS[stage.radix]([(held[0][:, at], held[1][:, at]) for at in reads])
    results = (np.empty_like(held[0]), np.empty_like(held[1]))
    cosines, sines = turns(stage)
    for leg, value in enumerate(values):
        if not stage.last:
            by = (np.repeat(cosines[:, leg - 1], stage.done), np.repeat(sines[:, leg - 1], stage.done))
            value = turned(value, by) if leg else (value[0] >> 2, value[1] >> 2)
        for part, result in zip(value, results, strict=True):
            result[:, first + leg * stage.done] = part
    return results


def _two(x: list[Pair]) -> list[Pair]:
    (a, b), (c, d) = x
    return [(a + c, b + d), (a - c, b - d)]


def _four(x: list[Pair]) -> list[Pair]:
    (s0, d0), (s1, d1) = _two([x[0], x[2]]), _two([x[1], x[3]])
    return [
        (s0[0] + s1[0], s0[1] + s1[1]),
        (d0[0] + d1[1], d0[1] - d1[0]),
        (s0[0] - s1[0], s0[1] - s1[1]),
        (d0[0] - d1[1], d0[1] + d1[0]),
    ]


_DFTS = {2: _two, 4: _four}


def bins(spectrum: Pair, down: int) -> Pair:
    """Bins 1 to n - 1 of the real samples at 2^-down, from the complex DFT (frames, n).

    Signs of imaginary parts above n / 2 are as they come: only magnitudes are used.
    """
    points = spectrum[0].shape[1]
    k = np.arange(1, points // 2 + 1)
    (ar, ai), (br, bi) = ((spectrum[0][:, at], spectrum[1][:, at]) for at in (k, points - k))
    even = ((ar + br) >> (1 + down), (ai - bi) >> (1 + down))
    odd = turned((ar - br, ai + bi), split_turns(points, down), upper_rounded)
    low, high = ([e + o for e, o in zip(even, odd, strict=True)], [e - o for e, o in zip(even, odd, strict=True)])
    return (
        np.concatenate((low[0], high[0][:, -2::-1]), axis=1),
        np.concatenate((low[1], high[1][:, -2::-1]), axis=1),
    )


@dataclass(frozen=True)
class Scaling:
    """Bits that keep every sum of a transform within 32 bits and every square within 46.

    Attributes:
        window_bits: behind the point of the window.
        down: the real samples' bins are divided by 2 to this.
        gain_bits: a bin's code is its value, for samples in [-1, 1), times 2 to this.
    """

    window_bits: int
    down: int
    gain_bits: int


BIN_BITS = 23
"""Bins stay below 2 to this, so that bands of their squares times weights of 16 bits fit in 64."""
MOST_WINDOW_BITS = 15


def scaling(points: int, window: NDArray[np.float64]) -> Scaling:
    """Bits for samples of 16 bits, whatever they are, under a window (2 n samples, zeros included).

    A stage's sums are bounded by the window's over the points they take, times the largest complex number; those of
    `bins` by its sums over even and over odd samples.
    """
    stages = stages_of(points)
    seen = np.hypot(window[0::2], window[1::2]) * (1 << 15)
    largest = 0.0
    for index, stage in enumerate(stages):
        seen = seen.reshape(stage.radix, -1).sum(0)
        largest = max(largest, float(seen.max()) / 4.0**index)
    loss_bits = 2 * (len(stages) - 1)
    bin_bound = 2.0 * max(float(window[at::2].sum()) for at in (0, 1)) * 2.0 ** (15 - loss_bits)
    bits = min(MOST_WINDOW_BITS, int(np.floor(np.log2(0.999 * LARGEST / max(largest, bin_bound)))))
    down = max(0, int(np.ceil(np.log2(bin_bound * 2.0**bits))) - BIN_BITS)
    return Scaling(bits, down, 15 + bits - loss_bits - down)
