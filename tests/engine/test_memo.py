"""Parts that several computations share: made once, linked not copied, checked before use, removed when unused."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import Context
from engine.collect import collect
from engine.event import Event
from engine.memo import unused
from engine.store import Store
from engine.workflow import Workflow

Flow = Callable[..., Workflow]


def parts(workflow_of: Flow, *own: int, part: str = "x", **more: Any) -> Workflow:
    """Nodes that share one part and differ in the rest."""
    return workflow_of({f"n{number}": ("fake.part", {"own": number, "part": part, **more}) for number in own})


def files(project: Any, record: Any) -> list[Path]:
    return [record.artifacts(name)["text"] / "part.txt" for name in record.nodes]


def test_a_part_is_made_once_and_linked(project: Any, workflow_of: Flow) -> None:
    record = project.run(parts(workflow_of, 1, 2, 3, 4))
    assert record.state == "done" and project.executed() == ["part-x"]
    found = files(project, record)
    assert len({path.stat().st_ino for path in found}) == 1 and found[0].stat().st_nlink == 4 + 1
    assert {path.read_text() for path in found} == {"x" * 100} and not found[0].stat().st_mode & 0o222
    again = project.run(parts(workflow_of, 5))
    assert again.state == "done" and project.executed() == []
    project.run(parts(workflow_of, 6, part="y"))
    assert project.executed() == ["part-y"] and project.store.verify() == ()


def test_a_forced_node_makes_its_part_anew(project: Any, workflow_of: Flow) -> None:
    project.run(parts(workflow_of, 1))
    project.run(parts(workflow_of, 1), force=frozenset({"n1"}))
    assert project.executed() == ["part-x", "part-x"]


def test_a_damaged_part_is_never_linked(project: Any, workflow_of: Flow) -> None:
    first = project.run(parts(workflow_of, 1))
    (path,) = files(project, first)
    path.chmod(0o644)
    path.write_text("z" * 100)
    assert [damage.what for damage in project.store.verify(repair=True)] == ["part.txt differs from its digest"]
    again = project.run(parts(workflow_of, 2))
    assert project.executed() == ["part-x", "part-x"]
    assert files(project, again)[0].read_text() == "x" * 100


def test_what_fails_or_is_stopped_leaves_no_part(project: Any, workflow_of: Flow) -> None:
    assert project.run(parts(workflow_of, 1, fail=True)).state == "failed"
    cancel = threading.Event()
    request_sink = project.events.append

    def stop(event: Event) -> None:
        request_sink(event)
        if event.kind == "started":
            cancel.set()

    from engine.runner import LocalRunner, Request

    record = LocalRunner().run(Request(parts(workflow_of, 2), project.base, registry=project.registry), stop, cancel)
    assert record.state == "cancelled"
    assert list((project.home / "store" / "memo").glob("*/*")) == []
    assert not list((project.home / "store" / "tmp").iterdir())
    assert project.run(parts(workflow_of, 3)).state == "done"


def test_garbage_collection_removes_parts_that_nothing_holds(project: Any, workflow_of: Flow) -> None:
    project.run(parts(workflow_of, 1, 2))
    store: Store = project.store
    assert list(unused(store)) == []
    keep = store.content_keys()[:1]
    collect(store, keep, grace_s=-1.0)
    assert len(list((store.root / "memo").glob("*/*"))) == 1, "one artifact still holds it"
    collect(store, [], grace_s=-1.0, is_rehearsal=True)
    assert len(store.content_keys()) == 1
    collect(store, [], grace_s=-1.0)
    assert list((store.root / "memo").glob("*/*")) == [] and store.content_keys() == []


def test_a_context_of_a_test_keeps_parts_beside_it(tmp_path: Path) -> None:
    made: list[Path] = []
    ctx = Context.for_test(tmp_path)
    first = ctx.memo({"a": 1}, made.append)
    assert ctx.memo({"a": 1}, made.append) == first and made == [first]
    assert ctx.memo({"a": 2}, made.append) != first
    with pytest.raises(TypeError):
        ctx.memo({"a": object()}, made.append)
    assert Counter(made).total() == 2
