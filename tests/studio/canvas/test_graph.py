"""The canvas and the workflow: what is shown reads back as it was, and edits change only what differs."""

from __future__ import annotations

from typing import Any

import pytest
import shiboken6
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QGraphicsItem
from pytestqt.qtbot import QtBot

from engine.registry import Registry
from engine.resource import resource
from engine.workflow import Link, Workflow, load, parse, to_text
from studio.canvas.canvas import Canvas
from studio.canvas.ends import PortEnd
from studio.model import edit
from studio.model.document import Document
from studio.model.places import port_y

PROJECTS = sorted(resource("../projects").glob("*.workflow.json"))
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TYPES = (
    "ossicle.ingest", "ossicle.partition", "ossicle.mfcc", "ossicle.train", "ossicle.benchmark", "acme.unknown",
)  # fmt: skip
NAMES = st.sampled_from([f"n-{number}" for number in range(9)])
PORTS = st.sampled_from(["audio", "features", "model", "report", "strange port"])
VALUES = st.one_of(
    st.integers(-5, 5), st.text("ab{}é ", max_size=4), st.booleans(), st.none(), st.lists(st.integers(0, 3))
)
SPOTS = st.one_of(
    st.lists(st.one_of(st.integers(-900, 900), st.floats(-900, 900)), min_size=2, max_size=2),
    st.just([1]), st.just("nowhere"), st.just(None),
)  # fmt: skip


@st.composite
def raw_nodes(draw: st.DrawFn) -> dict[str, Any]:
    node: dict[str, Any] = {"type": draw(st.sampled_from(TYPES)), "version": draw(st.integers(1, 3))}
    node["params"] = draw(st.dictionaries(st.sampled_from(["preset", "source", "odd"]), VALUES, max_size=3))
    node["mode"] = draw(st.sampled_from(["active", "muted", "bypassed"]))
    if draw(st.booleans()):
        node["made_by"] = draw(VALUES)  # a key that no version of ours knows
    return node


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """Workflows as files may hold them: unknown types and ports, dangling, repeated and circular links, bad places."""
    nodes = draw(st.dictionaries(NAMES, raw_nodes(), max_size=7))
    links = draw(st.lists(st.builds(Link, NAMES, PORTS.filter(lambda n: " " not in n), NAMES, PORTS), max_size=14))
    layout: dict[str, Any] = (
        {"positions": draw(st.dictionaries(NAMES, SPOTS, max_size=6))} if draw(st.booleans()) else {}
    )
    if draw(st.booleans()):
        layout["notes"] = {"note:1": {"text": "read me", "x": 1, "y": 2}}
    given = {"name": "w", "nodes": nodes, "links": [], "layout": layout, "variables": {"preset": 1}}
    return parse(given).model_copy(update={"links": tuple(links)})


@pytest.fixture
def canvas(document: Document, qtbot: QtBot) -> Canvas:
    made = Canvas(document)
    qtbot.addWidget(made)
    made.resize(900, 600)
    return made


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.name)
def test_every_project_reads_back_as_it_was(canvas: Canvas, document: Document, path: Any) -> None:
    workflow = load(path)
    document.show(workflow)
    assert canvas.to_workflow() == workflow
    assert to_text(canvas.to_workflow()) == path.read_text(encoding="utf-8")
    assert set(canvas.graph.boxes) == set(workflow.nodes) and set(canvas.graph.wires) == set(workflow.links)


def test_there_are_projects() -> None:
    assert len(PROJECTS) >= 4


@FEW
@given(workflow=workflows())
def test_any_workflow_reads_back_as_it_was(canvas: Canvas, workflow: Workflow) -> None:
    canvas.show_workflow(workflow)
    back = canvas.to_workflow()
    assert back == workflow and back.links == workflow.links
    assert back.layout == workflow.layout


@FEW
@given(first=workflows(), second=workflows())
def test_becoming_another_workflow_is_like_showing_it(canvas: Canvas, first: Workflow, second: Workflow) -> None:
    """The difference applied and the whole shown have the same items at the same ports; so has undoing it."""
    document = canvas.document
    document.show(first)
    document.edit("all of it", lambda _workflow: second)
    assert canvas.to_workflow() == second and _picture(canvas) == _shown(canvas, second)
    document.undo()
    assert canvas.to_workflow() == first and _picture(canvas) == _shown(canvas, first)


def _picture(canvas: Canvas) -> tuple[Any, ...]:
    boxes = {
        name: (box.node.type, tuple(box.inputs_by_name), tuple(box.outputs_by_name), box.words)
        for name, box in canvas.graph.boxes.items()
    }
    wires = {link: (wire.source.end, wire.target.end) for link, wire in canvas.graph.wires.items()}
    ends = {
        port.end: sorted(str(w.link) for w in port.wires) for box in canvas.graph.boxes.values() for port in box.ports()
    }
    far = {name: (spot.kind, spot.title, spot.mode) for name, spot in canvas.far.spots.items()}
    lines = {link: kind for link, (kind, _line) in canvas.far.lines.items()}
    for name, spot in canvas.far.spots.items():
        assert spot.area == canvas.graph.boxes[name].outline() and spot.stripe.topLeft() == spot.area.topLeft()
    for link, (_kind, line) in canvas.far.lines.items():
        wire = canvas.graph.wires[link]
        assert (line.p1(), line.p2()) == (wire.source.middle(), wire.target.middle())
    return boxes, wires, ends, set(canvas.graph.loose), far, lines


def _shown(canvas: Canvas, workflow: Workflow) -> tuple[Any, ...]:
    fresh = Canvas(Document(canvas.document.registry))
    fresh.show_workflow(workflow)
    fresh.finish()
    found = _picture(fresh)
    shiboken6.delete(fresh)
    return found


def test_an_edit_keeps_the_items_it_does_not_touch(canvas: Canvas, document: Document) -> None:
    document.show(load(PROJECTS[1]))
    canvas.finish()
    boxes, wires = dict(canvas.graph.boxes), dict(canvas.graph.wires)
    document.edit("Set", lambda workflow: edit.set_params(workflow, "train-1", {"width": 2}))
    document.edit("Move", lambda workflow: edit.move(workflow, {"mfcc-1": (33, 44)}))
    assert canvas.graph.boxes == boxes and canvas.graph.wires == wires
    assert boxes["train-1"].node.params["width"] == 2 and "width 2" in "".join(boxes["train-1"].words.lines)
    assert (boxes["mfcc-1"].x(), boxes["mfcc-1"].y()) == (33, 44)
    document.edit("Remove", lambda workflow: edit.remove(workflow, ["mfcc-1"]))
    assert boxes.keys() - canvas.graph.boxes.keys() == {"mfcc-1"}
    assert not any("mfcc-1" in (link.source, link.target) for link in canvas.graph.wires)
    document.undo()
    assert canvas.to_workflow() == document.workflow and len(canvas.graph.wires) == len(wires)


def test_wires_follow_their_boxes(canvas: Canvas, document: Document) -> None:
    document.show(load(PROJECTS[1]))
    canvas.finish()
    document.edit("Move", lambda workflow: edit.move(workflow, {"train-1": (2000, 1000)}))
    for wire in canvas.graph.wires.values():
        path = wire.path()
        assert (path.elementAt(0).x, path.elementAt(0).y) == wire.source.middle().toTuple()
        assert path.currentPosition() == wire.target.middle()
        line = canvas.far.lines[wire.link][1]
        assert (line.p1(), line.p2()) == (wire.source.middle(), wire.target.middle())


def test_an_unknown_node_is_a_placeholder_with_the_ports_its_links_name(canvas: Canvas, document: Document) -> None:
    raw = {
        "nodes": {
            "a-1": {"type": "acme.mixer", "params": {"gain": 2}, "secret": [1]},
            "mfcc-1": {"type": "ossicle.mfcc"},
        },
        "links": ["a-1.mixed -> mfcc-1.audio", "mfcc-1.features -> a-1.guide"],
    }
    document.show(parse(raw))
    canvas.finish()
    box = canvas.graph.boxes["a-1"]
    assert box.spec is None and list(box.inputs_by_name) == ["guide"] and list(box.outputs_by_name) == ["mixed"]
    assert box.words.title == "Mixer" and box.words.lines == ("acme.mixer", "not installed")
    assert "not installed" in box.tooltip()
    assert canvas.to_workflow().nodes["a-1"].model_extra == {"secret": [1]}
    assert canvas.graph.port(PortEnd("a-1", "mixed", True)) is not None


def test_a_wire_to_a_port_that_is_not_there_is_kept_and_shown(canvas: Canvas, document: Document) -> None:
    document.show(
        parse(
            {
                "nodes": {"m-1": {"type": "ossicle.mfcc"}, "t-1": {"type": "ossicle.train"}},
                "links": ["m-1.sound -> t-1.features"],
            }
        )
    )
    canvas.finish()
    port = canvas.graph.boxes["m-1"].port("sound", is_output=True)
    assert port is not None and port.spec is None and port.kind == "" and len(port.wires) == 1


def test_other_node_types_are_taken_up(canvas: Canvas, document: Document, registry: Registry) -> None:
    """A plugin that comes while the window is open turns its placeholders into nodes."""
    document.set_registry(Registry({}))
    document.show(load(PROJECTS[1]))
    canvas.finish()
    assert all(box.spec is None for box in canvas.graph.boxes.values())
    document.set_registry(registry)
    canvas.finish()
    assert all(box.spec is not None for box in canvas.graph.boxes.values())
    assert canvas.to_workflow() == document.workflow


def test_undoing_everything_leaves_an_empty_canvas(canvas: Canvas, document: Document, registry: Registry) -> None:
    spec = registry.find("ossicle.mfcc")
    assert spec is not None
    document.edit("Add", lambda workflow: edit.add_node(workflow, spec, (10, 20))[0])
    zoom = canvas.zoom
    assert list(canvas.graph.boxes) == ["mfcc-1"] and canvas.zoom == zoom
    document.undo()
    assert canvas.graph.boxes == {} and canvas.is_empty and canvas.to_workflow() == Workflow()


def test_a_port_that_comes_or_goes_takes_the_other_wires_along(canvas: Canvas, document: Document) -> None:
    """An unknown node's ports are sorted by name: a new one moves the others down, in the far view too."""
    raw = {"nodes": {"m-1": {"type": "ossicle.mfcc"}, "x-1": {"type": "acme.x"}}, "links": ["m-1.features -> x-1.b"]}
    document.show(parse(raw))
    canvas.finish()
    canvas.set_far(True)
    link, other = Link("m-1", "features", "x-1", "b"), Link("m-1", "features", "x-1", "a")
    document.edit("Wire", lambda workflow: workflow.model_copy(update={"links": (link, other)}))
    wire = canvas.graph.wires[link]
    assert (
        canvas.far.lines[link][1].p2()
        == wire.target.middle()
        == canvas.graph.boxes["x-1"].pos() + QPointF(0, port_y(1))
    )
    assert wire.flags() & QGraphicsItem.GraphicsItemFlag.ItemHasNoContents
