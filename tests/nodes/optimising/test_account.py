"""The account of a plan: operations in words, reasons, layers, the memory plan. Nothing is compiled here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import TARGETS, Graph, Plan, casts, find_target, make_plan
from nodes.lne.ir import Activation, Affine, Conv, Pool
from nodes.lne.search import CostTable, Space, choose, make_space
from nodes.optimising.layers import Measured, layer_rows, precision_of
from nodes.optimising.memory import memory_facts
from nodes.optimising.words import Rival, operator_words, why


@pytest.fixture(scope="module")
def graph() -> Graph:
    build = Builder(3, 12, 10)
    first = build.conv(16)
    build.conv(16, groups=16, stride=(2, 1), pads=None, activation=Activation.NONE)
    build.conv(24, (1, 1))
    del first
    return build.graph("little")


def planned(graph: Graph, target: str, *, shares: bool = True) -> Plan:
    found = find_target(target)
    return make_plan(graph, found, choose(graph, found), casts(), shares=shares)


# ---- words


def test_operations_in_words(graph: Graph) -> None:
    assert [operator_words(op) for op in graph.ops] == [
        "Conv 3x3 + relu",
        "Depthwise 3x3 stride 2x1",
        "Conv 1x1 + relu",
    ]
    first = graph.ops[0]
    assert isinstance(first, Conv)
    told = replace(first, dilation=(2, 2), inputs=("input", "other"), activation=Activation.NONE)
    assert operator_words(told) == "Conv 3x3 dilation 2x2 + residual"
    assert operator_words(Pool("p", ("x",), "y", kind="mean", kernel=(4, 5))) == "Mean pool 4x5"


def rival(name: str, us: float | None, form: str = "f32_hwc") -> Rival:
    return Rival(name, form, us, (form,))


@pytest.mark.parametrize(
    ("chosen", "others", "told"),
    [
        (rival("a", 1.0), [], "the only one of 4 that can compute it"),
        (rival("a", 2.0), [rival("b", 3.0), rival("c", None)], "fastest of 2; next is b, 1.50 times as long"),
        (rival("a", 2.0), [rival("b", 2.01)], "as fast as b within the accuracy of measuring"),
        (rival("a", None), [rival("b", None)], "the cheapest of 2 by estimate"),
        (rival("a", 2.0), [rival("b", 1.0, "f32_chw")], "b alone takes 50% less, but conversions around it cost more"),
        (rival("a", 2.0), [rival("b", 1.99, "f32_chw")], "as fast as b within the accuracy of measuring"),
        (
            rival("a", 2.0),
            [rival("b", 1.0, "u8_hwc")],
            "kept in float: b takes 50% less, but costs accuracy or conversions",
        ),
        (
            rival("a", 2.0),
            [rival("b", 1.0)],
            "b took 50% less when it was measured; in the whole network it did not pay",
        ),
    ],
)
def test_reasons(chosen: Rival, others: list[Rival], told: str) -> None:
    assert why(chosen, others, 3) == told


def test_the_only_primitive_there_is() -> None:
    assert why(rival("a", None), [], 0) == "the only one there is"


# ---- layers


@pytest.mark.parametrize("target", ["c", "avx2", "avx512", "aarch64"])
def test_every_step_has_a_row(graph: Graph, target: str) -> None:
    plan = planned(graph, target)
    space = make_space(graph, TARGETS[target])
    rows = layer_rows(plan, Measured([2.0] * len(plan.steps), space, _costs(space)))
    assert [row["layer"] for row in rows] == [step.task.op.name for step in plan.steps]
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)
    convs = {row["layer"]: row for row in rows if row["operator"] != "Cast"}
    assert convs["conv0"]["flops"] == 2 * 16 * 3 * 9 * 120 and convs["conv0"]["in_shape"] == [3, 12, 10]
    assert convs["conv0"]["gflops"] == pytest.approx(2 * 16 * 3 * 9 * 120 / 2e3)
    for row in convs.values():
        names = [one["primitive"] for one in row["candidates"]]
        assert row["primitive"] in names and len(set(names)) == len(names)
        assert row["weight_bytes"] > 0 and row["why"] and row["precision"] == "fp32"
        assert not {one["primitive"] for one in row["refused"]} & set(names)
    first, last = rows[0], rows[-1]
    assert first["operator"] == last["operator"] == "Cast" and not first["candidates"]
    assert first["why"].startswith("from the caller's input") and last["why"].endswith("the caller's output")


def _costs(space: Space) -> CostTable:
    """Every candidate takes its place in the list, in microseconds."""
    return CostTable(
        {(one.name, action.primitive.name): 1.0 + n for one in space.layers for n, action in enumerate(one.actions)}, {}
    )


def test_without_a_search_there_are_no_times(graph: Graph) -> None:
    plan = planned(graph, "avx2")
    rows = layer_rows(plan, Measured([0.0] * len(plan.steps), make_space(graph, TARGETS["avx2"])))
    assert all(one["us"] is None for row in rows for one in row["candidates"])
    assert all(row["gflops"] == 0.0 and row["share"] == 0.0 for row in rows)
    assert {precision_of(step) for step in plan.steps} == {"fp32"}


# ---- memory


def test_a_step_in_place_takes_its_inputs_memory() -> None:
    build = Builder(16, 8, 8)
    build.conv(16)
    build.add(Affine("act", (build.last,), "act_out", scale=np.ones(16) * 2.0, shift=np.zeros(16)), (16, 8, 8))
    build.conv(16, (1, 1))
    graph = build.graph()
    plan = planned(graph, "avx2")
    assert any(step.in_place for step in plan.steps), "the generator works in place where nobody reads the map again"
    blocks = {block["name"]: block for block in memory_facts(plan, 0)["blocks"]}
    before, after = blocks["conv0_out"], blocks["act_out"]
    assert before["offset"] == after["offset"] and before["last"] == after["first"] - 1
    _check_apart(list(blocks.values()))


def _check_apart(blocks: list[dict[str, int]]) -> None:
    for n, one in enumerate(blocks):
        for other in blocks[n + 1 :]:
            is_together = one["first"] <= other["last"] and other["first"] <= one["last"]
            is_below = one["offset"] + one["bytes"] <= other["offset"]
            is_above = other["offset"] + other["bytes"] <= one["offset"]
            assert is_below or is_above or not is_together, (one, other)


@pytest.mark.parametrize("target", ["c", "avx512"])
def test_blocks_that_live_together_never_overlap(graph: Graph, target: str) -> None:
    plan = planned(graph, target)
    facts = memory_facts(plan, 1234)
    blocks = facts["blocks"]
    _check_apart(blocks)
    for one in blocks:
        assert 0 <= one["first"] <= one["last"] < len(facts["steps"])
        assert one["offset"] + one["bytes"] <= facts["workspace_bytes"]
    assert facts["workspace_bytes"] == plan.workspace_bytes <= facts["separate_bytes"]
    assert facts["separate_bytes"] == planned(graph, target, shares=False).workspace_bytes
    assert facts["weight_bytes"] == 1234
