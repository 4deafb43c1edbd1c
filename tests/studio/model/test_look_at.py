"""What names tell about a source."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from engine.errors import OssicleError
from studio.model import look_at as module
from studio.model.look_at import look_at, names_in

KINDS = {
    "speech commands": (["testing_list.txt", "yes/a_nohash_0.wav", "no/b_nohash_0.wav"], "speech_commands", "given"),
    "speech commands without lists": (
        ["_background_noise_/hum.wav", "yes/a_nohash_0.wav", "no/b_nohash_1.wav"], "speech_commands", "given"),
    "esc-50": (["ESC-50-master/meta/esc50.csv", "ESC-50-master/audio/1-100032-A-0.wav"], "esc50", "fold"),
    "urbansound": (["metadata/UrbanSound8K.csv", "audio/fold1/1-2-3-4.wav"], "urbansound8k", "fold"),
    "classes": (["dog/a.wav", "dog/b.flac", "cat/c.wav", "readme.txt"], "folder", "stratified"),
    "classes in a wrapper": (["pets/dog/a.wav", "pets/cat/c.wav", "pets/bird/c.wav"], "folder", "stratified"),
    "classes with speakers": ([f"{w}/{s}_nohash_0.wav" for w in ("a", "b") for s in "xyz"], "folder", "speaker"),
    "subsets": (["train/dog/a.wav", "test/dog/b.wav", "val/cat/c.wav"], "folder", "given"),
    "names with speakers": (
        [f"{n}_{s}_{k}.wav" for n in "012" for s in ("theo", "anna", "bo", "lu") for k in range(2)], "names",
        "speaker"),
    "names with too few speakers": ([f"{n}_{s}_0.wav" for n in "01" for s in ("theo", "anna")], "names", "stratified"),
    "numbered names": ([f"door bell {k}.wav" for k in range(4)] + [f"dog-{k}.wav" for k in range(4)], "names",
                       "stratified"),
    "a table": (["labels.csv", "clips/1.wav", "clips/2.wav"], "auto", "stratified"),
}  # fmt: skip


def fill(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"RIFF")
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_known_by_its_names(kind: str, tmp_path: Path) -> None:
    names, layout, rule = KINDS[kind]
    seen = look_at(fill(tmp_path / "source", names))
    assert (seen.layout, seen.rule) == (layout, rule)
    assert seen.why


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
def test_so_is_an_archive(kind: str, suffix: str, tmp_path: Path) -> None:
    names, layout, rule = KINDS[kind]
    folder = fill(tmp_path / "source", names)
    path = tmp_path / f"source.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(path, "w") as made:
            for name in names:
                made.write(folder / name, name)
    else:
        with tarfile.open(path, "w:gz" if suffix == "tar.gz" else "w") as tar:
            tar.add(folder, "source")
    seen = look_at(path)
    assert (seen.layout, seen.rule) == (layout, rule)


def test_real_sources(recordings: Path) -> None:
    digits = look_at(recordings / "fsdd" / "recordings")
    assert (digits.layout, digits.rule) == ("names", "speaker")
    assert digits.values["name_pattern"]
    assert look_at(recordings / "speech_commands_subset.tar.gz").layout == "speech_commands"
    assert look_at(recordings / "esc10.tar.gz").layout == "esc50"


def test_a_huge_source_is_only_glanced_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_AT", 5)
    names = names_in(fill(tmp_path / "many", [f"{k:03}.dat" for k in range(20)]))
    assert len(names.names) == 5 and not names.are_all
    assert look_at(tmp_path / "many").layout == "auto"  # it may hold recordings further on


def test_many_folders_are_only_glanced_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_IN", 3)
    seen = names_in(fill(tmp_path / "deep", [f"c{k}/a.wav" for k in range(10)]))
    assert not seen.are_all
    assert look_at(tmp_path / "deep").layout == "folder"


@pytest.mark.parametrize(
    ("names", "words"),
    [([], "holds no recordings"), (["a.txt", "b/c.pdf"], "holds no recordings"), (["x.wav", "y.wav"], "their classes"),
     (["yes/a.wav", "yes/b.wav"], "their classes")],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_told(names: list[str], words: str, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    with pytest.raises(OssicleError) as told:
        look_at(fill(folder, names))
    assert words in told.value.what and told.value.expected and told.value.remedy


def test_a_broken_archive_is_told(tmp_path: Path) -> None:
    path = tmp_path / "half.tar.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00nonsense")
    with pytest.raises(OssicleError, match="cannot be read"):
        look_at(path)
    with pytest.raises(OssicleError, match="cannot be read"):
        look_at(tmp_path / "gone.zip")


def test_hidden_files_do_not_count(tmp_path: Path) -> None:
    seen = look_at(fill(tmp_path / "source", [".git/x.wav", ".DS_Store", "a/1.wav", "b/1.wav"]))
    assert seen.layout == "folder" and ".git" not in seen.why
