"""The store: sealed once, found cheaply, verified fully, nothing half-written."""

import os
import stat
from pathlib import Path

import pytest

from engine.artifact import Meta, Report, ReportMeta
from engine.errors import OssicleError
from engine.key import Recipe
from engine.store import Result, Store

RECIPE = Recipe("fake.report", 1, {"x": 1})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def make(store: Store, text: str = "{}", name: str = "report", title: str = "t") -> Report:
    folder = store.work("0" * 64) / name
    folder.mkdir()
    (folder / "report.json").write_text(text)
    return Report(folder, ReportMeta(title=title))


def inode(path: Path) -> int:
    return path.stat().st_ino


def test_sealed_artifacts_are_read_only_and_equal_ones_kept_once(store: Store) -> None:
    first = store.seal(make(store))
    second = store.seal(make(store))
    assert first == second
    assert store.content_keys() == [first]
    path = store.path(first) / "report.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert store.open(first).meta == ReportMeta(title="t")
    assert not list((store.root / "tmp").glob("*/report"))


@pytest.mark.parametrize(("text", "title"), [("[]", "t"), ("{}", "other")], ids=["payload", "metadata"])
def test_other_content_has_another_key(store: Store, text: str, title: str) -> None:
    assert store.seal(make(store)) != store.seal(make(store, text, title=title))


def test_a_result_is_found_only_while_all_its_files_have_their_sizes(store: Store) -> None:
    key = store.seal(make(store, "[1, 2]"))
    store.record(Result(RECIPE, {"report": key}, 1.5))
    found = store.find(RECIPE.key)
    assert found is not None and (dict(found.outputs), found.seconds) == ({"report": key}, 1.5)
    path = store.path(key) / "report.json"
    path.chmod(0o644)
    path.write_text("[1]")
    assert store.find(RECIPE.key) is None
    assert store.result(RECIPE.key) is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"recipe": null}', "null"])
def test_a_torn_result_counts_as_none(store: Store, text: str) -> None:
    store.record(Result(RECIPE, {}, 0.0))
    (store.root / "results" / RECIPE.key[:2] / f"{RECIPE.key}.json").write_text(text)
    assert store.find(RECIPE.key) is None
    store.record(Result(RECIPE, {}, 0.0))
    assert store.find(RECIPE.key) is not None


def test_a_result_under_a_wrong_key_counts_as_none(store: Store) -> None:
    store.record(Result(RECIPE, {}, 0.0))
    other = Recipe("fake.report", 2, {"x": 1})
    source = store.root / "results" / RECIPE.key[:2] / f"{RECIPE.key}.json"
    target = store.root / "results" / other.key[:2] / f"{other.key}.json"
    target.parent.mkdir(exist_ok=True)
    source.rename(target)
    assert store.find(other.key) is None


def damage_flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[0] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(raw))


def damage_cut(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", ["report.json", "artifact.json"])
@pytest.mark.parametrize("hurt", [damage_flip, damage_cut, Path.unlink], ids=["flip", "cut", "unlink"])
def test_verify_finds_every_damage_and_repair_removes_it(store: Store, name: str, hurt: object) -> None:
    good, bad = store.seal(make(store)), store.seal(make(store, "[1, 2]"))
    assert store.verify() == ()
    hurt(store.path(bad) / name)  # type: ignore[operator]
    assert [damage.content_key for damage in store.verify(repair=True)] == [bad]
    assert store.content_keys() == [good]
    assert store.verify() == ()


def test_a_flipped_byte_is_named(store: Store) -> None:
    key = store.seal(make(store))
    damage_flip(store.path(key) / "report.json")
    damage = store.damage(key)
    assert damage is not None and damage.what == "report.json differs from its digest"


def test_sealing_replaces_a_damaged_artifact_of_the_same_content(store: Store) -> None:
    key = store.seal(make(store))
    damage_cut(store.path(key) / "report.json")
    assert store.seal(make(store)) == key
    assert store.verify() == ()


def test_hard_links_to_stored_files_are_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    source = store.path(store.seal(make(store, "[1]"))) / "report.json"
    read: list[int] = []
    digest = hashlib.file_digest

    def count(file: object, name: str) -> object:
        read.append(os.fstat(file.fileno()).st_ino)  # type: ignore[attr-defined]
        return digest(file, name)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", count)
    artifact = make(store, "[2]")
    os.link(source, artifact.path / "source.json")
    key = store.seal(artifact)
    assert inode(source) not in read and len(read) == 1
    assert inode(store.path(key) / "source.json") == inode(source)
    assert store.verify() == ()


def test_a_hard_link_to_a_file_outside_becomes_a_copy(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "mine.txt"
    outside.write_text("mine")
    artifact = make(store)
    os.link(outside, artifact.path / "mine.txt")
    key = store.seal(artifact)
    assert inode(store.path(key) / "mine.txt") != inode(outside)
    assert stat.S_IMODE(outside.stat().st_mode) != 0o444
    outside.write_text("changed")
    assert store.verify() == ()


def test_a_new_file_in_a_reused_inode_is_read(store: Store) -> None:
    """Equal sizes, one after another, within one clock tick: identity alone would take the second for the first."""
    keys = [store.seal(make(store, f"[{digit}]")) for digit in "0123456789" for _ in range(3)]
    assert len(set(keys)) == 10
    assert store.verify() == ()


def test_a_stored_artifact_handed_on_keeps_its_key(store: Store) -> None:
    key = store.seal(make(store))
    again = store.open(key)
    assert store.seal(again) == key
    renamed = store.seal(Report(again.path, ReportMeta(title="other")))
    assert inode(store.path(renamed) / "report.json") == inode(store.path(key) / "report.json")
    assert store.verify() == ()


@pytest.mark.parametrize("what", ["missing", "outside", "symlink", "pipe"])
def test_what_cannot_be_sealed_is_told(store: Store, tmp_path: Path, what: str) -> None:
    artifact = make(store)
    if what == "missing":
        artifact = Report(store.root / "tmp" / "nothing", ReportMeta(title="t"))
    elif what == "outside":
        artifact = Report(tmp_path, ReportMeta(title="t"))
    elif what == "symlink":
        (artifact.path / "link").symlink_to("/etc/hostname")
    else:
        os.mkfifo(artifact.path / "pipe")
    with pytest.raises(OssicleError) as caught:
        store.seal(artifact)
    assert "node" in caught.value.remedy
    assert store.content_keys() == []


def test_nested_files_are_sealed_and_verified(store: Store) -> None:
    artifact = make(store)
    (artifact.path / "a" / "b").mkdir(parents=True)
    (artifact.path / "a" / "b" / "ü c.txt").write_text("x")
    key = store.seal(artifact)
    assert set(store.files(key) or ()) == {"report.json", "a/b/ü c.txt"}
    damage_flip(store.path(key) / "a" / "b" / "ü c.txt")
    assert [damage.what for damage in store.verify()] == ["a/b/ü c.txt differs from its digest"]


def test_work_is_empty_again_after_a_kill_and_scratch_survives(store: Store) -> None:
    (store.work("1" * 64) / "half").write_text("x")
    store.scratch("1" * 64).mkdir(parents=True)
    (store.scratch("1" * 64) / "checkpoint").write_text("x")
    assert list(store.work("1" * 64).iterdir()) == []
    assert (store.scratch("1" * 64) / "checkpoint").exists()


def test_an_unknown_type_opens_as_a_plain_artifact(store: Store) -> None:
    from engine.artifact import Artifact

    class Strange(Report):
        pass

    artifact = make(store)
    key = store.seal(Strange(artifact.path, artifact.meta))
    del Artifact.kinds["Strange"]
    assert type(store.open(key)) is Artifact
    assert store.open(key).meta == Meta()
