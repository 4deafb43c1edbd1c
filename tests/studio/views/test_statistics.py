"""Counts by class, speaker and length; leaks; the card on real recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Artifact, AudioSet, FileProblem
from engine.audio import BACKGROUND, Clip, make_table, table_of, write_audio
from engine.errors import OssicleError
from studio.views.data.statistics import MOST, UNPARTED, counted, lengths, read_statistics, shared_speakers
from studio.views.statistics import StatisticsCard
from studio.views.viewer import Scene


def words(*values: str) -> Any:
    return np.array(values)


def wave(samples: int = 800) -> Any:
    return np.zeros(samples, np.int16)


def test_rows_are_counted_by_subset_the_most_frequent_first() -> None:
    rows = counted(words("b", "a", "a", "a", ""), words("t", "t", "t", "v", "v"))
    assert [(row.name, dict(row.counts), row.total) for row in rows] == [
        ("a", {"t": 2, "v": 1}, 3),
        ("(none)", {"v": 1}, 1),
        ("b", {"t": 1}, 1),
    ]


def test_rare_names_go_into_one_row() -> None:
    names = np.array([f"s{k:03}" for k in range(MOST + 5)])
    rows = counted(names, np.full(len(names), "t"))
    assert len(rows) == MOST + 1 and (rows[-1].name, rows[-1].total) == ("5 more", 5)


@pytest.mark.parametrize(
    ("seconds", "names", "totals"),
    [
        ([1.0, 1.0], ["1 s"], [2]),
        ([0.1, 0.25, 0.9], None, [1, 1, 1]),
        ([0.0, 2.0, 2.0], None, [1, 2]),
    ],
)
def test_lengths_are_counted_in_equal_ranges(seconds: list[float], names: Any, totals: list[int]) -> None:
    rows = lengths(np.array(seconds), np.full(len(seconds), "t"))
    assert [row.total for row in rows if row.total] == totals
    assert names is None or [row.name for row in rows] == names
    assert len(rows) <= 30 and all(row.name.endswith(" s") for row in rows)


def test_every_length_is_in_the_range_that_its_row_names() -> None:
    seconds = np.random.default_rng(3).uniform(0.11, 3.7, 500)
    rows = lengths(seconds, np.full(500, "t"))
    assert sum(row.total for row in rows) == 500
    for row in rows:
        low, high = (float(part) for part in row.name.removesuffix(" s").split("–"))
        assert row.total == ((seconds >= low - 1e-9) & (seconds < high - 1e-9)).sum()


def test_speakers_in_two_subsets_are_counted_once() -> None:
    rows = [("s1", "training"), ("s1", "testing"), ("s1", "validation"), ("s2", "training"), ("", "testing"), ("", "x")]
    table = make_table([Clip(f"{k}", "a", s, "", t) for k, (s, t) in enumerate(rows)], [1] * 6, [""] * 6)
    assert shared_speakers(table) == 1


def test_a_real_set_is_counted(artifacts: dict[str, Any]) -> None:
    audio = artifacts["partition-1.audio"]
    table = table_of(audio)
    found = read_statistics(audio, Scene())
    assert {row.name: row.total for row in found.rows["class"]} == Counter(table.label.tolist())
    assert {row.name: row.total for row in found.rows["speaker"]} == Counter(table.speaker.tolist())
    assert sum(row.total for row in found.rows["length"]) == len(table)
    assert found.subsets == ("training", "validation", "testing")
    assert found.is_apart and not found.warnings
    assert f"{len(table)} clips" in found.about and "6 speakers" in found.about and "±" in found.about


def test_background_tracks_are_no_clips(tmp_path: Path) -> None:
    clips = [(Clip("a", "yes"), wave()), (Clip("n", "noise", subset=BACKGROUND), wave(9000))]
    found = read_statistics(write_audio(tmp_path, clips, 8000), Scene())
    assert [row.name for row in found.rows["class"]] == ["yes"] and "1 background tracks" in found.about
    assert found.subsets == (UNPARTED,) and not found.is_apart


def test_a_set_of_background_alone_is_told(tmp_path: Path) -> None:
    audio = write_audio(tmp_path, [(Clip("n", "noise", subset=BACKGROUND), wave())], 8000)
    with pytest.raises(OssicleError, match="no clips"):
        read_statistics(audio, Scene())


@pytest.fixture
def show(qtbot: QtBot, dark: QApplication) -> Callable[..., StatisticsCard]:
    """Makes a card and waits until it has counted."""

    def make(audio: Artifact, size: tuple[int, int] = (900, 500)) -> StatisticsCard:
        card = StatisticsCard()
        qtbot.addWidget(card)
        card.resize(*size)
        card.show()
        card.show_artifact(audio, Scene("partition-1"))
        qtbot.waitUntil(lambda: card.found is not None or bool(card.message.text()))
        return card

    return make


def test_the_card_counts_by_what_is_asked(show: Any, artifacts: dict[str, Any]) -> None:
    card = show(artifacts["partition-1.audio"])
    assert len(card.bars.rows) == 4 and "no speaker in two subsets" in card.note.text()
    card.by._choose("speaker")
    assert len(card.bars.rows) == 6
    rows = card.table_rows()
    assert rows[0] == ["speaker", "training / clips", "validation / clips", "testing / clips"] and len(rows) == 7


def test_leaks_are_told_even_on_a_small_card(show: Any, artifacts: dict[str, Any]) -> None:
    audio: AudioSet = artifacts["partition-1.audio"]
    problem = FileProblem(file="0_theo_1.wav", what="leak: 2 clips are the same (warn)")
    leaky = replace(audio, meta=audio.meta.model_copy(update={"problems": (problem,)}))
    card = show(leaky, (300, 220))
    assert card.note.isVisible() and card.note.text().startswith("! leak: 2 clips") and not card.by.isVisible()
    assert card.note.objectName() == "warning" and card.rect().contains(card.note.mapTo(card, QPoint()))


def test_shared_speakers_are_told(show: Any, tmp_path: Path) -> None:
    clips = [(Clip(f"{k}", "a", "s1", subset=s), wave()) for k, s in enumerate(("training", "testing"))]
    card = show(write_audio(tmp_path, clips, 8000))
    assert "1 speaker is in more than one subset" in card.note.text()


def test_a_missing_table_is_told(show: Any, artifacts: dict[str, Any], copy_of: Any) -> None:
    copy = copy_of(artifacts["ingest-1.audio"])
    (copy.path / "dataset.h5").unlink()
    assert "dataset.h5" in show(copy).message.text()
