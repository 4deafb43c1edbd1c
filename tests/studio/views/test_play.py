"""Playing: the way that is found, what plays and stops, one clip at a time, errors in words. Nothing is heard."""

from __future__ import annotations

import io
import sys
import threading
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.views import play
from studio.views.play import NO_OUTPUT, Player, ProgramOutput, find_output, shared_player, wav_bytes

CLIP = np.arange(-800, 800, dtype=np.int16)


class Silent:
    """An output that plays until it is told to stop."""

    def __init__(self, error: str = "") -> None:
        self.error = error
        self.heard: list[tuple[int, int]] = []
        self.stopped: list[bool] = []

    def play(self, samples: Any, rate_hz: int, stop: threading.Event) -> str:
        """Remember what was asked for."""
        self.heard.append((len(samples), rate_hz))
        self.stopped.append(bool(self.error) or stop.wait(20))
        return self.error


def ready(qtbot: QtBot, output: Any) -> Player:
    player = Player(find=lambda: output)
    with qtbot.waitSignal(player.changed):
        player.look()
    return player


def test_a_wav_file_holds_the_samples() -> None:
    with wave.open(io.BytesIO(wav_bytes(CLIP, 8000))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        assert np.frombuffer(file.readframes(len(CLIP)), "<i2").tolist() == CLIP.tolist()


def test_it_plays_from_the_play_head_and_stops(qtbot: QtBot) -> None:
    output = Silent()
    player = ready(qtbot, output)
    owner = object()
    with qtbot.waitSignal(player.moved) as moved:
        player.play(owner, CLIP, 1600, start_s=0.25)
    assert moved.args[0] is owner and 0.25 <= moved.args[1] <= 1.0
    qtbot.waitUntil(lambda: output.heard == [(1200, 1600)])
    with qtbot.waitSignal(player.ended) as ended:
        player.stop()
    assert ended.args == [owner] and player.owner is None
    qtbot.waitUntil(lambda: output.stopped == [True])


def test_one_clip_at_a_time(qtbot: QtBot) -> None:
    output = Silent()
    player = ready(qtbot, output)
    first, second = object(), object()
    ended: list[object] = []
    player.ended.connect(ended.append)
    player.play(first, CLIP, 1600)
    player.play(second, CLIP, 1600)
    assert ended == [first] and player.owner is second
    player.stop()
    assert ended == [first, second]
    qtbot.waitUntil(lambda: output.stopped == [True, True])


def test_the_end_of_a_clip_is_told(qtbot: QtBot) -> None:
    class Short:
        def play(self, samples: Any, rate_hz: int, stop: threading.Event) -> str:
            """Be done at once."""
            return ""

    player = ready(qtbot, Short())
    with qtbot.waitSignal(player.ended):
        player.play(self_ := object(), CLIP, 1600)
    assert player.owner is None and player.reason == "" and self_ is not None


def test_an_error_is_told_and_greys_the_button(qtbot: QtBot) -> None:
    player = ready(qtbot, Silent("device busy"))
    with qtbot.waitSignal(player.ended):
        player.play(object(), CLIP, 1600)
    assert player.reason == "Playing failed: device busy"
    player.play(object(), CLIP, 1600)
    assert player.owner is None


def test_whatever_an_output_throws_is_told(qtbot: QtBot) -> None:
    class Broken:
        def play(self, samples: Any, rate_hz: int, stop: threading.Event) -> str:
            """Fail."""
            raise OSError("no such device")

    player = ready(qtbot, Broken())
    with qtbot.waitSignal(player.ended):
        player.play(object(), CLIP, 1600)
    assert "OSError: no such device" in player.reason


def test_without_an_output_nothing_plays_and_the_reason_is_known(qtbot: QtBot) -> None:
    player = ready(qtbot, None)
    player.play(object(), CLIP, 1600)
    assert (player.owner, player.reason) == (None, NO_OUTPUT)
    assert "sounddevice" in NO_OUTPUT and "aplay" in NO_OUTPUT


def test_an_empty_clip_is_not_played(qtbot: QtBot) -> None:
    output = Silent()
    player = ready(qtbot, output)
    player.play(object(), CLIP[:0], 1600)
    assert player.owner is None and not output.heard


# ---- programs


def program(folder: Path, text: str) -> ProgramOutput:
    file = folder / "player.py"
    file.write_text(text, encoding="utf-8")
    return ProgramOutput(sys.executable, (str(file),))


def test_a_program_is_given_a_file_that_vanishes(tmp_path: Path) -> None:
    output = program(tmp_path, f"import shutil, sys; shutil.copy(sys.argv[1], {str(tmp_path / 'heard.wav')!r})")
    assert output.play(CLIP, 8000, threading.Event()) == ""
    assert (tmp_path / "heard.wav").read_bytes() == wav_bytes(CLIP, 8000)


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    output = program(tmp_path, "import sys; sys.exit('cannot open device')")
    assert output.play(CLIP, 8000, threading.Event()).endswith("ended with 1. cannot open device")


def test_a_program_is_ended_when_asked(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert program(tmp_path, "import time; time.sleep(60)").play(CLIP, 8000, stop) == ""


# ---- finding


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A Linux machine with a sound card, without any way to play."""
    monkeypatch.setattr(play.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(play.shutil, "which", lambda name: None)
    monkeypatch.setattr(play, "has_sound_card", lambda: True)
    monkeypatch.setattr(play.sys, "platform", "linux")
    return monkeypatch


def test_nothing_is_found_on_a_bare_machine(bare: pytest.MonkeyPatch) -> None:
    assert find_output() is None


def test_the_first_program_on_the_path_is_taken(bare: pytest.MonkeyPatch) -> None:
    bare.setattr(play.shutil, "which", lambda name: f"/usr/bin/{name}" if name in ("aplay", "ffplay") else None)
    found = find_output()
    assert isinstance(found, ProgramOutput) and (found.program, found.options) == ("/usr/bin/aplay", ("-q",))
    bare.setattr(play, "has_sound_card", lambda: False)
    assert find_output() is None, "these need a sound card here"


def test_a_broken_sounddevice_is_passed_over(bare: pytest.MonkeyPatch) -> None:
    def broken(_name: str) -> Any:
        raise OSError("PortAudio library not found")

    bare.setattr(play.importlib.util, "find_spec", lambda name: object())
    bare.setattr(play.importlib, "import_module", broken)
    assert find_output() is None


def test_sounddevice_is_preferred_and_stopped(bare: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    device = SimpleNamespace(
        query_devices=lambda kind: {"name": "card"},
        play=lambda samples, rate: calls.append(f"play {len(samples)} at {rate}"),
        get_stream=lambda: SimpleNamespace(active=True),
        stop=lambda: calls.append("stop"),
    )
    bare.setattr(play.importlib.util, "find_spec", lambda name: object())
    bare.setattr(play.importlib, "import_module", lambda name: device)
    found = find_output()
    assert isinstance(found, play.DeviceOutput)
    stop = threading.Event()
    stop.set()
    assert found.play(CLIP, 8000, stop) == ""
    assert calls == [f"play {len(CLIP)} at 8000", "stop"]


def test_cards_share_one_player(qapp: QApplication) -> None:
    assert shared_player() is shared_player()
    assert shared_player().parent() is qapp
