"""Filter, sort and count of clips as plain data, on real clips and on 65,000 made ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.artifact import AudioMeta, AudioSet, FileProblem, Report, ReportMeta
from engine.audio import Clip, make_table
from engine.errors import OssicleError
from studio.views.data.clips import HEADERS, Clips, matching, ordered, read_clips, words_of

PROBLEMS = (FileProblem(file="c.wav", what="leak: c and d are the same"), FileProblem(file="gone.wav", what="empty"))


def made(problems: tuple[FileProblem, ...] = PROBLEMS) -> Clips:
    rows = [
        Clip("a.wav", "yes", "s1", "rec-1", "training"),
        Clip("b.wav", "no", "s2", "rec-2", "testing", fold=2),
        Clip("c.wav", "Yes", "s10", "rec-3", "testing", fold=10),
        Clip("d wav", "up", "", "rec-4", ""),
    ]
    table = make_table(rows, [16000, 8000, 4000, 16000], ["0"] * 4)
    return Clips(table, None, problems, table.samples / 16000)


def ids(clips: Clips, text: str) -> str:
    return "".join(str(name)[0] for name in clips.table.clip_id[matching(clips, text)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "abcd"),
        ("yes", "ac"),
        ("YES", "ac"),
        ("label:yes", "ac"),
        ("label:ye", ""),
        ("label:y*", "ac"),
        ("class:no", "b"),
        ("subset:testing", "bc"),
        ("label:yes subset:testing", "c"),
        ("subset:testing -label:no", "c"),
        ("-yes", "bd"),
        ("speaker:s1*", "ac"),
        ("speaker:s1", "a"),
        ("fold:2", "b"),
        ("source:rec-4", "d"),
        ("seconds<0.6", "bc"),
        ("seconds>=1", "ad"),
        ("seconds<=0.25", "c"),
        ("-seconds<0.6", "ad"),
        ("problem:yes", "c"),
        ("problem:no", "abd"),
        ("problem:leak*", "c"),
        ('"d wav"', "d"),
        ('"d wa', "d"),
        ("nothing:there", ""),
        ("label:", ""),
        ("-", ""),
        ("seconds<x", ""),
    ],
)
def test_what_a_filter_finds(text: str, expected: str) -> None:
    assert ids(made(), text) == expected


def test_words_in_quotation_marks_stay_together() -> None:
    assert words_of('label:"two words" X') == ["label:two words", "x"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [("clip", "abcd"), ("label", "cbda"), ("speaker", "dacb"), ("fold", "adbc"), ("seconds", "cbad")],
)
def test_sorting_keeps_equal_rows_in_their_order(header: str, expected: str) -> None:
    clips = made()
    rows = ordered(clips, np.arange(4), header)
    assert "".join(str(name)[0] for name in clips.table.clip_id[rows]) == expected
    back = ordered(clips, np.arange(4), header, is_descending=True)
    keys = clips.seconds if header == "seconds" else np.arange(4)
    assert sorted(back.tolist()) == [0, 1, 2, 3] and (header != "seconds" or (np.diff(keys[back]) <= 0).all())


def test_an_empty_set_is_searched_and_sorted() -> None:
    table = make_table([], [], [])
    clips = Clips(table, None, (), np.zeros(0))
    assert len(matching(clips, "yes label:no seconds<1 problem:yes")) == 0
    assert all(len(ordered(clips, np.arange(0), header)) == 0 for header in HEADERS)


def test_65000_clips_are_found_by_any_column() -> None:
    count = 65_000
    rows = [
        Clip(f"clip-{k:05}", f"word{k % 35}", f"s{k % 2000}", "", ("training", "testing")[k % 2]) for k in range(count)
    ]
    table = make_table(rows, [16000] * count, [""] * count)
    clips = Clips(table, None, (), table.samples / 16000)
    assert matching(clips, "label:word3 subset:testing").sum() == sum(k % 35 == 3 and k % 2 for k in range(count))
    assert matching(clips, "clip-00042").sum() == 1
    assert ordered(clips, np.arange(count), "speaker")[0] == 0


def test_the_sets_of_a_run_are_read(artifacts: dict[str, Any]) -> None:
    audio, features = artifacts["partition-1.audio"], artifacts["mfcc-1.features"]
    clips = read_clips(audio)
    assert len(clips) == audio.meta.counts["clips"] and clips.audio is audio
    assert clips.seconds.sum() / 60 == pytest.approx(audio.meta.minutes, abs=0.01)
    assert matching(clips, "subset:testing").sum() == audio.meta.counts["testing"]
    assert len(read_clips(features)) == features.meta.counts["clips"]
    assert read_clips(features, audio).audio is audio
    assert clips.place[str(clips.table.clip_id[5])] == 5


def test_other_artifacts_have_no_clips(tmp_path: Any) -> None:
    with pytest.raises(OssicleError, match="a Report has no clips"):
        read_clips(Report(tmp_path, ReportMeta(title="x")))
    with pytest.raises(OssicleError, match="has no file"):
        read_clips(AudioSet(tmp_path, AudioMeta(rate_hz=8000, classes=())))
