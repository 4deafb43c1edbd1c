"""Words as chips."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.panels.words_field import WordsField, words_in


@pytest.fixture
def field(dark: QApplication, qtbot: QtBot) -> WordsField:
    made = WordsField("marvin …")
    made.resize(300, 36)
    qtbot.addWidget(made)
    with qtbot.waitExposed(made):
        made.show()
    return made


@pytest.mark.parametrize(
    ("text", "words"),
    [("", []), ("Marvin", ["marvin"]), ("a, b;c\nd\te", ["a", "b", "c", "d", "e"]), (" hey  Marvin ,", ["hey marvin"]),
     ("a,A, a", ["a"])],
)  # fmt: skip
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert words_in(text) == words


def test_comma_and_enter_make_chips(field: WordsField, qtbot: QtBot) -> None:
    qtbot.keyClicks(field.line, "marvin,sheila")
    assert field.chips == ["marvin"] and field.words == ["marvin", "sheila"]
    with qtbot.assertNotEmitted(field.finished):
        qtbot.keyClick(field.line, Qt.Key.Key_Return)
    assert field.chips == ["marvin", "sheila"] and field.line.text() == ""
    with qtbot.waitSignal(field.finished):
        qtbot.keyClick(field.line, Qt.Key.Key_Return)


def test_backspace_takes_the_last_back(field: WordsField, qtbot: QtBot) -> None:
    field.set_words(["a", "b"])
    qtbot.keyClicks(field.line, "x")
    qtbot.keyClick(field.line, Qt.Key.Key_Backspace)
    assert field.chips == ["a", "b"]
    qtbot.keyClick(field.line, Qt.Key.Key_Backspace)
    assert field.chips == ["a"]


def test_the_cross_takes_a_chip_out(field: WordsField, qtbot: QtBot) -> None:
    field.set_words(["marvin", "sheila"])
    spot = field._spots[0]
    with qtbot.waitSignal(field.changed) as told:
        qtbot.mouseClick(
            field, Qt.MouseButton.LeftButton, pos=QPoint(round(spot.right()) - 9, round(spot.center().y()))
        )
    assert told.args == [["sheila"]]
    qtbot.mouseClick(field, Qt.MouseButton.LeftButton, pos=QPoint(14, 18))
    assert field.chips == ["sheila"]


def test_repeated_words_are_one(field: WordsField, qtbot: QtBot) -> None:
    qtbot.keyClicks(field.line, "Marvin,marvin,")
    assert field.chips == ["marvin"]


def test_many_words_flow_into_more_lines(field: WordsField) -> None:
    one = field.heightForWidth(300)
    field.set_words([f"word {k}" for k in range(12)])
    assert field.heightForWidth(300) > 2 * one
    assert field.heightForWidth(300) > field.heightForWidth(900)
    inside = field.rect().adjusted(0, 0, 0, 400)
    assert all(inside.contains(spot.toRect()) for spot in field._spots)
    field.set_words(["x" * 200])
    assert field._spots[0].right() <= field.width()
