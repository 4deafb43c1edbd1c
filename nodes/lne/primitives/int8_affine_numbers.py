"""Scales, shifts and activations of bytes: every channel's bytes as a table, and the line that gives the same.

A quantized model turns a byte into a real number, computes in float32 and rounds back; each step's rounding may decide
a tie. A channel has 256 bytes, so all of that is done beforehand. Where one multiply-add per value gives the same bytes
(its constant moved by a few units of the last place at most), that is what is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nodes.lne.ir import Affine
from nodes.lne.primitive import Range
from nodes.lne.primitives.int8_numbers import CLIPPED, Bytes, Clip, Floats, clip_of, fused, to_bytes, to_real
from nodes.lne.reference import activate

NUDGES = np.array(sorted(range(-48, 49), key=abs), np.float32) * np.float32(2.0**-18)
"""What is tried to be added to a line's constant, in steps of the output."""


@dataclass(frozen=True, eq=False)
class Line:
    """Byte = factor x byte + constant, to the nearest even integer, clipped; one of each per channel."""

    factor: Floats
    constant: Floats
    clip: Clip


def byte_table(op: Affine, ranges: Mapping[str, Range]) -> Bytes:
    """What every byte of every channel becomes, (channels, 256)."""
    given, after = ranges[op.inputs[0]], ranges[op.output]
    product = to_real(np.arange(256, dtype=np.uint8), given) * op.scale.astype(np.float32)[:, None]
    shifted = product + op.shift.astype(np.float32)[:, None]
    return to_bytes(activate(op.activation, shifted.astype(np.float64)).astype(np.float32), after)


def line_of(op: Affine, ranges: Mapping[str, Range]) -> Line | None:
    """The line that gives the table; none if no line does."""
    if op.activation not in CLIPPED:
        return None
    given, after, table = ranges[op.inputs[0]], ranges[op.output], byte_table(op, ranges)
    clip = clip_of(op.activation, after)
    factor = (op.scale * given.scale / after.scale).astype(np.float32)
    start = (op.shift / after.scale + after.zero - given.zero * op.scale * given.scale / after.scale).astype(np.float32)
    tried = start + NUDGES[:, None]
    stored = np.arange(256, dtype=np.float32)
    found = np.clip(np.rint(fused(stored, factor[:, None], tried[:, :, None])), clip.low, clip.high)
    fits = (found == table).all(2)
    if not fits.any(0).all():
        return None
    return Line(factor, tried[fits.argmax(0), np.arange(len(table))], clip)
