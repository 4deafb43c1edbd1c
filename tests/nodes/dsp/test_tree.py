"""Listing a folder: wrappers, clutter, links, names, and the stamp that tells a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.dsp.tree import Tree, extension, printable, scan, stamp


def write(folder: Path, **files: str) -> Tree:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return scan(folder)


def test_a_wrapping_folder_is_looked_through(tmp_path: Path) -> None:
    assert write(tmp_path / "1", **{"set/v1/a/1.wav": "", "set/v1/b/2.wav": ""}).files == ("a/1.wav", "b/2.wav")
    assert write(tmp_path / "2", **{"a/1.wav": "", "a/2.wav": ""}).files == ("a/1.wav", "a/2.wav")
    assert write(tmp_path / "3", **{"set/a/1.wav": "", "read.me": ""}).files == ("read.me", "set/a/1.wav")


def test_hidden_files_and_links_to_folders_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, **{"a/1.wav": "", "a/._1.wav": "", ".git/x.wav": "", "__MACOSX/a/1.wav": ""})
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert scan(tmp_path).files == ("a/1.wav",)


def test_the_stamp_changes_with_the_files(tmp_path: Path) -> None:
    write(tmp_path, **{"a/1.wav": "x", "b/1.wav": "y"})
    before = stamp(tmp_path)
    assert before == stamp(tmp_path)
    (tmp_path / "a" / "1.wav").write_text("longer")
    after = stamp(tmp_path)
    (tmp_path / "b" / "1.wav").rename(tmp_path / "b" / "2.wav")
    assert len({before, after, stamp(tmp_path)}) == 3


def test_kinds_of_files(tmp_path: Path) -> None:
    found = write(tmp_path, **{"a/1.WAV": "", "a/2.m4a": "", "a/3.txt": "", "a/4": ""})
    assert found.audio == ("a/1.WAV",) and found.unreadable == ("a/2.m4a",) and "a/4" in found.known


@pytest.mark.parametrize(("name", "shown"), [("ü.wav", "ü.wav"), ("\udcff.wav", "\\xff.wav")])
def test_names_any_text_file_can_hold(name: str, shown: str) -> None:
    assert printable(name) == shown and extension(name) == ".wav"


def test_a_dangling_link_does_not_stop_the_stamp(tmp_path: Path) -> None:
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere")
    assert len(stamp(tmp_path)) == 64 and scan(tmp_path).audio == ("gone.wav",)
