"""Arithmetic in words: what it computes, what it refuses, and that nothing in it can run."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.counting.errors import CountingError
from nodes.counting.formula import FUNCTIONS, evaluate

NAMES = {"net": {"params": 65_824, "flops": {"true": 3.0e6}, "layers": {"b1.conv": {"out": [16, 98]}}}, "ms": 1.1}


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("424 / 1.1", 424 / 1.1),
        (" 424 / ms ", 424 / 1.1),
        ("net.params / 1e3", 65.824),
        ('net["flops"].true // 7', 3.0e6 // 7),
        ('net.layers["b1.conv"].out[1] * net.layers["b1.conv"].out[0]', 98 * 16),
        ("2 ** 10 - 10 % 4", 1022),
        ("-ms + 1.1", 0),
        ("max([1, 5, 3]) + min([4, 2]) + sum([0.1, 0.2])", 7.3),
        ("floor(2.9) + ceil(2.1) + abs(-3) + sqrt(16) + log2(8)", 15),
        ("3 > 2", 1),
        ("1 < 2 <= 2 < 1", 0),
        ("3 == 3 and 2 != 3", 1),
        ("1 > 2 or 0 > 1", 0),
        ("7 ** 28", 7.0**28),
    ],
)
def test_values(formula: str, value: float) -> None:
    assert evaluate(formula, NAMES) == pytest.approx(value)


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(1, 1000))
def test_integers_behave_as_in_python(a: int, b: int, c: int) -> None:
    assert evaluate(f"({a} + {b}) * {c} - {a} // {c}", {}) == (a + b) * c - a // c


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("", "cannot be read"),
        ("1 +", "cannot be read"),
        ("(" * 300 + ")" * 300, "cannot be read"),
        ("1\x002", "cannot be read"),
        ("1 / 0", "has no value"),
        ("10.0 ** 999", "has no value"),
        ("(-8) ** 0.5", "gives a complex"),
        ("sqrt(-1)", "cannot be read"),
        ("1e999", "gives inf"),
        ("net", "gives a dict"),
        ("net.layers['b1.conv'].out", "gives a list"),
        ("net + 1", "has no value"),
        ("nett.params", "a formula has no 'nett'"),
        ("net.parms", "net has no 'parms'"),
        ("net.layers['b1.conv'].out[7]", "has no 7"),
        ("net[ms]", "a formula holds 'net[ms]'"),
        ("__import__('os')", "a formula calls __import__"),
        ("net.__class__", "net has no '__class__'"),
        ("(1).__class__", "has no '__class__'"),
        ("max(*[1, 2])", "a formula holds '*[1, 2]'"),
        ("max([1], default=2)", "a formula calls max"),
        ("[x for x in net]", "a formula holds"),
        ("lambda: 1", "a formula holds"),
        ("(x := 1)", "a formula holds"),
        ("'a' * 3", "a formula holds 'a'"),
        ("True", "a formula holds True"),
        ("1 if 2 else 3", "a formula holds"),
        ("1 << 9", "a formula holds '1 << 9'"),
        ("~1", "a formula holds '~1'"),
        ("1 in [1]", "a formula holds '1 in [1]'"),
        ("f'{ms}'", "a formula holds"),
        ("1 + " * 600 + "1", "has 2,401 letters"),
    ],
)
def test_what_is_no_arithmetic_is_refused_in_three_parts(formula: str, words: str) -> None:
    with pytest.raises(CountingError) as caught:
        evaluate(formula, NAMES)
    assert words in caught.value.what
    assert caught.value.expected and caught.value.remedy


def test_towers_of_powers_end_at_once() -> None:
    with pytest.raises(CountingError, match="has no value"):
        evaluate("9 ** 9 ** 9 ** 9", {})


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_can_be_called(name: str) -> None:
    argument = "[4, 4]" if name in ("max", "min", "sum") else "4"
    assert math.isfinite(evaluate(f"{name}({argument})", {}))


def test_a_near_name_is_offered() -> None:
    with pytest.raises(CountingError) as caught:
        evaluate("net.param", NAMES)
    assert "params" in caught.value.expected
