"""Hands for end-to-end tests: the same gestures through Qt's test events, or through a real X server."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

STEPS = 8
"""Moves of one drag: a hand does not jump."""


class Hands(Protocol):
    """What a person can do with a mouse and a keyboard."""

    def click(self, widget: QWidget, at: QPoint, times: int = 1) -> None:
        """Press and release the left button there."""

    def drag(self, widget: QWidget, start: QPoint, end: QPoint) -> None:
        """Press at `start`, move to `end`, release."""

    def hold(self, widget: QWidget, start: QPoint, end: QPoint, look: Callable[[], None]) -> None:
        """A drag with a look at the end, before the button is released."""

    def focus(self, window: QWidget) -> None:
        """Give a window the keyboard."""

    def key(self, widget: QWidget, keys: str) -> None:
        """Press a key or a chord: "Ctrl+Z", "Return", "r"."""

    def type(self, widget: QWidget, text: str) -> None:
        """Type letters."""


def spin(until: Callable[[], bool], limit_s: float = 10.0) -> bool:
    """Process events until something holds; whether it did."""
    end = time.monotonic() + limit_s
    while not until():
        if time.monotonic() > end:
            return False
        QApplication.processEvents()
        time.sleep(0.002)
    return True


def pause(seconds: float) -> None:
    """Process events for a while."""
    end = time.monotonic() + seconds
    spin(lambda: time.monotonic() > end, seconds * 2 + 1)


def between(start: QPoint, end: QPoint) -> Sequence[QPoint]:
    """Places a hand passes on its way."""
    return [start + (end - start) * step / STEPS for step in range(1, STEPS + 1)]


class QtHands:
    """Events made by Qt itself; works offscreen."""

    def click(self, widget: QWidget, at: QPoint, times: int = 1) -> None:
        QTest.mouseMove(widget, at)
        press = QTest.mouseClick if times == 1 else QTest.mouseDClick
        press(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        pause(0.02)

    def drag(self, widget: QWidget, start: QPoint, end: QPoint) -> None:
        self.hold(widget, start, end, lambda: None)

    def hold(self, widget: QWidget, start: QPoint, end: QPoint, look: Callable[[], None]) -> None:
        QTest.mouseMove(widget, start)
        QTest.mousePress(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
        for place in between(start, end):
            QTest.mouseMove(widget, place)
            pause(0.005)
        look()
        QTest.mouseRelease(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)
        pause(0.02)

    def focus(self, window: QWidget) -> None:
        if not window.isActiveWindow():  # a tooltip that went took it along: the platform has no window manager
            window.activateWindow()
            spin(window.isActiveWindow, 3)

    def key(self, widget: QWidget, keys: str) -> None:
        self.focus(widget.window())
        QTest.keySequence(QApplication.focusWidget() or widget, keys)
        pause(0.02)

    def type(self, widget: QWidget, text: str) -> None:
        self.focus(widget.window())
        QTest.keyClicks(QApplication.focusWidget() or widget, text)
        pause(0.02)


class RealHands:
    """A real pointer and keyboard of the X server, moved by xdotool."""

    def __init__(self) -> None:
        found = shutil.which("xdotool")
        assert found, "xdotool is missing: apt-get install xdotool"
        self.tool = found

    def _do(self, *words: str) -> None:
        subprocess.run([self.tool, *words], check=True, timeout=20)
        pause(0.03)

    def _move(self, widget: QWidget, at: QPoint) -> None:
        place = widget.mapToGlobal(at)
        self._do("mousemove", str(place.x()), str(place.y()))

    def focus(self, window: QWidget) -> None:
        """Give a window the keyboard: there is no window manager to do it."""
        self._do("windowfocus", str(int(window.winId())))
        spin(window.isActiveWindow, 3)

    def click(self, widget: QWidget, at: QPoint, times: int = 1) -> None:
        self._move(widget, at)
        self._do("click", "--repeat", str(times), "--delay", "60", "1")
        pause(0.05)

    def drag(self, widget: QWidget, start: QPoint, end: QPoint) -> None:
        self.hold(widget, start, end, lambda: None)

    def hold(self, widget: QWidget, start: QPoint, end: QPoint, look: Callable[[], None]) -> None:
        self._move(widget, start)
        self._do("mousedown", "1")
        for place in between(start, end):
            self._move(widget, place)
        look()
        self._do("mouseup", "1")
        pause(0.05)

    def key(self, widget: QWidget, keys: str) -> None:
        self.focus(widget.window())
        self._do("key", "+".join(_keysym(part) for part in keys.split("+")))
        pause(0.05)

    def type(self, widget: QWidget, text: str) -> None:
        self.focus(widget.window())
        self._do("type", "--delay", "15", text)
        pause(0.05)


_KEYSYMS = {"Ctrl": "ctrl", "Shift": "shift", "Alt": "alt", "Space": "space", ".": "period", "Esc": "Escape"}


def _keysym(part: str) -> str:
    """A capital letter would press Shift, too."""
    return _KEYSYMS.get(part, part.lower() if len(part) == 1 else part)
