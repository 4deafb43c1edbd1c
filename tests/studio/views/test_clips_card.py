"""The table card: filter, sort, choose, hear, problems, 65,000 rows, bad sets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Artifact, AudioSet, FileProblem
from engine.audio import Clip, make_table, table_of, write_audio
from studio.look import theme
from studio.views.clips import AudioClips, ClipRows, ClipsCard, FeatureClips
from studio.views.data.clips import Clips
from studio.views.play import Player
from studio.views.viewer import Scene

MakeCard = Callable[..., ClipsCard]


class Silent:
    """Remembers what it should play."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def play(self, samples: Any, rate_hz: int, stop: threading.Event) -> str:
        """Wait until told to stop."""
        self.heard.append(len(samples))
        stop.wait(20)
        return ""


@pytest.fixture
def output() -> Silent:
    """What plays."""
    return Silent()


@pytest.fixture
def show(qtbot: QtBot, dark: QApplication, output: Silent) -> MakeCard:
    """Makes a card and waits for its rows."""
    player = Player(find=lambda: output)
    with qtbot.waitSignal(player.changed):
        player.look()

    def make(cls: type[ClipsCard], artifact: Artifact, scene: Scene | None = None, size: Any = (900, 500)) -> ClipsCard:
        card = cls(player)
        qtbot.addWidget(card)
        card.resize(*size)
        card.show()
        card.show_artifact(artifact, scene or Scene("node-1"))
        qtbot.waitUntil(lambda: card.model.rowCount() > 0 or bool(card.message.text()))
        return card

    return make


@pytest.fixture
def audio(artifacts: dict[str, Any]) -> AudioSet:
    """The parted recordings of the small run."""
    found: AudioSet = artifacts["partition-1.audio"]
    return found


def cells(card: ClipsCard, name: str) -> list[str]:
    column = card.model.headers.index(name)
    return [str(card.model.index(row, column).data()) for row in range(card.model.rowCount())]


def test_every_clip_has_a_row(show: MakeCard, audio: AudioSet) -> None:
    card = show(AudioClips, audio)
    table = table_of(audio)
    assert cells(card, "clip") == table.clip_id.tolist()
    assert cells(card, "seconds") == [f"{n / audio.meta.rate_hz:.3f}" for n in table.samples.tolist()]
    assert card.count.text() == f"{len(table):,} clips" and card.subtitle.text() == "node-1"
    assert "problem" not in card.model.headers and "fold" not in card.model.headers, "they would be empty"


def test_words_filter_and_headers_sort(show: MakeCard, audio: AudioSet, qtbot: QtBot) -> None:
    card = show(AudioClips, audio)
    table = table_of(audio)
    qtbot.keyClicks(card.filter, "label:3 subset:training")
    wanted = (table.label == "3") & (table.subset == "training")
    qtbot.waitUntil(lambda: card.model.rowCount() == wanted.sum())
    assert card.count.text() == f"{wanted.sum()} of {len(table)} clips"
    card.view.sortByColumn(card.model.headers.index("seconds"), Qt.SortOrder.DescendingOrder)
    lengths = [float(text) for text in cells(card, "seconds")]
    assert lengths == sorted(lengths, reverse=True) and len(set(lengths)) > 1
    card.filter.clear()
    qtbot.waitUntil(lambda: card.model.rowCount() == len(table))
    lengths = [float(text) for text in cells(card, "seconds")]
    assert lengths == sorted(lengths, reverse=True), "the order outlives the filter"
    rows = card.table_rows()
    assert rows[0] == list(card.model.headers) and len(rows) == len(table) + 1


def test_nothing_found_is_marked(show: MakeCard, audio: AudioSet, qtbot: QtBot) -> None:
    card = show(AudioClips, audio)
    qtbot.keyClicks(card.filter, "zzz")
    qtbot.waitUntil(lambda: card.model.rowCount() == 0)
    assert card.filter.property("invalid") is True and card.count.text().startswith("0 of")


def test_a_marked_row_is_told_and_stays_marked(show: MakeCard, audio: AudioSet, qtbot: QtBot) -> None:
    card = show(AudioClips, audio)
    with qtbot.waitSignal(card.clip_chosen) as told:
        box = card.view.visualRect(card.model.index(2, 0))
        qtbot.mouseClick(card.view.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    wanted = str(table_of(audio).clip_id[2])
    assert told.args == [wanted] == [card.clip_id]
    card.view.sortByColumn(card.model.headers.index("label"), Qt.SortOrder.DescendingOrder)
    assert card.clip_id == wanted
    card.filter.setText(f"id:{wanted}")
    qtbot.waitUntil(lambda: card.model.rowCount() == 1)
    assert card.clip_id == wanted


def test_a_clip_chosen_elsewhere_is_marked_and_not_told(show: MakeCard, audio: AudioSet) -> None:
    card = show(AudioClips, audio)
    told: list[str] = []
    card.clip_chosen.connect(told.append)
    wanted = str(table_of(audio).clip_id[-1])
    card.show_clip(wanted)
    assert card.clip_id == wanted and not told
    card.show_clip("unknown")
    assert card.clip_id == wanted


def test_space_plays_the_marked_clip_and_stops_it(
    show: MakeCard, audio: AudioSet, output: Silent, qtbot: QtBot
) -> None:
    card = show(AudioClips, audio)
    qtbot.keyClick(card.view, Qt.Key.Key_Space)
    assert card.player.owner is None, "nothing is marked"
    card.show_clip(str(table_of(audio).clip_id[4]))
    qtbot.keyClick(card.view, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: output.heard == [int(table_of(audio).samples[4])])
    assert card.hint.text() == "playing"
    qtbot.keyClick(card.view, Qt.Key.Key_Space)
    assert card.player.owner is None and card.hint.text() == "Space plays"


def test_features_are_heard_through_the_audio_of_the_graph(
    show: MakeCard, artifacts: dict[str, Any], audio: AudioSet, output: Silent, qtbot: QtBot
) -> None:
    card = show(FeatureClips, artifacts["mfcc-1.features"], Scene("mfcc-1", related={"a": audio}))
    card.view.setCurrentIndex(card.model.index(0, 0))
    qtbot.keyClick(card.view, Qt.Key.Key_Space)
    row = table_of(audio).clip_id.tolist().index(card.clip_id)
    qtbot.waitUntil(lambda: output.heard == [int(table_of(audio).samples[row])])
    card.player.stop()


def test_files_left_out_are_listed_with_the_reason(show: MakeCard, audio: AudioSet) -> None:
    name = str(table_of(audio).clip_id[1])
    problems = (FileProblem(file="broken.wav", what="no samples"), FileProblem(file=name, what="leak: twice"))
    card = show(AudioClips, replace(audio, meta=audio.meta.model_copy(update={"problems": problems})))
    assert cells(card, "problem")[:3] == ["", "leak: twice", ""]
    column = card.model.headers.index("problem")
    shade = card.model.index(1, column).data(Qt.ItemDataRole.ForegroundRole)
    assert isinstance(shade, QColor) and shade.name() == theme.colour("amber-text").name()
    assert card.page.isVisible()
    card.page._choose("problems")
    assert card.problems.isVisible() and not card.view.isVisible()
    assert card.problems.source.rows[0] == ("broken.wav", "no samples")


def test_65000_rows_are_shown_at_once(qapp: QApplication) -> None:
    count = 65_000
    rows = [Clip(f"clip-{k}", f"word{k % 35}", f"s{k % 999}", "", "training", fold=k % 10) for k in range(count)]
    table = make_table(rows, [16000] * count, [""] * count)
    model = ClipRows()
    model.show(Clips(table, None, (), table.samples / 16000))
    assert model.rowCount() == count and model.headers == ("clip", "label", "speaker", "subset", "fold", "seconds")
    model.sort(model.headers.index("fold"), Qt.SortOrder.DescendingOrder)
    assert model.index(0, 4).data() == "9" and model.index(count - 1, 4).data() == "0"
    model.sort(-1)
    assert model.rows.tolist() == list(range(count))
    model.keep(np.array([5, 3]))
    assert (model.index(0, 0).data(), model.line_of(3), model.line_of(9)) == ("clip-5", 1, -1)


@pytest.mark.parametrize("size", [(300, 220), (900, 500)])
def test_it_fits_where_it_stands(show: MakeCard, audio: AudioSet, size: tuple[int, int]) -> None:
    card = show(AudioClips, audio, size=size)
    assert (card.width(), card.height()) == size
    for child in (card.filter, card.count, card.view):
        assert card.rect().contains(child.rect().translated(child.mapTo(card, QPoint())))


def test_a_set_without_clips_says_so(show: MakeCard, tmp_path: Path) -> None:
    assert "no clips" in show(AudioClips, write_audio(tmp_path, [], 8000)).message.text()


def test_a_damaged_table_is_told(show: MakeCard, audio: AudioSet, copy_of: Callable[[Artifact], Artifact]) -> None:
    copy = copy_of(audio)
    (copy.path / "dataset.h5").write_bytes(b"broken")
    card = show(AudioClips, copy)
    assert "ataset.h5 cannot be opened" in card.message.text() and not card.content.isVisible()


def test_a_clip_that_cannot_be_heard_is_told(
    show: MakeCard, audio: AudioSet, copy_of: Callable[[Artifact], Artifact], qtbot: QtBot
) -> None:
    copy = copy_of(audio)
    (copy.path / "waveforms.h5").write_bytes(b"broken")
    card = show(AudioClips, copy)
    card.view.setCurrentIndex(card.model.index(0, 0))
    qtbot.keyClick(card.view, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: card.hint.text() == "this clip cannot be read")
    assert "waveforms.h5" in card.hint.toolTip()
