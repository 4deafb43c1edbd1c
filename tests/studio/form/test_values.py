"""Values as text and back, steps, sameness; names of variables and what uses them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import OssicleError
from engine.workflow import Node, Workflow
from studio.form import changes
from studio.form.fields import Field
from studio.form.figures import figures, of_rows, percent
from studio.form.values import in_range, number_text, parse_number, parse_numbers, same, split_tags, stepped

NUMBER = Field("x", "number", unit="ms", low=0, is_low_open=True, high=100)
WHOLE = Field("x", "integer", low=1, high=64)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (NUMBER, "10", 10.0), (NUMBER, " 1e-3 ", 0.001), (NUMBER, "10 ms", 10.0), (NUMBER, "1/4", 0.25),
        (NUMBER, "-5", -5.0), (WHOLE, "3", 3), (WHOLE, "3.0", 3), (WHOLE, "3.5", 3.5), (WHOLE, "2*(3+4)", 14),
        (WHOLE, "{seed}", "{seed}"), (Field("x", "number", is_nullable=True), "", None),
    ],
)  # fmt: skip
def test_numbers_are_read(field: Field, text: str, value: Any) -> None:
    found = parse_number(field, text)
    assert same(found, value)
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text", ["", "abc", "1..2", "1/0", "__import__('os')", "True", "2**9999", "1e", "[1]", "1 2 x"]
)
def test_what_is_no_number_is_told(text: str) -> None:
    with pytest.raises(OssicleError) as told:
        parse_number(WHOLE, text)
    assert "a whole number from 1 to 64" in told.value.expected


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_number_survives_its_text_to_twelve_digits(value: float) -> None:
    again = parse_number(Field("x", "number"), number_text(float(value)))
    assert again == pytest.approx(value, rel=1e-11, abs=1e-300)


@given(st.floats(0.001, 100), st.integers(-50, 50))
def test_steps_stay_in_range(value: float, steps: int) -> None:
    assert in_range(NUMBER, float(str(stepped(NUMBER, value, steps))))


def test_steps_fit_the_numbers_size() -> None:
    assert stepped(NUMBER, 1.0, 1) == 1.1
    assert stepped(NUMBER, 1.0, -1) == 0.99
    assert stepped(NUMBER, 0.01, -1) == 0.0099
    assert stepped(WHOLE, 4, 1) == 5
    assert stepped(WHOLE, 1, -1) == 1
    assert stepped(Field("x", "integer"), 16000, 1) == 17000


def test_lists_of_numbers_are_read() -> None:
    field = Field("x", "numbers", item=Field("", "number"))
    assert parse_numbers(field, "0.25, 0.5; 1") == [0.25, 0.5, 1.0]
    with pytest.raises(OssicleError):
        parse_numbers(field, "1, two")


def test_true_is_not_one() -> None:
    assert not same(True, 1)
    assert not same([0], [False])
    assert same({"a": [1]}, {"a": [1.0]})


def test_pasted_words_become_several_tags() -> None:
    assert split_tags("yes, no;\nup\tdown , ") == ["yes", "no", "up", "down"]


# ---- variables


def flow() -> Workflow:
    """Two nodes that use a variable in three ways."""
    nodes = {
        "a-1": Node(type="t", params={"seed": "{seed}", "path": "runs/{seed}/x", "deep": {"list": ["{seed}"]}}),
        "b-1": Node(type="t", params={"seed": "{other}"}),
    }
    return Workflow(nodes=nodes, variables={"seed": 1, "other": 2})


def test_a_renamed_variable_is_renamed_everywhere() -> None:
    new = changes.rename_variable(flow(), "seed", "start")
    assert new.nodes["a-1"].params == {"seed": "{start}", "path": "runs/{start}/x", "deep": {"list": ["{start}"]}}
    assert new.nodes["b-1"] is flow().nodes["b-1"] or new.nodes["b-1"].params == {"seed": "{other}"}
    assert list(new.variables) == ["start", "other"]


@pytest.mark.parametrize("name", ["other", "2nd", "with space", "", "a-b"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(OssicleError):
        changes.rename_variable(flow(), "seed", name)


def test_uses_are_found() -> None:
    assert changes.uses_of(flow(), "seed") == [("a-1", "seed"), ("a-1", "path"), ("a-1", "deep")]
    assert changes.uses_of(flow(), "other") == [("b-1", "seed")]


def test_new_names_are_free() -> None:
    assert changes.new_variable_name(flow(), "seed") == "seed_2"
    assert changes.new_variable_name(flow(), "1 b") == "_1_b"


def test_unlinking_from_a_missing_variable_gives_the_default() -> None:
    lost = flow().model_copy(update={"variables": {}})
    assert "seed" not in changes.unlink(lost, ["a-1"], "seed").nodes["a-1"].params


@pytest.mark.parametrize(
    ("field", "value", "fits"),
    [
        (WHOLE, 3, True), (WHOLE, 65, False), (WHOLE, True, False), (WHOLE, "3", False), (WHOLE, None, False),
        (Field("x", "choice", choices=("a", "b")), "a", True), (Field("x", "choice", choices=("a",)), "c", False),
        (Field("x", "text", is_nullable=True), None, True), (Field("x", "tags"), ["a"], True),
        (Field("x", "json"), {"a": 1}, True),
    ],
)  # fmt: skip
def test_only_values_that_fit_are_offered(field: Field, value: Any, fits: bool) -> None:
    assert changes.fits(field, value) is fits


# ---- figures


def test_the_best_validation_counts() -> None:
    rows = [{"loss": 1.0}, {"loss": 0.5, "validation_accuracy": 0.9}, {"loss": 0.4, "validation_accuracy": 0.8}]
    found = {figure.label: figure.value for figure in of_rows(rows)}
    assert found == {"validation": "90.0 %", "loss": "0.4"}


def test_nothing_gives_no_figures() -> None:
    assert figures((), (), is_running=True) == ()
    assert percent(0.96234) == "96.2 %"
