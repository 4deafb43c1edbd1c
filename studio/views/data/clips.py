"""The clip table as columns that can be searched and sorted at once; what a filter's words mean. No Qt.

A filter is words that all must hold: a word is looked for in id, label, speaker and subset; `label:yes` asks for just
that label (`speaker:01*` for all that begin so); `seconds<0.5`, `seconds>1` ask for a length; `problem:yes` for clips
that have one; a word after "-" must not hold.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.artifact import Artifact, AudioSet, FeatureSet, FileProblem
from engine.audio import ClipTable, table_of
from engine.errors import OssicleError

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
HEADERS: Final = ("clip", "label", "speaker", "subset", "fold", "seconds", "problem")
FIELDS: Final[Mapping[str, str]] = {
    "id": "clip", "clip": "clip", "label": "label", "class": "label", "speaker": "speaker", "subset": "subset",
    "fold": "fold", "source": "source", "problem": "problem",
}  # fmt: skip
SEARCHED: Final = ("clip", "label", "speaker", "subset")
_LENGTH: Final = re.compile(r"(?:seconds|s|duration)(<=|>=|<|>)(\d*\.?\d+)$")
_COMPARE: Final = {"<": np.less, ">": np.greater, "<=": np.less_equal, ">=": np.greater_equal}


@dataclass(frozen=True)
class Column:
    """A text column: its different values in order, and which of them each row has."""

    values: tuple[str, ...]
    codes: Rows

    def where(self, holds: Sequence[bool]) -> Mask:
        """Rows whose value holds."""
        return np.asarray(holds, bool)[self.codes] if len(self.values) else np.zeros(0, bool)

    def text(self, row: int) -> str:
        """The value of a row."""
        return self.values[int(self.codes[row])]


@dataclass(frozen=True)
class Clips:
    """The clips of a set.

    Attributes:
        table: as the set holds it.
        audio: where their samples are; None if the graph does not tell.
        problems: files that were left out or changed, with the reason.
        seconds: length of every clip; NaN where the rate is not known.
    """

    table: ClipTable
    audio: AudioSet | None
    problems: tuple[FileProblem, ...]
    seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Row by clip id."""
        return {name: row for row, name in enumerate(self.table.clip_id.tolist())}

    @cached_property
    def reasons(self) -> Mapping[str, str]:
        """What is wrong, by the file or clip it is about."""
        return {problem.file: problem.what for problem in self.problems}

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """Every column that is searched as text."""
        table = self.table
        found = {
            "clip": table.clip_id, "label": table.label, "speaker": table.speaker, "subset": table.subset,
            "source": table.source, "fold": table.fold.astype(str),
        }  # fmt: skip
        columns = {name: _column(values) for name, values in found.items()}
        return {**columns, "problem": self._problem_column(columns)}

    def _problem_column(self, columns: Mapping[str, Column]) -> Column:
        rows = np.zeros(len(self), np.int64)
        texts = [""]
        for file, what in self.reasons.items():
            texts.append(what)
            for name in ("clip", "source"):
                column = columns[name]
                rows[column.where([value == file for value in column.values])] = len(texts) - 1
        return Column(tuple(texts), rows)


def _column(values: NDArray[np.str_]) -> Column:
    different, codes = np.unique(values, return_inverse=True)
    return Column(tuple(different.tolist()), codes.astype(np.int64))


def read_clips(artifact: Artifact, audio: AudioSet | None = None) -> Clips:
    """The clips of an AudioSet or FeatureSet.

    Args:
        audio: the set that features were computed from, for rate and sound; left out if it does not have these clips.

    Raises:
        OssicleError: the artifact is of another type, or its table cannot be read.
    """
    if isinstance(artifact, AudioSet):
        return _clips(table_of(artifact), artifact, artifact)
    if isinstance(artifact, FeatureSet):
        return _clips(table_of(artifact), artifact, audio)
    raise OssicleError(f"a {artifact.kind()} has no clips", "an AudioSet or a FeatureSet", "Choose another output")


def _clips(table: ClipTable, artifact: AudioSet | FeatureSet, audio: AudioSet | None) -> Clips:
    meta = artifact.meta
    rate = audio.meta.rate_hz if audio is not None else getattr(meta, "front_end", {}).get("rate_hz", 0)
    seconds = table.samples / rate if rate else np.full(len(table), np.nan)
    problems = meta.problems or (audio.meta.problems if audio is not None else ())
    clips = Clips(table, audio, tuple(problems), seconds)
    _ = clips.columns, clips.place  # here, in a thread, and not when the window first asks
    return clips


def matching(clips: Clips, text: str) -> Mask:
    """The clips (clips,) for which every word of a filter holds."""
    found = np.ones(len(clips), bool)
    for word in words_of(text):
        is_not = word.startswith("-") and len(word) > 1
        holds = _word(clips, word[1:] if is_not else word)
        found &= ~holds if is_not else holds
    return found


def words_of(text: str) -> list[str]:
    """The words of a filter; those in quotation marks stay together."""
    try:
        return shlex.split(text.lower())
    except ValueError:  # a quotation mark that is still open
        return text.lower().replace('"', " ").replace("'", " ").split()


def _word(clips: Clips, word: str) -> Mask:
    length = _LENGTH.fullmatch(word)
    if length is not None:
        with np.errstate(invalid="ignore"):
            return np.asarray(_COMPARE[length[1]](clips.seconds, float(length[2])), bool)
    field, colon, value = word.partition(":")
    if colon and field in FIELDS and value:
        return _field(clips.columns[FIELDS[field]], FIELDS[field], value)
    found = np.zeros(len(clips), bool)
    for name in SEARCHED:
        column = clips.columns[name]
        found |= column.where([word in text.lower() for text in column.values])
    return found


def _field(column: Column, name: str, value: str) -> Mask:
    if name == "problem" and value in ("yes", "no"):
        return column.where([bool(text) == (value == "yes") for text in column.values])
    return column.where([fnmatchcase(text.lower(), value) for text in column.values])


def ordered(clips: Clips, rows: Rows, header: str, *, is_descending: bool = False) -> Rows:
    """Rows in the order of a column; equal ones stay in the table's order."""
    keys = clips.seconds[rows] if header == "seconds" else _rank(clips, header)[rows]
    order = np.argsort(-keys if is_descending else keys, kind="stable")
    return rows[order]


def _rank(clips: Clips, header: str) -> NDArray[np.int64]:
    """A number per row that sorts like the column: its codes, as values are in order; folds by number."""
    return clips.table.fold.astype(np.int64) if header == "fold" else clips.columns[header].codes
