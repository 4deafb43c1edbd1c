"""Copy and paste: as text, between documents, through a text editor; one step, and nothing but nodes goes in."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QMimeData
from PySide6.QtGui import QGuiApplication

from engine.errors import OssicleError
from engine.registry import Registry
from engine.workflow import Workflow, load, parse, to_text
from studio.model import fragment
from studio.model.clipboard import ClipboardCommands
from studio.model.document import Document
from studio.model.edit import positions
from studio.model.places import GRID

RandomEdit = Callable[[Workflow, random.Random], Workflow]


@pytest.fixture
def commands(document: Document, small: Workflow) -> ClipboardCommands:
    """The clipboard of a document with a small graph; the clipboard is empty."""
    QGuiApplication.clipboard().clear()
    document.show(small)
    return ClipboardCommands(document)


def held() -> str:
    return QGuiApplication.clipboard().text()


def test_copy_is_a_workflow_file_as_text(commands: ClipboardCommands) -> None:
    commands.document.select(["mfcc-1", "train-1"], (), ["note:1"])
    commands.copy()
    found = parse(json.loads(held()))
    assert found.nodes.keys() == {"mfcc-1", "train-1"}
    assert [str(link) for link in found.links] == ["mfcc-1.features -> train-1.features"]
    assert found.variables == {"seed": 3}
    assert found.layout.keys() == {"positions", "notes"}
    assert QGuiApplication.clipboard().mimeData().hasFormat(fragment.MIME)
    assert not commands.document.undo_text


def test_paste_beside_the_original(commands: ClipboardCommands) -> None:
    document = commands.document
    document.select(["mfcc-1", "train-1"], (), ["note:1"])
    commands.copy()
    before = document.workflow
    made = commands.paste()
    assert set(made) == {"mfcc-2", "train-2", "note:2"}
    assert document.selection.nodes == {"mfcc-2", "train-2"}
    assert document.selection.marks == {"note:2"}
    after = document.workflow
    assert set(map(str, after.links)) - set(map(str, before.links)) == {"mfcc-2.features -> train-2.features"}
    assert positions(after)["mfcc-2"] == (252 + GRID, GRID)
    assert after.nodes["train-2"] == before.nodes["train-1"]
    again = commands.paste()
    assert positions(document.workflow)[again[0]] == (252 + 2 * GRID, 2 * GRID), "not on top of the first"
    document.undo()
    document.undo()
    assert document.workflow is before


def test_paste_where_the_pointer_is(commands: ClipboardCommands) -> None:
    commands.where = lambda: (-500.0, 300.0)
    commands.document.select(["train-1", "mfcc-1"])
    commands.copy()
    commands.paste()
    spots = positions(commands.document.workflow)
    assert (spots["mfcc-2"], spots["train-2"]) == ((-500, 300), (-248, 300))


def test_cut_and_paste_into_another_window(commands: ClipboardCommands, registry: Registry, small: Workflow) -> None:
    commands.document.select(["mfcc-1", "train-1"], (), ["frame:1"])
    commands.cut()
    assert commands.document.workflow.nodes.keys() == {"ingest-1", "benchmark-1"}
    assert commands.document.undo_text == "Cut 3 things"
    other = Document(registry)
    made = ClipboardCommands(other).paste()
    assert set(made) == {"mfcc-1", "train-1", "frame:1"}, "free ids stay"
    assert other.workflow.variables == {"seed": 3}
    assert positions(other.workflow)["train-1"] == (504, 0)
    commands.document.undo()
    assert commands.document.workflow is small


def test_a_whole_file_from_a_text_editor(commands: ClipboardCommands, checkout: object) -> None:
    from engine.resource import project

    path = project("keyword_spotting.workflow.json")
    QGuiApplication.clipboard().setText(path.read_text())
    commands.paste()
    assert len(commands.document.workflow.nodes) == 4 + len(load(path).nodes)
    assert commands.document.workflow.variables["seed"] == 3, "the document's own value stays"


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "no text"),
        ("hello world", "'hello world'"),
        ("{", "'{'"),
        ("[1, 2]", "list"),
        ('{"nodes": 3}', "not a valid workflow"),
        ('{"nodes": {}}', "without nodes"),
        ('{"nodes": {"A b": {"type": "x"}}}', "not a valid workflow"),
        ('{"format": 99, "nodes": {}}', "format 99"),
        ("[" * 100_000, "which is no graph"),
        ("x" * (fragment.LARGEST + 1), "letters"),
    ],
)
def test_text_that_is_no_graph(commands: ClipboardCommands, text: str, told: str) -> None:
    QGuiApplication.clipboard().setText(text)
    before = commands.document.workflow
    with pytest.raises(OssicleError, match=told) as caught:
        commands.paste()
    assert caught.value.remedy
    assert commands.document.workflow is before
    assert not commands.document.undo_text


def test_no_text_at_all(commands: ClipboardCommands) -> None:
    data = QMimeData()
    data.setData("application/x-something", b"1")
    QGuiApplication.clipboard().setMimeData(data)
    with pytest.raises(OssicleError, match="no text"):
        commands.paste()


def test_links_to_what_was_not_copied_stay_out(commands: ClipboardCommands) -> None:
    text = {"nodes": {"mfcc-9": {"type": "ossicle.mfcc"}}, "links": ["ghost-1.audio -> mfcc-9.audio"]}
    QGuiApplication.clipboard().setText(json.dumps(text))
    links = commands.document.workflow.links
    assert commands.paste() == ("mfcc-9",)
    assert commands.document.workflow.links == links


def test_nothing_selected(commands: ClipboardCommands) -> None:
    by_id = {command.id: command for command in commands.commands()}
    assert not by_id["edit.copy"].enabled()
    for act in (commands.copy, commands.cut):
        with pytest.raises(OssicleError, match="nothing is selected"):
            act()
    with pytest.raises(OssicleError, match="nothing to put in"):
        commands.insert(Workflow())
    commands.document.select(marks=["note:1"])
    assert by_id["edit.cut"].enabled()
    assert by_id["edit.paste"].enabled(), "or a wrong paste could not say why"


def test_marks_with_odd_values(commands: ClipboardCommands) -> None:
    layout = {"notes": {"note:1": {"x": "far", "y": None}, "note:7": 3}, "frames": []}
    QGuiApplication.clipboard().setText(json.dumps({"layout": layout}))
    assert commands.paste() == ("note:2",)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000))
def test_any_part_comes_back_equal(document: Document, random_edit: RandomEdit, seed: int) -> None:
    """Everything copied into an empty document is the same graph; copied twice, twice of it."""
    dice, graph = random.Random(seed), Workflow()
    for _ in range(40):
        graph = random_edit(graph, dice)
    part = (
        fragment.read(fragment.write(fragment.part_of(graph, graph.nodes, document_marks(graph))))
        if graph.nodes
        else graph
    )
    once, names = fragment.merge(Workflow(name=graph.name), part)
    assert all(old == new for old, new in names.items())
    assert (dict(sorted(once.nodes.items())), sorted(once.links)) == (
        dict(sorted(graph.nodes.items())),
        sorted(graph.links),
    )
    twice, names = fragment.merge(once, part, (GRID, GRID))
    assert len(twice.nodes) == 2 * len(graph.nodes)
    assert len(twice.links) == 2 * len(graph.links)
    assert not set(names.values()) & graph.nodes.keys()
    parse(json.loads(to_text(twice)))


def document_marks(graph: Workflow) -> set[str]:
    from studio.model.document import marks_of

    return marks_of(graph)
