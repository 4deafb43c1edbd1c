"""Costs by hand, and against the zoo's own counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.nas.costs import CPI, INSTRUCTIONS_PER_MAC, Tensor, arena_bytes, costs_of, lifetimes, milliseconds
from nodes.zoo import Architecture, architecture, describe, models
from nodes.zoo.plan import plan


def chain(*blocks: str) -> Architecture:
    return {
        "name": "net", "width": 1.0, "view": "frequency_time", "input_shape": [8, 8], "classes": 4,
        "blocks": list(blocks),
    }  # fmt: skip


def test_a_small_chain_by_hand() -> None:
    found = costs_of(chain("conv_k3_c4", "conv_k3_s2_c6", "gap", "fc_b1"))
    # 64 in, 8*8*4 = 256, 4*4*6 = 96: the first convolution needs 64 + 256, the second 256 + 96; columns of int16
    # numbers, two at a time: 2 * 2 * 9 * 4 = 144.
    assert found["ram_bytes"] == 256 + 96 + 144
    assert found["flash_bytes"] == 9 * 4 + 4 + 9 * 4 * 6 + 6 + 6 * 4 + 4
    macs = 9 * 4 * 64 + 9 * 4 * 6 * 16 + 6 * 4
    assert found["flops"] == 2 * macs
    assert found["instructions_estimated"] == round(INSTRUCTIONS_PER_MAC * macs)


def test_float32_takes_four_bytes_and_no_columns() -> None:
    blocks = ("conv_k3_c4", "conv_k3_s2_c6", "gap", "fc_b1")
    small, large = costs_of(chain(*blocks)), costs_of(chain(*blocks), "float32")
    assert large["flash_bytes"] == 4 * small["flash_bytes"]
    assert large["ram_bytes"] == 4 * (256 + 96)


def test_a_shortcut_is_held_until_it_is_added() -> None:
    # 8 coefficients are channels: 64 in, conv 4*8 = 32, then two of 32 beside the shortcut
    made: Architecture = {**chain("conv_k3_c4", "res_k3_c4", "gap", "fc"), "view": "temporal"}
    alive = lifetimes(plan(made).layers, 1)
    assert [tensor.size_bytes for tensor in alive] == [64, 32, 32, 32, 4]
    shortcut, last = alive[1], alive[3]
    assert shortcut.last >= last.first, "the shortcut is alive while the second convolution runs"
    assert arena_bytes(alive) == 96


@pytest.mark.parametrize("name", sorted(models()))
def test_every_model_has_a_plan_no_smaller_than_what_is_alive(name: str) -> None:
    entry = models()[name]
    made = architecture(name, input_shape=entry.input_shape, classes=entry.classes)
    layers, found = plan(made).layers, costs_of(made)
    tensors = lifetimes(layers, 1)
    steps = range(len(layers) + 1)
    alive = max(sum(t.size_bytes for t in tensors if t.first <= step <= t.last) for step in steps)
    assert alive <= arena_bytes(tensors) <= sum(t.size_bytes for t in tensors)
    assert found["parameters"] == describe(made).params and found["flops"] == describe(made).flops["true"]
    assert found["ram_bytes"] > 0 and found["flash_bytes"] <= 1.2 * found["parameters"]


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=9))
def test_an_arena_holds_all_that_is_alive(rows: list[tuple[int, int, int]]) -> None:
    tensors = [Tensor(size, first, first + length) for size, first, length in rows]
    alive = [sum(t.size_bytes for t in tensors if t.first <= step <= t.last) for step in range(12)]
    assert max(alive) <= arena_bytes(tensors) <= sum(t.size_bytes for t in tensors)


def test_time_on_a_device_is_a_range() -> None:
    assert milliseconds(80e6, 80) == (1000 * CPI[0], 1000 * CPI[1])
