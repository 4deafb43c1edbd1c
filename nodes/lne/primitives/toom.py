"""Toom-Cook (Winograd) convolution of short filters: matrices, how exact they are in float32, and their C.

m outputs of an r-tap filter from a = m + r - 1 inputs, with a multiplications instead of m * r:

    y = AT @ ((G @ g) * (BT @ d))        y[i] = sum over k of g[k] * d[i + k]

The filter is evaluated at a - 1 finite points and at infinity (Toom 1963, Cook 1966; in this form Winograd 1980).
Matrices are made of exact fractions and the identity is proved for each of them, with no rounding, before it is used.
A filter that is shorter than r has a zero at infinity: that product need not be computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Exact = tuple[tuple[Fraction, ...], ...]
Matrix = NDArray[np.float64]


def _signed(*magnitudes: str) -> tuple[Fraction, ...]:
    """Zero, and both signs of every magnitude."""
    return (Fraction(0), *(sign * Fraction(text) for text in magnitudes for sign in (1, -1)))


POINTS: Mapping[int, tuple[Fraction, ...]] = MappingProxyType(
    {
        0: (),
        1: _signed(),
        2: (*_signed(), Fraction(1)),
        3: _signed("1"),
        4: (*_signed("1"), Fraction(1, 2)),
        5: _signed("3/2", "3/4"),
        6: (*_signed("1", "1/2"), Fraction(3)),
        7: _signed("1", "2", "1/2"),
        8: (*_signed("1", "1/2", "5/4"), Fraction(3)),
        9: _signed("2", "1/2", "3/4", "5/4"),
        10: (*_signed("1", "3/2", "2/3", "3"), Fraction(1, 4)),
    }
)
"""Finite points by their number: among fractions with small terms, those of the least error in float32. Pairs of both
signs share half of their sums."""


@dataclass(frozen=True)
class Toom:
    """F(outputs, taps) as exact matrices: `after` is AT (m, a), `filter` is G (a, r), `before` is BT (a, a)."""

    outputs: int
    taps: int
    after: Exact
    filter: Exact
    before: Exact

    @property
    def points(self) -> int:
        """Multiplications, the point at infinity included (the last one)."""
        return self.outputs + self.taps - 1

    @property
    def matrices(self) -> tuple[Matrix, Matrix, Matrix]:
        """AT, G and BT in float64."""
        after, weights, before = (np.array(part, np.float64) for part in (self.after, self.filter, self.before))
        return after, weights, before


@cache
def toom(outputs: int, taps: int) -> Toom:
    """The transform F(outputs, taps), proved.

    Raises:
        ValueError: it needs more points than there are in `POINTS`.
    """
    points = POINTS.get(outputs + taps - 2)
    if points is None:
        raise ValueError(f"F({outputs}, {taps}) needs {outputs + taps - 2} points; there are at most {max(POINTS)}")
    others = [tuple(q for q in points if q != p) for p in points]
    after = tuple((*(p**i for p in points), Fraction(int(i == outputs - 1))) for i in range(outputs))  # 0**0 is 1
    scales = [_product(p - q for q in rest) for p, rest in zip(points, others, strict=True)]
    weights = tuple(tuple(p**k / scale for k in range(taps)) for p, scale in zip(points, scales, strict=True))
    at_infinity = tuple(Fraction(int(k == taps - 1)) for k in range(taps))
    found = Toom(outputs, taps, after, (*weights, at_infinity), _before(points))
    _prove(found)
    return found


def _product(factors: Iterable[Fraction]) -> Fraction:
    result = Fraction(1)
    for factor in factors:
        result *= factor
    return result


def _coefficients(roots: Iterable[Fraction]) -> tuple[Fraction, ...]:
    """Of the product of all (x - root), the constant first."""
    result = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *result]
        result = [high - root * low for high, low in zip(shifted, [*result, Fraction(0)], strict=True)]
    return tuple(result)


def _prove(found: Toom) -> None:
    """Output i of a filter that is 1 at tap k must be input i + k, exactly."""
    for i in range(found.outputs):
        for k in range(found.taps):
            factors = [row * weights[k] for row, weights in zip(found.after[i], found.filter, strict=True)]
            for at in range(found.points):
                total = sum(factor * row[at] for factor, row in zip(factors, found.before, strict=True))
                assert total == (at == i + k), f"F({found.outputs}, {found.taps}) is wrong at {i}, {k}, {at}"


@cache
def float32_error(outputs: int, taps: int) -> float:
    """Error of F(outputs, taps) in float32, root mean square over that of the result, on 32 channels of noise."""
    rng = np.random.default_rng(0)
    after, weights, before = toom(outputs, taps).matrices
    inputs = rng.standard_normal((500, 32, after.shape[1]))
    filters = rng.standard_normal((32, taps))
    wanted = np.sum([inputs[:, :, k : k + outputs] * filters[:, k, None] for k in range(taps)], axis=(0, 2))
    spread = (inputs.astype(np.float32) @ before.T.astype(np.float32)) * (filters @ weights.T).astype(np.float32)
    found = spread.sum(1) @ after.T.astype(np.float32)
    return float(np.sqrt(np.mean((found - wanted) ** 2) / np.mean(wanted**2)))


@dataclass(frozen=True)
class Lines:
    """Straight-line C of a matrix times a vector: statements for shared sums, then one expression per row."""

    shared: tuple[str, ...]
    rows: tuple[str, ...]


def straight_line(matrix: Exact, values: Sequence[str], kind: str) -> Lines:
    """C of `matrix` times `values` (C expressions of the vector type `kind`, each best a variable).

    Columns that are equal up to signs become a sum and a difference; rows that are equal up to signs share the sums
    of their equal and of their opposite parts. Shared sums are variables s0, s1, ...: put the code in a block.
    """
    shared: list[str] = []
    columns = [list(column) for column in zip(*matrix, strict=True)]
    names = list(values)

    def share(expression: str) -> str:
        shared.append(f"const {kind} s{len(shared)} = {expression};")
        return f"s{len(shared) - 1}"

    for j in range(len(columns)):
        k = _partner(columns, j)
        if k is not None:
            equal = [a == b for a, b in zip(columns[j], columns[k], strict=True)]
            names[j], names[k] = share(f"{names[j]} + {names[k]}"), share(f"{names[j]} - {names[k]}")
            before = columns[j]
            columns[j] = [a if same else Fraction(0) for a, same in zip(before, equal, strict=True)]
            columns[k] = [Fraction(0) if same else a for a, same in zip(before, equal, strict=True)]
    rows = [list(row) for row in zip(*columns, strict=True)]
    results: dict[int, str] = {}
    for i in (i for i in range(len(rows)) if i not in results):
        k = _partner(rows, i)
        if k is None or k in results:
            results[i] = _sum(rows[i], names)
            continue
        equal = [a == b for a, b in zip(rows[i], rows[k], strict=True)]
        even = share(_sum([a if same else Fraction(0) for a, same in zip(rows[i], equal, strict=True)], names))
        odd = share(_sum([Fraction(0) if same else a for a, same in zip(rows[i], equal, strict=True)], names))
        results[i], results[k] = f"{even} + {odd}", f"{even} - {odd}"
    return Lines(tuple(shared), tuple(results[i] for i in range(len(rows))))


def before_lines(transform: Toom, values: Sequence[str], kind: str) -> Lines:
    """C of BT times `values`.

    A point s without its opposite would break the pairs of rows. All rows but its own contain the factor (x - s): that
    is taken out first, and what is left is the transform of the paired points.
    """
    points = POINTS[transform.points - 1]
    if len(points) % 2 or not points:
        return straight_line(transform.before, values, kind)
    paired, single = points[:-1], points[-1]
    pairs = list(zip(values, values[1:], strict=False))
    shifted = [f"d{index}" for index in range(len(pairs))]
    first = [
        f"const {kind} {name} = {_sum((Fraction(1), -single), (high, low))};"
        for name, (low, high) in zip(shifted, pairs, strict=True)
    ]
    rest = straight_line(_before(paired), shifted, kind)
    own = _sum(_coefficients(paired), values[: len(paired) + 1])
    return Lines((*first, *rest.shared), (*rest.rows[:-1], own, rest.rows[-1]))


def _before(points: tuple[Fraction, ...]) -> Exact:
    """BT of these finite points and infinity."""
    rows = ((*_coefficients(q for q in points if q != p), Fraction(0)) for p in points)
    return (*rows, _coefficients(points))


def _partner(lines: Sequence[Sequence[Fraction]], index: int) -> int | None:
    """The next line that equals this one but for signs, with at least one value of each kind."""
    first = lines[index]
    for k in range(index + 1, len(lines)):
        pairs = [(a, b) for a, b in zip(first, lines[k], strict=True) if a or b]
        same = [a == b for a, b in pairs]
        if all(abs(a) == abs(b) for a, b in pairs) and any(same) and not all(same):
            return k
    return None


def _sum(factors: Sequence[Fraction], names: Sequence[str]) -> str:
    """Plain terms first, so that each later one is a fused multiply-add."""
    terms = [(factor, name) for factor, name in zip(factors, names, strict=True) if factor]
    terms.sort(key=lambda term: (abs(term[0]) != 1, term[0] < 0))
    texts = [f"{'-' if factor < 0 else '+'} {_term(abs(factor), name)}" for factor, name in terms]
    return " ".join(texts).removeprefix("+ ")


def _term(factor: Fraction, name: str) -> str:
    return name if factor == 1 else f"{float(np.float32(float(factor)))!r}f * {name}"
