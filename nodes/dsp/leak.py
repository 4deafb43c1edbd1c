"""Leaks: what stands in two subsets and must not. Found, counted, and repaired in two ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.split import TESTING, TRAINING, VALIDATION, Columns, Text, components, recordings

_STRENGTH = (TESTING, VALIDATION, TRAINING)
"""Which subset keeps a shared clip: the test set stays comparable, training can spare it."""


@dataclass(frozen=True)
class Leak:
    """One kind of leak.

    Attributes:
        kind: "speaker", "source recording" or "audio".
        shared: how many speakers, recordings or waveforms stand in more than one subset.
        clips: how many clips these are.
        example: two clips and their subsets, in words.
        parts: what is overlapping: "subsets" or "folds".
    """

    kind: str
    shared: int
    clips: int
    example: str
    parts: str = "subsets"

    def __str__(self) -> str:
        return f"{self.shared} {self.kind}(s) in two {self.parts} ({self.clips} clips), for example {self.example}"


def leaks(table: Columns, subset: Text, with_speakers: bool) -> list[Leak]:
    """Leaks of a partition; clips of one speaker in two subsets count only `with_speakers`.

    Copies within one subset are harmless, and silence leaks nothing.
    """
    found = ((kind, column, _shared_rows(column, subset)) for kind, column in _keys(table, with_speakers))
    return [_leak(kind, column, rows, table, subset) for kind, column, rows in found if rows.any()]


def overlaps(table: Columns, with_speakers: bool) -> list[Leak]:
    """What stands in two folds of the data, whichever of them is tested: such folds are no cross-validation."""
    fold = np.char.add("fold ", table.fold.astype("U11"))
    return [replace(leak, parts="folds") for leak in leaks(table, fold, with_speakers)]


def _keys(table: Columns, with_speakers: bool) -> Iterator[tuple[str, Text]]:
    source, audio = recordings(table)
    yield "audio", audio
    yield "source recording", source
    if with_speakers:
        yield "speaker", table.speaker


def _shared_rows(column: Text, subset: Text) -> NDArray[np.bool_]:
    """Rows whose value stands in more than one subset."""
    if not len(column):
        return np.zeros(0, bool)
    _, value = np.unique(column, return_inverse=True)
    _, place = np.unique(subset, return_inverse=True)
    pairs = np.unique(np.stack([value, place]), axis=1)  # (2, distinct pairs)
    subsets_of_value = np.bincount(pairs[0])
    rows: NDArray[np.bool_] = (subsets_of_value[value] > 1) & (column != "")
    return rows


def _leak(kind: str, column: Text, rows: NDArray[np.bool_], table: Columns, subset: Text) -> Leak:
    first = int(np.flatnonzero(rows)[0])
    other = int(np.flatnonzero((column == column[first]) & (subset != subset[first]))[0])
    example = f"{table.clip_id[first]} ({subset[first]}) and {table.clip_id[other]} ({subset[other]})"
    return Leak(kind, len(set(column[rows].tolist())), int(rows.sum()), example)


def without_leaks(table: Columns, subset: Text, with_speakers: bool) -> NDArray[np.bool_]:
    """Rows to keep so that nothing leaks: of shared values, testing keeps its clips, else validation."""
    keep = np.ones(len(subset), bool)
    strength = np.array([_STRENGTH.index(name) for name in subset.tolist()], int)
    for _, column in _keys(table, with_speakers):
        rows = np.flatnonzero(keep & (column != ""))
        strongest: dict[str, int] = {}
        for row in rows.tolist():
            strongest[column[row]] = min(strongest.get(column[row], len(_STRENGTH)), strength[row])
        keep[rows] = [strength[row] == strongest[column[row]] for row in rows.tolist()]
    return keep


def moved_together(table: Columns, subset: Text, with_speakers: bool) -> Text:
    """Subsets such that nothing leaks: groups that share something go where most of their clips already are."""
    groups = components(*(column for _, column in _keys(table, with_speakers)))
    result = subset.copy()
    for group in set(groups[_torn(groups, subset)].tolist()):
        rows = groups == group
        result[rows] = max(_STRENGTH, key=lambda name: int((subset[rows] == name).sum()))
    return result


def _torn(groups: NDArray[np.int64], subset: Text) -> NDArray[np.bool_]:
    return _shared_rows(groups.astype(str), subset)
