"""Partition rules against their definitions, the papers' constants and the official lists' rule."""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.audio import Clip, ClipTable, make_table
from nodes.dsp.errors import SourceError
from nodes.dsp.leak import leaks
from nodes.dsp.split import (
    KEEPS_SPEAKERS_APART,
    MAX_CLIPS_PER_CLASS,
    RULES,
    SplitOptions,
    components,
    hash_subset,
    lists_of,
    split,
    zero_digest,
)


def table(rows: list[Mapping[str, Any]]) -> ClipTable:
    """A table with one clip per row; `audio` (any text) stands for the waveform."""
    clips = [
        Clip(
            row.get("clip_id", f"clip {number}"),
            row.get("label", "a"),
            row.get("speaker", ""),
            row.get("source", f"source {number}"),
            row.get("subset", ""),
            row.get("fold", 0),
        )
        for number, row in enumerate(rows)
    ]
    digests = [hashlib.sha256(str(row.get("audio", number)).encode()).hexdigest() for number, row in enumerate(rows)]
    return make_table(clips, [10] * len(rows), digests)


def people(speakers: int, takes: int = 10, words: int = 4) -> ClipTable:
    return table(
        [
            {
                "clip_id": f"w{take % words}/s{s}_{take}",
                "speaker": f"s{s}",
                "label": f"w{take % words}",
                "fold": s % 5 + 1,
            }
            for s in range(speakers)
            for take in range(takes)
        ]
    )


def googles_rule(filename: str, validation_percentage: float, testing_percentage: float) -> str:
    """The published definition, written out separately: the percentage hash of `which_set`."""
    base_name = filename.split("/")[-1]
    hash_name = re.sub(r"_nohash_.*$", "", base_name)
    percentage = (int(hashlib.sha1(hash_name.encode()).hexdigest(), 16) % 134_217_728) * (100.0 / 134_217_727)
    if percentage < validation_percentage:
        return "validation"
    return "testing" if percentage < testing_percentage + validation_percentage else "training"


def test_constants() -> None:
    assert MAX_CLIPS_PER_CLASS == 134_217_727 == 2**27 - 1


def test_hash_rule_is_googles() -> None:
    names = [f"word/{n:08x}_nohash_{n % 4}.wav" for n in range(5000)] + ["a/plain.wav", "b/ü.wav"]
    assert [hash_subset(name) for name in names] == [googles_rule(name, 10, 10) for name in names]
    shares = Counter(map(hash_subset, names))
    assert 0.78 < shares["training"] / 5000 < 0.82 and shares["validation"] > 430 and shares["testing"] > 430


def test_hash_rule_on_real_names(recordings: Path) -> None:
    """The README of the recordings gives what Google's rule says of these 3,479 clips."""
    with tarfile.open(recordings / "speech_commands_subset.tar.gz") as archive:
        names = [member.name for member in archive if "_nohash_" in member.name]
    counts = Counter(map(hash_subset, names))
    assert counts == {"testing": 3230, "training": 205, "validation": 44}


def test_all_takes_of_a_speaker_fall_together() -> None:
    assert len({hash_subset(f"w{n}/abc_nohash_{n}.wav") for n in range(50)}) == 1


def test_components_join_through_others() -> None:
    a = np.array(["x", "x", "", "y", "", "z"])
    b = np.array(["1", "2", "2", "3", "", ""])
    groups = components(a, b)
    assert groups[0] == groups[1] == groups[2] and len({groups[0], groups[3], groups[4], groups[5]}) == 4


@pytest.mark.parametrize("rule", ["speaker", "random", "stratified"])
def test_shares_are_met_and_nothing_leaks(rule: str) -> None:
    clips = people(60)
    subset = split(clips, rule, SplitOptions(validation_percent=10, testing_percent=20))
    counts = Counter(subset.tolist())
    assert abs(counts["validation"] - 60) <= 10 and abs(counts["testing"] - 120) <= 10
    assert not leaks(clips, subset, rule in KEEPS_SPEAKERS_APART)


@pytest.mark.parametrize("rule", ["speaker", "random", "stratified", "hash", "leave_one_speaker_out"])
def test_rules_do_not_depend_on_the_order(rule: str) -> None:
    clips = people(30)
    options = SplitOptions(speakers=("s3",))
    order = np.random.default_rng(0).permutation(len(clips))
    assert split(clips, rule, options)[order].tolist() == split(clips.take(order), rule, options).tolist()


@pytest.mark.parametrize("rule", ["speaker", "random", "stratified"])
def test_the_seed_decides(rule: str) -> None:
    clips = people(30)
    one, same, other = (split(clips, rule, SplitOptions(seed=seed)).tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_few_speakers_still_fill_every_subset() -> None:
    subset = split(people(6), "speaker", SplitOptions())
    assert Counter(subset.tolist()) == {"training": 40, "validation": 10, "testing": 10}


def test_too_few_speakers_are_an_error() -> None:
    with pytest.raises(SourceError, match=r"2 group\(s\).*cannot fill 3 subsets"):
        split(people(2), "speaker", SplitOptions())


def test_leave_one_speaker_out() -> None:
    clips = people(6)
    subset = split(clips, "leave_one_speaker_out", SplitOptions(speakers=("s2", "s4"), validation_percent=20))
    assert set(clips.speaker[subset == "testing"].tolist()) == {"s2", "s4"}
    assert len(set(clips.speaker[subset == "validation"].tolist())) == 1
    assert not leaks(clips, subset, with_speakers=True)


@pytest.mark.parametrize("speakers", [(), ("nobody",), ("s1", "nobody")])
def test_leaving_out_nobody_is_an_error(speakers: tuple[str, ...]) -> None:
    with pytest.raises(SourceError, match="no speaker"):
        split(people(6), "leave_one_speaker_out", SplitOptions(speakers=speakers))


@pytest.mark.parametrize(("test_fold", "validation_fold"), [(1, 5), (2, 1), (5, 4)])
def test_folds(test_fold: int, validation_fold: int) -> None:
    """S3: the validation fold is the one before the test fold; before the first comes the last (SEEDS slip 46)."""
    clips = people(10)
    subset = split(clips, "fold", SplitOptions(test_fold=test_fold))
    assert set(clips.fold[subset == "testing"].tolist()) == {test_fold}
    assert set(clips.fold[subset == "validation"].tolist()) == {validation_fold}
    assert len(set(clips.fold[subset == "training"].tolist())) == 3


def test_made_folds_cover_everything_once_and_keep_speakers_apart() -> None:
    clips = people(20)
    tested = [split(clips, "fold", SplitOptions(test_fold=k, folds=4)) == "testing" for k in (1, 2, 3, 4)]
    assert np.sum(tested, axis=0).tolist() == [1] * len(clips)
    subset = split(clips, "fold", SplitOptions(test_fold=2, folds=4))
    assert not leaks(clips, subset, with_speakers=True)


def test_a_fold_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"test fold 6 of folds \[1, 2, 3, 4, 5\]"):
        split(people(10), "fold", SplitOptions(test_fold=6))


def test_stratified_keeps_the_classes_in_proportion() -> None:
    clips = table([{"label": "rare" if n % 10 == 0 else "common"} for n in range(500)])
    subset = split(clips, "stratified", SplitOptions(validation_percent=20, testing_percent=20))
    for name, share in (("training", 0.6), ("validation", 0.2), ("testing", 0.2)):
        rows = subset == name
        assert (clips.label[rows] == "rare").sum() == pytest.approx(50 * share, abs=1)
        assert (clips.label[rows] == "common").sum() == pytest.approx(450 * share, abs=1)


@pytest.mark.parametrize("rule", ["random", "stratified"])
def test_copies_and_one_recordings_clips_stay_together(rule: str) -> None:
    clips = table([{"audio": n // 2, "source": f"{n // 4}"} for n in range(200)])
    subset = split(clips, rule, SplitOptions(validation_percent=30, testing_percent=30))
    assert all(len(set(subset[n : n + 4].tolist())) == 1 for n in range(0, 200, 4))


def test_given_and_lists() -> None:
    clips = table([{"subset": name} for name in ("training", "testing", "")])
    assert split(clips, "given", SplitOptions()).tolist() == ["training", "testing", "training"]
    options = SplitOptions(lists=lists_of({"testing": ["clip 0"], "validation": ["clip 2"]}))
    assert split(clips, "lists", options).tolist() == ["testing", "training", "validation"]
    with pytest.raises(SourceError, match="came without subsets"):
        split(people(3), "given", SplitOptions())
    with pytest.raises(SourceError, match="none of the 1 listed clips"):
        split(clips, "lists", SplitOptions(lists={"other": "testing"}))
    with pytest.raises(SourceError, match="stands in two lists"):
        lists_of({"testing": ["x"], "validation": ["x"]})


def with_silence() -> ClipTable:
    rows = [Clip(f"a/s{n}_{n}", "a", f"s{n}", f"f{n}") for n in range(40)]
    still = [Clip(f"_silence_/{n}", "silence", subset=("testing" if n < 3 else "training")) for n in range(10)]
    digests = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(40)] + [zero_digest(10)] * 10
    return make_table([*rows, *still], [10] * 50, digests)


@pytest.mark.parametrize("rule", ["speaker", "random", "stratified", "hash"])
def test_silence_keeps_its_subset_and_leaks_nothing(rule: str) -> None:
    clips = with_silence()
    subset = split(clips, rule, SplitOptions())
    assert subset[40:].tolist() == ["testing"] * 3 + ["training"] * 7
    assert not leaks(clips, subset, with_speakers=True)


def test_every_rule_names_only_the_three_subsets() -> None:
    clips = people(12).with_columns(subset=np.array(["training", "testing"] * 60))
    options = SplitOptions(speakers=("s1",), lists={clips.clip_id[0].item(): "testing"})
    for rule in RULES:
        assert set(split(clips, rule, options).tolist()) <= {"training", "validation", "testing"}, rule
