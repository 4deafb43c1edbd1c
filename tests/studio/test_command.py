"""`ossicle studio`: the examples of its help, a window that opens and closes, bad options."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from studio import command

ONCE = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from engine import cli
from studio.app import application

shown = []

def close() -> None:
    shown.extend(w.document.workflow.name for w in app.topLevelWidgets() if hasattr(w, "document") and w.isVisible())
    for window in app.topLevelWidgets():
        window.close()
    app.quit()

app = application()
QTimer.singleShot(2500, close)
code = cli.call(sys.argv[1:])
print(shown)
sys.exit(code)
"""


def examples() -> list[str]:
    """The examples of the help."""
    text = (command.command.__doc__ or "").partition("Examples:")[2]
    return [part.strip() for part in text.split(";") if part.strip()]


@pytest.mark.parametrize("example", examples())
def test_the_examples_work(example: str, tmp_path: Path) -> None:
    words = example.removeprefix("ossicle ").split()
    environment = {**os.environ, "OSSICLE_RUNNER": "local", "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", ONCE, *words],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if "--screenshot" in words:
        assert QImage(str(tmp_path / words[words.index("--screenshot") + 1])).width() == 1600
    else:
        assert done.stdout.splitlines()[-1] == str([words[1] if len(words) > 1 else "untitled"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--screenshot", "a.png", "--size", "huge", "demo"], "WIDTHxHEIGHT"),
        (["nothing.workflow.json"], "there is no workflow"),
        (["--screenshot", "nowhere/a.png", "demo"], "cannot be written"),
    ],
)
def test_bad_options_are_told_in_three_parts(words: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", "studio", *words],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and said in done.stderr


def test_without_a_display_it_says_so(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SHOWING}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", "studio"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "no display" in done.stderr and "--screenshot" in done.stderr


SHOWING = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
