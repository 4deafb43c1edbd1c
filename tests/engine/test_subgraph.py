"""Sub-graphs: files as node types, drawn out before anything is checked or run, with results shared either way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine import subgraph as sg
from engine.errors import OssicleError
from engine.export import to_python
from engine.library import file_of, keep, load_flat, with_subgraphs
from engine.links import check_link
from engine.params import schema
from engine.plan import forecast
from engine.record import RunRecord
from engine.registry import Registry
from engine.resource import user_folder
from engine.runner import LocalRunner
from engine.subgraph import SubgraphSpec, expand, expansion, outer_of
from engine.validate import check
from engine.verify import verify_run
from engine.workflow import Link, Workflow, parse, save, upto

MakeWorkflow = Callable[..., Workflow]
PAIR: dict[str, Any] = {
    "name": "Twice",
    "about": "Adds and turns the sign.",
    "variables": {"base": 2},
    "nodes": {
        "add-1": {"type": "fake.add", "params": {"offset": "{base}"}},
        "negate-1": {"type": "fake.negate"},
    },
    "links": ["add-1.number -> negate-1.number"],
    "interface": {
        "inputs": {"numbers": "add-1.numbers"},
        "outputs": {"number": "negate-1.number"},
        "params": {"offset": "add-1.offset"},
    },
}


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No sub-graphs of the person who runs the tests."""
    monkeypatch.setenv("OSSICLE_SETTINGS", str(tmp_path / "settings"))


def put(base: Path, name: str, raw: Any) -> Path:
    """Write a sub-graph file; the file."""
    path = file_of(base, name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(raw if isinstance(raw, str) else json.dumps(raw))
    return path


def changed(**parts: Any) -> dict[str, Any]:
    """PAIR with parts replaced; `interface` is merged."""
    face = {**PAIR["interface"], **parts.pop("interface", {})}
    return {**PAIR, **parts, "interface": face}


@pytest.fixture
def library(tmp_path: Path, fakes: Registry) -> Registry:
    """The fake node types and the sub-graph `pair`."""
    put(tmp_path, "pair", PAIR)
    return with_subgraphs(fakes, tmp_path)


@pytest.fixture
def collapsed(workflow_of: MakeWorkflow) -> Workflow:
    """A number through the pair into another node."""
    nodes = {
        "one-1": ("fake.constant", {"value": 3}),
        "pair-1": ("subgraph.pair", {"offset": 4}),
        "last-1": ("fake.negate", {}),
    }
    return workflow_of(nodes, ("one-1.number -> pair-1.numbers", "pair-1.number -> last-1.number"))


@pytest.fixture
def drawn(workflow_of: MakeWorkflow) -> Workflow:
    """The same without a sub-graph."""
    nodes = {
        "one-1": ("fake.constant", {"value": 3}),
        "add-1": ("fake.add", {"offset": 4}),
        "negate-1": ("fake.negate", {}),
        "last-1": ("fake.negate", {}),
    }
    links = ("one-1.number -> add-1.numbers", "add-1.number -> negate-1.number", "negate-1.number -> last-1.number")
    return workflow_of(nodes, links)


def values(record: RunRecord) -> dict[str, float]:
    """The number that each node made."""
    assert record.state == "done", {node.node: node.error for node in record.nodes.values()}
    found = {name: record.artifacts(name)["number"] for name in record.nodes}
    return {name: json.loads((path / "number.json").read_text())["value"] for name, path in found.items()}


# ---- node types


def test_a_file_becomes_a_node_type(library: Registry) -> None:
    spec = library.specs["subgraph.pair"]
    assert isinstance(spec, SubgraphSpec)
    assert (spec.title, spec.about, spec.category, spec.slug) == ("Twice", PAIR["about"], "Sub-graphs", "pair")
    assert [(p.name, p.type.kind(), p.many, p.optional) for p in spec.inputs] == [("numbers", "Number", True, True)]
    assert [(p.name, p.type.kind()) for p in spec.outputs] == [("number", "Number")]
    assert spec.params().model_dump() == {"offset": 2}
    assert spec.size == 2


def test_exposed_parameters_keep_range_unit_and_help(tmp_path: Path) -> None:
    from engine.registry import load_registry

    registry = load_registry()
    inner = registry.specs["ossicle.train"]
    raw = {
        "nodes": {"train-1": {"type": "ossicle.train", "params": {"batch": 64}}},
        "interface": {
            "inputs": {"features": "train-1.features"},
            "outputs": {"model": "train-1.model"},
            "params": {name: f"train-1.{name}" for name in inner.params.model_fields},
        },
    }
    put(tmp_path, "tail", raw)
    found = with_subgraphs(registry, tmp_path)
    assert not [error for error in found.errors if error.name.startswith("subgraph.")]
    ours, theirs = schema(found.specs["subgraph.tail"].params), schema(inner.params)
    assert ours["properties"].pop("batch")["default"] == 64
    theirs["properties"].pop("batch")
    assert ours["properties"] == theirs["properties"]


def test_one_file_in_two_folders_the_workflows_own_goes_first(tmp_path: Path, fakes: Registry) -> None:
    user_folder().parent.mkdir()
    put(user_folder().parent, "pair", {**PAIR, "name": "Mine"})
    put(user_folder().parent, "other", PAIR)
    assert with_subgraphs(fakes, tmp_path).specs["subgraph.pair"].title == "Mine"
    put(tmp_path, "pair", PAIR)
    found = with_subgraphs(fakes, tmp_path)
    assert found.specs["subgraph.pair"].title == "Twice"
    assert "subgraph.other" in found.specs


def test_nothing_changed_on_disk_gives_the_same_registry(tmp_path: Path, fakes: Registry, library: Registry) -> None:
    assert with_subgraphs(library, tmp_path) is library
    path = put(tmp_path, "pair", {**PAIR, "name": "Another title"})
    os.utime(path, ns=(1, 1))
    assert with_subgraphs(library, tmp_path).specs["subgraph.pair"].title == "Another title"
    path.unlink()
    assert with_subgraphs(library, tmp_path).specs.keys() == fakes.specs.keys()
    assert with_subgraphs(fakes, tmp_path / "elsewhere") is fakes


def test_the_file_comes_back_equal_and_fits_the_schema(tmp_path: Path) -> None:
    raw = changed(interface={"params": {"offset": ["add-1.offset"]}})
    found = sg.parse(raw)
    path = tmp_path / "x.subgraph.json"
    save(found, path)
    assert sg.load(path) == found
    written = json.loads(path.read_text())
    assert written["interface"]["params"] == {"offset": "add-1.offset"}
    assert list(written)[-1] == "layout"
    jsonschema.validate(written, sg.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**written, "interface": {"inputs": {"x": 1}}}, sg.schema())


BAD = {
    "truncated": json.dumps(PAIR)[:80],
    "not-json": "hello",
    "a-list": [1, 2],
    "too-deep": "[" * 100_000,
    "cyclic": changed(links=["add-1.number -> negate-1.number", "negate-1.number -> add-1.numbers"]),
    "no-node": changed(interface={"outputs": {"number": "ghost-1.number"}}),
    "no-output": changed(interface={"outputs": {"number": "negate-1.ghost"}}),
    "no-input": changed(interface={"inputs": {"numbers": "add-1.ghost"}}),
    "wired-input": changed(interface={"inputs": {"number": "negate-1.number"}}),
    "no-parameter": changed(interface={"params": {"offset": "add-1.ghost"}}),
    "reserved": changed(interface={"params": {"copy": "add-1.offset"}}),
    "bad-name": changed(interface={"params": {"Two words": "add-1.offset"}}),
    "no-end": changed(interface={"inputs": {"numbers": "add-1"}}),
    "no-ends": changed(interface={"inputs": {"numbers": []}}),
    "ghost-link": changed(links=["ghost-1.number -> negate-1.number"]),
    "no-variable": changed(variables={}),
    "unknown-type": changed(nodes={**PAIR["nodes"], "negate-1": {"type": "gone.negate"}}),
    "separator": changed(nodes={**PAIR["nodes"], "a--b": {"type": "fake.constant"}}),
    "newer": changed(format=99),
    "unequal": changed(
        nodes={**PAIR["nodes"], "add-2": {"type": "fake.add"}},
        interface={"params": {"offset": ["add-1.offset", "add-2.offset"]}},
    ),
    "types": changed(
        nodes={**PAIR["nodes"], "upper-1": {"type": "fake.upper"}},
        interface={"inputs": {"numbers": ["add-1.numbers", "upper-1.text"]}},
    ),
    "itself": changed(nodes={**PAIR["nodes"], "x-1": {"type": "subgraph.itself"}}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_a_row_with_a_remedy(
    name: str, tmp_path: Path, fakes: Registry, workflow_of: MakeWorkflow
) -> None:
    put(tmp_path, name, BAD[name])
    put(tmp_path, "good", PAIR)
    found = with_subgraphs(fakes, tmp_path)
    assert "subgraph.good" in found.specs
    [error] = found.errors
    assert error.name == f"subgraph.{name}"
    assert "Expected: " in error.error
    assert error.remedy
    [problem] = check(workflow_of({"box-1": (f"subgraph.{name}", {})}), found).problems
    assert problem.code == "unknown-type"
    assert error.error in problem.what


def test_odd_files_are_rows(tmp_path: Path, fakes: Registry) -> None:
    folder = put(tmp_path, "Upper Case", PAIR).parent
    put(tmp_path, "a--b", PAIR)
    (folder / "folder.subgraph.json").mkdir()
    (folder / "nowhere.subgraph.json").symlink_to(folder / "nothing")
    (folder / "round.subgraph.json").symlink_to(folder / "round.subgraph.json")
    (folder / "bytes.subgraph.json").write_bytes(b"\xff\xfe\x00")
    os.mkfifo(folder / "pipe.subgraph.json")
    found = with_subgraphs(fakes, tmp_path)
    assert {error.name for error in found.errors} == {
        f"subgraph.{name}" for name in ("Upper Case", "a--b", "folder", "nowhere", "round", "bytes", "pipe")
    }
    assert found.specs.keys() == fakes.specs.keys()


def test_sub_graphs_that_hold_each_other_are_refused(tmp_path: Path, fakes: Registry) -> None:
    for name, other in (("a", "b"), ("b", "c"), ("c", "a")):
        put(tmp_path, name, {"nodes": {"x-1": {"type": f"subgraph.{other}"}}})
    found = with_subgraphs(fakes, tmp_path)
    assert {error.name for error in found.errors} == {"subgraph.a", "subgraph.b", "subgraph.c"}
    assert any("a -> b -> c -> a" in error.error for error in found.errors)


def test_small_files_cannot_fill_the_memory(tmp_path: Path, fakes: Registry) -> None:
    put(tmp_path, "s0", PAIR)
    for level in range(1, 9):
        inner = {f"x-{n}": {"type": f"subgraph.s{level - 1}"} for n in range(10)}
        put(tmp_path, f"s{level}", {"nodes": inner})
    found = with_subgraphs(fakes, tmp_path)
    assert isinstance(spec := found.specs["subgraph.s4"], SubgraphSpec)
    assert spec.size == 20_000
    assert {error.name for error in found.errors} == {f"subgraph.s{level}" for level in range(5, 9)}
    two = parse({"nodes": {"x-1": {"type": "subgraph.s4"}, "y-1": {"type": "subgraph.s4"}}})
    [problem] = check(two, found).problems
    assert "40,0" in problem.what
    assert problem.code == "sub-graph"


def test_an_unlinked_node_of_an_unknown_type_is_told_at_the_box(
    tmp_path: Path, fakes: Registry, collapsed: Workflow
) -> None:
    put(tmp_path, "pair", changed(nodes={**PAIR["nodes"], "odd-1": {"type": "gone.odd"}}, requires={"gone": "1.0"}))
    [problem] = check(collapsed, with_subgraphs(fakes, tmp_path)).problems
    assert (problem.code, problem.node, problem.field) == ("unknown-type", "pair-1", "odd-1.type")
    assert problem.what.startswith("odd-1.type: the node type gone.odd")
    assert "gone 1.0" in problem.remedy


# ---- drawing out


def test_boxes_give_way_to_their_nodes(library: Registry, collapsed: Workflow) -> None:
    flat = expand(collapsed, library)
    assert list(flat.nodes) == ["one-1", "pair-1--add-1", "pair-1--negate-1", "last-1"]
    assert flat.nodes["pair-1--add-1"].params == {"offset": 4}
    assert set(map(str, flat.links)) == {
        "one-1.number -> pair-1--add-1.numbers",
        "pair-1--add-1.number -> pair-1--negate-1.number",
        "pair-1--negate-1.number -> last-1.number",
    }
    assert expand(flat, library) is flat
    assert {outer_of(name) for name in flat.nodes} == set(collapsed.nodes)
    assert outer_of("a--b", {"a--b"}) == "a--b"


def test_an_unset_parameter_keeps_its_inner_value(library: Registry, workflow_of: MakeWorkflow) -> None:
    flat = expand(workflow_of({"pair-1": ("subgraph.pair", {})}), library)
    assert flat.nodes["pair-1--add-1"].params == {"offset": 2}


def test_a_variable_of_the_workflow_reaches_the_inner_node(library: Registry) -> None:
    raw = {"variables": {"base": 9}, "nodes": {"pair-1": {"type": "subgraph.pair", "params": {"offset": "{base}"}}}}
    checked = check(parse(raw), library)
    assert not checked.problems
    params = {step.node: step.params.model_dump() for step in checked.steps}
    assert params["pair-1--add-1"]["offset"] == 9
    plain = {**raw, "nodes": {"pair-1": {"type": "subgraph.pair"}}}
    params = {step.node: step.params.model_dump() for step in check(parse(plain), library).steps}
    assert params["pair-1--add-1"]["offset"] == 2, "the file's own variable, not the workflow's of the same name"


def test_nested_sub_graphs(tmp_path: Path, fakes: Registry, library: Registry, workflow_of: MakeWorkflow) -> None:
    outer = {
        "nodes": {"p-1": {"type": "subgraph.pair"}, "p-2": {"type": "subgraph.pair", "params": {"offset": 7}}},
        "links": ["p-1.number -> p-2.numbers"],
        "interface": {
            "inputs": {"numbers": ["p-1.numbers", "p-2.numbers"]},
            "outputs": {"number": "p-2.number", "half": "p-1.number"},
            "params": {"first": "p-1.offset"},
        },
    }
    put(tmp_path, "four", outer)
    found = with_subgraphs(library, tmp_path)
    graph = workflow_of(
        {"one-1": ("fake.constant", {}), "four-1": ("subgraph.four", {"first": 5})}, ("one-1.number -> four-1.numbers",)
    )
    flat = expand(graph, found)
    assert {name: node.params.get("offset") for name, node in flat.nodes.items() if "add" in name} == {
        "four-1--p-1--add-1": 5,
        "four-1--p-2--add-1": 7,
    }
    assert sum(link.source == "one-1" for link in flat.links) == 2
    spec = found.find("subgraph.four")
    assert sg.inner_output(spec, "number", found) == "p-2--negate-1.number"
    assert sg.inner_output(found.find("subgraph.pair"), "number", found) == "negate-1.number"
    assert sg.inner_output(spec, "ghost", found) == sg.inner_output(found.find("fake.add"), "number", found) == ""
    bad = graph.model_copy(
        update={"nodes": {**graph.nodes, "four-1": graph.nodes["four-1"].model_copy(update={"params": {"first": "x"}})}}
    )
    [problem] = check(bad, found).problems
    assert (problem.node, problem.field) == ("four-1", "first")


def test_problems_are_told_once_at_the_box(
    tmp_path: Path, fakes: Registry, library: Registry, workflow_of: MakeWorkflow
) -> None:
    put(
        tmp_path,
        "pair",
        changed(
            interface={"params": {}}, nodes={**PAIR["nodes"], "add-1": {"type": "fake.add", "params": {"offset": "x"}}}
        ),
    )
    graph = workflow_of(
        {"box-1": ("subgraph.pair", {"ghost": 1}), "text-1": ("fake.read", {}), "last-1": ("fake.same", {})},
        ("text-1.text -> box-1.numbers", "box-1.ghost -> last-1.number"),
    )
    problems = check(graph, with_subgraphs(fakes, tmp_path)).problems
    assert {(p.code, p.node, p.field) for p in problems} == {
        ("parameter", "box-1", "add-1.offset"),
        ("unknown-parameter", "box-1", "ghost"),
        ("type", "box-1", "numbers"),
        ("unknown-port", "last-1", "number"),
        ("missing-input", "last-1", "number"),
    }
    [inner] = [p for p in problems if p.field == "add-1.offset"]
    assert inner.what.startswith("add-1.offset: ")
    assert len(problems) == 5


def test_a_missing_input_is_told_at_the_boxs_port(tmp_path: Path, fakes: Registry, workflow_of: MakeWorkflow) -> None:
    put(
        tmp_path, "sign", {"nodes": {"n-1": {"type": "fake.negate"}}, "interface": {"inputs": {"number": "n-1.number"}}}
    )
    found = with_subgraphs(fakes, tmp_path)
    [problem] = check(workflow_of({"sign-1": ("subgraph.sign", {})}), found).problems
    assert (problem.code, problem.node, problem.field) == ("missing-input", "sign-1", "number")


def test_ids_that_meet_are_a_problem(library: Registry, workflow_of: MakeWorkflow) -> None:
    graph = workflow_of({"pair-1": ("subgraph.pair", {}), "pair-1--add-1": ("fake.constant", {})})
    [problem] = check(graph, library).problems
    assert (problem.code, problem.node) == ("sub-graph", "pair-1")
    with pytest.raises(OssicleError, match="pair-1--add-1"):
        expand(graph, library)


def test_links_of_boxes_are_checked_like_others(library: Registry, collapsed: Workflow) -> None:
    with pytest.raises(OssicleError, match="circle"):
        check_link(collapsed, library, Link("last-1", "number", "pair-1", "numbers"))
    with pytest.raises(OssicleError, match="no input"):
        check_link(collapsed, library, Link("one-1", "number", "pair-1", "ghost"))
    with pytest.raises(OssicleError, match="taken"):
        check_link(collapsed, library, Link("one-1", "number", "last-1", "number"))
    more = collapsed.model_copy(update={"nodes": {**collapsed.nodes, "one-2": collapsed.nodes["one-1"]}})
    check_link(more, library, Link("one-2", "number", "pair-1", "numbers"))


# ---- running


def test_a_collapsed_graph_and_the_drawn_out_one_share_results(
    project: Any, library: Registry, collapsed: Workflow, drawn: Workflow
) -> None:
    first = project.run(drawn)
    assert values(first)["last-1"] == 7
    second = project.run(collapsed)
    assert {node.state for node in second.nodes.values()} == {"cached"}
    assert {sg.leaf_of(name): value for name, value in values(second).items()} == values(first)
    keys = {node.node: node.recipe.key for node in first.nodes.values()}
    assert {sg.leaf_of(node.node): node.recipe.key for node in second.nodes.values()} == keys


def test_the_order_of_many_wires_is_that_of_the_inner_ids(
    project: Any, tmp_path: Path, workflow_of: MakeWorkflow
) -> None:
    """`z-1--a` must not come after `b`, or the sum would have another key once it is collapsed."""
    constants = {"a-1": ("fake.constant", {"value": 1}), "b-1": ("fake.constant", {"value": 2})}
    links = ("a-1.number -> add-1.numbers", "b-1.number -> add-1.numbers")
    project.run(workflow_of({**constants, "add-1": ("fake.add", {})}, links))
    put(
        tmp_path,
        "z",
        {
            "nodes": {"a-1": {"type": "fake.constant", "params": {"value": 1}}},
            "interface": {"outputs": {"n": "a-1.number"}},
        },
    )
    boxed = workflow_of(
        {"z-1": ("subgraph.z", {}), "b-1": constants["b-1"], "add-1": ("fake.add", {})},
        ("z-1.n -> add-1.numbers", "b-1.number -> add-1.numbers"),
    )
    assert {node.state for node in project.run(boxed).nodes.values()} == {"cached"}


@pytest.mark.parametrize("mode, expected", [("muted", {"one-1"}), ("bypassed", {"one-1", "last-1"})])
def test_a_quiet_box(project: Any, library: Registry, collapsed: Workflow, mode: str, expected: set[str]) -> None:
    box = collapsed.nodes["pair-1"].model_copy(update={"mode": mode})
    quiet = collapsed.model_copy(update={"nodes": {**collapsed.nodes, "pair-1": box}})
    record = project.run(quiet)
    assert set(record.nodes) == expected
    if mode == "bypassed":
        assert values(record)["last-1"] == -3


def test_run_up_to_a_box_and_force_it(project: Any, library: Registry, collapsed: Workflow) -> None:
    record = project.run(collapsed, to="pair-1")
    assert set(record.nodes) == {"one-1", "pair-1--add-1", "pair-1--negate-1"}
    project.executed()
    project.run(collapsed, to="pair-1", force=frozenset({"pair-1"}))
    assert project.executed() == ["pair-1--add-1", "pair-1--negate-1"]
    record = project.run(collapsed, to="pair-1--add-1")
    assert set(record.nodes) == {"one-1", "pair-1--add-1"}
    with pytest.raises(OssicleError, match="ghost"):
        project.run(collapsed, to="pair-1--ghost")


def test_a_forecast_names_inner_nodes(project: Any, library: Registry, collapsed: Workflow) -> None:
    project.run(upto(collapsed, "pair-1"))
    found = forecast(collapsed, library, project.base, project.home, force=frozenset({"pair-1"}))
    states = {name: item.state for name, item in found.items()}
    assert states["pair-1--add-1"] == "stale"
    plain = forecast(collapsed, project.registry, project.base, project.home)
    assert plain["pair-1--negate-1"].state == "cached"


def test_a_run_keeps_the_sub_graphs_it_used(project: Any, library: Registry, collapsed: Workflow) -> None:
    record = project.run(collapsed)
    put(project.base, "pair", {**PAIR, "nodes": {}, "links": [], "interface": {}})
    flat = load_flat(record.folder / "workflow.json", project.registry)
    assert set(flat.nodes) == set(record.nodes)
    found = verify_run(record, LocalRunner(), lambda _event: None, threading.Event(), registry=library)
    assert found.verdict == "identical"
    assert {finding.node for finding in found.findings} == set(record.nodes)


def test_events_carry_inner_ids(project: Any, library: Registry, collapsed: Workflow) -> None:
    project.run(collapsed)
    told = {event.node for event in project.events if event.node}
    assert told == {"one-1", "pair-1--add-1", "pair-1--negate-1", "last-1"}


def test_files_of_inner_sub_graphs_are_kept_too(tmp_path: Path, fakes: Registry, library: Registry) -> None:
    put(tmp_path, "outer", {"nodes": {"p-1": {"type": "subgraph.pair"}}})
    found = with_subgraphs(library, tmp_path)
    copy = tmp_path / "copy"
    keep(parse({"nodes": {"x-1": {"type": "subgraph.outer"}}}), found, copy)
    again = with_subgraphs(fakes, copy)
    assert {"subgraph.outer", "subgraph.pair"} <= again.specs.keys()


# ---- a sub-graph opened by itself


def test_a_sub_graph_is_checked_by_itself(fakes: Registry, tmp_path: Path) -> None:
    raw = {"nodes": {"n-1": {"type": "fake.negate"}}, "interface": {"inputs": {"number": "n-1.number"}}}
    [problem] = check(sg.parse(raw), fakes).problems
    assert (problem.code, problem.node) == ("outside", "n-1")


# ---- command line


def ossicle(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "engine.cli", *arguments]
    environment = {**os.environ, "OSSICLE_RUNNER": "local"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_the_command_line_knows_them(fakes_path: Path, tmp_path: Path, library: Registry, collapsed: Workflow) -> None:
    save(collapsed, tmp_path / "boxed.workflow.json")
    assert "subgraph.pair" in ossicle(tmp_path, "nodes").stdout
    told = ossicle(tmp_path, "describe", "subgraph.pair").stdout
    assert "Adds and turns the sign." in told
    assert "offset = 2" in told
    put(tmp_path, "bad", "{")
    put(
        tmp_path, "sign", {"nodes": {"n-1": {"type": "fake.negate"}}, "interface": {"inputs": {"number": "n-1.number"}}}
    )
    assert "✕ subgraph.bad" in ossicle(tmp_path, "nodes").stdout
    assert json.loads(ossicle(tmp_path, "validate", "boxed", "--json").stdout)["valid"]
    alone = ossicle(tmp_path, "validate", "subgraphs/sign.subgraph.json")
    assert alone.returncode == 2
    assert "a sub-graph does not run by itself" in alone.stderr
    done = ossicle(tmp_path, "run", "boxed", "--json", "--set", "pair-1.offset=1", "--runner", "local")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout.splitlines()[-1])["nodes"]) == {
        "one-1", "pair-1--add-1", "pair-1--negate-1", "last-1",
    }  # fmt: skip
    report = next((tmp_path / ".ossicle" / "runs").glob("*/report.html")).read_text()
    assert "pair-1--add-1" in report


def test_scripts_use_the_box_or_draw_it_out(
    fakes_path: Path, tmp_path: Path, library: Registry, collapsed: Workflow
) -> None:
    save(collapsed, tmp_path / "boxed.workflow.json")
    script = tmp_path / "boxed.py"
    assert ossicle(tmp_path, "export-python", "boxed", "-o", str(script)).returncode == 0
    assert script.read_text() == to_python(collapsed)
    ran = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    flat = ossicle(tmp_path, "export-python", "boxed", "--expand").stdout
    assert "subgraph.pair" not in flat
    assert "pair-1--add-1" in flat
    assert expansion(collapsed, library).workflow.nodes.keys() == {
        "one-1",
        "pair-1--add-1",
        "pair-1--negate-1",
        "last-1",
    }
