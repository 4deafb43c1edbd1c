"""Lost work comes back: after SIGKILL of a real process, beside living windows, with damaged journals set aside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from engine import subgraph
from engine.workflow import Workflow, save, to_json
from studio.model import edit
from studio.model.document import Document
from studio.model.journal import WAIT_MS, Journal, write_entry
from studio.model.recover import forget, has_lost_work, journal_folder, lock_of, lost_work, search

CHILD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from PySide6.QtCore import QCoreApplication, QTimer
    from engine.registry import Registry
    from studio.model import edit
    from studio.model.document import Document
    from studio.model.journal import Journal

    app = QCoreApplication([])
    document = Document(Registry({}))
    document.open(Path(sys.argv[1]))
    journal = Journal(document)
    journal.written.connect(lambda: print("written", flush=True))
    QTimer.singleShot(0, lambda: document.edit("Set", lambda now: edit.set_params(now, "mfcc-1", {"n_mels": 77})))
    app.exec()
    """
)


@pytest.fixture
def opened(document: Document, small: Workflow, tmp_path: Path) -> Document:
    """The small graph, opened from a file."""
    path = tmp_path / "small.workflow.json"
    save(small, path)
    document.open(path)
    return document


def change(document: Document, value: int = 5) -> None:
    document.edit("Set", lambda now: edit.set_params(now, "mfcc-1", {"n_mels": value}))


def test_work_of_a_killed_process_comes_back(opened: Document, tmp_path: Path) -> None:
    """A real child edits, is killed without a chance to tidy up, and the next start finds what it had done."""
    assert opened.path is not None
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(opened.path)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert child.stdout is not None
    with child:
        try:
            assert child.stdout.readline() == "written\n"
            assert has_lost_work()
            assert lost_work() == [], "its window lives"
            child.send_signal(signal.SIGKILL)
            child.wait()
            [entry] = lost_work()
        finally:
            child.kill()
    assert entry.path == opened.path
    assert entry.name == "small.workflow.json"
    assert entry.workflow.nodes["mfcc-1"].params == {"n_mels": 77}
    assert abs(entry.time_s - entry.file.stat().st_mtime) < 60
    assert lost_work() == [entry], "looking does not take it away"
    forget(entry)
    assert lost_work() == []


def test_every_edit_is_written_soon_and_a_clean_end_leaves_nothing(opened: Document, qtbot: QtBot) -> None:
    assert WAIT_MS < 1000
    journal = Journal(opened)
    with qtbot.waitSignal(journal.written):
        for value in range(5):
            change(opened, value)
    raw = json.loads(journal.file.read_text())
    assert raw["workflow"] == to_json(opened.workflow)
    assert raw["path"] == str(opened.path)
    assert lock_of(journal.file).exists()
    journal.close()
    assert list(journal_folder().iterdir()) == []


def test_saved_work_needs_no_journal(opened: Document, qtbot: QtBot) -> None:
    journal = Journal(opened)
    with qtbot.waitSignal(journal.written):
        change(opened)
    with qtbot.waitSignal(journal.written):
        opened.save()
    assert not journal.file.exists()
    assert not lock_of(journal.file).exists()
    with qtbot.waitSignal(journal.written):
        opened.undo()
    assert journal.file.exists(), "the file holds what was undone"
    with qtbot.waitSignal(journal.written):
        opened.redo()
    assert not journal.file.exists()
    journal.close()


def test_two_windows_have_two_journals(opened: Document, registry: object, qtbot: QtBot, small: Workflow) -> None:
    other = Document(opened.registry)
    other.show(small, None, is_saved=False)
    first, second = Journal(opened), Journal(other)
    change(opened)
    first.write()
    second.write()
    assert first.file != second.file
    assert lost_work() == []
    first.close()
    assert second.file.exists()
    second._lock.release()  # type: ignore[union-attr] # as the kernel does when its process dies
    second._lock = None
    [entry] = lost_work()
    assert entry.workflow == small
    assert (entry.path, entry.name) == (None, "small")
    second.close()


def test_the_newest_comes_first(small: Workflow) -> None:
    journal_folder().mkdir(parents=True)
    for number in range(3):
        write_entry(journal_folder() / f"{number}.json", edit.describe(small, name=f"n{number}"), None)
    assert [entry.name for entry in lost_work()] == ["n2", "n1", "n0"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"path": "", "time_s": 1}', '{"path": "", "time_s": "x", "workflow": {}}', "[" * 99_999,
     '{"path": "", "time_s": 1, "workflow": {"nodes": 3}}', '{"path": 3, "time_s": 1, "workflow": {}}'],
)  # fmt: skip
def test_a_damaged_journal_is_set_aside_with_a_message(text: str, small: Workflow) -> None:
    journal_folder().mkdir(parents=True)
    bad = journal_folder() / "1-abc.json"
    bad.write_text(text)
    write_entry(journal_folder() / "2-abc.json", small, None)
    found = search()
    assert [entry.workflow for entry in found.entries] == [small]
    [fault] = found.faults
    aside = bad.with_name("1-abc.json.unreadable")
    assert str(aside) in fault.remedy
    assert aside.read_text() == text
    assert not search().faults, "told once"


def test_work_that_its_file_holds_is_not_offered(opened: Document) -> None:
    """The window died after saving and before tidying up."""
    journal_folder().mkdir(parents=True)
    file = journal_folder() / "1-abc.json"
    write_entry(file, opened.workflow, opened.path)
    assert lost_work() == []
    assert not file.exists()


def test_an_edited_sub_graph_comes_back_with_its_interface(tmp_path: Path) -> None:
    journal_folder().mkdir(parents=True)
    part = subgraph.parse(
        {"nodes": {"mfcc-1": {"type": "ossicle.mfcc"}}, "interface": {"inputs": {"audio": "mfcc-1.audio"}}}
    )
    write_entry(journal_folder() / "1-abc.json", part, tmp_path / "subgraphs" / "front.subgraph.json")
    [entry] = lost_work()
    assert entry.workflow == part


def test_a_journal_that_cannot_be_written_is_told_once(opened: Document, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("a file where the folder should be")
    journal = Journal(opened)
    told: list[object] = []
    journal.failed.connect(told.append)
    with qtbot.waitSignal(journal.failed):
        change(opened, 1)
    change(opened, 2)
    journal.write()
    journal.close()
    [error] = told
    assert "cannot be written" in str(error)
    assert "Ctrl+S" in str(error)


def test_no_folder_at_all() -> None:
    assert not has_lost_work()
    assert search().entries == search().faults == ()
