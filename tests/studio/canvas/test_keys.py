"""The whole graph by keyboard alone."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.workflow import Link
from studio.model import edit
from studio.model.edit import positions

KEY = Qt.Key
SHIFT, CTRL, ALT = (
    Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier,
)  # fmt: skip


def test_arrows_walk_to_the_nearest_node_and_stay_at_the_edge(bench) -> None:
    bench.key(KEY.Key_Home)
    assert bench.document.selection.node == "ingest-1"
    walked = []
    for _ in range(3):
        bench.key(KEY.Key_Right)
        walked.append(bench.document.selection.node)
    assert walked == ["partition-1", "mfcc-1", "train-1"]
    bench.key(KEY.Key_Down)
    assert bench.document.selection.node == "benchmark-1"
    bench.key(KEY.Key_Down)
    assert bench.document.selection.node == "benchmark-1"
    bench.key(KEY.Key_End)
    assert bench.document.selection.node == "benchmark-2"


def test_an_arrow_with_nothing_selected_starts_in_the_middle_of_what_is_seen(bench) -> None:
    bench.canvas.centre_on("quantize-1")
    bench.key(KEY.Key_Left)
    assert bench.document.selection.node == "quantize-1"


def test_control_follows_the_wires(bench) -> None:
    bench.document.select(["train-1"])
    bench.key(KEY.Key_Right, CTRL)
    assert bench.document.selection.node == "quantize-1"
    bench.key(KEY.Key_Left, CTRL)
    assert bench.document.selection.node in ("train-1", "mfcc-1")
    bench.document.select(["quantize-1"])
    bench.key(KEY.Key_Down, CTRL)
    assert bench.document.selection.node in ("benchmark-1", "deploy-1")


def test_shift_extends_and_the_next_step_starts_at_the_last(bench) -> None:
    bench.document.select(["ingest-1"])
    bench.key(KEY.Key_Right, SHIFT)
    bench.key(KEY.Key_Right, SHIFT)
    assert bench.document.selection.nodes == {"ingest-1", "partition-1", "mfcc-1"}
    bench.key(KEY.Key_Right)
    assert bench.document.selection.node == "train-1"


def test_walking_brings_the_node_into_view(bench) -> None:
    bench.canvas.zoom = 2.0
    bench.key(KEY.Key_Home)
    for _ in range(6):
        bench.key(KEY.Key_Right)
        box = bench.canvas.graph.boxes[bench.document.selection.node].outline()
        assert bench.canvas.viewer.seen().contains(QRectF(box))


def test_alt_moves_the_selection_by_the_grid_as_one_step(bench) -> None:
    before = positions(bench.document.workflow)
    bench.document.select(["mfcc-1", "train-1"])
    for _ in range(3):
        bench.key(KEY.Key_Down, ALT)
    after = positions(bench.document.workflow)
    assert [after[n][1] - before[n][1] for n in ("mfcc-1", "train-1", "ingest-1")] == [66, 66, 0]
    bench.document.undo()
    assert positions(bench.document.workflow) == before


def test_enter_opens_properties(bench, qtbot: QtBot) -> None:
    bench.document.select(["mfcc-1"])
    with qtbot.waitSignal(bench.canvas.node_activated) as told:
        bench.key(KEY.Key_Return)
    assert told.args == ["mfcc-1"]


def test_l_links_by_keyboard_what_fits(bench, qtbot: QtBot) -> None:
    bench.document.edit("cut", lambda w: edit.remove(w, links=w.links))
    bench.document.select(["train-1"])
    bench.key(KEY.Key_L)
    linker = bench.extras.linker
    qtbot.waitUntil(linker.field.hasFocus)
    assert set(linker.keys) == {"quantize-1.model", "benchmark-1.model", "benchmark-2.model", "deploy-1.model", "new:"}
    assert linker.keys[0] == "quantize-1.model" and bench.canvas.viewer.live.isVisible()
    QTest.keyClicks(linker.field, "deploy")
    QTest.keyClick(linker.field, KEY.Key_Return)
    assert bench.document.workflow.links == (Link("train-1", "model", "deploy-1", "model"),)
    assert not bench.canvas.viewer.live.isVisible() and bench.document.selection.node == "deploy-1"


def test_shift_l_asks_which_input_first(bench) -> None:
    bench.document.edit("cut", lambda w: edit.remove(w, links=w.links))
    bench.document.select(["train-1"])
    bench.key(KEY.Key_L, SHIFT)
    linker = bench.extras.linker
    assert linker.keys == ["train-1.features", "train-1.audio"]
    QTest.keyClick(linker.field, KEY.Key_Return)
    assert linker.isVisible() and linker.keys == ["mfcc-1.features", "new:"]
    QTest.keyClick(linker.field, KEY.Key_Return)
    assert bench.document.workflow.links == (Link("mfcc-1", "features", "train-1", "features"),)


def test_linking_may_end_in_a_new_node_or_in_nothing(bench) -> None:
    bench.document.select(["deploy-1"])
    bench.key(KEY.Key_L)
    assert bench.extras.linker.keys == ["new:"]
    QTest.keyClick(bench.extras.linker.field, KEY.Key_Return)
    takers = {f"ossicle.{name}" for name in ("device", "listen", "push", "release", "stream")}
    assert bench.extras.quick.isVisible() and set(bench.extras.quick.keys) == takers
    QTest.keyClicks(bench.extras.quick.field, "push")
    QTest.keyClick(bench.extras.quick.field, KEY.Key_Return)
    assert Link("deploy-1", "deployment", "push-1", "deployment") in bench.document.workflow.links
    bench.document.select(["ingest-1"])
    bench.key(KEY.Key_L, SHIFT)
    assert bench.errors[-1].what == "ingest-1 has no input"


def test_escape_gives_linking_up(bench) -> None:
    bench.document.select(["ingest-1"])
    bench.key(KEY.Key_L)
    QTest.keyClick(bench.extras.linker.field, KEY.Key_Escape)
    assert not bench.extras.linker.isVisible() and not bench.extras.feedback.is_active
    assert not bench.canvas.viewer.live.isVisible() and bench.document.undo_text == ""


def test_m_mutes_and_unmutes(bench) -> None:
    bench.document.select(["mfcc-1", "train-1"])
    bench.key(KEY.Key_M)
    modes = [bench.document.workflow.nodes[name].mode for name in ("mfcc-1", "train-1", "ingest-1")]
    assert modes == ["muted", "muted", "active"] and bench.document.undo_text == "Mute 2 nodes"
    bench.key(KEY.Key_M)
    assert bench.document.workflow.nodes["mfcc-1"].mode == "active"


def test_b_bypasses_only_what_can_pass_on(bench) -> None:
    bench.document.select(["quantize-1"])
    bench.key(KEY.Key_B)
    assert bench.document.workflow.nodes["quantize-1"].mode == "bypassed"
    bench.document.select(["quantize-1", "mfcc-1"])
    before = bench.document.workflow
    bench.key(KEY.Key_B)
    assert bench.document.workflow is before
    assert bench.errors[-1].what == "mfcc-1 gives FeatureSet but takes AudioSet"


def test_f2_renames_in_place(bench, qtbot: QtBot) -> None:
    bench.document.select(["mfcc-1"])
    bench.key(KEY.Key_F2)
    field = bench.extras.renamer
    qtbot.waitUntil(field.hasFocus)
    QTest.keyClicks(field, "train-1")
    assert field.property("invalid") is True and "taken" in field.bubble.text
    QTest.keyClick(field, KEY.Key_Return)
    assert field.isVisible()
    field.selectAll()
    QTest.keyClicks(field, "my-features")
    QTest.keyClick(field, KEY.Key_Return)
    assert not field.isVisible() and not field.bubble.isVisible()
    assert bench.document.selection.node == "my-features"
    assert Link("my-features", "features", "train-1", "features") in bench.document.workflow.links
    bench.document.undo()
    assert "mfcc-1" in bench.document.workflow.nodes


def test_escape_renames_nothing(bench) -> None:
    bench.document.select(["mfcc-1"])
    bench.key(KEY.Key_F2)
    QTest.keyClicks(bench.extras.renamer, "other")
    QTest.keyClick(bench.extras.renamer, KEY.Key_Escape)
    assert "mfcc-1" in bench.document.workflow.nodes and bench.document.undo_text == ""


def test_duplicate_keeps_wires_in_and_among(bench) -> None:
    bench.document.select(["mfcc-1", "train-1"])
    bench.key(KEY.Key_D, CTRL)
    links = set(bench.document.workflow.links)
    assert bench.document.selection.nodes == {"mfcc-2", "train-2"}
    assert {
        Link("partition-1", "audio", "mfcc-2", "audio"), Link("mfcc-2", "features", "train-2", "features"),
        Link("partition-1", "audio", "train-2", "audio"),
    } <= links  # fmt: skip
    assert not any(link.source in ("mfcc-2", "train-2") and link.target not in ("mfcc-2", "train-2") for link in links)
    here, there = (positions(bench.document.workflow)[name] for name in ("mfcc-1", "mfcc-2"))
    assert (there[0] - here[0], there[1] - here[1]) == (44, 44)


def test_duplicate_a_note_too(bench) -> None:
    bench.extras.marks.add_note(QPointF(0, 300), "mine")
    bench.key(KEY.Key_D, CTRL)
    notes = bench.document.workflow.layout["notes"]
    assert notes["note:2"]["text"] == "mine" and bench.document.selection.marks == {"note:2"}


def test_select_all_invert_upstream_downstream(bench) -> None:
    bench.key(KEY.Key_A, CTRL)
    assert bench.document.selection.nodes == bench.document.workflow.nodes.keys()
    bench.document.select(["mfcc-1"])
    bench.command("edit.upstream")
    assert bench.document.selection.nodes == {"ingest-1", "partition-1", "mfcc-1"}
    bench.key(KEY.Key_I, CTRL)
    assert bench.document.selection.nodes == bench.document.workflow.nodes.keys() - {
        "ingest-1",
        "partition-1",
        "mfcc-1",
    }
    bench.document.select(["quantize-1"])
    bench.command("edit.downstream")
    assert bench.document.selection.nodes == {"quantize-1", "benchmark-2"}
    bench.key(KEY.Key_Escape)
    assert bench.document.selection.is_empty


def test_go_to_finds_a_node_and_centres_it(bench, qtbot: QtBot) -> None:
    bench.key(KEY.Key_K, CTRL)
    goer = bench.extras.goer
    qtbot.waitUntil(goer.field.hasFocus)
    assert set(goer.keys) == bench.document.workflow.nodes.keys()
    QTest.keyClicks(goer.field, "quant")
    QTest.keyClick(goer.field, KEY.Key_Return)
    assert bench.document.selection.node == "quantize-1"
    away = bench.canvas.graph.boxes["quantize-1"].outline().center() - bench.canvas.viewer.seen().center()
    assert away.manhattanLength() < 3


def test_lay_out_all_or_what_is_selected(bench) -> None:
    bench.document.edit("heap", lambda w: edit.move(w, dict.fromkeys(w.nodes, (0.0, 0.0))))
    bench.document.select(["mfcc-1", "train-1"])
    bench.key(KEY.Key_L, CTRL)
    spots = positions(bench.document.workflow)
    assert spots["mfcc-1"] != spots["train-1"] and spots["ingest-1"] == (0, 0)
    bench.document.select()
    bench.command("node.arrange")
    assert len(set(positions(bench.document.workflow).values())) == len(bench.document.workflow.nodes)


def test_align_by_key_and_with_too_few_says_so(bench) -> None:
    bench.document.select(["train-1", "benchmark-1"])
    bench.key(KEY.Key_Left, CTRL | SHIFT)
    spots = positions(bench.document.workflow)
    assert spots["benchmark-1"][0] == spots["train-1"][0]
    bench.command("node.align-spread-x")
    assert bench.errors[-1].what == "2 nodes selected" and bench.errors[-1].expected == "at least 3"


def test_every_command_is_told_once_and_does_no_harm_on_an_empty_canvas(empty) -> None:
    commands = empty.commands()
    assert len({command.id for command in commands}) == len(commands)
    keys = [text for command in commands for text in command.shortcuts]
    assert len(set(keys)) == len(keys)
    for command in commands:
        assert command.title and command.menu
        empty.run(command)
        empty.extras.marks.finish()
        for popup in (empty.extras.quick, empty.extras.goer, empty.extras.linker):
            popup.close_()
        empty.extras.search.close_()
    assert not empty.document.workflow.nodes


@pytest.mark.parametrize(
    "id", ["node.mute", "node.bypass", "node.rename", "node.link", "edit.duplicate", "edit.upstream"]
)
def test_commands_about_nodes_rest_without_a_selection(bench, id: str) -> None:
    assert not next(command for command in bench.commands() if command.id == id).enabled()
