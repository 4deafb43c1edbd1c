"""Leaks: found, counted, shown, and repaired by dropping or moving."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from engine.audio import Clip, ClipTable, make_table
from nodes.dsp.leak import leaks, moved_together, without_leaks


def table(rows: list[Mapping[str, str]]) -> ClipTable:
    """A table with one clip per row; `audio` (any text) stands for the waveform."""
    clips = [Clip(row["clip_id"], "a", row["speaker"], row.get("source", row["clip_id"])) for row in rows]
    digests = [hashlib.sha256(row.get("audio", row["clip_id"]).encode()).hexdigest() for row in rows]
    return make_table(clips, [10] * len(rows), digests)


LEAKY = [
    {"clip_id": "a", "speaker": "s1", "audio": "same"},
    {"clip_id": "b", "speaker": "s2", "audio": "same"},
    {"clip_id": "c", "speaker": "s1", "source": "one"},
    {"clip_id": "d", "speaker": "s3", "source": "one"},
    {"clip_id": "e", "speaker": "s4"},
    {"clip_id": "f", "speaker": "s4"},
]
SUBSETS = np.array(["training", "testing", "training", "validation", "training", "testing"])


def test_leaks_are_found_counted_and_shown() -> None:
    found = {leak.kind: leak for leak in leaks(table(LEAKY), SUBSETS, with_speakers=True)}
    assert {kind: (leak.shared, leak.clips) for kind, leak in found.items()} == {
        "audio": (1, 2),
        "source recording": (1, 2),
        "speaker": (1, 2),
    }
    assert found["audio"].example == "a (training) and b (testing)"
    assert "for example e (training) and f (testing)" in str(found["speaker"])
    assert {leak.kind for leak in leaks(table(LEAKY), SUBSETS, with_speakers=False)} == {"audio", "source recording"}


def test_copies_within_one_subset_are_harmless() -> None:
    assert not leaks(table(LEAKY), np.array(["training"] * 6), with_speakers=True)


def test_dropping_spares_the_test_set() -> None:
    keep = without_leaks(table(LEAKY), SUBSETS, with_speakers=True)
    assert keep.tolist() == [False, True, False, True, False, True]


def test_moving_keeps_groups_together() -> None:
    clips = table(LEAKY)
    moved = moved_together(clips, SUBSETS, with_speakers=True)
    assert not leaks(clips, moved, with_speakers=True)
    # a, b, c, d hang together (audio, speaker s1, source): two of four were for training
    assert moved.tolist() == ["training"] * 4 + ["testing"] * 2


def test_no_clips_no_leaks() -> None:
    empty = table([])
    assert leaks(empty, empty.subset, with_speakers=True) == []
