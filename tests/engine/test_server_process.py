"""Who uses the server keeps it; who has died does not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine import server
from engine.server_process import end_when_idle, is_held

HOLD = "from engine import server; import time\nwith server.in_use(): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OSSICLE_SERVER_HOME", str(tmp_path))
    return tmp_path / server.IN_USE


def test_several_may_use_it_and_the_last_one_ends_it(mark: Path) -> None:
    with server.in_use():
        with server.in_use():
            assert is_held(mark)
        assert is_held(mark)
    assert not is_held(mark)


def test_a_killed_user_uses_it_no_longer(mark: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        assert is_held(mark)
        child.kill()
    assert not is_held(mark)


def test_it_ends_once_the_use_has_ended(mark: Path) -> None:
    ended = threading.Event()
    watch = threading.Thread(target=end_when_idle, args=(mark, 0.05, ended.set), daemon=True)
    with server.in_use():
        watch.start()
        assert not ended.wait(0.5)
    assert ended.wait(20)


def test_a_use_between_two_looks_counts(mark: Path) -> None:
    mark.touch()
    os.utime(mark, (0, 0))
    with server.in_use():
        pass
    assert mark.stat().st_mtime > 0
