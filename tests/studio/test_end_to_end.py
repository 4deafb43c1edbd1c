"""The end-to-end test, offscreen and on a real X server with a real pointer and keyboard; each in its own process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from PySide6.QtGui import QImage


@pytest.fixture
def display() -> Iterator[str]:
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


def run(settings: Mapping[str, str], frames: Path, checkout: Path) -> None:
    """The scenario in a process of its own; its frames are pictures that differ."""
    words = [sys.executable, "-m", "pytest", "-q", "-x", "tests/studio/end_to_end.py", "-p", "no:cacheprovider"]
    environment = {**os.environ, **settings, "OSSICLE_FRAMES": str(frames)}
    done = subprocess.run(
        words, cwd=checkout, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    pictures = [QImage(str(path)) for path in sorted(frames.glob("*.png"))]
    assert len(pictures) >= 5 and all(picture.width() >= 1280 for picture in pictures)
    assert all(a != b for a, b in zip(pictures, pictures[1:], strict=False))


def test_with_events_of_qt(tmp_path: Path, checkout: Path) -> None:
    run({"QT_QPA_PLATFORM": "offscreen", "OSSICLE_HANDS": "qt"}, tmp_path / "frames", checkout)


def test_with_a_real_pointer_and_keyboard(display: str, tmp_path: Path, checkout: Path) -> None:
    settings = {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "OSSICLE_HANDS": "real"}
    run(settings, tmp_path / "frames", checkout)
