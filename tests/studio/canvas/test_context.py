"""Context menus: what each offers, that its entries act, and that they follow the selection."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QApplication, QMenu

from engine.workflow import Link
from studio.canvas.context import MENUS
from studio.commands import Command
from studio.model import marks


def ask(bench, at: QPointF) -> QMenu:  # type: ignore[no-untyped-def]
    """A right click at a point of the scene; its menu."""
    viewport = bench.canvas.viewer.viewport()
    spot = bench.pixel(at)
    event = QContextMenuEvent(
        QContextMenuEvent.Reason.Mouse, spot, viewport.mapToGlobal(spot), Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(viewport, event)
    menu = bench.extras.menus.menu
    assert menu is not None and menu.isVisible()
    return menu


def ids(menu: QMenu) -> list[str]:
    return [action.objectName() for action in menu.actions() if action.objectName()]


def trigger(menu: QMenu, id: str) -> None:
    next(action for action in menu.actions() if action.objectName() == id).trigger()
    menu.close()


@pytest.fixture
def full(bench):  # type: ignore[no-untyped-def]
    """The menus know the canvas's own commands too, as in the window."""
    bench.extras.menus.use(bench.commands())
    return bench


def test_a_nodes_menu_selects_it_and_acts(full) -> None:
    menu = ask(full, full.canvas.graph.boxes["quantize-1"].outline().center())
    assert full.document.selection.node == "quantize-1"
    assert ids(menu)[:2] == ["node.properties", "node.rename"] and "edit.delete" in ids(menu)
    trigger(menu, "node.bypass")
    assert full.document.workflow.nodes["quantize-1"].mode == "bypassed"


def test_the_menu_of_one_of_several_keeps_them(full) -> None:
    full.document.select(["mfcc-1", "train-1"])
    menu = ask(full, full.canvas.graph.boxes["mfcc-1"].outline().center())
    trigger(menu, "node.mute")
    assert {name for name, node in full.document.workflow.nodes.items() if node.mode == "muted"} == {
        "mfcc-1",
        "train-1",
    }


def test_a_wires_menu(full) -> None:
    wire = Link("ingest-1", "audio", "partition-1", "audio")
    menu = ask(full, full.canvas.graph.wires[wire].path().pointAtPercent(0.5))
    assert full.document.selection.links == {wire} and ids(menu) == ["wire.insert", "edit.delete"]
    trigger(menu, "edit.delete")
    assert wire not in full.document.workflow.links


def test_a_marks_menu_colours_it(full) -> None:
    full.extras.marks.add_note(QPointF(0, 300), "mine")
    full.document.select()
    menu = ask(full, QPointF(60, 340))
    assert full.document.selection.marks == {"note:1"}
    colours = next(action.menu() for action in menu.actions() if action.text() == "Colour")
    trigger(colours, "colour.violet")
    assert marks.marks(full.document.workflow)["note:1"].colour == "violet"
    assert full.document.undo_text == "Colour"


def test_the_canvas_menu_adds(full) -> None:
    menu = ask(full, QPointF(300, 500))
    assert ids(menu)[0] == "add.quick"
    trigger(menu, "add.quick")
    assert full.extras.quick.isVisible()


def test_what_cannot_be_done_is_grey_and_errors_are_told(full) -> None:
    full.document.select()
    menu = full.extras.menus.menu_of("node")
    states = {action.objectName(): action.isEnabled() for action in menu.actions() if action.objectName()}
    assert not states["node.mute"] and not states["edit.duplicate"] and states["node.arrange"]
    full.document.select(["mfcc-1"])
    trigger(full.extras.menus.menu_of("node"), "node.bypass")
    assert full.errors[-1].expected == "an input of the output's type to pass on"


def test_commands_of_other_parts_stand_where_the_table_wants_them(full) -> None:
    done: list[str] = []
    more = Command("run.to", "Run to here", "Run", lambda: done.append("run"), ("Shift+R",))
    full.extras.menus.use([*full.commands(), more], lambda command: command.run)
    full.document.select(["mfcc-1"])
    menu = full.extras.menus.menu_of("node")
    assert "Run to here\tShift+R" in [action.text() for action in menu.actions()]
    trigger(menu, "run.to")
    assert done == ["run"]


def test_the_tables_name_only_commands_that_exist_somewhere(full) -> None:
    known = {command.id for command in full.commands()}
    others = {"edit.cut", "edit.copy", "edit.paste", "run.to", "run.again"}
    others |= {"group.collapse", "group.open", "group.expand"}
    named = {entry for table in MENUS.values() for entry in table if "." in entry}
    assert named - others <= known


def test_menus_do_not_pile_up(full) -> None:
    for _ in range(5):
        full.extras.menus.show("mfcc-1", QPoint(5, 5))
        full.extras.menus.menu.close()
    QApplication.sendPostedEvents(None, 52)  # DeferredDelete
    assert len([menu for menu in full.canvas.findChildren(QMenu) if menu.parent() is full.canvas]) <= 2
