"""The end-to-end test once more, on a real X server with a real pointer and keyboard."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    """An X server of our own."""
    program = shutil.which("Xvfb")
    assert program, "Xvfb is missing: apt-get install xvfb"
    read, write = os.pipe()
    words = [program, "-displayfd", str(write), "-screen", "0", "1600x1100x24", "-nolisten", "tcp"]
    server = subprocess.Popen(words, pass_fds=(write,), stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait(10)


def test_with_a_real_pointer_and_keyboard(display: str, tmp_path: Path, checkout: Path) -> None:
    frames = tmp_path / "frames"
    settings = {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "OSSICLE_HANDS": "real", "OSSICLE_FRAMES": str(frames)}
    words = [sys.executable, "-m", "pytest", "-q", "-x", "tests/studio/test_end_to_end.py", "-p", "no:cacheprovider"]
    done = subprocess.run(
        words, cwd=checkout, env={**os.environ, **settings}, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert len(list(frames.glob("*.png"))) >= 5
