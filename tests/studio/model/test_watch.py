"""The open file changed by others: told once, own saves are not news, editors that replace files are followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.workflow import Workflow, load, save, to_text
from studio.model import edit
from studio.model.document import Document
from studio.model.watch import Watch


@pytest.fixture
def opened(document: Document, small: Workflow, tmp_path: Path) -> Document:
    """The small graph, opened from a file."""
    path = tmp_path / "small.workflow.json"
    save(small, path)
    document.open(path)
    return document


@pytest.fixture
def watch(opened: Document) -> Watch:
    """What watches it, with everything it tells in `told`."""
    return Watch(opened)


def path_of(watch: Watch) -> Path:
    assert watch.document.path is not None
    return watch.document.path


def muted(workflow: Workflow) -> Workflow:
    return edit.set_mode(workflow, ["mfcc-1"], "muted")


def test_another_program_writes_the_file(watch: Watch, small: Workflow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(watch.changed_outside) as told:
        path_of(watch).write_text(to_text(muted(small)))
    [found] = told.args
    assert found == muted(small)
    assert watch.document.workflow == small, "nothing is taken over unasked"
    assert [(d.node, d.name, d.after) for d in watch.differences(found)] == [("mfcc-1", "mode", "muted")]
    watch.take(found)
    assert watch.document.is_saved
    watch.document.undo()
    assert watch.document.workflow == small
    assert not watch.document.is_saved


def test_an_editor_replaces_the_file_again_and_again(watch: Watch, small: Workflow, qtbot: QtBot) -> None:
    """Most editors write a new file and rename it: the old one, which was watched, is gone."""
    now = small
    for number in range(3):
        now = edit.set_params(now, "mfcc-1", {"n_mels": 40 + number})
        part = path_of(watch).with_name("part")
        part.write_text(to_text(now))
        with qtbot.waitSignal(watch.changed_outside) as told:
            part.replace(path_of(watch))
        assert told.args == [now]


def test_own_saves_are_no_news(watch: Watch, qtbot: QtBot) -> None:
    document = watch.document
    with qtbot.assertNotEmitted(watch.changed_outside, wait=400):
        document.edit("Mute", muted)
        document.save()
        document.edit("Unmute", muted_not)
        document.save()
        document.undo()
    watch.look()


def muted_not(workflow: Workflow) -> Workflow:
    return edit.set_mode(workflow, ["mfcc-1"], "active")


def test_the_same_content_is_no_news(watch: Watch, small: Workflow, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(watch.changed_outside):
        path_of(watch).write_text(to_text(small) + "\n\n")
        watch.look()
        watch.document.edit("Mute", muted)
        path_of(watch).write_text(to_text(muted(small)))
        watch.look()


def test_a_change_is_told_once_and_another_anew(watch: Watch, small: Workflow) -> None:
    told: list[Workflow] = []
    watch.changed_outside.connect(told.append)
    path_of(watch).write_text(to_text(muted(small)))
    watch.look()
    watch.look()
    os.utime(path_of(watch), ns=(1, 1))
    watch.look()
    assert told == [muted(small)]
    path_of(watch).write_text(to_text(edit.describe(small, about="more")))
    watch.look()
    assert len(told) == 2


def test_keeping_mine_writes_over_it(watch: Watch, small: Workflow) -> None:
    told: list[Workflow] = []
    watch.changed_outside.connect(told.append)
    path_of(watch).write_text(to_text(muted(small)))
    watch.look()
    watch.document.edit("About", lambda now: edit.describe(now, about="mine"))
    watch.document.save()
    watch.look()
    assert len(told) == 1
    assert load(path_of(watch)).about == "mine"


def test_a_deleted_file_is_told_once_and_can_be_saved_again(watch: Watch, qtbot: QtBot) -> None:
    path = path_of(watch)
    with qtbot.waitSignal(watch.deleted) as told:
        path.unlink()
    assert told.args == [path]
    with qtbot.assertNotEmitted(watch.deleted):
        watch.look()
    watch.document.save()
    with qtbot.waitSignal(watch.deleted):
        path.unlink()


def test_a_broken_file_is_told_and_the_work_stays(watch: Watch, small: Workflow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(watch.unreadable) as told:
        path_of(watch).write_text("{")
    assert "cannot be read" in str(told.args[0])
    assert watch.document.workflow == small
    with qtbot.waitSignal(watch.changed_outside):
        path_of(watch).write_text(to_text(muted(small)))


def test_coming_back_to_the_window_looks_again(watch: Watch, small: Workflow) -> None:
    """Network folders tell nothing."""
    told: list[Workflow] = []
    watch.changed_outside.connect(told.append)
    watch._watcher.removePaths([*watch._watcher.files(), *watch._watcher.directories()])
    path_of(watch).write_text(to_text(muted(small)))
    watch._come_back(Qt.ApplicationState.ApplicationInactive)
    assert told == []
    watch._come_back(Qt.ApplicationState.ApplicationActive)
    assert told == [muted(small)]


def test_recovered_work_does_not_make_its_file_look_changed(watch: Watch, small: Workflow) -> None:
    told: list[Workflow] = []
    watch.changed_outside.connect(told.append)
    watch.document.show(muted(small), path_of(watch), is_saved=False)
    watch.look()
    assert told == []
    path_of(watch).write_text(to_text(edit.describe(small, about="news")))
    watch.look()
    assert len(told) == 1


def test_another_document_another_file(watch: Watch, small: Workflow, tmp_path: Path) -> None:
    told: list[object] = []
    watch.changed_outside.connect(told.append)
    old = path_of(watch)
    watch.document.save(tmp_path / "other.workflow.json")
    old.write_text(to_text(muted(small)))
    watch.look()
    watch.document.show(Workflow())
    watch.look()
    assert told == []
