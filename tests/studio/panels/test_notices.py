"""Messages over the canvas."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from engine.errors import OssicleError
from studio.panels.notices import WIDTH, Banner


def banner(qtbot: QtBot) -> Banner:
    page = QWidget()
    page.resize(900, 500)
    qtbot.addWidget(page)
    page.show()
    made = Banner(page)
    made.keep = page  # type: ignore[attr-defined]
    return made


def test_an_error_shows_its_three_parts(dark: QApplication, qtbot: QtBot) -> None:
    shown = banner(qtbot)
    shown.tell_error(OssicleError("RAM 141.2 kB is too much", "at most 128 kB", "lower width"))
    assert shown.what.text() == "RAM 141.2 kB is too much."
    assert "Expected: at most 128 kB." in shown.rest.text() and "ower width." in shown.rest.text()
    assert shown.isVisible()


def test_it_stays_in_the_corner(dark: QApplication, qtbot: QtBot) -> None:
    shown = banner(qtbot)
    shown.tell("warning", "a")
    page = shown.parentWidget()
    assert page is not None
    page.resize(1200, 700)
    qtbot.waitUntil(lambda: shown.x() == 1200 - WIDTH - 16)


def test_buttons_act_and_close(dark: QApplication, qtbot: QtBot) -> None:
    shown, done = banner(qtbot), []
    shown.tell("error", "The runner does not answer", actions=(("Stop it", lambda: done.append(1)),))
    button = next(b for b in shown.findChildren(QPushButton) if b.text() == "Stop it")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert done == [1] and shown.isHidden()


def test_information_fades_and_errors_stay(dark: QApplication, qtbot: QtBot) -> None:
    shown = banner(qtbot)
    shown.tell("info", "saved")
    assert shown._timer.isActive()
    shown.tell("error", "broken")
    assert not shown._timer.isActive()
