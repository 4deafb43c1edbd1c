"""The strip along the lower edge."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.look import theme
from studio.model.document import Document
from studio.panels.status import HEIGHT, Segment, StatusStrip, clock, folder_bytes, own_rss_bytes, run_words, short_size
from studio.run.session import Session
from studio.run.view import RunView


@pytest.fixture
def strip(qtbot: QtBot, document: Document, dark: QApplication) -> StatusStrip:
    strip = StatusStrip(Session(document))
    qtbot.addWidget(strip)
    strip.resize(1200, HEIGHT)
    strip.show()
    return strip


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (RunView(), "Ready"),
        (RunView("running", seconds=261.4), "Running · 4:21"),
        (RunView("queued"), "Queued"),
        (RunView("stopping"), "Stopping …"),
        (RunView(result="done", seconds=3.1), "Done in 3.1 s"),
        (RunView(result="interrupted", seconds=0.0), "Interrupted in 0.0 s"),
    ],
)
def test_what_runs(view: RunView, text: str) -> None:
    value, mark, token, _ = run_words(view)
    assert value == text and mark and theme.colour(token).isValid()


def test_clock() -> None:
    assert [clock(0), clock(59.9), clock(261), clock(3729)] == ["0:00", "0:59", "4:21", "1:02:09"]


def test_says_what_is_known(strip: StatusStrip, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [s.text for s in (strip.run, strip.server, strip.runner)] == ["○ Ready", "Prefect ○ off", "Runner ○ off"]
    view = RunView("running", runner_state="busy", server_state="ready", rss_bytes=10**9, cpu_percent=150.0)
    monkeypatch.setattr(Session, "run", property(lambda _self: view))
    strip.session.run_changed.emit()
    strip.session.usage_changed.emit()
    assert [s.text for s in (strip.run, strip.server, strip.runner)] == [
        "◑ Running · 0:00", "Prefect ● ready", "Runner ● busy",
    ]  # fmt: skip
    assert strip.memory.value.endswith(" GB") and int(strip.cpu.value.split()[0]) >= 150
    assert "runner 150 %" in strip.cpu.toolTip()
    assert strip.server.toolTip() and strip.runner.accessibleDescription() == "Runner busy"


def test_every_runner_state_has_words(strip: StatusStrip, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("off", "starting", "warm", "busy", "not answering", "gone"):
        monkeypatch.setattr(Session, "run", property(lambda _self, name=name: RunView(runner_state=name)))
        strip._tell()
        assert strip.runner.value == name and strip.runner.toolTip()


def test_frames_per_second(strip: StatusStrip) -> None:
    assert not strip.fps.isVisible()
    strip.set_fps(59.7)
    assert strip.fps.isVisible() and strip.fps.text == "60 fps"
    strip.set_fps(0)
    assert not strip.fps.isVisible()


def test_store_is_measured_in_a_thread(strip: StatusStrip, qtbot: QtBot, tmp_path: Path, flow_of: Any) -> None:
    store = tmp_path / ".ossicle" / "store" / "objects"
    store.mkdir(parents=True)
    (store / "payload").write_bytes(b"x" * 2_000_000)
    strip.session.document.show(flow_of("a"), tmp_path / "a.workflow.json")
    qtbot.waitUntil(lambda: strip.store.text == "Store 2 MB")
    assert str(tmp_path) in strip.store.toolTip()


@pytest.fixture
def flow_of() -> Any:
    from engine.workflow import parse

    return lambda node: parse({"format": 1, "nodes": {node: {"type": "x.y"}}})


def test_bytes_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c").write_bytes(b"x" * 10)
    (tmp_path / "loop").symlink_to(tmp_path)
    links = (tmp_path / "loop").lstat().st_size
    assert folder_bytes(tmp_path) == 110 + links
    assert folder_bytes(tmp_path / "gone") == 0


def test_segments_are_as_wide_as_their_text(qtbot: QtBot, dark: QApplication) -> None:
    segment = Segment("Runner")
    qtbot.addWidget(segment)
    segment.show_text("warm", "●", "green")
    narrow = segment.sizeHint().width()
    segment.show_text("not answering", "!", "red", "red")
    assert segment.sizeHint().width() > narrow > 40
    segment.show_text("")
    assert not segment.isVisible()


def test_own_memory() -> None:
    assert [short_size(n) for n in (512, 311_400_000, 1_200_000_000)] == ["512 B", "311 MB", "1.2 GB"]
    assert own_rss_bytes() > 10_000_000
