"""The panel as a person uses it: typing, undo, links, several nodes, focus, results, pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from engine.fault import Fault
from engine.workflow import Link, Node, to_text
from studio.form.edit_group import GroupEditor, VariantEditor
from studio.form.edit_line import NumberEditor, SecretEditor
from studio.form.edit_path import PathEditor, written
from studio.form.edit_table import TableEditor
from studio.form.edit_text import JsonEditor
from studio.form.panel import PropertyPanel
from studio.form.row import Row
from studio.form.variable_menu import variable_menu
from studio.look import theme
from studio.model.document import Document
from studio.model.edit import add_node, set_params
from studio.model.marks import add_note
from studio.run.state import NodeState

Make = Callable[..., tuple[Document, PropertyPanel]]
ALL = "test.everything"


def row_of(panel: PropertyPanel, name: str) -> Row:
    """The row of a parameter."""
    assert panel.node_page.form is not None
    return panel.node_page.form.rows[name]


def value_of(document: Document, name: str) -> Any:
    """A parameter as the document holds it."""
    return document.workflow.nodes["everything-1"].params.get(name)


# ---- typing and undo


def test_typing_is_one_undo_step_and_undo_keeps_the_caret(make_panel: Make, qapp: QApplication) -> None:
    document, panel = make_panel(ALL, {"target": "x"})
    editor = row_of(panel, "word").editor
    editor.line.setFocus()  # type: ignore[attr-defined]
    line: Any = editor.inner
    line.setCursorPosition(1)
    QTest.keyClicks(line, "ard")
    assert value_of(document, "word") == "yardes"
    assert line.cursorPosition() == 4
    assert document.undo_text == "Set word of everything-1"
    document.undo()
    assert line.text() == "yes"
    assert panel.window().focusWidget() is line
    assert 0 < line.cursorPosition() <= 3
    assert not document.undo_text


def test_a_number_is_tidied_only_when_it_is_left(make_panel: Make) -> None:
    document, panel = make_panel(ALL)
    editor = row_of(panel, "rate").editor
    line: Any = editor.inner
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "1/4")
    assert (line.text(), value_of(document, "rate")) == ("1/4", 0.25)
    line.editingFinished.emit()
    assert line.text() == "0.25"


def test_what_cannot_be_read_stays_in_the_editor_with_its_error(make_panel: Make) -> None:
    document, panel = make_panel(ALL)
    row = row_of(panel, "count")
    line: Any = row.editor.inner
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "1x")
    assert value_of(document, "count") == 1
    assert line.text() == "1x"
    assert "'1x' is no number. Expected: a whole number from 1 to 64." in row.error_text
    QTest.keyClick(line, Qt.Key.Key_Escape)
    assert (line.text(), row.error_text) == ("1", "")


def test_an_invalid_value_is_kept_and_can_be_saved(make_panel: Make) -> None:
    document, panel = make_panel(ALL, {"target": "x"})
    row = row_of(panel, "count")
    line: Any = row.editor.inner
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "99")
    panel.node_page.check()
    assert row.error_text.startswith("The value is 99. Expected: less than or equal to 64.")
    assert '"count": 99' in to_text(document.workflow)


def test_arrows_wheel_and_label_move_numbers_within_their_range(make_panel: Make) -> None:
    document, panel = make_panel(ALL)
    row = row_of(panel, "count")
    line: Any = row.editor.inner
    line.setFocus()
    QTest.keyClick(line, Qt.Key.Key_Up)
    assert value_of(document, "count") == 5
    QTest.keyClick(line, Qt.Key.Key_PageDown)
    assert value_of(document, "count") == 1
    row.label.scrubbed.emit(3.0)
    assert value_of(document, "count") == 4
    assert len([1 for _ in range(5) if document.undo_text and document.undo() is None]) == 1


def test_undo_keys_are_left_to_the_window(make_panel: Make) -> None:
    document, panel = make_panel(ALL)
    line: Any = row_of(panel, "word").editor.inner
    line.setFocus()
    QTest.keyClicks(line, "x")
    before = line.text()
    QTest.keyClick(line, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert line.text() == before


# ---- kinds


def test_every_kind_has_its_editor(make_panel: Make) -> None:
    _document, panel = make_panel(ALL)
    kinds = {name: type(row.editor).__name__ for name, row in panel.node_page.form.rows.items()}  # type: ignore[union-attr]
    assert kinds == {
        "target": "LineEditor", "preset": "SegmentsEditor", "rate": "NumberEditor", "count": "NumberEditor",
        "flag": "SwitchEditor", "mode": "SegmentsEditor", "word": "LineEditor", "text": "LinesEditor",
        "file": "PathEditor", "password": "SecretEditor", "words": "TagsEditor", "numbers": "NumbersEditor",
        "layers": "TableEditor", "first": "GroupEditor", "optimiser": "VariantEditor", "weights": "MappingEditor",
        "anything": "JsonEditor", "hop_ms": "NumberEditor", "maybe": "SegmentsEditor", "extra": "GroupEditor",
        "rare": "NumberEditor",
    }  # fmt: skip


def test_what_a_preset_implies_is_the_placeholder(make_panel: Make) -> None:
    document, panel = make_panel(ALL, {"target": "x"})
    editor = row_of(panel, "hop_ms").editor
    assert isinstance(editor, NumberEditor)
    assert (editor.line.text(), editor.line.placeholderText()) == ("", "10")
    panel.node_page.binding.set_value("preset", "large")
    assert editor.line.placeholderText() == "20"
    panel.node_page.binding.set_value("count", "wrong")
    assert editor.line.placeholderText() == "20"
    editor.step(1)
    assert value_of(document, "hop_ms") == 21.0


def test_parts_of_a_group_are_edited_reset_and_told(make_panel: Make) -> None:
    document, panel = make_panel(ALL, {"target": "x", "first": {"channels": 16}})
    editor = row_of(panel, "first").editor
    assert isinstance(editor, GroupEditor)
    part = editor.rows["channels"]
    assert part.shown.is_changed
    part.reset.emit("channels")
    assert value_of(document, "first") == {}
    editor.rows["kind"].edited.emit("kind", "nonsense")
    panel.node_page.check()
    assert "'conv' or 'pool'" in editor.rows["kind"].error_text
    assert not row_of(panel, "first").error_text


def test_a_variant_changes_its_rows(make_panel: Make) -> None:
    document, panel = make_panel(ALL, {"target": "x"})
    editor = row_of(panel, "optimiser").editor
    assert isinstance(editor, VariantEditor)
    assert list(editor.rows) == ["momentum"]
    editor._choose("adam")
    assert value_of(document, "optimiser") == {"name": "adam"}
    assert list(editor.rows) == ["beta"]
    editor.rows["beta"].edited.emit("beta", 1.5)
    panel.node_page.check()
    assert "less than 1" in editor.rows["beta"].error_text
    document.undo()
    document.undo()
    assert list(editor.rows) == ["momentum"]


def test_a_group_that_may_be_missing(make_panel: Make) -> None:
    document, panel = make_panel(ALL)
    editor = row_of(panel, "extra").editor
    assert isinstance(editor, GroupEditor)
    editor._switch("set")
    assert value_of(document, "extra") == {}
    assert not editor.rows["channels"].isHidden()
    editor._switch("auto")
    assert value_of(document, "extra") is None
    assert editor.rows["channels"].isHidden()


def test_a_table_takes_rows(make_panel: Make) -> None:
    document, panel = make_panel(ALL)
    editor = row_of(panel, "layers").editor
    assert isinstance(editor, TableEditor)
    editor.add.click()
    editor.grid.item(1, 0).setText("32")  # type: ignore[union-attr]
    editor.grid.item(1, 2).setText("no")  # type: ignore[union-attr]
    assert value_of(document, "layers")[1] == {"channels": 32, "kind": "conv", "bias": False}
    editor.grid.setCurrentCell(0, 0)
    editor.drop.click()
    assert len(value_of(document, "layers")) == 1


def test_json_says_where_it_is_wrong(make_panel: Make) -> None:
    document, panel = make_panel(ALL)
    row = row_of(panel, "anything")
    assert isinstance(row.editor, JsonEditor)
    row.editor.page.setPlainText('{"a": [1, 2')
    assert "this is no JSON (line 1" in row.error_text
    assert value_of(document, "anything") is None
    row.editor.page.setPlainText('{"a": [1, 2]}')
    assert value_of(document, "anything") == {"a": [1, 2]}
    assert not row.error_text


def test_paths_are_written_relative_to_the_workflow(make_panel: Make, tmp_path: Any) -> None:
    document, panel = make_panel(ALL)
    document.unsaved_base = tmp_path
    editor = row_of(panel, "file").editor
    assert isinstance(editor, PathEditor)
    editor.take(tmp_path / "data" / "yes.wav")
    assert value_of(document, "file") == "data/yes.wav"
    assert editor.line.toolTip() == str(tmp_path / "data" / "yes.wav")
    assert written(tmp_path.parent, tmp_path) == tmp_path.parent.as_posix()


def test_a_secret_shows_whether_it_is_set_and_never_its_value(
    make_panel: Make, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSSICLE_SECRET_HUB", "open sesame")
    _document, panel = make_panel(ALL, {"password": "hub"})
    editor = row_of(panel, "password").editor
    assert isinstance(editor, SecretEditor)
    qtbot.waitUntil(lambda: editor.told == "set", timeout=5000)
    assert "sesame" not in editor.line.text() + editor.line.toolTip() + row_of(panel, "password").toolTip()


def test_a_required_value_that_is_missing(make_panel: Make) -> None:
    _document, panel = make_panel(ALL)
    panel.node_page.check()
    assert row_of(panel, "target").error_text.startswith("Nothing is given. Expected: a value.")
    assert not row_of(panel, "target").shown.is_changed


def test_what_several_parameters_break_together_stands_below(make_panel: Make) -> None:
    _document, panel = make_panel(ALL, {"target": "x", "count": 13})
    panel.node_page.check()
    panel.node_page.show_result()
    told = [box.trouble.expected for box in panel.node_page.result.boxes]
    assert any("count 13 brings no luck" in text for text in told)
    assert any("FeatureSet" in text for text in told)  # nothing is wired


# ---- variables


def test_the_menu_links_to_fitting_variables_only(make_panel: Make) -> None:
    document, panel = make_panel(ALL)
    document.edit("Variables", lambda w: w.model_copy(update={"variables": {"n": 7, "big": 700, "name": "x"}}))
    row = row_of(panel, "count")
    menu = variable_menu(panel, panel.node_page.binding, row.field, row.shown, lambda _name: None)
    titles = [action.text() for action in menu.actions()]
    assert titles[:2] == ["Use {n}  =  7", "New variable {count}  =  4"]
    menu.actions()[0].trigger()
    assert value_of(document, "count") == "{n}"
    assert (row.shown.variable, row.shown.variable_text, row.shown.is_changed) == ("n", "7", False)
    menu = variable_menu(panel, panel.node_page.binding, row.field, row.shown, lambda _name: None)
    menu.actions()[0].trigger()
    assert value_of(document, "count") == 7


def test_the_workflow_page_edits_variables_by_what_they_are_used_for(make_panel: Make, put: Any) -> None:
    document, panel = make_panel(ALL)
    panel.node_page.binding.link_new("mode", "one")
    panel.node_page.binding.link_new("count", 4)
    document.select()
    page = panel.workflow_page
    assert panel.page is page
    assert type(page.variables["mode"].row.editor).__name__ == "SegmentsEditor"
    assert page.variables["count"].uses.text() == "used 1×"
    put(page.variables["count"].row.editor, 9)
    assert document.workflow.variables["count"] == 9
    page.rename("count", "clips")
    assert value_of(document, "count") == "{clips}"
    page.rename("clips", "mode")
    assert "exists already" in page.error.text()
    page.remove("clips")
    assert value_of(document, "count") == 9
    assert list(page.variables) == ["mode"]
    assert page.add_variable(1.5) == "variable"
    page.variables["mode"].uses_menu().actions()[0].trigger()
    assert document.selection.node == "everything-1"
    panel.node_page.go_to_variable.emit("mode")
    assert document.selection.is_empty


def test_the_workflow_page_names_and_describes(make_panel: Make, put: Any) -> None:
    document, panel = make_panel(ALL)
    document.select()
    put(panel.workflow_page.rows["name"].editor, "spotter")
    put(panel.workflow_page.rows["about"].editor, "Finds words.\nTwo lines.")
    assert (document.workflow.name, document.workflow.about) == ("spotter", "Finds words.\nTwo lines.")
    document.undo()
    document.undo()
    assert document.workflow.name == "untitled"


# ---- selections


def test_several_nodes_of_one_type_are_edited_together(make_panel: Make, put: Any) -> None:
    document, panel = make_panel("ossicle.mfcc", {"hop_ms": 5.0})
    spec = document.registry.specs["ossicle.mfcc"]
    document.edit("Add", lambda workflow: add_node(workflow, spec, (0, 0), {"n_mels": 64})[0])
    document.select(["mfcc-1", "mfcc-2"])
    row = row_of(panel, "hop_ms")
    assert row.shown.is_many
    assert row.editor.inner.placeholderText() == "—"  # type: ignore[attr-defined]
    assert panel.node_page.head.title.text() == "MFCC  × 2"
    put(row.editor, 8.0)
    assert [document.workflow.nodes[name].params["hop_ms"] for name in ("mfcc-1", "mfcc-2")] == [8.0, 8.0]
    assert document.undo_text == "Set hop_ms of 2 nodes"
    document.undo()
    assert row.shown.is_many
    row.reset.emit("hop_ms")
    assert "hop_ms" not in document.workflow.nodes["mfcc-1"].params


def test_nodes_of_several_types(make_panel: Make) -> None:
    document, panel = make_panel("ossicle.mfcc")
    spec = document.registry.specs["ossicle.train"]
    document.edit("Add", lambda workflow: add_node(workflow, spec, (0, 0))[0])
    document.select(["mfcc-1", "train-1"])
    assert panel.page is panel.several_page
    panel.several_page.modes["muted"].click()
    assert {node.mode for node in document.workflow.nodes.values()} == {"muted"}
    panel.several_page.buttons["ossicle.train"].click()
    assert document.selection.node == "train-1"


def test_an_unknown_type_is_shown_as_it_is(make_panel: Make) -> None:
    document, panel = make_panel("ossicle.mfcc")
    odd = Node(type="acme.magic", version=2, params={"a": [1, {"b": None}]})
    document.edit(
        "Add", lambda w: w.model_copy(update={"nodes": {**w.nodes, "odd-1": odd}, "requires": {"acme": ">=2"}})
    )
    document.select(["odd-1"])
    page = panel.node_page
    page.check()
    page.show_result()
    assert not page.raw.isHidden()
    assert page.raw.isReadOnly()
    assert '"type": "acme.magic"' in page.raw.toPlainText()
    assert "acme >=2" in page.result.boxes[0].trouble.remedy
    assert document.workflow.nodes["odd-1"] is odd
    document.select(["mfcc-1"])
    assert page.raw.isHidden()
    assert page.form is not None and not page.form.isHidden()


def test_a_parameter_the_type_does_not_know_can_be_taken_out(make_panel: Make) -> None:
    document, panel = make_panel("ossicle.mfcc", {"nonsense": 3})
    page = panel.node_page
    assert page.extra is not None
    page.check()
    assert "no such parameter" in page.extra.rows["nonsense"].error_text
    page.extra.rows["nonsense"].reset.emit("nonsense")
    assert document.workflow.nodes["mfcc-1"].params == {}
    assert page.extra is None


def test_a_link_and_a_note(make_panel: Make, put: Any) -> None:
    document, panel = make_panel("ossicle.mfcc")
    spec = document.registry.specs["ossicle.train"]
    document.edit("Add", lambda workflow: add_node(workflow, spec, (0, 0))[0])
    wire = Link("mfcc-1", "features", "train-1", "features")
    document.edit("Link", lambda w: w.model_copy(update={"links": (wire,)}))
    document.edit("Note", lambda w: add_note(w, (0, 0), "Milk")[0])
    document.select(links=[wire])
    assert panel.page is panel.link_page
    assert panel.link_page.kind.text() == "FeatureSet"
    panel.link_page.drop.click()
    assert document.workflow.links == ()
    document.select(marks=["note:1"])
    put(panel.mark_page.text.editor, "Milk and bread")
    panel.mark_page.swatches["rose"].click()
    assert document.workflow.layout["notes"]["note:1"]["text"] == "Milk and bread"  # type: ignore[index,call-overload]
    assert document.workflow.layout["notes"]["note:1"]["colour"] == "rose"  # type: ignore[index,call-overload]


# ---- head


def test_a_node_is_renamed_where_its_id_stands(make_panel: Make) -> None:
    document, panel = make_panel("ossicle.mfcc")
    line = panel.node_page.head.name
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "No Good")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert "'No Good' is no id" in panel.node_page.head.error.text()
    line.selectAll()
    QTest.keyClicks(line, "front-end")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert document.selection.node == "front-end"
    assert panel.node_page.head.error.isHidden()


def test_the_mode_is_shown_and_changed(make_panel: Make) -> None:
    document, panel = make_panel("ossicle.mfcc")
    menu = panel.node_page.head.mode_menu()
    menu.actions()[1].trigger()
    assert document.workflow.nodes["mfcc-1"].mode == "muted"
    assert panel.node_page.head.mode.text() == "muted"


# ---- finding


def test_focus_goes_to_a_parameter_even_a_folded_one(make_panel: Make) -> None:
    document, panel = make_panel(ALL)
    document.select()
    panel.focus_parameter("everything-1", "rare")
    assert document.selection.node == "everything-1"
    assert panel.window().focusWidget() is row_of(panel, "rare").editor.inner
    assert not row_of(panel, "rare").isHidden()
    panel.focus_parameter("everything-1", "first.channels")
    group = row_of(panel, "first").editor
    assert isinstance(group, GroupEditor)
    assert panel.window().focusWidget() is group.rows["channels"].editor.inner
    panel.focus_parameter("no-such", "x")
    panel.focus_parameter("everything-1", "features")  # a port, not a parameter
    assert panel.verticalScrollBar().value() == 0


def test_parameters_are_found_by_name_label_and_help(make_panel: Make) -> None:
    _document, panel = make_panel("ossicle.train")
    panel.node_page.search.setText("rate")
    shown = [name for name, row in panel.node_page.form.rows.items() if not row.isHidden()]  # type: ignore[union-attr]
    assert "learning_rate" in shown
    assert "seed" not in shown
    panel.focus_parameter("train-1", "seed")
    assert panel.node_page.search.text() == ""


def test_forms_are_kept_by_type_and_made_anew_for_another_registry(make_panel: Make) -> None:
    document, panel = make_panel("ossicle.mfcc")
    first = panel.node_page.form
    spec = document.registry.specs["ossicle.train"]
    document.edit("Add", lambda workflow: add_node(workflow, spec, (0, 0))[0])
    document.select(["train-1"])
    document.select(["mfcc-1"])
    assert panel.node_page.form is first


def test_commands_act_on_what_is_shown(make_panel: Make) -> None:
    document, panel = make_panel("ossicle.train", {"width": 2.0})
    commands = {command.id: command for command in panel.commands()}
    assert all(command.enabled() for command in commands.values())
    commands["properties.find"].run()
    assert panel.window().focusWidget() is panel.node_page.search
    commands["properties.help"].run()
    assert not panel.node_page.head.rest.isHidden()
    commands["properties.reset"].run()
    assert document.workflow.nodes["train-1"].params == {}
    commands["properties.workflow"].run()
    assert panel.page is panel.workflow_page
    assert not commands["properties.reset"].enabled()


# ---- result


class FakeSession(QObject):
    """What the panel reads of a session."""

    states_changed = Signal(object)
    metrics_changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, NodeState] = {}
        self.told: dict[str, list[dict[str, float]]] = {}

    def state(self, node: str) -> NodeState:
        """State of a node."""
        return self.known.get(node, NodeState())

    def rows(self, node: str) -> list[dict[str, float]]:
        """Its metric rows."""
        return self.told.get(node, [])

    def artifact(self, _node: str, _port: str) -> None:
        """No artifacts."""


def test_results_come_as_they_are_told(make_panel: Make, qtbot: Any) -> None:
    document, old = make_panel("ossicle.train")
    session: Any = FakeSession()
    panel = PropertyPanel(document, session)
    panel.show()
    result = panel.node_page.result
    session.known["train-1"] = NodeState("running", 0.62, "epoch 13 of 20", 60, 158)
    session.told["train-1"] = [{"loss": 0.5, "validation_accuracy": 0.962}]
    session.metrics_changed.emit(frozenset({"train-1"}))
    qtbot.waitUntil(lambda: bool(result.tiles), timeout=3000)
    assert [(tile.label.text(), tile.value.text()) for tile in result.tiles] == [
        ("validation", "96.2 %"),
        ("loss", "0.5"),
    ]
    assert result.state.text() == "◑ 62 % · 2:38 left"
    session.known["train-1"] = NodeState("failed", error=Fault("RAM is 141 kB", "at most 128 kB", "Lower width"))
    session.states_changed.emit(frozenset({"train-1"}))
    qtbot.waitUntil(lambda: any(box.trouble.is_failure for box in result.boxes), timeout=3000)
    box = next(box for box in result.boxes if box.trouble.is_failure)
    with qtbot.waitSignal(panel.rerun_requested) as again, qtbot.waitSignal(panel.log_requested):
        box.buttons["Re-run this"].click()
        box.buttons["Show log"].click()
    assert again.args == ["train-1"]
    panel.close()


@pytest.mark.parametrize("output", ["ingest-1.audio", "mfcc-1.features", "train-1.model", "benchmark-1.report"])
def test_real_artifacts_give_figures(small_run: Any, output: str) -> None:
    from studio.form.figures import figures

    found = figures((), [small_run.artifacts[output]], is_running=False)
    assert 2 <= len(found) <= 6
    assert all(figure.label and figure.value and "nan" not in figure.value for figure in found)


def test_the_panel_follows_the_ground(make_panel: Make, qapp: QApplication) -> None:
    _document, panel = make_panel("ossicle.train", {"width": 2.0})
    dark = panel.styleSheet()
    theme.apply(qapp, "light")
    assert panel.styleSheet() != dark
    panel.grab()


def test_values_of_a_wrong_shape_are_shown_and_reset(make_panel: Make) -> None:
    document, panel = make_panel(ALL, {"target": "x"})
    document.edit("Break", lambda workflow: set_params(workflow, "everything-1", {"first": "no object", "layers": 3}))
    panel.node_page.check()
    assert row_of(panel, "first").error_text
    assert row_of(panel, "layers").error_text
    panel.node_page.binding.reset_all()
    assert document.workflow.nodes["everything-1"].params == {}
