"""Subsets: the rules of SEEDS section 3. Every choice depends on names and the seed, never on the order of rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.errors import SourceError
from nodes.dsp.layout import rank

TRAINING, VALIDATION, TESTING = "training", "validation", "testing"
MAX_CLIPS_PER_CLASS = (1 << 27) - 1
"""Google's constant: the hash is taken modulo one more than this."""

Text = NDArray[np.str_]


class Columns(Protocol):
    """The columns of a clip table that rules look at; `engine.audio.ClipTable` has them."""

    @property
    def clip_id(self) -> Text: ...
    @property
    def label(self) -> Text: ...
    @property
    def speaker(self) -> Text: ...
    @property
    def source(self) -> Text: ...
    @property
    def subset(self) -> Text: ...
    @property
    def fold(self) -> NDArray[np.int32]: ...
    @property
    def samples(self) -> NDArray[np.int64]: ...
    @property
    def sha256(self) -> Text: ...
    def take(self, rows: NDArray[Any]) -> Columns: ...


@dataclass(frozen=True)
class SplitOptions:
    """What a person may choose; each rule uses what concerns it.

    Attributes:
        speakers: who is left out (the testing subset of `leave_one_speaker_out`).
        test_fold: fold that becomes testing; the one before it (for the first: the last) becomes validation.
        folds: how many folds to make by recording groups; 0 uses the fold column.
        lists: subset by clip id, for the rule `lists`.
    """

    validation_percent: float = 10.0
    testing_percent: float = 10.0
    seed: int = 0
    speakers: tuple[str, ...] = ()
    test_fold: int = 1
    folds: int = 0
    lists: Mapping[str, str] = field(default_factory=dict)


def hash_subset(name: str, validation_percent: float = 10.0, testing_percent: float = 10.0) -> str:
    """Google's rule: SHA-1 of the file name without `_nohash_` and what follows, mod 2^27, as a percentage.

    All takes of a speaker fall into one subset, and adding clips moves none. (S1 section 3.1; `which_set` of
    TensorFlow's speech_commands input_data.py.)
    """
    stem = name.rsplit("/", 1)[-1].split("_nohash_", 1)[0]
    digest = int(hashlib.sha1(stem.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest(), 16)
    percent = digest % (MAX_CLIPS_PER_CLASS + 1) * (100.0 / MAX_CLIPS_PER_CLASS)
    if percent < validation_percent:
        return VALIDATION
    return TESTING if percent < validation_percent + testing_percent else TRAINING


def components(*columns: Text) -> NDArray[np.int64]:
    """Group number of every row: rows sharing a non-empty value in any column belong together, also through others."""
    parent = list(range(len(columns[0])))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for column in columns:
        first: dict[str, int] = {}
        for row, value in enumerate(column.tolist()):
            if value and first.setdefault(value, row) != row:
                parent[root(row)] = root(first[value])
    return np.array([root(row) for row in range(len(parent))], np.int64)


def recordings(table: Columns) -> tuple[Text, Text]:
    """Source and audio digest, with all-zero clips left blank: silence ties nothing together and leaks nothing."""
    values, counts = np.unique(table.sha256, return_counts=True)
    rows = np.isin(table.sha256, values[counts > 1])
    lengths = dict(zip(table.sha256[rows].tolist(), table.samples[rows].tolist(), strict=True))
    silent = [digest for digest, samples in lengths.items() if digest == zero_digest(samples)]
    return table.source, np.where(np.isin(table.sha256, silent), "", table.sha256)


def zero_digest(samples: int) -> str:
    """sha256 of so many int16 zeros."""
    return hashlib.sha256(bytes(2 * samples)).hexdigest()


def deal(groups: NDArray[np.int64], clip_id: Text, shares: Mapping[str, float], seed: int) -> Text:
    """Give whole groups to subsets, in an order drawn from the seed, each to the subset that lacks most.

    Args:
        shares: percentage by subset name, summing to 100.

    Raises:
        SourceError: fewer groups than subsets.
    """
    sizes = Counter(groups.tolist())
    names = _group_names(groups, clip_id)
    targets = {subset: percent * len(groups) / 100 for subset, percent in shares.items() if percent > 0}
    if len(sizes) < len(targets):
        raise SourceError(
            f"{len(sizes)} group(s) of clips that must stay together cannot fill {len(targets)} subsets",
            "at least one group (speaker or recording) per subset",
            "Set a percentage to 0, choose another rule, or add recordings",
        )
    given: dict[int, str] = {}
    filled = dict.fromkeys(sorted(targets, key=lambda subset: targets[subset]), 0)
    for group in sorted(sizes, key=lambda group: rank(seed, names[group])):
        subset = min(filled, key=lambda subset: filled[subset] / targets[subset])
        given[group] = subset
        filled[subset] += sizes[group]
    return np.array([given[group] for group in groups.tolist()], str)


def _group_names(groups: NDArray[np.int64], clip_id: Text) -> dict[int, str]:
    names: dict[int, str] = {}
    for group, name in zip(groups.tolist(), clip_id.tolist(), strict=True):
        names[group] = min(names.get(group, name), name)
    return names


def _shares(options: SplitOptions) -> dict[str, float]:
    rest = 100 - options.validation_percent - options.testing_percent
    return {TRAINING: rest, VALIDATION: options.validation_percent, TESTING: options.testing_percent}


def by_given(table: Columns, options: SplitOptions) -> Text:
    """The subsets that came with the data (list files, Google's rule, a table's column)."""
    if not any(table.subset.tolist()):
        raise SourceError(
            "the clips came without subsets", "subsets from list files or a table", "Choose another rule, e.g. speaker"
        )
    return np.where(table.subset == "", TRAINING, table.subset)


def by_lists(table: Columns, options: SplitOptions) -> Text:
    """Subsets from list files; clips in none of them are for training."""
    unknown = sorted(set(options.lists) - set(table.clip_id.tolist()))
    if len(unknown) == len(options.lists):
        raise SourceError(
            f"none of the {len(unknown)} listed clips is in the data (the first is {unknown[:1]})",
            f"clip ids like {table.clip_id[:1].tolist()}",
            "Check validation_list and testing_list",
        )
    return np.array([options.lists.get(name, TRAINING) for name in table.clip_id.tolist()], str)


def by_hash(table: Columns, options: SplitOptions) -> Text:
    """Google's rule on the clip's name."""
    percents = options.validation_percent, options.testing_percent
    return np.array([hash_subset(name, *percents) for name in table.clip_id.tolist()], str)


def by_speaker(table: Columns, options: SplitOptions) -> Text:
    """Whole speakers (with all their recordings and copies of these) to one subset."""
    _need_speakers(table)
    return deal(components(table.speaker, *recordings(table)), table.clip_id, _shares(options), options.seed)


def by_left_out_speaker(table: Columns, options: SplitOptions) -> Text:
    """The named speakers are testing; validation takes whole speakers of the rest."""
    _need_speakers(table)
    missing = sorted(set(options.speakers) - set(table.speaker.tolist()))
    if missing or not options.speakers:
        raise SourceError(
            f"no speaker {', '.join(missing)}" if missing else "no speaker to leave out is named",
            f"one or more of {', '.join(sorted(set(table.speaker.tolist()) - {''})[:12])}",
            "Set speakers",
        )
    is_out = np.isin(table.speaker, options.speakers)
    shares = {TRAINING: 100 - options.validation_percent, VALIDATION: options.validation_percent}
    groups = components(table.speaker, *recordings(table))[~is_out]
    subset = np.full(len(is_out), TESTING, "U10")
    subset[~is_out] = deal(groups, table.clip_id[~is_out], shares, options.seed)
    return subset


def _need_speakers(table: Columns) -> None:
    if not any(table.speaker.tolist()):
        raise SourceError(
            "the clips have no speakers", "a speaker per clip", "Give ingest a name_pattern, or choose another rule"
        )


def by_fold(table: Columns, options: SplitOptions) -> Text:
    """One fold for testing, the one before it for validation (for the first: the last), the others for training."""
    fold = _made_folds(table, options) if options.folds else table.fold
    present = sorted(set(fold.tolist()) - {0})
    if options.test_fold not in present or len(present) < 3:
        raise SourceError(
            f"test fold {options.test_fold} of folds {present}",
            "one of at least three folds",
            "Set test_fold, or set folds to make some",
        )
    before = present[present.index(options.test_fold) - 1]
    subset = np.full(len(fold), TRAINING, "U10")
    subset[fold == before] = VALIDATION
    subset[fold == options.test_fold] = TESTING
    return subset


def _made_folds(table: Columns, options: SplitOptions) -> NDArray[np.int32]:
    """Folds 1 to `folds` of whole speakers and recordings, all of about one size."""
    shares = {str(number + 1): 100 / options.folds for number in range(options.folds)}
    groups = components(table.speaker, *recordings(table))
    return deal(groups, table.clip_id, shares, options.seed).astype(np.int32)


def by_random(table: Columns, options: SplitOptions) -> Text:
    """Single recordings at random; copies and clips of one recording stay together, speakers do not."""
    return deal(components(*recordings(table)), table.clip_id, _shares(options), options.seed)


def by_stratified(table: Columns, options: SplitOptions) -> Text:
    """As random, within each class: all subsets have the classes in the same proportion."""
    groups = components(*recordings(table))
    leader = table.label[groups]  # (clips,) class of the group's first row
    subset = np.full(len(groups), TRAINING, "U10")
    for label in sorted(set(leader.tolist())):
        rows = leader == label
        subset[rows] = deal(groups[rows], table.clip_id[rows], _shares(options), options.seed)
    return subset


RULES: Mapping[str, Callable[[Columns, SplitOptions], Text]] = {
    "given": by_given,
    "lists": by_lists,
    "hash": by_hash,
    "speaker": by_speaker,
    "leave_one_speaker_out": by_left_out_speaker,
    "fold": by_fold,
    "stratified": by_stratified,
    "random": by_random,
}
KEEPS_SPEAKERS_APART = frozenset({"given", "lists", "hash", "speaker", "leave_one_speaker_out"})
"""Rules that promise a speaker is in one subset only; the others cannot."""


def split(table: Columns, rule: str, options: SplitOptions) -> Text:
    """The subset of every clip by a rule. Generated silence keeps a subset it came with.

    Raises:
        SourceError: the data do not have what the rule needs.
    """
    keeps = (table.source == "") & (table.subset != "") & _all_zero(table)
    if rule == "given" or not keeps.any():
        return RULES[rule](table, options)
    subset = np.where(keeps, table.subset, "").astype("U10")
    subset[~keeps] = RULES[rule](table.take(~keeps), options)
    return subset


def _all_zero(table: Columns) -> NDArray[np.bool_]:
    rows = np.flatnonzero(table.source == "")
    zero = {samples: zero_digest(samples) for samples in set(table.samples[rows].tolist())}
    result = np.zeros(len(table.source), bool)
    result[rows] = [zero[table.samples[row].item()] == table.sha256[row].item() for row in rows]
    return result


def lists_of(entries: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Subset by clip id from the entries of list files.

    Raises:
        SourceError: a clip stands in two lists.
    """
    found: dict[str, str] = {}
    for subset, names in entries.items():
        for name in names:
            if found.setdefault(name, subset) != subset:
                raise SourceError(f"{name} stands in two lists", "one list per clip", "Delete it from one of them")
    return found
