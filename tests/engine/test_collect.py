"""Garbage collection: keeps what is kept or fresh, counts shared files once, cleans up after the dead."""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from engine.collect import collect, items, size_bytes
from engine.runs import referenced


def age(project: Any, key: str, hours: float) -> None:
    when = time.time() - hours * 3600
    os.utime(project.store.path(key), (when, when))


@pytest.fixture
def keys(project: Any, workflow_of: Callable[..., Any]) -> list[str]:
    """Three numbers, the first unused for 30 hours, the second for 20, the third for 10."""
    records = [project.run(workflow_of({"a": ("fake.constant", {"value": 10 + v})})) for v in range(3)]
    found = [record.nodes["a"].outputs["number"] for record in records]
    for place, key in enumerate(found):
        age(project, key, 30 - 10 * place)
    return found


def removed(found: Any) -> list[str]:
    return [item.content_key for item in found.removed]


def test_everything_unused_goes(project: Any, keys: list[str]) -> None:
    before = size_bytes(items(project.store))
    found = collect(project.store, keep={keys[1]})
    assert removed(found) == [keys[0], keys[2]]
    assert project.store.content_keys() == [keys[1]]
    assert found.kept == 1 and found.kept_bytes == size_bytes(items(project.store))
    assert found.freed_bytes == before - found.kept_bytes > 0
    assert found.removed[0].kind == "Number"
    assert len(list(project.store.results())) == 1


def test_a_limit_removes_the_longest_unused_first(project: Any, keys: list[str]) -> None:
    found = collect(project.store, keep=(), limit_bytes=size_bytes(items(project.store)) - 1)
    assert removed(found) == [keys[0]]
    assert removed(collect(project.store, keep=(), limit_bytes=10**9)) == []


def test_a_rehearsal_removes_nothing(project: Any, keys: list[str]) -> None:
    assert removed(collect(project.store, keep=(), is_rehearsal=True)) == keys
    assert project.store.content_keys() == sorted(keys)


def test_what_was_just_used_stays(project: Any, keys: list[str], workflow_of: Callable[..., Any]) -> None:
    project.run(workflow_of({"a": ("fake.constant", {"value": 10})}))  # a hit counts as use
    assert removed(collect(project.store, keep=())) == keys[1:]


def test_what_runs_refer_to_stays(project: Any, keys: list[str]) -> None:
    assert removed(collect(project.store, keep=referenced(project.home, recent=2))) == [keys[0]]


def test_shared_files_count_once_and_free_nothing_alone(project: Any, workflow_of: Callable[..., Any]) -> None:
    (project.base / "text.txt").write_text("x" * 100_000)
    workflow = workflow_of({"r": ("fake.read", {}), "u": ("fake.upper", {})}, ("r.text -> u.text",))
    record = project.run(workflow)
    source, target = (record.nodes[name].outputs["text"] for name in "ru")
    assert 200_000 < size_bytes(items(project.store)) < 202_000
    age(project, source, 10)
    found = collect(project.store, keep={target})
    assert removed(found) == [source]
    assert found.freed_bytes < 1000, "the text lives on in the other artifact"
    assert project.store.verify() == ()


def test_a_collected_result_is_made_anew(project: Any, keys: list[str], workflow_of: Callable[..., Any]) -> None:
    collect(project.store, keep=())
    record = project.run(workflow_of({"a": ("fake.constant", {"value": 12})}))
    assert record.nodes["a"].outputs["number"] == keys[2]
    assert record.nodes["a"].reason == "its result was removed"


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(project: Any) -> None:
    store, old = project.store, time.time() - 30 * 86400
    dead, living, sleeping = "1" * 64, "2" * 64, "3" * 64
    for key in (dead, living):
        store.work(key)
    for key in (dead, living, sleeping):
        store.scratch(key).mkdir(parents=True)
    store.lock_path(dead).touch()
    part, fresh = store.root / "tmp" / "result-abc", store.root / "tmp" / "result-def"
    part.touch()
    fresh.touch()
    for path in (part, store.root / "scratch" / dead, store.root / "scratch" / living):
        os.utime(path, (old, old))
    with store.lock(living, lambda: None, lambda: None):
        collect(store, keep=())
        assert sorted(path.name for path in (store.root / "tmp").iterdir()) == [living, "result-def"]
        assert sorted(path.name for path in (store.root / "scratch").iterdir()) == [living, sleeping]
        assert [path.stem for path in (store.root / "locks").iterdir()] == [living]
