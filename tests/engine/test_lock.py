"""Locks: exclusive between threads and processes, gone with their process, and their files with them."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.lock import is_locked, lock, try_lock

HOLDER = """
import sys, pathlib
from engine.lock import try_lock
held = try_lock(pathlib.Path(sys.argv[1]))
print("held" if held else "taken", flush=True)
sys.stdin.read()
"""


def hold_in_child(path: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    return child


def test_a_second_holder_waits_and_the_file_goes_with_the_last(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with lock(path, lambda: None, lambda: None):
        assert try_lock(path) is None
        assert is_locked(path)
    assert not path.exists()
    assert not is_locked(path)


def test_only_one_thread_is_inside(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "a.lock", [], []

    def work() -> None:
        for _ in range(20):
            with lock(path, lambda: None, lambda: None):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    child = hold_in_child(path)
    assert try_lock(path) is None
    child.kill()
    child.wait()
    held = try_lock(path)
    assert held is not None
    held.release()


def test_waiting_can_be_given_up(tmp_path: Path) -> None:
    path, told = tmp_path / "a.lock", []

    def check() -> None:
        raise KeyError("enough")

    with lock(path, lambda: None, lambda: None), pytest.raises(KeyError):
        lock(path, check, lambda: told.append("waiting"))
    assert told == ["waiting"]
