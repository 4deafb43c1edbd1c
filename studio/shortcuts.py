"""A shortcut for every command: those without their own get Ctrl+E, the letter of their menu and one of their title."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from string import ascii_uppercase, digits
from typing import Final

from studio.commands import Command

LEADER: Final = "Ctrl+E"


def with_shortcuts(commands: Iterable[Command]) -> list[Command]:
    """The commands in their order, each with at least one shortcut; the same commands give the same shortcuts."""
    taken: set[str] = set()
    return [command if command.shortcuts else _with_chord(command, taken) for command in commands]


def _with_chord(command: Command, taken: set[str]) -> Command:
    chord = next((chord for chord in _chords(command) if chord not in taken), None)
    if chord is None:
        return command
    taken.add(chord)
    return replace(command, shortcuts=(chord,))


def _chords(command: Command) -> Iterator[str]:
    """Letters of the title first, then any letter; when all are taken, a digit and a letter."""
    menu = command.menu[:1].upper() or "X"
    letters = dict.fromkeys(letter for letter in command.title.upper() + ascii_uppercase if letter in ascii_uppercase)
    yield from (f"{LEADER}, {menu}, {letter}" for letter in letters)
    yield from (f"{LEADER}, {menu}, {digit}, {letter}" for digit in digits for letter in letters)
