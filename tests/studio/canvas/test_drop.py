"""Dropping: nodes from the palette, onto wires too; files, decided by name and first bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.errors import OssicleError
from engine.workflow import Link
from studio.canvas.drop import MIME
from studio.model.dropped import label_of, sort_dropped, usable, what_is
from studio.model.edit import positions

COPY, LEFT, NONE = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def node_data(type_id: str) -> QMimeData:
    data = QMimeData()
    data.setData(MIME, type_id.encode())
    return data


def file_data(*paths: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def drag(bench, data: QMimeData, at: QPointF, *, drop: bool = True):  # type: ignore[no-untyped-def]
    """Enter, move and drop as Qt tells it; the last event."""
    viewport = bench.canvas.viewer.viewport()
    spot = bench.pixel(at)
    enter = QDragEnterEvent(spot, COPY, data, LEFT, NONE)
    QApplication.sendEvent(viewport, enter)
    move = QDragMoveEvent(spot, COPY, data, LEFT, NONE)
    QApplication.sendEvent(viewport, move)
    if not drop:
        return move
    last = QDropEvent(QPointF(spot), COPY, data, LEFT, NONE)
    QApplication.sendEvent(viewport, last)
    return last


def test_a_node_from_the_palette_lands_at_the_pointer(bench) -> None:
    ghost = bench.extras.drops.ghost
    assert drag(bench, node_data("ossicle.log_mel"), QPointF(400, 500), drop=False).isAccepted()
    assert ghost.isVisible() and ghost.title == "Log-mel" and ghost.area.contains(QPointF(400, 500))
    drag(bench, node_data("ossicle.log_mel"), QPointF(400, 500))
    assert not ghost.isVisible()
    assert bench.document.selection.node == "log-mel-1"
    box = bench.canvas.graph.boxes["log-mel-1"].outline()
    assert box.contains(QPointF(400, 500)) and all(
        value % 11 == 0 for value in positions(bench.document.workflow)["log-mel-1"]
    )
    assert bench.extras.usage.counts == {"ossicle.log_mel": 1}
    bench.document.undo()
    assert "log-mel-1" not in bench.document.workflow.nodes


def test_dropped_on_a_wire_it_goes_into_it_where_it_fits(bench) -> None:
    wire = Link("ingest-1", "audio", "partition-1", "audio")
    middle = bench.canvas.graph.wires[wire].path().pointAtPercent(0.5)
    drag(bench, node_data("ossicle.partition"), middle, drop=False)
    assert bench.extras.drops.ghost.about == f"into {wire}" and bench.canvas.graph.wires[wire].is_hovered
    before = bench.document.workflow
    drag(bench, node_data("ossicle.partition"), middle)
    links = set(bench.document.workflow.links)
    assert wire not in links
    assert {
        Link("ingest-1", "audio", "partition-2", "audio"),
        Link("partition-2", "audio", "partition-1", "audio"),
    } <= links
    bench.document.undo()
    assert bench.document.workflow == before
    drag(bench, node_data("ossicle.train"), middle)
    assert wire in bench.document.workflow.links and "train-2" in bench.document.workflow.nodes


def test_leaving_takes_the_ghost_away(bench) -> None:
    drag(bench, node_data("ossicle.mfcc"), QPointF(300, 300), drop=False)
    QApplication.sendEvent(bench.canvas.viewer.viewport(), QDragLeaveEvent())
    assert not bench.extras.drops.ghost.isVisible() and bench.document.undo_text == ""


def test_an_unknown_type_or_foreign_data_is_not_taken(bench) -> None:
    text = QMimeData()
    text.setText("hello")
    for data in (node_data("ossicle.none"), node_data(""), text):
        drag(bench, data, QPointF(300, 300))
    assert bench.document.undo_text == ""


def test_files_are_passed_on_and_others_refused(bench, qtbot: QtBot, tmp_path: Path) -> None:
    folder, sound, text = tmp_path / "words", tmp_path / "yes.WAV", tmp_path / "notes.txt"
    folder.mkdir()
    sound.write_bytes(b"RIFF")
    text.write_text("hello")
    drag(bench, file_data(folder), QPointF(300, 400), drop=False)
    assert bench.extras.drops.ghost.title == "Make nodes for words"
    with qtbot.waitSignal(bench.canvas.files_dropped) as told:
        drag(bench, file_data(folder, sound, text, folder), QPointF(300, 400))
    assert told.args[0] == [folder, sound] and (told.args[1] - QPointF(300, 400)).manhattanLength() < 2
    drag(bench, file_data(text), QPointF(300, 400))
    assert bench.errors[-1].what == "notes.txt cannot be made into a graph"


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.workflow.json", b"", "workflow"), ("b.json", b'{\n "format": 1, "nodes": {}}', "workflow"),
        ("c.json", b"[1, 2]", "unknown"), ("d.tar.gz", b"", "archive"), ("E.ZIP", b"", "archive"),
        ("f", b"PK\x03\x04..", "archive"), ("g", b"\x1f\x8b..", "archive"), ("h.flac", b"", "recording"),
        ("i", b"RIFF....WAVE", "recording"), ("j.txt", b"words", "unknown"), ("k", b"", "unknown"),
    ],
)  # fmt: skip
def test_what_is_told_by_name_or_first_bytes(tmp_path: Path, name: str, head: bytes, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(head)
    assert what_is(path) == kind


def test_folders_missing_files_and_labels(tmp_path: Path) -> None:
    assert what_is(tmp_path) == "folder" and what_is(tmp_path / "gone.xyz") == "unknown"
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    both = sort_dropped([tmp_path / "a.wav", tmp_path / "b.wav", tmp_path / "a.wav"])
    assert len(both) == 2 and label_of(both) == "Make nodes for 2 recordings"
    assert label_of(sort_dropped([tmp_path / "x.workflow.json"])) == "Open x.workflow.json"
    with pytest.raises(OssicleError) as error:
        usable(sort_dropped([tmp_path / "gone.xyz"]))
    assert error.value.expected == "a folder, an archive, recordings or a workflow file"
