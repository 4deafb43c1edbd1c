"""Threads answer on the window's thread; the latest question wins; errors are told."""

from __future__ import annotations

import threading
import weakref

import pytest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from engine.errors import OssicleError
from studio.work import Background


def test_the_result_arrives_on_this_thread(qtbot: QtBot) -> None:
    background, seen = Background(), []
    background.call("a", threading.get_ident, lambda other: seen.append((other, threading.get_ident())))
    qtbot.waitUntil(lambda: bool(seen))
    other, here = seen[0]
    assert here == threading.get_ident() != other


def test_only_the_latest_answer_under_a_name_counts(qtbot: QtBot) -> None:
    background, seen, gate = Background(), [], threading.Event()

    def slow() -> str:
        gate.wait(5)
        return "old"

    background.call("a", slow, seen.append)
    background.call("a", lambda: "new", seen.append)
    qtbot.waitUntil(lambda: seen == ["new"])
    gate.set()
    background.wait()
    qtbot.wait(20)
    assert seen == ["new"]


def test_errors_are_told_in_three_parts(qtbot: QtBot) -> None:
    background, seen = Background(), []

    def broken() -> None:
        raise ValueError("seven")

    background.call("a", broken, lambda _: None, seen.append)
    qtbot.waitUntil(lambda: bool(seen))
    assert isinstance(seen[0], OssicleError) and "seven" in seen[0].what and seen[0].remedy


def test_forgotten_answers_are_not_delivered(qtbot: QtBot) -> None:
    background, seen = Background(), []
    background.call("a", lambda: 1, seen.append)
    background.forget("a")
    background.call("b", lambda: 2, seen.append)
    qtbot.waitUntil(lambda: 2 in seen)
    assert seen == [2]


class Asker(QWidget):
    """A widget that asks, and is gone as soon as nobody holds it."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = 0
        self.background = Background(self)
        self.background.call("a", lambda: 1, self.take)

    def take(self, answer: int) -> None:
        self.answer = answer


def test_a_widget_may_go_right_after_its_answer(qtbot: QtBot) -> None:
    for _ in range(3):
        asker = Asker()
        qtbot.waitUntil(lambda asker=asker: asker.answer == 1)  # type: ignore[misc]
        gone = weakref.ref(asker)
        del asker
        QApplication.sendPostedEvents()
        QApplication.processEvents()
        assert gone() is None, "something still holds the widget"


@pytest.mark.parametrize("is_closed", [False, True])
def test_what_only_the_thread_still_holds_dies_here(qtbot: QtBot, is_closed: bool) -> None:
    background, gate, died = Background(), threading.Event(), list[int]()
    held = QWidget()
    weakref.finalize(held, lambda: died.append(threading.get_ident()))
    background.call("a", lambda held=held: gate.wait(5), lambda _: None)  # type: ignore[misc]
    del held
    gate.set()
    background.wait()
    assert died == []
    if is_closed:
        del background
        Background().call("b", int, lambda _: None)
    qtbot.waitUntil(lambda: bool(died))
    assert died == [threading.get_ident()]
