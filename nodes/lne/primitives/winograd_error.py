"""How exact a transformed convolution is in float32: of a pair of transforms, and of a layer's true weights."""

from __future__ import annotations

from functools import cache
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Conv, Weights
from nodes.lne.primitives.toom import Toom, toom
from nodes.lne.primitives.winograd_tiling import Tiling, transformed

Size = tuple[int, int]
"""Outputs and taps of a transform."""
NOISE_INPUTS = 48


@cache
def noise_error(along: Size, across: Size) -> float:
    """Largest error of one tile of rectified noise with weights of noise, beside the largest result."""
    first, second = toom(*along), toom(*across)
    weight = np.random.default_rng(1).standard_normal((along[1], across[1], NOISE_INPUTS, 32))
    filters = np.einsum("ak,bl,klio->abio", first.matrices[1], second.matrices[1], weight, optimize=True)
    return _error(first, second, filters)


def layer_error(op: Conv, tiling: Tiling) -> float:
    """Largest error of one tile of rectified noise with a layer's weights, beside the largest result."""
    along, across = tiling.along.transform, tiling.across.transform
    known = _KNOWN.setdefault(op, {})
    key = along.outputs, across.outputs, tiling.along.is_rows
    if key not in known:
        filters = transformed(op.weight, tiling)
        known[key] = _error(along, across, filters.reshape(*filters.shape[:2], -1, filters.shape[-1]))
    return known[key]


_KNOWN: WeakKeyDictionary[Conv, dict[tuple[int, int, bool], float]] = WeakKeyDictionary()
"""Errors of layers in use: asking whether a primitive takes a layer must stay cheap."""


def _error(along: Toom, across: Toom, filters: Weights) -> float:
    """Of filters (points along, points across, depth, outputs)."""
    inputs = np.random.default_rng(0).standard_normal((along.points, across.points, filters.shape[2])).clip(0)
    wanted = _tile(along, across, inputs, filters, np.float64)
    found = _tile(along, across, inputs, filters, np.float32)
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-30))


def _tile(along: Toom, across: Toom, inputs: Weights, filters: Weights, kind: type[np.floating]) -> NDArray[np.float64]:
    """Results of one tile, computed in a float type."""
    (after_l, _, before_l), (after_c, _, before_c) = along.matrices, across.matrices
    al, bl, ac, bc, x, f = (part.astype(kind) for part in (after_l, before_l, after_c, before_c, inputs, filters))
    v = np.einsum("xa,yb,abi->xyi", bl, bc, x, optimize=True)
    m = np.einsum("xyi,xyio->xyo", v, f)
    return np.asarray(np.einsum("mx,ny,xyo->mno", al, ac, m, optimize=True), np.float64)
