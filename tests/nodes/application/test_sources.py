"""Recordings among files, folders and archives."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nodes.application.sources import recordings as find


@pytest.fixture
def wav() -> bytes:
    """A tenth of a second of noise as a WAV file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(0).uniform(-0.1, 0.1, 1600), 16_000, format="WAV")
    return buffer.getvalue()


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _tar(path: Path, members: dict[str, bytes], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def test_mixed(tmp_path: Path, wav: bytes) -> None:
    """Order as given; folders and archives by name; in them audio only; a named file always."""
    folder = tmp_path / "my folder"
    (folder / "ünter").mkdir(parents=True)
    for name in ("b.wav", "a.WAV", "ünter/c.flac", "notes.txt", ".hidden.wav"):
        (folder / name).write_bytes(wav)
    (tmp_path / "odd.name").write_bytes(wav)
    packed = {"set/yes/1.wav": wav, "set/no/2.wav": wav, "set/README": b"text"}
    archives = [_zip(tmp_path / "z.zip", packed), _tar(tmp_path / "t.tar.gz", packed, "w:gz")]
    archives += [_tar(tmp_path / "renamed.bin", packed, "w")]
    names, sizes = [], []
    for found in find([tmp_path / "odd.name", folder, *archives]):
        assert found.problem is None
        names.append(found.name)
        sizes.append(len(found.path.read_bytes()))
    inside = [f"{archive}/set/{name}" for archive in archives for name in ("no/2.wav", "yes/1.wav")]
    plain = [f"{folder}/{name}" for name in ("a.WAV", "b.wav", "ünter/c.flac")]
    assert names == [str(tmp_path / "odd.name"), *plain, *inside]
    assert set(sizes) == {len(wav)}


def test_what_cannot_be_heard_is_told_and_the_rest_goes_on(tmp_path: Path, wav: bytes) -> None:
    """Missing, empty, hostile and damaged things each give one problem."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "good.wav").write_bytes(wav)
    hostile = _zip(tmp_path / "hostile.zip", {"../../evil.wav": wav})
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(_zip(tmp_path / "whole.zip", {"a.wav": wav}).read_bytes()[:-30])
    wordless = _zip(tmp_path / "wordless.zip", {"README": b"text"})
    given = [tmp_path / "missing", tmp_path / "empty", hostile, damaged, wordless, tmp_path / "good.wav"]
    found = list(find(given))
    assert [recording.problem is None for recording in found] == [False] * 5 + [True]
    told = [str(recording.problem) for recording in found[:5]]
    for text, words in zip(told, ("does not exist", "no recording", "leads out", "cannot be", "no rec"), strict=True):
        assert words in text
    assert not (tmp_path.parent / "evil.wav").exists()


def test_archives_leave_nothing_behind(tmp_path: Path, wav: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scratch folder is gone when the next thing is looked at."""
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    found = find([_zip(tmp_path / "a.zip", {"a.wav": wav, "b.wav": wav}), tmp_path / "missing"])
    assert next(found).path.is_relative_to(scratch)
    assert len(list(found)) == 2
    assert list(scratch.iterdir()) == []
