"""Every command has a shortcut, and no two the same."""

from __future__ import annotations

from studio.commands import Command
from studio.shortcuts import with_shortcuts


def command(title: str, menu: str = "Add/Data", *shortcuts: str) -> Command:
    return Command(title.lower(), title, menu, lambda: None, shortcuts)


def test_own_shortcuts_stay_and_the_others_get_a_chord() -> None:
    found = with_shortcuts([command("Ingest"), command("Save", "File", "Ctrl+S"), command("Partition")])
    assert [item.shortcuts for item in found] == [("Ctrl+E, A, I",), ("Ctrl+S",), ("Ctrl+E, A, P",)]


def test_no_two_are_the_same_even_with_equal_titles() -> None:
    found = with_shortcuts([command("Aa") for _ in range(30)])
    assert len({item.shortcuts for item in found}) == 30


def test_the_same_commands_give_the_same_shortcuts() -> None:
    commands = [command(title) for title in ("Speak", "Log-mel", "MFCC", "§§")]
    assert with_shortcuts(commands) == with_shortcuts(commands)
    assert all(item.shortcuts for item in with_shortcuts(commands))


def test_hundreds_of_plugins_have_shortcuts_too_and_none_begins_another() -> None:
    chords = [item.shortcuts[0] for item in with_shortcuts([command(f"Node {n}") for n in range(250)])]
    assert len(set(chords)) == 250
    assert not any(long.startswith(f"{short},") for short in chords for long in chords)
