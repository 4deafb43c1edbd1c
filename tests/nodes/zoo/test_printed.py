"""Every printed closed-form figure of the papers: reproduced within its rounding, or named as a slip."""

import pytest

from nodes.zoo import Entry, models
from nodes.zoo.printed import Figure, figures, parse

PRINTS = [(entry, width) for entry in models().values() for width in entry.printed]
OFF = {
    ("ds_cnn", "size_kb"): 2,
    ("ds_cnn_unstrided", "size_kb"): 2,
    ("ds_kws1", "flops"): 5,
    ("ds_kws1", "size_kb"): 5,
    ("ds_kws1_unstrided", "flops"): 5,
    ("ds_kws1_unstrided", "size_kb"): 5,
    ("res8", "flops"): 16,
    ("res8_narrow", "flops"): 16,
    ("deepspectrum_densenet121", "flops"): 30,
}
"""Model and figure that no rule reproduces, with the slip that says why."""


@pytest.mark.parametrize(("entry", "width"), PRINTS, ids=[f"{entry.name}-{width}" for entry, width in PRINTS])
def test_every_print_is_reproduced_or_named_as_a_slip(entry: Entry, width: float) -> None:
    found = figures(entry, width)
    off = {(entry.name, figure.name) for figure in found if not figure.agrees}
    assert off == {key for key in OFF if key[0] == entry.name}
    assert {OFF[key] for key in off} <= set(entry.printed[width].slips)
    assert found or entry.name == "kws_lstm", "S0 prints nothing about its LSTM"


@pytest.mark.parametrize("entry", models().values(), ids=models())
def test_a_width_without_a_print_has_no_figures(entry: Entry) -> None:
    assert figures(entry, 0.73) == ()


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [("66K", 66e3, 1e3), ("9.2k", 9.2e3, 100.0), ("72.1M", 72.1e6, 1e5), ("1.72G", 1.72e9, 1e7), ("500", 500.0, 1.0)],
)
def test_prints_are_read_with_their_last_digit(text: str, value: float, unit: float) -> None:
    assert parse(text) == pytest.approx((value, unit))


@pytest.mark.parametrize(
    ("computed", "agrees"), [(1.88e6, True), (1.889e6, True), (1.875e6, True), (1.89e6, False), (1.8749e6, False)]
)
def test_rounded_and_cut_numbers_agree(computed: float, agrees: bool) -> None:
    assert Figure("params", "all", 1.88e6, 1e4, computed).agrees == agrees
