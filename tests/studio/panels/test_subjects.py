"""What the plots are about."""

from __future__ import annotations

from pathlib import Path

from engine.artifact import Artifact
from engine.workflow import Link, Workflow, parse
from studio.model.document import Selection
from studio.panels.subjects import Subject, chosen, scene_of, subjects, upstream
from studio.run.state import NodeState


def chain() -> Workflow:
    links = ["a-1.x -> b-1.x", "b-1.x -> c-1.x", "a-1.x -> c-1.y"]
    return parse({"nodes": {name: {"type": "t.t"} for name in ("c-1", "b-1", "a-1")}, "links": links})


def state(name: str) -> NodeState:
    return NodeState("done", outputs={"x": Path(name)})


def test_in_running_order_and_only_where_there_is_something() -> None:
    found = subjects(chain(), {"b-1": state("b"), "a-1": state("a"), "c-1": NodeState("queued")})
    assert [subject.node for subject in found] == ["a-1", "b-1"]


def test_a_cycle_does_not_matter() -> None:
    graph = chain().model_copy(update={"links": (Link("a-1", "x", "b-1", "x"), Link("b-1", "x", "a-1", "x"))})
    assert len(subjects(graph, {"a-1": state("a"), "b-1": state("b")})) == 2


def test_the_selection_comes_first_and_a_node_without_output_shows_what_flows_in() -> None:
    known = [Subject("a-1", "x", Path("a")), Subject("b-1", "x", Path("b"))]
    assert chosen(chain(), Selection(nodes=frozenset({"b-1"})), known) == [known[1]]
    assert chosen(chain(), Selection(links=frozenset({Link("a-1", "x", "b-1", "x")})), known) == [known[0]]
    assert chosen(chain(), Selection(nodes=frozenset({"c-1"})), known) == known
    assert chosen(chain(), Selection(), known) == []


def test_upstream_is_nearest_first() -> None:
    assert list(upstream(chain(), "c-1")) == ["c-1", "a-1", "b-1"]


def test_the_scene_lists_related_artifacts_nearest_first() -> None:
    known = [Subject(name, "x", Path(name)) for name in ("a-1", "b-1", "c-1")]

    def find(node: str, _port: str) -> Artifact:
        return Artifact(Path(node), None)  # type: ignore[arg-type]

    scene = scene_of(chain(), known[1], known, find, Path("/base"), "B")
    assert list(scene.related) == ["a-1.x", "c-1.x"]
    assert scene.node == "b-1" and scene.title == "B" and scene.find(Artifact) is not None
