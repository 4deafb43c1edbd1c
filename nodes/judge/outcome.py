"""Results of several runs side by side: answers clip by clip, aligned by name, and what differs if they cannot be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nodes.judge.errors import JudgeError
from nodes.learn.metrics import Floats, Ints, Roc, bootstrap_uar, confusion

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What one model answered: clip names, true and given classes (clips,), numbers being places in `classes`."""

    name: str
    classes: tuple[str, ...]
    clip_ids: tuple[str, ...]
    truth: Ints
    answers: Ints
    roc: Roc | None = None

    @property
    def right(self) -> Floats:
        """Correctness of every clip (clips,): 0 or 1."""
        result: Floats = (self.truth == self.answers).astype(np.float64)
        return result

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(self.right.mean())

    @property
    def uar(self) -> float:
        """Mean recall of the classes that have clips."""
        return bootstrap_uar(confusion(self.truth, self.answers, len(self.classes)), resamples=1).value

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Row of every clip."""
        return {clip: row for row, clip in enumerate(self.clip_ids)}


def outcome(name: str, raw: Json, roc: Roc | None = None) -> Outcome:
    """Read a benchmark's report.json.

    Raises:
        JudgeError: it holds no answers clip by clip, or a clip twice.
    """
    rows = raw.get("predictions")
    if not rows or "classes" not in raw:
        raise JudgeError(
            f"the report of {name} is of kind {raw.get('kind', 'unknown')!r} and holds no answers clip by clip",
            "a report of the benchmark node",
            "Wire benchmark nodes into compare",
        )
    classes = tuple(map(str, raw["classes"]))
    number = {label: place for place, label in enumerate(classes)}
    ids = tuple(str(row["clip_id"]) for row in rows)
    twice = next((clip for place, clip in enumerate(ids) if clip in ids[:place]), None) if _repeats(ids) else None
    if twice is not None:
        raise JudgeError(
            f"the report of {name} has the clip {twice!r} twice", "every clip once", "Give clips names of their own"
        )
    truth, answers = (np.array([number[row[key]] for row in rows], np.int64) for key in ("truth", "prediction"))
    return Outcome(name, classes, ids, truth, answers, roc)


def _repeats(ids: Sequence[str]) -> bool:
    return len(set(ids)) < len(ids)


def aligned(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The same outcomes with clips in the first one's order and classes in common numbers.

    Raises:
        JudgeError: they are not of the same clips, or a clip's class differs; names the first difference.
    """
    classes = tuple(dict.fromkeys(label for found in outcomes for label in found.classes))
    first = outcomes[0]
    for other in outcomes[1:]:
        _check_clips(first, other)
    ordered = [_renumbered(_ordered(found, first.clip_ids), classes) for found in outcomes]
    for other in ordered[1:]:
        _check_truth(ordered[0], other)
    return ordered


def _check_clips(first: Outcome, other: Outcome) -> None:
    lacking = next((clip for clip in first.clip_ids if clip not in other.places), None)
    extra = next((clip for clip in other.clip_ids if clip not in first.places), None)
    if lacking is None and extra is None:
        return
    here, there = (first, other) if lacking is not None else (other, first)
    shared = len(first.places.keys() & other.places.keys())
    raise JudgeError(
        f"{here.name} was scored on {lacking or extra!r}, {there.name} was not"
        f" ({len(first.clip_ids):,} and {len(other.clip_ids):,} clips, {shared:,} of them shared)",
        "reports of the same clips",
        "Give both benchmarks the same features and subset; for folds set clips to folds",
    )


def _check_truth(first: Outcome, other: Outcome) -> None:
    wrong = np.flatnonzero(first.truth != other.truth)
    if len(wrong):
        row = int(wrong[0])
        labels = first.classes[first.truth[row]], first.classes[other.truth[row]]
        raise JudgeError(
            f"the clip {first.clip_ids[row]!r} is {labels[0]!r} in {first.name} and {labels[1]!r} in {other.name}"
            f" ({len(wrong):,} clips differ)",
            "the same class for every clip",
            "Give both benchmarks features with the same labels",
        )


def _ordered(found: Outcome, clip_ids: tuple[str, ...]) -> Outcome:
    rows = np.array([found.places[clip] for clip in clip_ids], np.int64)
    return replace(found, clip_ids=clip_ids, truth=found.truth[rows], answers=found.answers[rows])


def _renumbered(found: Outcome, classes: tuple[str, ...]) -> Outcome:
    number = np.array([classes.index(label) for label in found.classes], np.int64)
    return replace(found, classes=classes, truth=number[found.truth], answers=number[found.answers])


def pooled(name: str, folds: Sequence[Outcome]) -> Outcome:
    """Folds of a cross-validation as one outcome: every clip was tested once, by the model that had not seen it.

    Raises:
        JudgeError: a clip was tested in two folds.
    """
    classes = tuple(dict.fromkeys(label for found in folds for label in found.classes))
    seen: dict[str, int] = {}
    for fold, found in enumerate(folds, 1):
        twice = next((clip for clip in found.clip_ids if clip in seen), None)
        if twice is not None:
            raise JudgeError(
                f"the clip {twice!r} was tested in the folds {seen[twice]} and {fold} of {name}",
                "folds that share no clip",
                "Check the fold column, or set clips to same if these are repeated runs",
            )
        seen.update(dict.fromkeys(found.clip_ids, fold))
    parts = [_renumbered(found, classes) for found in folds]
    truth, answers = (np.concatenate([getattr(part, key) for part in parts]) for key in ("truth", "answers"))
    return Outcome(name, classes, tuple(seen), truth, answers)
