"""Collapsing and expanding: inverse to each other, same results, refused with the wire that forbids it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from engine.errors import OssicleError
from engine.library import file_of, with_subgraphs
from engine.registry import Registry
from engine.subgraph import expand, leaf_of
from engine.validate import check
from engine.workflow import Link, Workflow, load, parse, save
from studio.model import edit
from studio.model.collapse import collapse, expand_node, offers
from studio.model.document import Document
from studio.model.edit import positions
from studio.model.group import Answer, GroupCommands
from studio.panels.collapse import CollapseDialog

RandomEdit = Callable[[Workflow, random.Random], Workflow]


def with_file(
    registry: Registry, folder: Path, workflow: Workflow, nodes: set[str], *exposed: str
) -> tuple[Workflow, str, Registry]:
    """A collapsed selection whose file is written; the workflow, the box, and the registry with it."""
    done = collapse(workflow, registry, nodes, "part", exposed)
    save(done.inside, file_of(folder, "part"))
    found = with_subgraphs(registry, folder)
    assert not found.errors, found.errors
    return done.workflow, done.box, found


def graph_of(workflow: Workflow) -> tuple[object, ...]:
    """What a workflow is, whatever order its file has."""
    return dict(sorted(workflow.nodes.items())), sorted(workflow.links), workflow.variables


def test_wires_over_the_border_become_ports(small: Workflow, registry: Registry, tmp_path: Path) -> None:
    after, box, found = with_file(registry, tmp_path, small, {"mfcc-1", "train-1"}, "train-1.epochs", "mfcc-1.n_mels")
    assert box == "part-1"
    assert set(map(str, after.links)) == {
        "ingest-1.audio -> part-1.audio",
        "part-1.features -> benchmark-1.features",
        "part-1.model -> benchmark-1.model",
    }
    spec = found.specs["subgraph.part"]
    assert [port.name for port in spec.inputs] == ["audio"]
    assert [port.name for port in spec.outputs] == ["features", "model"]
    assert list(spec.params.model_fields) == ["seed", "epochs", "n_mels"]
    assert after.nodes[box].params == {"seed": "{seed}"}, "the variable goes on to count"
    assert spec.params().model_dump() == {"seed": 3, "epochs": 2, "n_mels": 48}
    assert positions(after)[box] == (378, 0), "in the middle"
    assert after.layout["notes"] == small.layout["notes"]
    assert check(after, found).problems == check(small, registry).problems


def test_collapsed_is_the_same_graph_to_the_engine(small: Workflow, registry: Registry, tmp_path: Path) -> None:
    after, _box, found = with_file(registry, tmp_path, small, {"mfcc-1", "train-1", "benchmark-1"})
    flat = expand(after, found)
    assert {leaf_of(name) for name in flat.nodes} == small.nodes.keys()
    links = {Link(leaf_of(k.source), k.output, leaf_of(k.target), k.input) for k in flat.links}
    assert links == set(small.links)
    before = {step.node: (step.spec.id, step.params) for step in check(small, registry).steps}
    assert {leaf_of(s.node): (s.spec.id, s.params) for s in check(after, found).steps} == before


def test_expanding_brings_the_nodes_back(small: Workflow, registry: Registry, tmp_path: Path) -> None:
    after, box, found = with_file(registry, tmp_path, small, {"mfcc-1", "train-1"})
    again, names = expand_node(after, found, box)
    assert set(names) == {"mfcc-1", "train-1"}
    assert graph_of(again) == graph_of(small)
    assert positions(again) == positions(small)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(st.integers(0, 10_000), st.data())
def test_any_selection_without_detour_goes_there_and_back(
    registry: Registry,
    random_edit: RandomEdit,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    data: st.DataObject,
) -> None:
    dice, graph = random.Random(seed), Workflow(variables={"seed": 1})
    for _ in range(40):
        graph = random_edit(graph, dice)
    graph = graph.model_copy(update={"nodes": {k: n.model_copy(update={"params": {}}) for k, n in graph.nodes.items()}})
    assume(graph.nodes)
    chosen = set(data.draw(st.lists(st.sampled_from(sorted(graph.nodes)), min_size=1, max_size=6)))
    try:
        after, box, found = with_file(registry, tmp_path_factory.mktemp("x"), graph, chosen)
    except OssicleError as error:
        assert "leads back in" in error.what
        return
    again, _names = expand_node(after, found, box)
    assert graph_of(again) == graph_of(graph)
    assert {p.code for p in check(after, found).problems} == {p.code for p in check(graph, registry).problems}


def test_a_way_out_and_back_in_is_told_with_its_wires(small: Workflow, registry: Registry) -> None:
    with pytest.raises(OssicleError) as caught:
        collapse(small, registry, {"mfcc-1", "benchmark-1"}, "x")
    assert "mfcc-1.features -> train-1.features" in caught.value.what
    assert "train-1.model -> benchmark-1.model" in caught.value.what
    assert caught.value.remedy == "Select train-1 too"


@pytest.mark.parametrize("name", ["", "Front end", "a--b", "-a", "a.b", "ä"])
def test_bad_names(small: Workflow, registry: Registry, name: str) -> None:
    with pytest.raises(OssicleError, match="no name"):
        collapse(small, registry, {"mfcc-1"}, name)


def test_what_cannot_be_collapsed(small: Workflow, registry: Registry) -> None:
    for nodes in ((), ("ghost",)):
        with pytest.raises(OssicleError):
            collapse(small, registry, set(nodes), "x")
    odd = parse({"nodes": {"a": {"type": "gone.x"}}})
    with pytest.raises(OssicleError, match="not installed"):
        collapse(odd, registry, {"a"}, "x")
    dashed = parse({"nodes": {"a--b": {"type": "ossicle.mfcc"}}})
    with pytest.raises(OssicleError, match="--"):
        collapse(dashed, registry, {"a--b"}, "x")
    with pytest.raises(OssicleError, match="no sub-graph"):
        expand_node(small, registry, "mfcc-1")


def test_two_ports_of_one_name_get_names_of_their_own(small: Workflow, registry: Registry, tmp_path: Path) -> None:
    graph, other = edit.add_node(small, registry.specs["ossicle.log_mel"], (0, 400))
    graph = edit.link(graph, registry, Link("ingest-1", "audio", other, "audio"))
    _after, _box, found = with_file(registry, tmp_path, graph, {"mfcc-1", other})
    spec = found.specs["subgraph.part"]
    assert [port.name for port in spec.inputs] == ["audio"], "one wire from outside feeds both"
    assert sorted(port.name for port in spec.outputs) == ["features", "mfcc_features"]


def test_a_box_used_twice_and_expanded_gets_new_ids(small: Workflow, registry: Registry, tmp_path: Path) -> None:
    after, _box, found = with_file(registry, tmp_path, small, {"mfcc-1", "train-1"})
    after, second = edit.add_node(after, found.specs["subgraph.part"], (0, 500), {"seed": 9})
    first, _ = expand_node(after, found, "part-1")
    both, names = expand_node(first, found, second)
    assert names == ("mfcc-2", "train-2")
    assert both.nodes["train-2"].params["seed"] == 9


def test_a_muted_box_leaves_muted_nodes(small: Workflow, registry: Registry, tmp_path: Path) -> None:
    after, box, found = with_file(registry, tmp_path, small, {"mfcc-1", "train-1"})
    again, names = expand_node(edit.set_mode(after, [box], "muted"), found, box)
    assert {again.nodes[name].mode for name in names} == {"muted"}


def test_what_an_opened_sub_graph_shows_stays(small: Workflow, registry: Registry) -> None:
    inside = collapse(small, registry, {"mfcc-1", "train-1"}, "part").inside
    with pytest.raises(OssicleError, match="shows outside as"):
        collapse(inside, registry, {"mfcc-1"}, "deeper")


def test_offers(small: Workflow, registry: Registry) -> None:
    found = {offer.end: offer for offer in offers(small, registry, {"mfcc-1", "train-1"})}
    assert found["train-1.seed"].is_needed
    assert found["mfcc-1.n_mels"].is_set
    assert not found["mfcc-1.n_mfcc"].is_set
    assert found["train-1.epochs"].about


# ---- commands


@pytest.fixture
def opened(document: Document, small: Workflow, tmp_path: Path) -> Document:
    """The small graph, opened from a file."""
    path = tmp_path / "small.workflow.json"
    save(small, path)
    document.open(path)
    return document


def test_collapse_and_expand_by_command(opened: Document, small: Workflow) -> None:
    commands = GroupCommands(opened)
    asked: list[str] = []
    commands.ask = lambda found, name: asked.append(name) or Answer("front-end", ("train-1.epochs",))  # type: ignore[func-returns-value]
    by_id = {command.id: command for command in commands.commands()}
    assert not by_id["group.collapse"].enabled()
    opened.select(["mfcc-1", "train-1"])
    assert by_id["group.collapse"].enabled()
    assert not by_id["group.expand"].enabled()
    by_id["group.collapse"].run()
    assert asked == ["part-1"]
    assert opened.selection.node == "front-end-1"
    assert file_of(opened.base, "front-end").is_file()
    assert by_id["group.expand"].enabled()
    assert not [p for p in opened.checked.errors if p.code == "unknown-type"]
    by_id["group.expand"].run()
    assert opened.selection.nodes == {"mfcc-1", "train-1"}
    opened.undo()
    opened.undo()
    assert opened.workflow == small
    assert opened.undo_text == ""
    opened.redo()
    assert "front-end-1" in opened.workflow.nodes


def test_nothing_is_written_if_one_says_no_or_it_cannot_be(opened: Document, small: Workflow) -> None:
    commands = GroupCommands(opened)
    commands.ask = lambda found, name: None
    opened.select(["mfcc-1", "train-1"])
    assert commands.collapse() == ""
    commands.ask = lambda found, name: pytest.fail("asked in vain")
    opened.select(["mfcc-1", "benchmark-1"])
    with pytest.raises(OssicleError, match="leads back in"):
        commands.collapse()
    assert opened.workflow == small
    assert not (opened.base / "subgraphs").exists()


def test_a_taken_name_is_refused(opened: Document, small: Workflow) -> None:
    path = file_of(opened.base, "mine")
    path.parent.mkdir()
    path.write_text("{}")
    commands = GroupCommands(opened)
    commands.ask = lambda found, name: Answer("mine")
    opened.select(["mfcc-1"])
    with pytest.raises(OssicleError, match="already"):
        commands.collapse()
    assert path.read_text() == "{}"
    assert commands.why_not("mine")
    assert commands.why_not("Mine")
    assert not commands.why_not("yours")


def test_a_folder_that_cannot_be_written(opened: Document, small: Workflow) -> None:
    (opened.base / "subgraphs").write_text("a file where the folder should be")
    commands = GroupCommands(opened)
    commands.ask = lambda found, name: Answer("front")
    opened.select(["mfcc-1"])
    with pytest.raises(OssicleError, match="cannot be written"):
        commands.collapse()
    assert opened.workflow == small


def test_open_the_sub_graph(opened: Document) -> None:
    commands = GroupCommands(opened)
    commands.ask = lambda found, name: Answer("front")
    opened.select(["mfcc-1"])
    commands.collapse()
    with pytest.raises(OssicleError, match="no file holds"):
        commands.open()
    opened.save()
    commands.open()
    assert opened.path == file_of(opened.base, "front")
    assert opened.workflow.nodes.keys() == {"mfcc-1"}
    with pytest.raises(OssicleError, match="no sub-graph is selected"):
        commands.open()


def test_the_dialog(qtbot: QtBot, dark: object, small: Workflow, registry: Registry, opened: Document) -> None:
    commands = GroupCommands(opened)
    dialog = CollapseDialog(offers(small, registry, {"mfcc-1", "train-1"}), "front", commands.why_not)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.place.text() == "subgraphs/front.subgraph.json"
    dialog.name.setText("Front end")
    assert not dialog.go.isEnabled()
    assert dialog.place.text().startswith("Small letters")
    dialog.name.setText("front")
    assert dialog.go.isEnabled()
    seed = dialog._boxes["train-1.seed"]
    assert seed.isChecked()
    assert not seed.isEnabled()
    dialog._boxes["train-1.epochs"].setChecked(True)
    dialog.search.setText("mels")
    assert dialog._boxes["mfcc-1.n_mels"].isVisible()
    assert not dialog._boxes["train-1.epochs"].isVisible()
    assert dialog.answer() == Answer("front", ("train-1.epochs",))


def test_a_sub_graph_of_a_real_project_runs_the_same(registry: Registry, tmp_path: Path) -> None:
    from engine.resource import project

    graph = load(project("keyword_spotting.workflow.json"))
    after, _box, found = with_file(registry, tmp_path, graph, {"partition-1", "mfcc-1", "train-1"})
    before = {step.node: step.params for step in check(graph, registry).steps}
    assert {leaf_of(step.node): step.params for step in check(after, found).steps} == before


def test_the_box_lies_on_no_other(small: Workflow, registry: Registry, tmp_path: Path) -> None:
    graph = edit.move(small, {"mfcc-1": (252, 0), "train-1": (252, 198), "benchmark-1": (300, 130)})
    after, box, found = with_file(registry, tmp_path, graph, {"mfcc-1", "train-1"})
    assert positions(after)[box] == (252, 0), "the middle is taken"
    again, _names = expand_node(after, found, box)
    assert positions(again) == positions(graph)
    moved, _names = expand_node(edit.move(after, {box: (1000, 1000)}), found, box)
    assert positions(moved)["mfcc-1"] == (1000, 1000)
    assert positions(moved)["train-1"] == (1000, 1198)
