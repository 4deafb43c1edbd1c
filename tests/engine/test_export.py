"""Workflows as Python scripts: every shipped project and any graph comes back equal; scripts read and run well."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import OssicleError
from engine.execute import installed
from engine.export import Graph, identifiers, to_python
from engine.resource import project, projects
from engine.runs import find_run
from engine.workflow import SUFFIX, Link, Workflow, load, parse, save, to_json

TINY = Path(__file__).parent / "tiny"
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,5}", fullmatch=True)
PORTS = st.from_regex(r"[a-z][a-z.-]{0,4}", fullmatch=True) | st.sampled_from(
    ["self", "extra", "class", "params", "type"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
CLAIM = {"what": 'the "seed" net', "source": "table 2", "printed": "1 832", "value": 1832.0}


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    entry = st.fixed_dictionaries(
        {"type": st.text(min_size=1, max_size=9), "params": st.dictionaries(st.text(max_size=6), VALUES, max_size=4)},
        optional={"version": st.integers(1, 9), "mode": st.sampled_from(["muted", "bypassed"]), "colour": VALUES},
    )
    nodes = draw(st.dictionaries(NAMES, entry, max_size=6))
    ends = st.sampled_from([*nodes, "ghost"])
    links = draw(st.lists(st.builds(Link, ends, PORTS, ends, PORTS), max_size=8, unique=True))
    texts = {key: draw(st.text(max_size=30)) for key in ("name", "about")}
    dicts = {key: draw(st.dictionaries(st.text(max_size=6), VALUES, max_size=3)) for key in ("variables", "layout")}
    sweep = draw(st.dictionaries(st.text(max_size=6), st.lists(VALUES, max_size=3), max_size=2))
    claims = draw(st.lists(st.sampled_from([CLAIM, {**CLAIM, "unit": "B", "tolerance": 0.5}]), max_size=2))
    more = {"requires": {"plug": "1.0"}, "sweep": sweep, "claims": claims}
    return parse({**texts, **dicts, **more, "nodes": nodes, "links": sorted(map(str, links))})


def rebuilt(workflow: Workflow) -> Workflow:
    """The workflow that the exported script builds, in this process."""
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(to_python(workflow), "script.py", "exec"), names)  # noqa: S102 - what a user does with the file
    graph = names["graph"]
    assert isinstance(graph, Graph)
    return graph.workflow()


@pytest.mark.parametrize("name", projects())
def test_shipped_projects_come_back_equal(name: str) -> None:
    workflow = load(project(name + SUFFIX))
    assert to_json(rebuilt(workflow)) == to_json(workflow)


@given(workflows())
def test_any_graph_comes_back_equal(workflow: Workflow) -> None:
    assert to_json(rebuilt(workflow)) == to_json(workflow)


def test_scripts_are_readable() -> None:
    raw = {
        "name": "spotter",
        "variables": {"seed": 1},
        "nodes": {
            "mfcc-1": {"type": "ossicle.mfcc", "params": {"n_mfcc": 40}},
            "train-1": {
                "type": "ossicle.train",
                "params": {"seed": "{seed}", "classes": [f"word number {i}" for i in range(9)]},
            },
            "class": {"type": "x.y"},
        },
        "links": ["mfcc-1.features -> train-1.features", "train-1.model -> class.models"],
    }
    text = to_python(parse(raw))
    assert 'mfcc_1 = graph.add("mfcc-1", "ossicle.mfcc", {"n_mfcc": 40})' in text
    assert '    features=mfcc_1["features"],\n' in text
    assert 'graph.add("class", "x.y", models=train_1["model"])' in text
    assert max(map(len, text.splitlines())) <= 120
    ast.parse(text)


def test_names_are_python_names_and_differ() -> None:
    nodes = {name: {"type": "t"} for name in ("a-1", "a_1", "class", "1st", "graph", "match")}
    found = identifiers(parse({"nodes": nodes}))
    assert len(set(found.values())) == len(nodes) and all(name.isidentifier() for name in found.values())


def test_the_builder_refuses_an_id_given_twice() -> None:
    graph = Graph("g")
    graph.add("a-1", "t")
    with pytest.raises(OssicleError, match="two nodes 'a-1'"):
        graph.add("a-1", "t")
    graph.add("Not A Slug", "t")
    with pytest.raises(OssicleError, match="not a valid workflow"):
        graph.workflow()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(TINY))
    monkeypatch.setenv("PYTHONPATH", str(TINY), prepend=":")
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    installed.cache_clear()
    yield tmp_path
    installed.cache_clear()


def test_a_script_runs_the_graph_and_saves_the_file(tiny: Path) -> None:
    raw = {"name": "small", "nodes": {"a-1": {"type": "tiny.tones"}, "b-1": {"type": "tiny.spectra"}}}
    workflow = parse({**raw, "links": ["a-1.audio -> b-1.audio"]})
    save(workflow, tiny / "small.workflow.json")
    (tiny / "small.py").write_text(to_python(workflow))
    done = subprocess.run([sys.executable, "small.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "✓ done" in done.stdout, done.stderr
    assert find_run(tiny / ".ossicle", "last").state == "done"
    subprocess.run([sys.executable, "small.py", "--save", "again.workflow.json"], check=True)
    assert (tiny / "again.workflow.json").read_text() == (tiny / "small.workflow.json").read_text()


def test_a_script_with_a_mistake_says_so(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = Graph("small")
    graph.add("b-1", "tiny.spectra")
    with pytest.raises(SystemExit) as ended:
        graph.main([])
    assert ended.value.code == 2 and "nothing is wired to this input" in capsys.readouterr().err
    assert json.loads(json.dumps(to_json(graph.workflow())))["name"] == "small"
