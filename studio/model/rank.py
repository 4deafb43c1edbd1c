"""Ranking what a person types against titles: prefix, word starts, parts, letters in order, then other words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_WORDS: Final = re.compile(r"[^\W_]+")
EXACT, PREFIX, WORD, INITIALS, PART, ALIAS, LETTERS, ABOUT = 100.0, 90.0, 80.0, 74.0, 70.0, 60.0, 45.0, 25.0


@dataclass(frozen=True)
class Entry(Generic[T]):
    """Something that can be found: by its title first, by its other names next, by its description last."""

    item: T
    title: str
    aliases: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True)
class Match(Generic[T]):
    """A found entry: how well (0 to 100 and a little for use) and which letters of the title matched."""

    item: T
    score: float
    marks: tuple[int, ...] = field(default=())


def ranked(query: str, entries: Iterable[Entry[T]], favour: Mapping[T, float] | None = None) -> list[Match[T]]:
    """What matches every word of a query, the best first; all entries, the most favoured first, if it is empty.

    Args:
        favour: points for what is used often, 0 to 1; they break ties, no more.
    """
    liked = favour or {}
    words = query.casefold().split()
    found: list[tuple[float, int, Match[T]]] = []
    for place, entry in enumerate(entries):
        score, marks = _score(words, entry)
        if score > 0:
            total = score + 4.0 * liked.get(entry.item, 0.0)
            found.append((-total, place, Match(entry.item, total, marks)))
    return [match for _score, _place, match in sorted(found, key=lambda item: item[:2])]


def _score(words: Sequence[str], entry: Entry[T]) -> tuple[float, tuple[int, ...]]:
    if not words:
        return 1.0, ()
    scores: list[float] = []
    marks: set[int] = set()
    for word in words:
        score, letters = _score_word(word, entry)
        if score == 0:
            return 0.0, ()
        scores.append(score)
        marks.update(letters)
    return sum(scores) / len(scores), tuple(sorted(marks))


def _score_word(word: str, entry: Entry[T]) -> tuple[float, tuple[int, ...]]:
    title = entry.title.casefold()
    score, marks = _in_title(word, title)
    if score >= ALIAS:
        return score, marks
    for place, alias in enumerate(entry.aliases):  # the first named are the nearest
        if any(part.startswith(word) for part in (alias.casefold(), *_parts(alias))):
            return ALIAS - place - 0.1 * len(title), ()
    if score:
        return score, marks
    if len(word) >= 3 and any(part.startswith(word) for part in _parts(entry.about)):
        return ABOUT - 0.1 * len(title), ()
    return 0.0, ()


def _in_title(word: str, title: str) -> tuple[float, tuple[int, ...]]:
    """Points of a word in a title and the letters it covers; shorter titles win among equals."""
    short = 0.1 * len(title)
    if title == word:
        return EXACT, tuple(range(len(title)))
    if title.startswith(word):
        return PREFIX - short, tuple(range(len(word)))
    starts = [found.start() for found in _WORDS.finditer(title)]
    for start in starts:
        if title.startswith(word, start):
            return WORD - short, tuple(range(start, start + len(word)))
    if len(word) > 1 and "".join(title[start] for start in starts).startswith(word):
        return INITIALS - short, tuple(starts[: len(word)])
    at = title.find(word)
    if at >= 0 and len(word) > 1:
        return PART - short, tuple(range(at, at + len(word)))
    return _letters(word, title)


def _letters(word: str, title: str) -> tuple[float, tuple[int, ...]]:
    """Letters in order with gaps; close ones score more, gaps wider than the word score nothing."""
    marks: list[int] = []
    at = -1
    for letter in word:
        at = title.find(letter, at + 1)
        if at < 0:
            return 0.0, ()
        marks.append(at)
    gaps = marks[-1] - marks[0] + 1 - len(word)
    if len(word) < 2 or marks[0] not in {found.start() for found in _WORDS.finditer(title)} or gaps > 2 * len(word):
        return 0.0, ()
    return LETTERS - gaps - 0.1 * len(title), tuple(marks)


def _parts(text: str) -> list[str]:
    return [found.group() for found in _WORDS.finditer(text.casefold())]
