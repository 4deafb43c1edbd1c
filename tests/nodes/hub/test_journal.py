"""The local file: every id once, whatever happened to the file before."""

import json
from pathlib import Path

import pytest

from nodes.hub import HubError, Item, make_messages
from nodes.hub.journal import append

MESSAGES = make_messages(
    [Item("model", {"name": "größe"}, retain=True), Item("report", {"metrics": {}})], prefix="evt", device="d"
)


def _read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines(tmp_path: Path) -> None:
    """One JSON object a line: topic, retain, payload with id and time."""
    path = tmp_path / "new folder" / "sent.jsonl"
    assert append(MESSAGES, path) == 2
    first, second = _read(path)
    assert first["topic"] == "evt/d/model" and first["retain"] is True
    assert second["payload"]["id"] == MESSAGES[1].id and second["payload"]["time"]  # type: ignore[index]


def test_ids_are_written_once(tmp_path: Path) -> None:
    """Sending again adds nothing; what is new is added."""
    path = tmp_path / "sent.jsonl"
    append(MESSAGES[:1], path)
    assert append(MESSAGES, path) == 1
    assert append(MESSAGES, path) == 0
    assert [row["payload"]["id"] for row in _read(path)] == [m.id for m in MESSAGES]  # type: ignore[index]


def test_a_line_cut_off_by_a_crash(tmp_path: Path) -> None:
    """The broken line stays alone; the message it held is written again."""
    path = tmp_path / "sent.jsonl"
    append(MESSAGES, path)
    path.write_bytes(path.read_bytes()[:-10])
    assert append(MESSAGES, path) == 1
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["payload"]["id"] == MESSAGES[1].id


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    """A path that cannot be is told in three parts."""
    (tmp_path / "file").write_text("")
    with pytest.raises(HubError, match="cannot be written"):
        append(MESSAGES, tmp_path / "file" / "sent.jsonl")
