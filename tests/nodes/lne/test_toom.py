"""Toom-Cook transforms: proved exactly, close in float32, and the generated code computes the matrices."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nodes.lne.primitives.toom import POINTS, Lines, before_lines, float32_error, straight_line, toom

SIZES = [(m, r) for m in range(1, 9) for r in range(1, 6) if m + r - 2 in POINTS]


def computed(lines: Lines, values: dict[str, float]) -> np.ndarray:
    """What straight-line C gives, carried out in Python."""

    def value(expression: str) -> float:
        return float(eval(re.sub(r"(?<=\d)f\b", "", expression), {}, values))  # noqa: S307

    for line in lines.shared:
        name, expression = re.fullmatch(r"const v8 (\w+) = (.+);", line).groups()
        values[name] = value(expression)
    return np.array([value(row) for row in lines.rows])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_matrices_convolve(size: tuple[int, int]) -> None:
    m, r = size
    after, weights, before = toom(m, r).matrices
    rng = np.random.default_rng(m * 10 + r)
    d, g = rng.standard_normal(m + r - 1), rng.standard_normal(r)
    assert np.allclose(after @ ((weights @ g) * (before @ d)), np.correlate(d, g), atol=1e-10)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_code_computes_the_matrices(size: tuple[int, int]) -> None:
    transform = toom(*size)
    names = [f"x{index}" for index in range(transform.points)]
    after, _, before = transform.matrices
    given = np.random.default_rng(0).standard_normal(transform.points)
    for lines, matrix in (
        (straight_line(transform.after, names, "v8"), after),
        (before_lines(transform, names, "v8"), before),
    ):
        wanted = matrix @ given
        found = computed(lines, dict(zip(names, given, strict=True)))
        assert np.allclose(found, wanted, atol=1e-6 * np.abs(matrix).sum(1).max())


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_float32_stays_close(size: tuple[int, int]) -> None:
    assert float32_error(*size) < 3e-6


def test_shared_sums_save_operations() -> None:
    for size, most in (((4, 3), 12), ((4, 5), 24), ((5, 5), 36)):
        transform = toom(*size)
        lines = before_lines(transform, [f"x{index}" for index in range(transform.points)], "v8")
        count = sum(len(re.findall(r" [+-] ", text)) for text in (*lines.shared, *lines.rows))
        assert count <= most < (np.array(transform.before) != 0).sum() - transform.points


def test_too_many_points_are_refused() -> None:
    with pytest.raises(ValueError, match="there are at most 10"):
        toom(8, 5)


def test_a_shorter_filter_has_a_zero_at_infinity() -> None:
    assert toom(4, 3).matrices[1][-1].tolist() == [0, 0, 1]
