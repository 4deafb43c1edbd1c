"""Static checks: every kind of problem, all at once, and the steps of good graphs."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import Field, model_validator

from engine import AudioSet, FeatureSet, Model, OssicleError, Params, Report, node
from engine import workflow as wf
from engine.links import can_link, check_link
from engine.problem import InvalidError, LinkError
from engine.registry import Registry
from engine.validate import check, require


class SourceParams(Params):
    path: str = "."


class MfccParams(Params):
    n_mfcc: Annotated[int, Field(ge=1)] = 40
    n_mels: Annotated[int, Field(ge=1)] = 40

    @model_validator(mode="after")
    def _fits(self) -> MfccParams:
        if self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc ({self.n_mfcc}) at most n_mels ({self.n_mels})")
        return self


class Split(NamedTuple):
    first: AudioSet
    second: AudioSet


@node("t.source", version=1, category="T")
def source(params: SourceParams) -> AudioSet:
    """Source."""
    raise NotImplementedError


@node("t.gain", version=1, category="T")
def gain(audio: AudioSet) -> AudioSet:
    """Gain."""
    raise NotImplementedError


@node("t.split", version=1, category="T")
def split(audio: AudioSet) -> Split:
    """Split."""
    raise NotImplementedError


@node("t.mfcc", version=2, category="T", replaces=("old.mfcc",))
def mfcc(audio: AudioSet, params: MfccParams) -> FeatureSet:
    """MFCC."""
    raise NotImplementedError


@node("t.train", version=1, category="T")
def train(features: FeatureSet, audio: AudioSet | None = None) -> Model:
    """Train."""
    raise NotImplementedError


@node("t.compare", version=1, category="T")
def compare(models: list[Model]) -> Report:
    """Compare."""
    raise NotImplementedError


REGISTRY = Registry({spec.id: spec for spec in (source, gain, split, mfcc, train, compare)})


def flow(nodes: dict[str, Any], *links: str, **more: Any) -> wf.Workflow:
    entries = {name: {"type": entry} if isinstance(entry, str) else entry for name, entry in nodes.items()}
    return wf.parse({"nodes": entries, "links": list(links), **more})


GOOD = flow(
    {"source-1": "t.source", "mfcc-1": "old.mfcc", "train-1": "t.train", "compare-1": "t.compare"},
    "source-1.audio -> mfcc-1.audio",
    "source-1.audio -> train-1.audio",
    "mfcc-1.features -> train-1.features",
    "train-1.model -> compare-1.models",
)


def test_good_graph_gives_steps_in_order() -> None:
    checked = check(GOOD, REGISTRY)
    assert checked.problems == ()
    assert [step.node for step in require(checked)] == ["source-1", "mfcc-1", "train-1", "compare-1"]
    assert checked.steps[2].wires == {"audio": (("source-1", "audio"),), "features": (("mfcc-1", "features"),)}
    assert checked.steps[1].spec is mfcc


CASES: dict[str, tuple[wf.Workflow, set[tuple[str, str, str]]]] = {
    "unknown type": (flow({"x-1": "no.such"}), {("unknown-type", "x-1", "type")}),
    "newer node": (flow({"s-1": {"type": "t.source", "version": 9}}), {("newer-node", "s-1", "version")}),
    "bad value": (
        flow({"s-1": "t.source", "m-1": {"type": "t.mfcc", "params": {"n_mfcc": 0}}}, "s-1.audio -> m-1.audio"),
        {("parameter", "m-1", "n_mfcc")},
    ),
    "wrong type of value": (
        flow({"s-1": {"type": "t.source", "params": {"path": 3}}}),
        {("parameter", "s-1", "path")},
    ),
    "cross-field": (
        flow({"s-1": "t.source", "m-1": {"type": "t.mfcc", "params": {"n_mfcc": 50}}}, "s-1.audio -> m-1.audio"),
        {("parameter", "m-1", "")},
    ),
    "unknown parameter": (
        flow({"s-1": {"type": "t.source", "params": {"paht": "x"}}}),
        {("unknown-parameter", "s-1", "paht")},
    ),
    "unknown variable": (
        flow({"s-1": {"type": "t.source", "params": {"path": "{data}"}}}),
        {("unknown-variable", "s-1", "path")},
    ),
    "missing input": (flow({"m-1": "t.mfcc"}), {("missing-input", "m-1", "audio")}),
    "cycle": (
        flow({"a-1": "t.gain", "b-1": "t.gain"}, "a-1.audio -> b-1.audio", "b-1.audio -> a-1.audio"),
        {("cycle", "", "links")},
    ),
    "wrong type": (
        flow({"s-1": "t.source", "t-1": "t.train"}, "s-1.audio -> t-1.features"),
        {("type", "t-1", "features"), ("missing-input", "t-1", "features")},
    ),
    "two wires": (
        flow(
            {"s-1": "t.source", "z-1": "t.source", "g-1": "t.gain"}, "s-1.audio -> g-1.audio", "z-1.audio -> g-1.audio"
        ),
        {("occupied", "g-1", "audio")},
    ),
    "same wire twice": (
        flow({"s-1": "t.source", "g-1": "t.gain"}, "s-1.audio -> g-1.audio", "s-1.audio -> g-1.audio"),
        {("duplicate", "g-1", "audio")},
    ),
    "no such port": (
        flow({"s-1": "t.source", "g-1": "t.gain"}, "s-1.sound -> g-1.audio"),
        {("unknown-port", "g-1", "audio"), ("missing-input", "g-1", "audio")},
    ),
    "no such node": (
        flow({"s-1": "t.source"}, "s-1.audio -> ghost.audio"),
        {("unknown-node", "", "s-1.audio -> ghost.audio")},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_problem_is_found_and_has_three_parts(name: str) -> None:
    workflow, expected = CASES[name]
    checked = check(workflow, REGISTRY)
    assert {(p.code, p.node, p.field) for p in checked.problems} == expected
    assert all(p.what and p.expected and p.remedy for p in checked.problems)
    with pytest.raises(InvalidError) as caught:
        require(checked)
    assert caught.value.problems == checked.problems


def test_all_problems_come_at_once() -> None:
    nodes = {"x-1": "no.such", "m-1": {"type": "t.mfcc", "params": {"n_mfcc": 0, "zz": 1}}, "t-1": "t.train"}
    codes = sorted(problem.code for problem in check(flow(nodes, "m-1.features -> t-1.audio"), REGISTRY).problems)
    assert codes == ["missing-input", "missing-input", "parameter", "type", "unknown-parameter", "unknown-type"]


def test_variables_keep_their_type_and_fill_texts() -> None:
    nodes = {"s-1": {"type": "t.source", "params": {"path": "{root}/a {b}"}}}
    nodes["m-1"] = {"type": "t.mfcc", "params": {"n_mfcc": "{n}"}}
    checked = check(flow(nodes, "s-1.audio -> m-1.audio", variables={"root": "/data", "n": 10}), REGISTRY)
    params = {step.node: step.params.model_dump() for step in require(checked)}
    assert params == {"s-1": {"path": "/data/a {b}"}, "m-1": {"n_mfcc": 10, "n_mels": 40}}


def mode(workflow: wf.Workflow, name: str, value: str) -> wf.Workflow:
    return workflow.model_copy(
        update={"nodes": {**workflow.nodes, name: workflow.nodes[name].model_copy(update={"mode": value})}}
    )


def test_muted_node_takes_what_needs_it_along() -> None:
    checked = check(mode(GOOD, "mfcc-1", "muted"), REGISTRY)
    assert [step.node for step in checked.steps] == ["source-1", "compare-1"]
    assert checked.skipped == ("mfcc-1", "train-1")


def test_muted_source_of_an_optional_wire_is_only_left_out() -> None:
    nodes = {"s-1": "t.source", "o-1": {"type": "t.source", "mode": "muted"}, "m-1": "t.mfcc", "t-1": "t.train"}
    links = ("s-1.audio -> m-1.audio", "m-1.features -> t-1.features", "o-1.audio -> t-1.audio")
    checked = check(flow(nodes, *links), REGISTRY)
    assert {step.node: dict(step.wires) for step in checked.steps}["t-1"] == {"features": (("m-1", "features"),)}


def test_bypassed_chain_is_wired_through() -> None:
    nodes = {
        "s-1": "t.source",
        "g-1": {"type": "t.gain", "mode": "bypassed"},
        "h-1": {"type": "t.gain", "mode": "bypassed"},
    }
    nodes["m-1"] = "t.mfcc"
    checked = check(flow(nodes, "s-1.audio -> g-1.audio", "g-1.audio -> h-1.audio", "h-1.audio -> m-1.audio"), REGISTRY)
    assert {step.node: dict(step.wires) for step in checked.steps} == {"s-1": {}, "m-1": {"audio": (("s-1", "audio"),)}}


LINKS = {
    "source-1.audio -> mfcc-1.audio": "duplicate",
    "train-1.model -> mfcc-1.audio": "type",
    "source-1.audio -> nobody.audio": "unknown-node",
    "source-1.sound -> train-1.audio": "unknown-port",
    "source-1.audio -> gain-1.audio": "occupied",
    "gain-2.audio -> gain-1.audio": "occupied",
    "gain-1.audio -> gain-2.audio": "",
    "gain-2.audio -> gain-2.audio": "cycle",
}


@pytest.mark.parametrize("text", LINKS)
def test_check_link_and_can_link_agree(text: str) -> None:
    nodes = {**GOOD.nodes, "gain-1": wf.Node(type="t.gain"), "gain-2": wf.Node(type="t.gain")}
    graph = GOOD.model_copy(
        update={"nodes": nodes, "links": (*GOOD.links, wf.Link("source-1", "audio", "gain-1", "audio"))}
    )
    link = wf.parse({"links": [text]}).links[0]
    assert can_link(graph, REGISTRY, link) is (not LINKS[text])
    if LINKS[text]:
        code = "duplicate" if link in graph.links else LINKS[text]
        with pytest.raises(LinkError) as caught:
            check_link(graph, REGISTRY, link)
        assert caught.value.code == code


def test_cycle_is_refused_when_drawn() -> None:
    graph = flow(
        {"a-1": "t.gain", "b-1": "t.gain", "c-1": "t.gain"}, "a-1.audio -> b-1.audio", "b-1.audio -> c-1.audio"
    )
    with pytest.raises(LinkError) as caught:
        check_link(graph, REGISTRY, wf.Link("c-1", "audio", "a-1", "audio"))
    assert caught.value.code == "cycle"


def test_ten_thousand_nodes() -> None:
    nodes: dict[str, Any] = {"s-0": "t.source"} | {f"g-{i}": "t.gain" for i in range(10_000)}
    links = ["s-0.audio -> g-0.audio"] + [f"g-{i}.audio -> g-{i + 1}.audio" for i in range(9_999)]
    checked = check(flow(nodes, *links), REGISTRY)
    assert checked.problems == () and len(checked.steps) == 10_001


def test_error_type_is_an_ossicle_error() -> None:
    assert issubclass(InvalidError, OssicleError) and issubclass(LinkError, OssicleError)
