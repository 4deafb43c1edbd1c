"""Operations and choices of the generator in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nodes.lne.ir import Activation, Binary, Concat, Conv, Op, Pool, Recurrent, Softmax
from nodes.lne.layout import U8_HWC
from nodes.lne.plan import Cast

CLOSE: Final = 1.02
"""Candidates within 2 % are equally fast: measurements differ by as much."""
BYTES: Final = U8_HWC.name
RESOLUTION_US: Final = 0.02
"""Less is not told apart: the marks of the clock take as long."""


@dataclass(frozen=True)
class Rival:
    """A candidate of a layer: its name, the formats it writes and reads, its time (None where not measured)."""

    primitive: str
    form: str
    us: float | None
    reads: tuple[str, ...] = ()

    @property
    def formats(self) -> tuple[str, ...]:
        """All of them."""
        return (self.form, *self.reads)


def operator_words(op: Op) -> str:
    """What an operation computes: "Depthwise 3x3 stride 2x2", "Cast"."""
    for kind, tell in _WORDS.items():
        if isinstance(op, kind):
            return tell(op)
    return type(op).__name__


def _by(pair: Sequence[int]) -> str:
    return "x".join(map(str, pair))


def _conv(op: Conv) -> str:
    groups = f" groups {op.groups}" if op.groups > 1 and not op.is_depthwise else ""
    stride = f" stride {_by(op.stride)}" if op.stride != (1, 1) else ""
    dilation = f" dilation {_by(op.dilation)}" if op.dilation != (1, 1) else ""
    kind = "Depthwise" if op.is_depthwise else "Conv"
    end = f" + {op.activation}" if op.activation != Activation.NONE else ""
    return f"{kind} {_by(op.kernel)}{groups}{stride}{dilation}{' + residual' * op.has_residual}{end}"


def _pool(op: Pool) -> str:
    return f"{op.kind.capitalize()} pool {_by(op.kernel)}" + (
        f" stride {_by(op.stride)}" if op.stride != (1, 1) else ""
    )


_WORDS: Final[Mapping[type[Op], Callable[[Any], str]]] = {
    Cast: lambda op: "Cast",
    Conv: _conv,
    Pool: _pool,
    Binary: lambda op: str(op.kind).capitalize(),
    Softmax: lambda op: "LogSoftmax" if op.is_log else "Softmax",
    Concat: lambda op: f"Concat {op.axis}",
    Recurrent: lambda op: f"{op.kind.upper()} {op.units}",
}


def why(chosen: Rival, rivals: Sequence[Rival], refused: int) -> str:
    """Why a layer is computed as it is, from what was measured.

    Args:
        rivals: the candidates that were not chosen.
        refused: how many primitives cannot compute the layer.
    """
    if not rivals:
        return f"the only one of {refused + 1} that can compute it" if refused else "the only one there is"
    known = sorted((one for one in rivals if one.us is not None), key=lambda one: one.us or 0.0)
    if chosen.us is None or not known:
        return f"the cheapest of {len(rivals) + 1} by estimate"
    best = known[0]
    if abs((best.us or 0.0) - chosen.us) < RESOLUTION_US:
        return f"as fast as {best.primitive} within the accuracy of measuring"
    ratio = (best.us or 0.0) / chosen.us
    if ratio >= CLOSE:
        return f"fastest of {len(known) + 1}; next is {best.primitive}, {ratio:.2f} times as long"
    if ratio >= 1 / CLOSE:
        return f"as fast as {best.primitive} within the accuracy of measuring"
    if BYTES in best.reads and BYTES not in chosen.reads:
        return f"kept in float: {best.primitive} takes {1 - ratio:.0%} less, but costs accuracy or conversions"
    if best.formats != chosen.formats:
        return f"{best.primitive} alone takes {1 - ratio:.0%} less, but conversions around it cost more"
    return f"{best.primitive} took {1 - ratio:.0%} less when it was measured; in the whole network it did not pay"
