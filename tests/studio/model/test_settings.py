"""What is remembered: whole, atomic, and never in the way of a start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.model.settings import (
    FILE,
    MOST_RECENT,
    Settings,
    load_settings,
    read_settings,
    save_settings,
    settings_folder,
    with_recent,
)


def test_what_is_saved_comes_back() -> None:
    given = Settings(
        theme="light", recent=(Path("/a"), Path("/b")), geometry=b"\x00\xff", docks=bytes(range(256)), usage="{}",
        folder=Path("/c"), has_minimap=False,
    )  # fmt: skip
    assert load_settings() == Settings()
    save_settings(given)
    assert read_settings() == (given, None)
    assert [path.name for path in settings_folder().iterdir()] == [FILE]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 99_999, '"x"'])
def test_a_file_that_makes_no_sense(text: str) -> None:
    settings_folder().mkdir()
    path = settings_folder() / FILE
    path.write_text(text)
    found, error = read_settings()
    assert found == Settings()
    assert error is not None
    assert str(path) in error.what
    save_settings(found)
    assert read_settings()[1] is None
    assert (settings_folder() / f"{FILE}.unreadable").read_text() == text


def test_bytes_that_are_no_text() -> None:
    settings_folder().mkdir()
    (settings_folder() / FILE).write_bytes(b"\xff\xfe\x00")
    assert read_settings()[0] == Settings()


def test_one_wrong_value_costs_only_itself() -> None:
    settings_folder().mkdir()
    raw = {"theme": "blue", "recent": ["/a"], "geometry": "ä", "has_minimap": False, "from_the_future": 1}
    (settings_folder() / FILE).write_text(json.dumps(raw))
    found, error = read_settings()
    assert (found.theme, found.recent, found.has_minimap) == ("dark", (Path("/a"),), False)
    assert error is not None
    assert "theme" in error.what


def test_recent_files() -> None:
    found = Settings()
    for number in range(MOST_RECENT + 3):
        found = with_recent(found, Path(f"/{number}"))
    found = with_recent(found, Path("/5"))
    assert found.recent[:2] == (Path("/5"), Path(f"/{MOST_RECENT + 2}"))
    assert len(found.recent) == len(set(found.recent)) == MOST_RECENT


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    settings_folder().write_text("a file where the folder should be")
    assert load_settings() == Settings()
    with pytest.raises(OSError, match="settings"):
        save_settings(Settings())
