"""Edits: each has its inverse, none touches anything else, bad wishes are refused in words."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import OssicleError
from engine.problem import LinkError
from engine.registry import Registry
from engine.workflow import Link, Workflow, parse, to_text
from studio.model import edit
from studio.model.document import Document
from studio.model.places import arrange, free_place, layered, ports_of, shown_positions

RandomEdit = Callable[[Workflow, random.Random], Workflow]
SEEDS = st.integers(0, 10_000)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def grown(random_edit: RandomEdit, seed: int, edits: int = 25) -> tuple[Workflow, random.Random]:
    """A random workflow, and the dice that made it."""
    dice, workflow = random.Random(seed), Workflow()
    for _ in range(edits):
        workflow = random_edit(workflow, dice)
    return workflow, dice


def same(a: Workflow, b: Workflow) -> bool:
    """Equal but for the order of nodes, links and layout entries, which the file does not keep either."""
    return to_text(a) == to_text(b)


@QUICK
@given(SEEDS)
def test_whatever_an_edit_does_undo_and_redo_take_back_and_forth(
    document: Document, random_edit: RandomEdit, seed: int
) -> None:
    workflow, dice = grown(random_edit, seed)
    document.show(workflow)
    document.edit("Edit", lambda now: random_edit(now, dice))
    after = document.workflow
    document.undo()
    assert document.workflow is workflow
    document.redo()
    assert document.workflow is after


@QUICK
@given(SEEDS)
def test_any_edited_graph_can_be_written_and_read(random_edit: RandomEdit, seed: int) -> None:
    workflow, _ = grown(random_edit, seed, 60)
    again = parse(workflow.model_dump(mode="json"))
    assert same(again, workflow)
    known = workflow.nodes.keys()
    assert all(link.source in known and link.target in known for link in workflow.links)
    assert edit.positions(workflow).keys() <= known


@QUICK
@given(SEEDS)
def test_add_and_remove(random_edit: RandomEdit, registry: Registry, seed: int) -> None:
    workflow, dice = grown(random_edit, seed)
    workflow = edit.move(workflow, shown_positions(workflow))
    after, name = edit.add_node(workflow, registry.specs["ossicle.mfcc"], (3.4, -7.6), {"n_mels": 20})
    assert after.nodes[name].params == {"n_mels": 20}
    assert edit.positions(after)[name] == (3, -8)
    assert all(after.nodes[key] is node for key, node in workflow.nodes.items())
    assert same(edit.remove(after, [name]), workflow)


@QUICK
@given(SEEDS)
def test_link_and_unlink(random_edit: RandomEdit, registry: Registry, seed: int) -> None:
    workflow, dice = grown(random_edit, seed)
    workflow, a = edit.add_node(workflow, registry.specs["ossicle.ingest"], (0, 0))
    workflow, b = edit.add_node(workflow, registry.specs["ossicle.mfcc"], (0, 0))
    new = Link(a, "audio", b, "audio")
    after = edit.link(workflow, registry, new)
    assert after.nodes is workflow.nodes
    assert same(edit.remove(after, links=[new]), workflow)
    with pytest.raises(LinkError, match="exists"):
        edit.link(after, registry, new)
    workflow, c = edit.add_node(after, registry.specs["ossicle.ingest"], (0, 0))
    moved = edit.link(workflow, registry, Link(c, "audio", b, "audio"))
    assert new not in moved.links, "the wire that was there gives way"


def test_claims_follow_a_renamed_node(small: Workflow) -> None:
    claim = {"what": "Net, accuracy", "source": "T1", "printed": "96.1", "value": 0.961, "at": "train-1.model:accuracy"}
    workflow = parse({**small.model_dump(mode="json"), "claims": [claim]})
    assert edit.rename(workflow, "train-1", "final").claims[0].at == "final.model:accuracy"
    assert edit.rename(workflow, "ingest-1", "source").claims == workflow.claims


@QUICK
@given(SEEDS)
def test_rename_back(random_edit: RandomEdit, seed: int) -> None:
    workflow, dice = grown(random_edit, seed)
    for old in sorted(workflow.nodes)[:3]:
        after = edit.rename(workflow, old, "quite-new")
        assert old not in after.nodes
        assert not any(old in (link.source, link.target) for link in after.links)
        assert len(after.links) == len(workflow.links)
        assert same(edit.rename(after, "quite-new", old), workflow)


@QUICK
@given(SEEDS)
def test_move_back(random_edit: RandomEdit, seed: int) -> None:
    workflow, dice = grown(random_edit, seed)
    workflow = edit.move(workflow, shown_positions(workflow))
    before = edit.positions(workflow)
    after = edit.move(workflow, {name: (x + 5, y - 9) for name, (x, y) in before.items()})
    assert after.nodes is workflow.nodes
    assert same(edit.move(after, before), workflow)


def test_parameters(small: Workflow) -> None:
    after = edit.set_params(small, "mfcc-1", {"n_mfcc": 10, "n_mels": 20})
    assert after.nodes["mfcc-1"].params == {"n_mels": 20, "n_mfcc": 10}
    assert after.nodes["train-1"] is small.nodes["train-1"]
    assert edit.reset_params(after, "mfcc-1", ["n_mfcc", "n_mels", "ghost"]).nodes["mfcc-1"].params == {}
    assert edit.set_params(edit.reset_params(after, "mfcc-1", ["n_mfcc"]), "mfcc-1", {"n_mels": 48}) == small
    with pytest.raises(OssicleError, match="mfc-1"):
        edit.set_params(small, "mfc-1", {})


def test_modes(small: Workflow) -> None:
    names = ["mfcc-1", "train-1"]
    muted = edit.toggle_mode(small, names, "muted")
    assert {muted.nodes[name].mode for name in names} == {"muted"}
    assert edit.toggle_mode(muted, names, "muted") == small
    mixed = edit.set_mode(small, ["mfcc-1"], "muted")
    assert edit.toggle_mode(mixed, names, "muted") == muted, "one of two: the other follows"
    assert edit.toggle_mode(muted, names, "bypassed").nodes["train-1"].mode == "bypassed"


def test_variables(small: Workflow) -> None:
    after = edit.set_variable(small, "rate", 16000)
    assert after.variables == {"seed": 3, "rate": 16000}
    assert edit.remove_variable(after, "rate") == small
    gone = edit.remove_variable(small, "seed")
    assert gone.variables == {}
    assert gone.nodes["train-1"].params["seed"] == 3, "a number, as running would have had it"


@pytest.mark.parametrize("bad", ["", "Train", "a b", "a.b", "-a", "ä", "a--b", "mfcc-1"])
def test_ids_that_cannot_be(small: Workflow, bad: str) -> None:
    with pytest.raises(OssicleError):
        edit.rename(small, "train-1", bad)
    assert edit.rename(small, "train-1", "train-1") == small


def test_links_that_cannot_be(small: Workflow, registry: Registry) -> None:
    wrong = {
        "type": Link("ingest-1", "audio", "benchmark-1", "model"),
        "unknown-node": Link("ghost", "audio", "mfcc-1", "audio"),
        "unknown-port": Link("ingest-1", "ghost", "mfcc-1", "audio"),
        "duplicate": small.links[0],
    }
    for code, link in wrong.items():
        error = edit.why_not(small, registry, link)
        assert error is not None
        assert error.code == code


def test_a_circle_is_refused_even_where_a_wire_would_give_way(registry: Registry) -> None:
    graph = Workflow()
    for _ in range(3):
        graph, _name = edit.add_node(graph, registry.specs["ossicle.partition"], (0, 0))
    for a, b in ((1, 2), (2, 3)):
        graph = edit.link(graph, registry, Link(f"partition-{a}", "audio", f"partition-{b}", "audio"))
    for a, b in ((3, 2), (3, 1), (2, 2)):
        error = edit.why_not(graph, registry, Link(f"partition-{a}", "audio", f"partition-{b}", "audio"))
        assert error is not None
        assert error.code == "cycle"


def test_a_wire_that_would_give_way_stays_if_the_new_one_cannot_be(small: Workflow, registry: Registry) -> None:
    graph = edit.link(small, registry, Link("ingest-1", "audio", "train-1", "audio"))
    with pytest.raises(LinkError):
        edit.link(graph, registry, Link("mfcc-1", "features", "train-1", "audio"))
    assert Link("ingest-1", "audio", "train-1", "audio") in graph.links


def test_marks(small: Workflow) -> None:
    name = edit.new_mark_id(small, "notes")
    assert name == "note:2"
    after = edit.set_mark(small, "notes", name, {"text": "x"})
    assert edit.remove(after, marks=[name]) == small
    assert edit.set_mark(after, "notes", name, {"x": 4}).layout["notes"][name] == {"text": "x", "x": 4}  # type: ignore[index,call-overload]
    bare = edit.remove(small, marks=["note:1", "frame:1"])
    assert bare.layout.keys() == {"positions"}, "empty groups leave no trace in the file"


# ---- places


@pytest.mark.parametrize(
    "at", [[1], "here", None, [1, "2"], [1, None], {"x": 1}, [float("nan"), 0], [1e300, 0], [0, float("inf")], [[], []]]
)
def test_places_that_make_no_sense_are_laid_out_anew(small: Workflow, at: object) -> None:
    layout = {"positions": {**small.layout["positions"], "mfcc-1": at}}  # type: ignore[dict-item]
    odd = small.model_copy(update={"layout": layout})
    assert "mfcc-1" not in edit.positions(odd)
    assert shown_positions(odd).keys() == odd.nodes.keys()
    assert edit.positions(edit.move(odd, {"train-1": (1, 1)}))["train-1"] == (1, 1)
    for layout in ({"positions": []}, {"positions": None}, {"notes": 3, "frames": [1]}):
        strange = small.model_copy(update={"layout": layout})
        assert len(shown_positions(strange)) == 4
        assert edit.remove(strange, ["mfcc-1"], marks=["note:1"]).nodes.keys() == {"ingest-1", "train-1", "benchmark-1"}


@QUICK
@given(SEEDS)
def test_every_node_has_a_place_of_its_own(random_edit: RandomEdit, seed: int) -> None:
    workflow, _ = grown(random_edit, seed)
    places = layered(workflow)
    assert places.keys() == workflow.nodes.keys()
    assert len(set(places.values())) == len(places)
    assert layered(workflow) == places
    laid = arrange(workflow)
    assert same(arrange(laid), laid)
    x, y = free_place(laid, next(iter(places.values()), (0.0, 0.0)))
    assert (x, y) not in edit.positions(laid).values()


def test_an_unknown_type_has_the_ports_its_links_name(registry: Registry) -> None:
    graph = parse(
        {"nodes": {"a": {"type": "gone.x"}, "b": {"type": "gone.y"}}, "links": ["a.out -> b.in", "a.more -> b.in"]}
    )
    assert ports_of(graph, registry, "a") == ((), ("more", "out"))
    assert ports_of(graph, registry, "b") == (("in",), ())
