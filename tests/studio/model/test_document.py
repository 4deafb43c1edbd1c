"""The document: undo ends where it should, edits merge, nothing is lost, errors change nothing."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import OssicleError
from engine.library import file_of
from engine.registry import Registry
from engine.subgraph import SubgraphSpec
from engine.workflow import Workflow, load, parse, save, to_text
from studio.model import document as module
from studio.model import edit
from studio.model.document import Document, most_steps

RandomEdit = Callable[[Workflow, random.Random], Workflow]
PART = {
    "nodes": {"mfcc-1": {"type": "ossicle.mfcc"}},
    "interface": {"inputs": {"audio": "mfcc-1.audio"}, "outputs": {"features": "mfcc-1.features"}},
}


def test_ten_thousand_random_edits_end_where_they_should(document: Document, random_edit: RandomEdit) -> None:
    """A reference of plain lists beside the document: after every step both hold the same workflow."""
    dice = random.Random(20)
    done, undone = [document.workflow], list[Workflow]()
    seen = [document.workflow]
    document.changed.connect(
        lambda old, new: seen.append(new) if old is seen[-1] else pytest.fail("a change was missed")
    )
    for _ in range(10_000):
        roll = dice.random()
        if roll < 0.25:
            document.undo()
            if len(done) > 1:
                undone.append(done.pop())
        elif roll < 0.4:
            document.redo()
            if undone:
                done.append(undone.pop())
        else:
            before = document.workflow
            document.edit("Edit", lambda now: random_edit(now, dice))
            if document.workflow is not before:
                done.append(document.workflow)
                undone.clear()
                del done[: -module.MOST_STEPS - 1]
        assert document.workflow is done[-1] is seen[-1]
    while document.undo_text:
        document.undo()
    assert document.workflow is done[0]
    while document.redo_text:
        document.redo()
    assert document.workflow == (undone[0] if undone else done[-1])


def test_undo_reaches_the_empty_document_again(document: Document, random_edit: RandomEdit) -> None:
    dice = random.Random(3)
    for _ in range(300):
        document.edit("Edit", lambda now: random_edit(now, dice))
    end = document.workflow
    while document.undo_text:
        document.undo()
    assert document.workflow == Workflow()
    assert document.is_saved
    while document.redo_text:
        document.redo()
    assert document.workflow == end


def test_edits_of_the_same_thing_are_one_step(
    document: Document, small: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    document.show(small)
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    for epochs in range(3, 9):
        clock[0] += 0.2
        document.edit("Epochs", lambda now, e=epochs: edit.set_params(now, "train-1", {"epochs": e}), "train-1.epochs")
    document.edit("Batch", lambda now: edit.set_params(now, "train-1", {"batch": 9}), "train-1.batch")
    clock[0] += 60
    document.edit("Batch", lambda now: edit.set_params(now, "train-1", {"batch": 10}), "train-1.batch")
    texts = []
    while document.undo_text:
        texts.append(document.undo_text)
        document.undo()
    assert texts == ["Batch", "Batch", "Epochs"]
    assert document.workflow is small


def test_an_undone_merge_is_not_continued(document: Document, small: Workflow) -> None:
    document.show(small)
    for epochs in (3, 4):
        document.edit("Epochs", lambda now, e=epochs: edit.set_params(now, "train-1", {"epochs": e}), "key")
    document.undo()
    document.edit("Epochs", lambda now: edit.set_params(now, "train-1", {"epochs": 5}), "key")
    document.undo()
    assert document.workflow is small


def test_an_edit_that_raises_changes_nothing(document: Document, small: Workflow) -> None:
    document.show(small)
    document.edit("Mute", lambda now: edit.set_mode(now, ["mfcc-1"], "muted"))
    document.undo()

    def bad(now: Workflow) -> Workflow:
        raise OssicleError("no", "yes", "do")

    with pytest.raises(OssicleError):
        document.edit("Bad", bad)
    assert document.workflow is small
    assert document.redo_text == "Mute"
    document.edit("Nothing", lambda now: now)
    assert document.redo_text == "Mute", "an edit without effect does not take redo away"


def test_saved_or_not(document: Document, small: Workflow, tmp_path: Path) -> None:
    path = tmp_path / "small.workflow.json"
    save(small, path)
    told: list[bool] = []
    document.open(path)
    document.saved_changed.connect(told.append)
    document.edit("Mute", lambda now: edit.set_mode(now, ["mfcc-1"], "muted"))
    assert not document.is_saved
    document.undo()
    assert document.is_saved
    document.redo()
    document.save()
    assert document.is_saved
    document.undo()
    assert not document.is_saved, "the file holds what was undone"
    assert told == [False, True, False, True, False]
    assert load(path).nodes["mfcc-1"].mode == "muted"
    document.edit("By hand", lambda now: edit.set_mode(now, ["mfcc-1"], "muted"))
    assert document.is_saved, "the same again by another way"


def test_a_new_document_needs_a_file(document: Document, small: Workflow) -> None:
    document.show(small, None, is_saved=False)
    assert not document.is_saved
    with pytest.raises(ValueError, match="file"):
        document.save()


def test_a_folder_that_may_not_be_written(
    document: Document, small: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sub" / "small.workflow.json"
    path.parent.mkdir()
    save(small, path)
    document.open(path)
    document.edit("Mute", lambda now: edit.set_mode(now, ["mfcc-1"], "muted"))

    def refuse(*_: object, **__: object) -> tuple[int, str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("engine.workflow.tempfile.mkstemp", refuse)  # root may write anywhere: play the system
    with pytest.raises(OSError, match="denied"):
        document.save()
    assert not document.is_saved
    assert document.path == path
    assert document.undo_text == "Mute"
    assert path.read_text() == to_text(small)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_bad_file_leaves_the_open_document(document: Document, small: Workflow, tmp_path: Path) -> None:
    document.show(small)
    for text in ("{", "[]", '{"format": 99}', '{"nodes": {"A b": {"type": "x"}}}'):
        path = tmp_path / "bad.workflow.json"
        path.write_text(text)
        with pytest.raises(OssicleError):
            document.open(path)
    with pytest.raises(OssicleError):
        document.open(tmp_path / "nowhere.workflow.json")
    assert document.workflow is small


def test_the_selection_follows_the_edits(document: Document, small: Workflow) -> None:
    document.show(small)
    document.select(["mfcc-1", "ghost"], small.links[:1], ["note:1", "ghost:1"])
    chosen = document.selection
    assert (chosen.nodes, chosen.links, chosen.marks) == ({"mfcc-1"}, {small.links[0]}, {"note:1"})
    assert chosen.node == "mfcc-1"
    document.edit("Delete", lambda now: edit.remove(now, ["mfcc-1"], marks=["note:1"]))
    assert document.selection.is_empty
    told: list[object] = []
    document.selection_changed.connect(told.append)
    document.select()
    assert not told


# ---- memory


def test_undo_steps_are_bounded_and_share_what_did_not_change(document: Document, small: Workflow) -> None:
    many = {f"mfcc-{n}": small.nodes["mfcc-1"] for n in range(1, 1001)}
    places = {name: (n * 10.0, 0.0) for n, name in enumerate(many)}
    document.show(edit.move(Workflow(nodes=many), places))
    kept = most_steps(document.workflow)
    assert kept == 399
    for number in range(kept + 50):
        document.edit("Move", lambda now, n=number: edit.move(now, {"mfcc-7": (n, n + 1)}))
    steps = document._history.done
    assert len(steps) == kept
    assert {id(step.after.nodes) for step in steps} == {id(document.workflow.nodes)}
    spots = {id(at) for step in steps for at in step.after.layout["positions"].values()}  # type: ignore[union-attr]
    assert len(spots) <= 1000 + kept + 1, "each step has one new position, not a thousand"
    assert most_steps(Workflow()) == module.MOST_STEPS
    assert most_steps(Workflow(nodes={f"n-{n}": small.nodes["mfcc-1"] for n in range(9000)})) == module.LEAST_STEPS


def test_the_check_is_done_once_per_workflow(
    document: Document, small: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    document.show(small)
    calls: list[Workflow] = []
    real = module.check
    monkeypatch.setattr(module, "check", lambda w, r, m: calls.append(w) or real(w, r, m))  # type: ignore[func-returns-value]
    assert document.checked is document.checked
    document.edit("Mute", lambda now: edit.set_mode(now, ["mfcc-1"], "muted"))
    assert document.checked.skipped
    assert len(calls) == 2


# ---- sub-graphs


def _put(folder: Path, name: str, raw: object = PART) -> Path:
    import json

    path = file_of(folder, name)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(raw))
    return path


def test_opening_a_file_brings_its_sub_graphs(document: Document, registry: Registry, tmp_path: Path) -> None:
    told: list[bool] = []
    document.registry_changed.connect(lambda: told.append(True))
    _put(tmp_path / "a", "front")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir(exist_ok=True)
        save(Workflow(), tmp_path / folder / "x.workflow.json")
    document.open(tmp_path / "a" / "x.workflow.json")
    assert "subgraph.front" in document.registry.specs
    document.open(tmp_path / "b" / "x.workflow.json")
    assert document.registry.specs.keys() == registry.specs.keys()
    assert len(told) == 2
    _put(tmp_path / "b", "later")
    document.look_for_subgraphs()
    assert "subgraph.later" in document.registry.specs
    document.look_for_subgraphs()
    assert len(told) == 3


def test_saving_elsewhere_takes_the_used_sub_graphs_along(document: Document, tmp_path: Path) -> None:
    _put(tmp_path / "a", "front")
    _put(tmp_path / "a", "unused")
    path = tmp_path / "a" / "x.workflow.json"
    save(parse({"nodes": {"front-1": {"type": "subgraph.front"}}}), path)
    document.open(path)
    document.save(tmp_path / "b" / "x.workflow.json")
    assert [file.name for file in (tmp_path / "b" / "subgraphs").iterdir()] == ["front.subgraph.json"]
    assert "subgraph.front" in document.registry.specs
    _put(tmp_path / "c", "front", {**PART, "about": "another"})
    with pytest.raises(OssicleError, match="another sub-graph front"):
        document.save(tmp_path / "c" / "x.workflow.json")
    assert document.path == tmp_path / "b" / "x.workflow.json"


def test_a_sub_graphs_own_file_is_edited_like_any_other(document: Document, tmp_path: Path) -> None:
    path = _put(tmp_path, "front")
    document.open(path)
    assert document.base == tmp_path
    document.edit("Rename", lambda now: edit.rename(now, "mfcc-1", "front-1"))
    document.edit("Set", lambda now: edit.set_params(now, "front-1", {"n_mels": 20}))
    document.save()
    spec = document.registry.specs["subgraph.front"]
    assert isinstance(spec, SubgraphSpec)
    assert spec.inside.interface.outputs == {"features": "front-1.features"}
    assert spec.inside.nodes["front-1"].params == {"n_mels": 20}
    document.edit("Delete", lambda now: edit.remove(now, ["front-1"]))
    document.save()
    assert not load_face(path)
    document.undo()
    document.save()
    assert load_face(path)["inputs"] == {"audio": "front-1.audio"}


def load_face(path: Path) -> dict[str, object]:
    """The interface in a file, without empty groups."""
    import json

    return {key: value for key, value in json.loads(path.read_text())["interface"].items() if value}


def test_what_an_edit_left_alone_is_not_checked_again(
    document: Document, small: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import validate

    resolved: list[str] = []
    real = validate.resolve
    monkeypatch.setattr(validate, "resolve", lambda n, s, v: resolved.append(s.id) or real(n, s, v))  # type: ignore[func-returns-value]
    document.show(small)
    before = document.checked
    document.edit("Move", lambda now: edit.move(now, {"mfcc-1": (3, 3)}))
    assert document.checked == before
    assert len(resolved) == 4
    document.edit("Mels", lambda now: edit.set_params(now, "mfcc-1", {"n_mels": "many"}))
    assert [problem.node for problem in document.checked.problems if problem.code == "parameter"] == ["mfcc-1"]
    assert resolved[4:] == ["ossicle.mfcc"]
    document.edit("Seed", lambda now: edit.set_variable(now, "seed", -5))
    assert {step.params.seed for step in document.checked.steps if step.node == "train-1"} != {3}  # type: ignore[attr-defined]
    assert len(resolved) == 9, "a variable may be used anywhere"
