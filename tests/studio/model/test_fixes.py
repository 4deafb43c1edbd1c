"""One-click fixes: each mends its problem and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.problem import Problem
from engine.registry import Registry
from engine.resource import project
from engine.validate import check
from engine.workflow import Link, Workflow, load
from studio.model import edit
from studio.model.fixes import FIXES, fixes_of, told_once

Spoil = Callable[[Workflow], Workflow]
FEATURES = Link("mfcc-1", "features", "train-1", "features")


@pytest.fixture(scope="module")
def good() -> Workflow:
    return load(project("keyword_spotting.workflow.json"))


def params(node: str, **values: Any) -> Spoil:
    return lambda now: edit.set_params(now, node, values)


def links(*more: Link, without: Link | None = None) -> Spoil:
    return lambda now: now.model_copy(update={"links": (*(k for k in now.links if k != without), *more)})


CASES = {
    "a mistyped parameter": (params("train-1", epoch=3), "unknown-parameter", ["Rename to epochs", "Remove it"]),
    "a strange parameter": (params("train-1", zzz=3), "unknown-parameter", ["Remove it"]),
    "a mistyped variable": (params("train-1", seed="{sead}"), "unknown-variable", ["Use {seed}", "Add {sead}"]),
    "a new variable": (params("train-1", epochs="{rounds}"), "unknown-variable", ["Add {rounds}"]),
    "a mistyped choice": (params("partition-1", rule="speakr"), "parameter", ["Set to speaker", "Back to given"]),
    "a value out of range": (params("mfcc-1", clip_s=-1.0), "parameter", ["Back to the default"]),
    "a missing wire": (links(without=FEATURES), "missing-input", ["Wire mfcc-1.features"]),
    "a wire of another type": (
        links(Link("partition-1", "audio", "train-1", "features"), without=FEATURES), "type", ["Remove the wire"]),
    "a wire to nowhere": (links(Link("mfcc-1", "features", "gone-1", "features")), "unknown-node",
                          ["Remove the wire"]),
    "a wire from nowhere": (links(Link("gone-1", "features", "benchmark-1", "model")), "unknown-node",
                            ["Remove the wire"]),
    "a wire to no port": (links(Link("mfcc-1", "features", "train-1", "nose")), "unknown-port", ["Remove the wire"]),
    "a wire twice": (links(FEATURES), "duplicate", ["Keep it once"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_fix_mends_its_problem(case: str, good: Workflow, registry: Registry) -> None:
    spoil, code, labels = CASES[case]
    bad = spoil(good)
    problems = check(bad, registry).problems
    problem = next(p for p in problems if p.code == code)
    fixes = fixes_of(problem, bad, registry)
    assert [fix.label for fix in fixes] == labels
    for fix in fixes:
        left = check(fix.change(bad), registry).problems
        assert (problem.code, problem.node, problem.field) not in {(p.code, p.node, p.field) for p in left}
    mended = check(fixes[0].change(bad), registry).problems
    assert len(mended) < len(problems) or case == "a wire of another type"


def test_every_kind_of_fix_is_tried() -> None:
    assert {code for _spoil, code, _labels in CASES.values()} | {"occupied"} == FIXES.keys()


def test_two_wires_at_one_input(good: Workflow, registry: Registry) -> None:
    second = edit.add_node(good, registry.specs["ossicle.log_mel"], (0, 0))[0]
    link = Link("log-mel-1", "features", "train-1", "features")
    bad = second.model_copy(update={"links": (*second.links, link)})
    problem = next(p for p in check(bad, registry).problems if p.code == "occupied")
    first, other = fixes_of(problem, bad, registry)
    assert (first.label, other.label) == ("Keep mfcc-1", "Keep log-mel-1")
    assert link not in first.change(bad).links and FEATURES in first.change(bad).links
    assert link in other.change(bad).links and FEATURES not in other.change(bad).links


def test_a_new_variable_takes_the_parameter_s_default(good: Workflow, registry: Registry) -> None:
    bad = edit.set_params(good, "train-1", {"epochs": "{rounds}"})
    problem = next(p for p in check(bad, registry).problems if p.code == "unknown-variable")
    fixed = fixes_of(problem, bad, registry)[0].change(bad)
    default = registry.specs["ossicle.train"].params.model_fields["epochs"].default
    assert fixed.variables["rounds"] == default
    assert check(fixed, registry).problems == ()


def test_no_wire_is_guessed_where_several_fit(good: Workflow, registry: Registry) -> None:
    more, _ = edit.add_node(good, registry.specs["ossicle.log_mel"], (0, 0))
    bad = links(without=FEATURES)(more)
    problem = next(p for p in check(bad, registry).problems if (p.code, p.node) == ("missing-input", "train-1"))
    assert fixes_of(problem, bad, registry) == ()


@pytest.mark.parametrize("code", sorted(FIXES))
def test_a_problem_of_another_graph_has_no_fix(code: str, registry: Registry) -> None:
    problem = Problem(code, "gone-1", "x", "the variable {x} is gone-1.x", "one of 'a'", "Did you mean y?")
    assert fixes_of(problem, Workflow(), registry) == ()


def test_what_follows_from_a_missing_variable_is_told_once(good: Workflow, registry: Registry) -> None:
    bad = edit.set_params(good, "train-1", {"seed": "{sead}"})
    problems = check(bad, registry).problems
    assert {p.code for p in problems} == {"unknown-variable", "parameter"}
    assert {p.code for p in told_once(problems)} == {"unknown-variable"}
