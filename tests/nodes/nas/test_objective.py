"""Objectives and the box they are compared in."""

import math
from typing import get_args

import pytest

from nodes.nas.names import ObjectiveName
from nodes.nas.objective import LEARNT, OBJECTIVES, box_of


def test_the_table_is_that_of_the_names() -> None:
    assert list(OBJECTIVES) == list(get_args(ObjectiveName)) and set(OBJECTIVES) >= LEARNT
    assert [name for name, made in OBJECTIVES.items() if made.is_maximised] == ["accuracy"]


def test_costs_fall_as_things_get_better() -> None:
    assert OBJECTIVES["accuracy"].cost(0.9) < OBJECTIVES["accuracy"].cost(0.8)
    assert OBJECTIVES["flops"].cost(1e6) == pytest.approx(6.0)
    assert OBJECTIVES["loss"].cost(0.5) == 0.5


def test_the_box_goes_from_chance_to_perfection_and_by_orders_of_magnitude() -> None:
    box = box_of((OBJECTIVES["accuracy"], OBJECTIVES["flops"]), {"flops": 1e5}, {"flops": 1e7}, classes=10)
    assert box.scaled({"accuracy": 1.0, "flops": 1e5}) == [0.0, 0.0]
    assert box.scaled({"accuracy": 0.1, "flops": 1e7}) == pytest.approx([1.0, 1.0])
    assert box.scaled({"accuracy": 0.55, "flops": 1e6}) == pytest.approx([0.5, 0.5])
    assert math.isnan(box.scaled({"flops": 1e6})[0])


def test_a_box_without_extent_is_worth_nothing_more() -> None:
    box = box_of((OBJECTIVES["ram_bytes"],), {"ram_bytes": 64.0}, {"ram_bytes": 64.0}, classes=2)
    assert box.scaled({"ram_bytes": 64.0}) == [0.0]
