"""The integer form of convolutions: with powers of two as scales, or with a scale of its own per channel.

Scales per channel: a weight's step is max |w| / (2^(bits - 1) - 1) in every output channel, symmetric; maps keep steps
that are powers of two. Where a residual is added, a channel's step is made a little larger, so that the residual's
step is a whole multiple of the sum's and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nodes.lne.ir import Conv
from nodes.quant.fixed import Codes, Fixed, Values
from nodes.quant.integer import IntConv
from nodes.quant.maker import WIDEST_BITS, Maker, limited, multiplied

MOST_MULTIPLE = (1 << 15) - 1
"""A residual's step in steps of the sum, in 16 bits."""
BIAS_LIMIT = 1 << (WIDEST_BITS - 1)


def make_product(make: Maker, op: Conv) -> IntConv | None:
    """The convolution with its activation; nothing if its residual is finer than the sum."""
    return _per_channel(make, op) if make.settings.channel_scales else _by_shifts(make, op)


def _by_shifts(make: Maker, op: Conv) -> IntConv | None:
    weight, form = make.weight(op)
    fraction = make.forms[op.inputs[0]].fraction + form.fraction
    bias, bias_shift = make.bias(op.bias, fraction)
    out = make.forms[op.output]
    residual = fraction - make.forms[op.inputs[1]].fraction if op.has_residual else 0
    if residual < 0:
        return None
    return IntConv(
        op.name,
        op.inputs,
        op.output,
        weight=weight,
        bias=bias,
        requantise=limited(make.shift(fraction, out), op.activation, out),
        stride=op.stride,
        dilation=op.dilation,
        pads=op.pads,
        groups=op.groups,
        bias_shift=bias_shift,
        residual_shift=residual,
    )


def _per_channel(make: Maker, op: Conv) -> IntConv | None:
    steps = _steps(op.weight, make.settings.bits)
    given, out = make.forms[op.inputs[0]].step, make.forms[op.output]
    multiples: Codes | None = None
    if op.has_residual:
        whole = make.forms[op.inputs[1]].step / (given * steps)
        if whole.min() < 1.0:
            return None
        multiples = np.minimum(np.floor(whole), MOST_MULTIPLE).astype(np.int64)
        steps = np.asarray(make.forms[op.inputs[1]].step / (given * multiples), np.float64)
    most = (1 << (make.settings.bits - 1)) - 1
    weight = np.clip(np.floor(op.weight / steps[:, None, None, None] + 0.5), -most, most).astype(np.int64)
    bias = np.clip(np.floor(op.bias / (given * steps) + 0.5), -BIAS_LIMIT, BIAS_LIMIT).astype(np.int64)
    largest = _largest(weight, bias, [make.forms[name] for name in op.inputs], multiples)
    return IntConv(
        op.name,
        op.inputs,
        op.output,
        weight=weight,
        bias=bias,
        requantise=limited(multiplied(given * steps / out.step, out, largest), op.activation, out),
        stride=op.stride,
        dilation=op.dilation,
        pads=op.pads,
        groups=op.groups,
        residual_multiplier=multiples,
    )


def _largest(weight: Codes, bias: Codes, forms: Sequence[Fixed], multiples: Codes | None) -> int:
    """Magnitude no sum exceeds, whatever the input."""
    total = np.abs(weight).reshape(len(weight), -1).sum(1) * -forms[0].low + np.abs(bias)
    return int((total if multiples is None else total - forms[1].low * multiples).max())


def _steps(weight: Values, bits: int) -> Values:
    """Step of every output channel; one without weights takes the coarsest of all."""
    largest = np.abs(weight).reshape(len(weight), -1).max(1)
    coarsest = float(largest.max()) or 1.0
    return np.asarray(np.where(largest > 0.0, largest, coarsest) / ((1 << (bits - 1)) - 1))
