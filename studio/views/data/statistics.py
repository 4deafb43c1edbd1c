"""What a set of clips is made of: clips per class, speaker and length by subset; and whether anything leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.artifact import Artifact, AudioSet
from engine.audio import SUBSETS, ClipTable, table_of
from engine.errors import OssicleError
from engine.svg import ticks
from studio.views.viewer import Scene

UNPARTED: Final = "clips"
MOST: Final = 40
BINS: Final = 14
Words = NDArray[np.str_]


@dataclass(frozen=True)
class Row:
    """One bar: its name and how many clips of each subset."""

    name: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All clips."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Statistics:
    """Rows by what is counted, the set in one line, and what is wrong with how it is parted."""

    rows: Mapping[str, Sequence[Row]]
    subsets: tuple[str, ...]
    about: str
    warnings: tuple[str, ...]
    is_apart: bool
    """Whether speakers are known, the set is parted, and no speaker is in two subsets."""


def read_statistics(artifact: Artifact, _scene: Scene) -> Statistics:
    """Count the clips of an audio set, background tracks apart.

    Raises:
        OssicleError: the table cannot be read, or has no clips.
    """
    assert isinstance(artifact, AudioSet)
    whole = table_of(artifact)
    table = whole.clips()
    if not len(table):
        raise OssicleError("this set has no clips", "at least one", "Look at what its node left out and why")
    subset = np.where(table.subset == "", UNPARTED, table.subset)
    present = set(subset.tolist())
    known = tuple(name for name in (*SUBSETS, *sorted(present - {*SUBSETS})) if name in present)
    seconds = table.samples / artifact.meta.rate_hz
    rows = {
        "class": counted(table.label, subset),
        "speaker": counted(table.speaker, subset),
        "length": lengths(seconds, subset),
    }
    shared = shared_speakers(table)
    is_apart = shared == 0 and len(present) > 1 and bool((table.speaker != "").any())
    return Statistics(
        rows, known, _about(table, seconds, len(whole) - len(table)), _warnings(artifact, shared), is_apart
    )


def _about(table: ClipTable, seconds: NDArray[np.float64], background: int) -> str:
    speakers = len(set(table.speaker.tolist()) - {""})
    spread = (
        f"{seconds.mean():.2f} ± {seconds.std():.2f} s" if seconds.std() > 0.005 else f"{seconds.mean():.3g} s each"
    )
    parts = [f"{len(table):,} clips", f"{seconds.sum() / 60:,.1f} min", f"{speakers:,} speakers" if speakers else ""]
    parts += [spread, f"{background} background tracks" if background else ""]
    return " · ".join(filter(None, parts))


def _warnings(audio: AudioSet, shared: int) -> tuple[str, ...]:
    found = [f"{problem.what} ({problem.file})" for problem in audio.meta.problems if problem.what.startswith("leak")]
    people = "speaker is" if shared == 1 else "speakers are"
    return (*([f"{shared:,} {people} in more than one subset"] if shared else []), *found)


def counted(names: Words, subset: Words) -> list[Row]:
    """A row per name, the most frequent first; what is beyond MOST rows goes into one."""
    different, codes = np.unique(names, return_inverse=True)
    subsets, places = np.unique(subset, return_inverse=True)
    table = np.zeros((len(different), len(subsets)), np.int64)
    np.add.at(table, (codes, places), 1)
    order = np.argsort(-table.sum(axis=1), kind="stable")
    rows = [_row(str(different[k]) or "(none)", subsets, table[k]) for k in order[:MOST].tolist()]
    rest = order[MOST:]
    return [*rows, *([_row(f"{len(rest):,} more", subsets, table[rest].sum(axis=0))] if len(rest) else [])]


def _row(name: str, subsets: Words, counts: NDArray[np.int64]) -> Row:
    return Row(name, {str(s): int(n) for s, n in zip(subsets, counts, strict=True) if n})


def lengths(seconds: NDArray[np.float64], subset: Words) -> list[Row]:
    """A row per range of lengths, all equally wide, the shortest first."""
    low, high = float(seconds.min()), float(seconds.max())
    if high - low < 1e-3:
        return [Row(f"{low:.3g} s", counted(np.full(len(subset), "x"), subset)[0].counts)]
    marks = ticks(low, high, BINS)
    step = marks[1] - marks[0] if len(marks) > 1 else high - low
    first = np.floor(low / step + 1e-9)
    place = np.floor(seconds / step + 1e-9).astype(np.int64) - int(first)
    names = [f"{(first + k) * step:.4g}–{(first + k + 1) * step:.4g} s" for k in range(int(place.max()) + 1)]
    found = {row.name: row for row in counted(place.astype(str), subset)}
    return [Row(name, found[str(k)].counts if str(k) in found else {}) for k, name in enumerate(names)]


def shared_speakers(table: ClipTable) -> int:
    """How many known speakers are in more than one subset."""
    known = table.speaker != ""
    pairs = {*zip(table.speaker[known].tolist(), table.subset[known].tolist(), strict=True)}
    return sum(subsets > 1 for subsets in Counter(speaker for speaker, _ in pairs).values())
