"""Noise of layers in 8 bits, and settings under an accuracy budget. Costs are made up, so the answers are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import Graph, LneError, Range, find_target
from nodes.lne.ir import Activation
from nodes.lne.layout import U8_HWC
from nodes.lne.precision import AS_FAST, Judge, choose_ranges, explore, layer_noises, noise, pair_errors
from nodes.lne.search.costs import CostTable, estimated
from nodes.lne.search.space import Space, make_space
from nodes.lne.simulate import Simulation

TARGET = find_target("c")
CLIPS = 60


@pytest.fixture(scope="module")
def graph() -> Graph:
    build = Builder(1, 12, 9)
    build.conv(12, (3, 3), stride=(2, 2))
    build.conv(16)
    build.conv(16, residual=build.last)
    given = build.maps[build.last]
    build.conv(4, (given.h, given.w), activation=Activation.NONE)
    return build.graph()


@pytest.fixture(scope="module")
def judge(graph: Graph) -> Judge:
    clips = np.random.default_rng(5).standard_normal((CLIPS, 1, 12, 9)).astype(np.float32)
    truth = Simulation(graph).outputs(clips).reshape(CLIPS, -1).argmax(1)
    truth[:6] = (truth[:6] + 1) % 4
    return Judge(graph, choose_ranges(graph, clips), clips, truth)


@pytest.fixture(scope="module")
def noises(judge: Judge) -> dict[tuple[str, str], float]:
    return layer_noises(judge, TARGET)


@pytest.fixture(scope="module")
def space(judge: Judge) -> Space:
    return make_space(judge.graph, TARGET, judge.ranges)


@pytest.fixture(scope="module")
def costs(space: Space) -> CostTable:
    """A layer in 8 bits takes a quarter."""
    pairs = {
        (layer.name, action.primitive.name): 10.0 if U8_HWC in action.signature.inputs else 40.0
        for layer in space.layers
        for action in layer.actions
    }
    return CostTable(pairs, dict.fromkeys(estimated(space).cast_us, 0.1))


def test_the_float_network_is_its_own_measure(judge: Judge) -> None:
    assert judge.judge({}) == judge.reference
    assert judge.reference.noise == 0.0
    assert judge.reference.agreement == 1.0
    assert judge.reference.accuracy == pytest.approx(1.0 - 6 / CLIPS)


def test_noise_of_one_layer_is_that_of_the_network_with_this_layer_in_bytes(
    judge: Judge, noises: dict[tuple[str, str], float], space: Space
) -> None:
    for layer in space.layers:
        for action in layer.actions:
            if U8_HWC in action.signature.inputs:
                outputs = Simulation(judge.graph, judge.ranges, {layer.name: action.signature}).outputs(judge.clips)
                wanted = noise(outputs.reshape(CLIPS, -1), judge.wanted)
                assert noises[layer.name, action.signature.output.name] == pytest.approx(wanted, rel=1e-3)
    assert all(0.0 < value < 0.1 for value in noises.values())


def test_a_coarser_range_brings_more_noise(judge: Judge, noises: dict[tuple[str, str], float]) -> None:
    name = judge.graph.ops[1].output
    coarse = {**judge.ranges, name: Range(judge.ranges[name].scale * 16, 0)}
    found = layer_noises(replace(judge, ranges=coarse), TARGET)
    layer = judge.graph.ops[1].name
    assert found[layer, "u8_hwc"] > 10 * noises[layer, "u8_hwc"]


def test_powers_of_layers_add_up_to_that_of_all(
    judge: Judge, noises: dict[tuple[str, str], float], space: Space
) -> None:
    signatures = {}
    for layer in space.layers:
        able = [one.signature for one in layer.actions if one.signature.inputs[0] is U8_HWC]
        signatures[layer.name] = next(one for one in able if one.output is U8_HWC)
    together = judge.judge(signatures).noise
    added = sum(noises[name, "u8_hwc"] for name in signatures)
    assert 0.2 * added < together < 3.0 * added


def test_every_primitive_in_bytes_is_charged(space: Space, noises: dict[tuple[str, str], float]) -> None:
    errors = pair_errors(space, noises)
    in_bytes = {
        (layer.name, action.primitive.name)
        for layer in space.layers
        for action in layer.actions
        if U8_HWC in action.signature.inputs
    }
    assert errors.keys() == in_bytes
    assert in_bytes


def test_the_curve_leads_from_float_to_the_fastest(
    space: Space, costs: CostTable, judge: Judge, noises: dict[tuple[str, str], float]
) -> None:
    curve = explore(space, costs, judge, noises, most_drop=1.0)
    assert curve.points[0].int8 == ()
    as_fast = [point for point in curve.points if point.time_us <= curve.points[-1].time_us * AS_FAST]
    assert curve.chosen is min(as_fast, key=lambda point: point.quality.noise)
    assert len(curve.points[-1].int8) == len(judge.graph.ops)
    times = [point.time_us for point in curve.points]
    assert times == sorted(times, reverse=True)
    assert len(curve.points) >= 4


def test_a_budget_of_nothing_keeps_every_clip(
    space: Space, costs: CostTable, judge: Judge, noises: dict[tuple[str, str], float]
) -> None:
    hurt = replace(judge, truth=judge.wanted.argmax(1))
    ranges = {name: replace(given, scale=given.scale * 24) for name, given in judge.ranges.items()}
    hurt = replace(hurt, ranges=ranges)
    curve = explore(replace(space, ranges=ranges), costs, hurt, layer_noises(hurt, TARGET), most_drop=0.0)
    assert curve.chosen.drop <= 0.0
    assert any(point.drop > 0.0 and point.time_us < curve.chosen.time_us for point in curve.points)


def test_a_budget_nothing_keeps_is_told(
    space: Space, costs: CostTable, judge: Judge, noises: dict[tuple[str, str], float]
) -> None:
    with pytest.raises(LneError, match="no setting keeps to the accuracy budget"):
        explore(space, costs, judge, noises, most_drop=-2.0)


def test_the_curve_is_a_search_for_the_viewer(
    space: Space, costs: CostTable, judge: Judge, noises: dict[tuple[str, str], float]
) -> None:
    raw = json.loads(json.dumps(explore(space, costs, judge, noises, most_drop=0.01).to_json()))
    assert [one["name"] for one in raw["objectives"]] == ["latency_us", "accuracy"]
    assert [trial["params"]["chosen"] for trial in raw["trials"]].count("yes") == 1
    assert raw["limits"][0]["value"] == pytest.approx(judge.reference.accuracy - 0.01)
    without = explore(space, costs, replace(judge, truth=None), noises, most_drop=0.01).to_json()
    assert without["objectives"][1]["name"] == "agreement"
