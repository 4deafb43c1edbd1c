"""Holding a print against a number: equal within its rounding, off and by how much, or not to be told and why."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from engine.claim import LOOKS, Claim, Missing, Ours, Place, judge, ours_text, remark, summary, value_text


def claim(**values: object) -> Claim:
    usual = {"what": "Net, parameters", "source": "S1 table 1", "printed": "66K", "value": 66_000, "tolerance": 500}
    return Claim.model_validate(usual | values)


@pytest.mark.parametrize(
    ("ours", "state"),
    [
        (65_824, "reproduced"),
        (65_500, "reproduced"),
        (66_500, "reproduced"),
        (65_499, "off"),
        (66_501, "off"),
        (0, "off"),
    ],
)
def test_equal_within_the_rounding_of_the_print(ours: float, state: str) -> None:
    assert judge(claim(), Ours(ours)).state == state


def test_without_a_tolerance_it_must_be_equal_but_for_floating_point() -> None:
    exact = claim(printed="37.1 %", value=0.371, tolerance=0, unit="share")
    assert judge(exact, Ours(0.1 + 0.271)).state == "reproduced"
    assert judge(exact, Ours(0.37101)).state == "off"


@pytest.mark.parametrize(
    ("values", "ours", "words"),
    [
        ({"value": 11.9e6, "unit": "FLOP"}, Ours(15_732_200), "off by +3.832 M (+32.2 %)"),
        ({"value": 32, "unit": "frames", "tolerance": 0}, Ours(28), "off by −4 frames (-12.5 %)"),
        ({"value": 1, "unit": "", "tolerance": 0}, Ours(100), "off by +99"),
        ({"value": 0.2, "unit": "share", "tolerance": 5e-4}, Ours(1 / 6), "off by -3.33 points"),
        ({"value": 1, "unit": "yes or no", "tolerance": 0}, Ours(0), "the print says yes, ours is no"),
        ({"value": 0, "unit": "bytes", "tolerance": 0}, Ours(7), "off by +7 B"),
        (
            {"value": 0.961, "unit": "share", "tolerance": 5e-4},
            Ours(0.955, 0.95, 0.962, 0.004, 15),
            "off by -0.60 points; the print lies inside our 95 % interval",
        ),
        (
            {"value": 0.961, "unit": "share", "tolerance": 5e-4},
            Ours(0.95, 0.94, 0.96),
            "off by -1.10 points; the print lies outside our 95 % interval",
        ),
    ],
)
def test_off_says_by_how_much_in_the_unit_of_the_print(values: dict[str, object], ours: Ours, words: str) -> None:
    verdict = judge(claim(**values), ours)
    assert verdict.state == "off" and verdict.why == words


def test_a_measurement_of_something_else_is_never_called_reproduced() -> None:
    verdict = judge(claim(value=0.5, unit="share"), Ours(0.5, obstacle="measured on other data: 3 clips"))
    assert verdict.state == "unchecked" and verdict.why == "measured on other data: 3 clips"
    assert ours_text(verdict) == "50.00 %"


def test_without_a_number_there_is_a_reason() -> None:
    verdict = judge(claim(), Missing("needs a Google Pixel 1"))
    assert (verdict.state, verdict.why, ours_text(verdict)) == ("unchecked", "needs a Google Pixel 1", "–")
    assert not verdict.is_surprise


def test_a_surprise_is_off_without_a_known_slip_or_points_at_nothing() -> None:
    assert judge(claim(), Ours(1)).is_surprise
    assert not judge(claim(slips=[5]), Ours(1)).is_surprise
    assert judge(claim(slips=[5]), Missing("no such figure", is_fault=True)).is_surprise
    assert not judge(claim(), Ours(66_000)).is_surprise


def test_a_remark_names_the_difference_the_slips_and_the_note_once() -> None:
    verdict = judge(claim(slips=[5, 6], note="Two things are wrong."), Ours(64_000))
    assert remark(verdict) == "off by −2,000 (-3.03 %); slip 5; slip 6; Two things are wrong."
    assert remark(judge(claim(note="why"), Missing("why"))) == "why"


def test_an_interval_and_a_spread_stand_beside_the_mean() -> None:
    verdict = judge(claim(value=0.9, unit="share"), Ours(0.9012, 0.88, 0.92, 0.01, 3))
    assert ours_text(verdict) == "90.12 % ± 1.00 % (88.00 % to 92.00 %)"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (65_824, "parameters", "65,824"),
        (3_048_344, "FLOP", "3.048 M"),
        (1.95e9, "FLOP", "1.95 G"),
        (640, "FLOP", "640"),
        (1_832_344, "bytes", "1,832,344 B"),
        (385.4545, "times", "385.5x"),
        (0.000424, "share", "0.0424 %"),
        (0.0, "share", "0.00 %"),
        (0.0424, "", "0.0424"),
        (76.608, "min", "76.608 min"),
        (4.6e23, "", "4.6e+23"),
    ],
)
def test_numbers_are_written_as_their_unit_wants(value: float, unit: str, text: str) -> None:
    assert value_text(value, unit) == text


def test_each_state_has_a_mark_and_words_of_its_own() -> None:
    assert len({look.mark for look in LOOKS.values()}) == len({look.word for look in LOOKS.values()}) == 3
    found = [judge(claim(), Ours(66_000)), judge(claim(), Ours(66_000)), judge(claim(), Missing("no"))]
    assert summary(found) == "✓ 2 reproduced, ≠ 0 off, ? 1 cannot be checked here"


@pytest.mark.parametrize(
    ("at", "place"),
    [
        ("benchmark-1.report:accuracy", Place("benchmark-1", "report", "accuracy")),
        ("count-1.report:net.flops.true", Place("count-1", "report", "net.flops.true")),
        ("box/inner.report:a:b", Place("box/inner", "report", "a:b")),
        ("", None),
        ("benchmark-1.report", None),
        ("benchmark-1:accuracy", None),
        (".report:accuracy", None),
        ("benchmark-1.report:", None),
    ],
)
def test_where_ours_is(at: str, place: Place | None) -> None:
    assert claim(at=at).place == place


@pytest.mark.parametrize("wrong", [{"tolerance": -1}, {"value": "many"}, {"runs": 0}, {"clips": -1}, {"extra": 1}])
def test_a_claim_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        claim(**wrong)


def test_a_claim_follows_its_node() -> None:
    found = claim(at="benchmark-1.report:accuracy").renamed("benchmark-1", "final")
    assert found.at == "final.report:accuracy"
    assert claim(at="benchmark-1.report:accuracy").renamed("benchmark", "final").at == "benchmark-1.report:accuracy"
    assert claim().renamed("", "final").at == ""
