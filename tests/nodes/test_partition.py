"""The partition node: rules on real recordings, leaks and what may be done about them, shared waveforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from engine import AudioMeta, AudioSet, Context, Event, OssicleError
from engine.audio import AudioWriter, Clip, table_of, waveforms
from engine.key import recipe_of
from nodes.ingest import IngestParams, ingest
from nodes.partition import PartitionParams, partition


def run(folder: Path, audio: AudioSet, *, events: list[Event] | None = None, **params: Any) -> AudioSet:
    sink = (lambda _event: None) if events is None else events.append
    place = folder / f"part {len(list(folder.glob('part *')))}"
    return partition(audio, PartitionParams(**params), Context.for_test(place, sink=sink))


@pytest.fixture(scope="module")
def digits(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> AudioSet:
    params = IngestParams(
        source=str(recordings / "fsdd"),
        name_pattern=r"(?P<label>\d)_(?P<speaker>[a-z]+)_(?P<take>\d+)",
        limit_per_class=60,
        rate_hz=8000,
    )
    return ingest(params, Context.for_test(tmp_path_factory.mktemp("digits")))


def small(folder: Path, rows: list[tuple[str, str, str, int]]) -> AudioSet:
    """Clips of (speaker, source, subset, level); equal levels are equal audio."""
    folder.mkdir()
    with AudioWriter(folder) as writer:
        for number, (speaker, source, subset, level) in enumerate(rows):
            clip = Clip(f"{'ab'[number % 2]}/{number}.wav", "ab"[number % 2], speaker, source, subset)
            writer.add(clip, np.full(50, level, np.int16))
    return AudioSet(folder, AudioMeta(rate_hz=1000, classes=("a", "b"), licence="CC0"))


def test_leave_one_speaker_out_on_real_digits(digits: AudioSet, tmp_path: Path) -> None:
    parted = run(tmp_path, digits, rule="leave_one_speaker_out", speakers=("jackson",))
    table = table_of(parted)
    assert set(table.speaker[table.subset == "testing"].tolist()) == {"jackson"}
    assert len(set(table.speaker[table.subset == "validation"].tolist())) == 1
    assert parted.meta.counts["training"] == (table.subset == "training").sum() > 300
    assert parted.meta.classes == digits.meta.classes and parted.meta.rate_hz == 8000


def test_waveforms_are_shared_not_copied(digits: AudioSet, tmp_path: Path) -> None:
    parted = run(tmp_path, digits, rule="speaker")
    assert parted.file("waveforms.h5").stat().st_ino == digits.file("waveforms.h5").stat().st_ino
    for old, new in zip(list(waveforms(digits))[:20], waveforms(parted), strict=False):
        assert old.tolist() == new.tolist()
    assert parted.json("statistics.json").keys() == {"all", "training", "validation", "testing"}


def test_equal_input_gives_equal_bytes(digits: AudioSet, tmp_path: Path) -> None:
    one, two = (run(tmp_path, digits, rule="stratified", seed=3) for _ in range(2))
    assert one.file("dataset.h5").read_bytes() == two.file("dataset.h5").read_bytes() and one.meta == two.meta


def test_esc10_by_fold(recordings: Path, tmp_path: Path) -> None:
    source = str(recordings / "esc10.tar.gz")
    audio = ingest(
        IngestParams(source=source, limit_per_class=6, rate_hz=8000), Context.for_test(tmp_path / "in", threads=2)
    )
    table = table_of(run(tmp_path, audio, rule="fold", test_fold=1))
    assert set(table.fold[table.subset == "testing"].tolist()) == {1}
    assert set(table.fold[table.subset == "validation"].tolist()) == {4}  # the one before the first is the last
    assert set(table.fold[table.subset == "training"].tolist()) == {2, 3}


SHARED_AUDIO = [
    ("s1", "f1", "training", 5),
    ("s2", "f2", "testing", 5),
    ("s3", "f3", "training", 6),
    ("s4", "f4", "testing", 7),
]
SHARED_SOURCE = [
    ("s1", "f1", "training", 5),
    ("s2", "f1", "testing", 6),
    ("s3", "f3", "training", 7),
    ("s4", "f4", "testing", 8),
]
SHARED_SPEAKER = [
    ("s1", "f1", "training", 5),
    ("s1", "f2", "testing", 6),
    ("s3", "f3", "training", 7),
    ("s4", "f4", "testing", 8),
]


@pytest.mark.parametrize(
    ("rows", "kind"), [(SHARED_AUDIO, "audio"), (SHARED_SOURCE, "source recording"), (SHARED_SPEAKER, "speaker")]
)
def test_a_leak_stops_with_count_and_example(rows: list[tuple[str, str, str, int]], kind: str, tmp_path: Path) -> None:
    audio = small(tmp_path / "in", rows)
    with pytest.raises(OssicleError) as caught:
        run(tmp_path, audio)
    assert f"1 {kind}(s) in two subsets (2 clips)" in caught.value.what
    assert "a/0.wav (training) and b/1.wav (testing)" in caught.value.what and "on_leak" in caught.value.remedy


def folded(folder: Path, rows: list[tuple[str, int, int]]) -> AudioSet:
    """Clips of (source, fold, level); equal levels are equal audio."""
    folder.mkdir()
    with AudioWriter(folder) as writer:
        for number, (source, fold, level) in enumerate(rows):
            writer.add(Clip(f"{number}.wav", "ab"[number % 2], "", source, "", fold), np.full(50, level, np.int16))
    return AudioSet(folder, AudioMeta(rate_hz=1000, classes=("a", "b"), licence="CC0"))


FIVE_FOLDS = [(f"f{n}", n % 5 + 1, n + 1) for n in range(10)]


@pytest.mark.parametrize("test_fold", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("f1", 4, 99), "1 source recording(s) in two folds (3 clips), for example 1.wav (fold 2) and 10.wav (fold 4)"),
        (("f99", 5, 3), "1 audio(s) in two folds (2 clips), for example 2.wav (fold 3) and 10.wav (fold 5)"),
    ],
)
def test_folds_that_overlap_are_an_error_whichever_is_tested(
    row: tuple[str, int, int], told: str, test_fold: int, tmp_path: Path
) -> None:
    """Also where both folds are for training: over all ten points of a sweep they would not be."""
    rows = [*FIVE_FOLDS[:6], ("f1", 2, 98), *FIVE_FOLDS[7:], row]
    with pytest.raises(OssicleError) as caught:
        run(tmp_path, folded(tmp_path / "in", rows), rule="fold", test_fold=test_fold)
    assert told in caught.value.what and "on_leak" in caught.value.remedy


def test_overlapping_folds_can_be_told_apart_by_hand(tmp_path: Path) -> None:
    rows = [*FIVE_FOLDS, ("f1", 4, 99)]
    audio = folded(tmp_path / "in", rows)
    assert run(tmp_path, audio, rule="fold", test_fold=1, on_leak="warn").meta.problems == (), "both are for training"
    dropped = run(tmp_path, audio, rule="fold", test_fold=2, on_leak="drop")
    assert "in two subsets" in dropped.meta.problems[0].what
    assert "10.wav" not in table_of(dropped).clip_id.tolist()
    assert run(tmp_path, folded(tmp_path / "good", FIVE_FOLDS), rule="fold", test_fold=2).meta.counts["testing"] == 2


@pytest.mark.parametrize(("on_leak", "left"), [("drop", [1, 2, 3]), ("warn", [0, 1, 2, 3]), ("move", [0, 1, 2, 3])])
def test_what_may_be_done_about_a_leak(on_leak: str, left: list[int], tmp_path: Path) -> None:
    events: list[Event] = []
    parted = run(tmp_path, small(tmp_path / "in", SHARED_AUDIO), events=events, on_leak=on_leak)
    table = table_of(parted)
    assert [int(Path(name).stem) for name in table.clip_id.tolist()] == left
    assert (table.subset[0] == table.subset[1]) == (on_leak == "move")
    assert len(parted.meta.problems) == 1 and "1 audio(s) in two subsets" in parted.meta.problems[0].what
    assert any(event.values.get("level") == "warning" for event in events)
    assert [wave[0] for wave in waveforms(parted)] == [[5, 5, 6, 7][row] for row in left]


def test_speakers_may_be_shared_where_the_rule_cannot_help(tmp_path: Path) -> None:
    audio = small(tmp_path / "in", [("s1", f"f{n}", "", n) for n in range(40)])
    assert run(tmp_path, audio, rule="random").meta.counts["testing"] == 4
    with pytest.raises(OssicleError, match="speaker"):
        run(tmp_path, audio, rule="random", same_speaker="leak")
    shared = small(tmp_path / "in2", SHARED_SPEAKER)
    assert run(tmp_path, shared, same_speaker="allow").meta.counts["clips"] == 4


def test_background_tracks_stay_background(tmp_path: Path) -> None:
    rows = [(f"s{n}", f"f{n}", "", n) for n in range(30)] + [("", "noise", "background", 99)]
    table = table_of(run(tmp_path, small(tmp_path / "in", rows), rule="speaker"))
    assert table.subset[-1] == "background" and (table.subset == "background").sum() == 1


def test_list_files(tmp_path: Path) -> None:
    audio = small(tmp_path / "in", [(f"s{n}", f"f{n}", "", n) for n in range(6)])
    (tmp_path / "v.txt").write_text("a/0.wav\n\n", encoding="utf-8")
    (tmp_path / "t.txt").write_text("b/1.wav\nb/3.wav\n", encoding="utf-8")
    params = {"rule": "lists", "validation_list": str(tmp_path / "v.txt"), "testing_list": str(tmp_path / "t.txt")}
    table = table_of(run(tmp_path, audio, **params))
    assert table.subset.tolist() == ["validation", "testing", "training", "testing", "training", "training"]
    before = recipe_of(partition, PartitionParams(**params), {}, tmp_path).key
    (tmp_path / "t.txt").write_text("b/1.wav\n", encoding="utf-8")
    assert recipe_of(partition, PartitionParams(**params), {}, tmp_path).key != before
    with pytest.raises(OssicleError, match="list no.txt cannot be read"):
        run(tmp_path, audio, rule="lists", testing_list="no.txt")


def test_an_empty_subset_is_told(tmp_path: Path) -> None:
    events: list[Event] = []
    audio = small(tmp_path / "in", [(f"s{n}", f"f{n}", "", n) for n in range(6)])
    run(tmp_path, audio, events=events, rule="speaker", validation_percent=0)
    assert "no clips for validation" in [event.values.get("text") for event in events]


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"rule": "given"}, "came without subsets"),
        ({"rule": "fold"}, "test fold 1"),
        ({"rule": "leave_one_speaker_out", "speakers": ("x",)}, "no speaker x"),
        ({"rule": "speaker", "validation_percent": 1, "testing_percent": 1}, "cannot fill 3 subsets"),
    ],
)
def test_rules_the_data_cannot_serve(params: dict[str, Any], what: str, tmp_path: Path) -> None:
    audio = small(tmp_path / "in", [("s1", "f1", "", 1), ("s1", "f2", "", 2)])
    with pytest.raises(OssicleError, match=what) as caught:
        run(tmp_path, audio, **params)
    assert caught.value.expected and caught.value.remedy


def test_no_clips_at_all(tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="no clips"):
        run(tmp_path, small(tmp_path / "in", [("", "f", "background", 1)]))


@pytest.mark.parametrize(
    "change",
    [{"validation_percent": 60, "testing_percent": 40}, {"rule": "lists"}, {"rule": "nonsense"}, {"test_fold": 0}],
)
def test_parameters_that_make_no_sense(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PartitionParams(**change)
