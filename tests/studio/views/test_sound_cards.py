"""Waveform and feature cards on real clips: one time axis, frames, choosing, playing, damaged and empty sets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Artifact, AudioMeta, AudioSet, FeatureMeta, FeatureSet
from engine.audio import Clip, make_table, table_of, write_audio, write_features
from studio.look import theme
from studio.views.audio import WaveformCard
from studio.views.export import save_csv, save_png, save_svg
from studio.views.features import FeatureCard
from studio.views.play import Player
from studio.views.plotting import lookup
from studio.views.sound import SoundCard
from studio.views.viewer import Scene

Show = Callable[..., Any]


class Silent:
    """Plays without a sound until it is told to stop."""

    def play(self, samples: Any, rate_hz: int, stop: threading.Event) -> str:
        """Wait."""
        stop.wait(20)
        return ""


@pytest.fixture
def player(qtbot: QtBot) -> Player:
    """A player that can play."""
    made = Player(find=Silent)
    with qtbot.waitSignal(made.changed):
        made.look()
    return made


@pytest.fixture
def show(qtbot: QtBot, dark: QApplication, player: Player) -> Show:
    """Makes a card and shows an artifact in it, until it is drawn."""

    def make(cls: type[SoundCard], artifact: Artifact, scene: Scene | None = None, size: Any = (900, 500)) -> SoundCard:
        card = cls(player)  # type: ignore[call-arg]
        qtbot.addWidget(card)
        card.resize(*size)
        card.show()
        card.show_artifact(artifact, scene or Scene("node-1"))
        qtbot.waitUntil(lambda: card.picture is not None or bool(card.message.text() or card.trouble.text()))
        return card

    return make


@pytest.fixture
def audio(artifacts: dict[str, Any]) -> AudioSet:
    """The parted recordings of the small run."""
    found: AudioSet = artifacts["partition-1.audio"]
    return found


@pytest.fixture
def features(artifacts: dict[str, Any]) -> FeatureSet:
    """Their MFCC."""
    found: FeatureSet = artifacts["mfcc-1.features"]
    return found


def picked(card: Any, qtbot: QtBot, clip: str) -> None:
    """Wait until a clip is drawn."""
    qtbot.waitUntil(lambda: card.picture is not None and card.picture.row == card.row and card.clip_id == clip)


def place(card: SoundCard, seconds: float, row: float) -> QPoint:
    """The point of the chart at a time and a row of the map."""
    scene = card.chart.main.plot.vb.mapViewToScene(QPointF(seconds, row))
    return QPoint(card.chart.mapFromScene(scene))


# ---- what is shown


def test_the_waveform_stands_above_its_spectrogram(show: Show, audio: AudioSet) -> None:
    card = show(WaveformCard, audio)
    sound, found = card.picture.sound, card.picture.map
    assert card.chart.seconds == pytest.approx(sound.seconds)
    assert len(card.chart.wave.item.xData) == len(sound.samples)
    assert card.chart.image.image.shape == (64, found.frames)
    tops, mains = (pane.plot.vb.sceneBoundingRect() for pane in (card.chart.top, card.chart.main))
    assert (tops.left(), tops.right()) == pytest.approx((mains.left(), mains.right())), "one time axis"
    assert tops.bottom() <= mains.top()
    clip = sound.clip
    assert card.subtitle.text().startswith(f"{clip.label} · {clip.clip_id} · train")
    assert clip.speaker in card.subtitle.text() and f"{sound.seconds:.3g} s" in card.subtitle.text()


def test_features_are_drawn_below_the_audio_of_the_graph(show: Show, audio: AudioSet, features: FeatureSet) -> None:
    card = show(FeatureCard, features, Scene("mfcc-1", related={"partition-1.audio": audio}))
    assert card.heading.text() == "MFCC"
    front = features.meta.front_end
    assert card.chart.seconds == pytest.approx(front["clip_samples"] / front["rate_hz"])
    row = table_of(audio).clip_id.tolist().index(card.clip_id)
    assert card.picture.sound.clip.clip_id == card.clip_id
    assert len(card.picture.sound.samples) == table_of(audio).samples[row]
    assert card.chart.top.plot.isVisible()


def test_features_alone_are_shown_without_a_waveform(show: Show, features: FeatureSet) -> None:
    card = show(FeatureCard, features)
    assert card.picture.sound is None and not card.chart.top.plot.isVisible()
    assert "not in this graph" in card.chooser.buttons["play"].toolTip()
    assert not card.chooser.buttons["play"].isEnabled()


def test_the_picture_is_in_viridis(show: Show, features: FeatureSet) -> None:
    card = show(FeatureCard, features)
    image = card.grab().toImage()
    colours = {tuple(colour) for colour in lookup().tolist()}
    points = [place(card, seconds, row) for seconds in (0.1, 0.2, 0.3) for row in (4.5, 10.5, 20.5)]
    seen = [QColor(image.pixel(card.chart.mapTo(card, point))).getRgb()[:3] for point in points]
    near = [min(sum(abs(a - b) for a, b in zip(found, known, strict=True)) for known in colours) for found in seen]
    assert max(near) < 40, seen


@pytest.mark.parametrize("size", [(300, 220), (900, 500)])
def test_nothing_leaves_the_card(show: Show, audio: AudioSet, size: tuple[int, int]) -> None:
    card = show(WaveformCard, audio, size=size)
    assert (card.width(), card.height()) == size
    for child in (card.chart, card.chooser, card.chooser.buttons["play"]):
        box = child.rect().translated(child.mapTo(card, QPoint()))
        assert card.rect().contains(box), (child, box)
    assert card.chooser.search.isVisible() == (size[0] > 500)
    assert card.chooser.end.isVisible() == (size[0] < 500)


def test_the_frequency_axis_can_be_linear(show: Show, audio: AudioSet, qtbot: QtBot) -> None:
    card = show(WaveformCard, audio)
    card.scale._choose("linear")
    qtbot.waitUntil(lambda: card.chart.map.rows > 64)
    assert np.diff(card.chart.map.row_hz) == pytest.approx(np.diff(card.chart.map.row_hz)[0])


# ---- frames


def test_a_click_on_the_map_shows_that_frame(show: Show, audio: AudioSet, features: FeatureSet, qtbot: QtBot) -> None:
    card = show(FeatureCard, features, Scene(related={"a": audio}))
    found = card.chart.map
    point = place(card, found.middle_s(12), 20)
    with qtbot.waitSignal(card.chart.frame_chosen) as told:
        qtbot.mouseClick(card.chart.viewport(), Qt.MouseButton.LeftButton, pos=point)
    assert told.args == [12]
    side = card.chart.side.lines["frame"].item
    assert side.xData.tolist() == pytest.approx(found.values[:, 12].tolist())
    assert side.yData.tolist() == [row + 0.5 for row in range(found.rows)]
    assert f"frame 12 at {found.middle_s(12):.3f} s" in card.subtitle.text()
    assert card.head_s == pytest.approx(found.middle_s(12), abs=found.hop_s)
    qtbot.keyClick(card.chart, Qt.Key.Key_Right)
    assert card.chart.frame == 13
    qtbot.keyClick(card.chart, Qt.Key.Key_Escape)
    assert card.chart.frame == -1 and not card.chart.has_side


def test_what_is_at_the_pointer_is_said(show: Show, audio: AudioSet, qtbot: QtBot) -> None:
    card = show(WaveformCard, audio)
    found = card.chart.map
    qtbot.mouseMove(card.chart.viewport(), place(card, found.middle_s(5), 10.5))
    assert card.chart._box.isVisible()
    assert "Hz" in card.chart._box.text() and "dB" in card.chart._box.text()


def test_mean_and_deviation_stand_beside_the_map(show: Show, features: FeatureSet, qtbot: QtBot) -> None:
    card = show(FeatureCard, features)
    card.side._choose("spread")
    qtbot.waitUntil(lambda: card.chart.spread is not None)
    lines = card.chart.side.lines
    low, mean, high = (lines[key].item.xData for key in ("low", "mean", "high"))
    assert (low <= mean).all() and (mean <= high).all() and len(mean) == card.chart.map.rows
    assert "over 48 of 48 clips" in card.side.toolTip()
    card.side._choose("frame")
    assert card.chart.spread is None and not card.chart.has_side


def test_zoom_is_undone_by_a_double_click(show: Show, audio: AudioSet, qtbot: QtBot) -> None:
    card = show(WaveformCard, audio)
    vb = card.chart.main.plot.vb
    vb.setXRange(0.1, 0.2, padding=0)
    assert card.chart.top.plot.vb.viewRange()[0] == pytest.approx([0.1, 0.2]), "the waveform follows"
    qtbot.mouseDClick(card.chart.viewport(), Qt.MouseButton.LeftButton, pos=place(card, 0.15, 5))
    assert vb.viewRange()[0] == pytest.approx([0.0, card.chart.seconds])


# ---- other clips


def test_the_way_to_other_clips(show: Show, audio: AudioSet, qtbot: QtBot) -> None:
    card = show(WaveformCard, audio)
    ids = table_of(audio).clip_id.tolist()
    told: list[str] = []
    card.clip_chosen.connect(told.append)
    first = card.row
    card.chooser.buttons["next"].click()
    picked(card, qtbot, ids[first + 1])
    qtbot.keyClick(card, Qt.Key.Key_PageUp)
    picked(card, qtbot, ids[first])
    card.step(-1) if first == 0 else [card.step(-1) for _ in range(first + 1)]
    assert card.row == len(ids) - 1, "round and round"
    card.chooser.buttons["random"].click()
    assert card.row != len(ids) - 1
    assert told[:2] == [ids[first + 1], ids[first]] and told[-1] == card.clip_id


def test_words_lead_to_a_clip_and_limit_the_way(show: Show, audio: AudioSet, qtbot: QtBot) -> None:
    card = show(WaveformCard, audio)
    table = table_of(audio)
    wanted = np.flatnonzero((table.label == "2") & (table.subset == "testing"))
    qtbot.keyClicks(card.chooser.search, "label:2 subset:testing")
    picked(card, qtbot, str(table.clip_id[wanted[0]]))
    assert card.chooser.place.text() == f"1 of {len(wanted)}"
    qtbot.keyClick(card.chooser.search, Qt.Key.Key_Return)
    assert card.row == wanted[1 % len(wanted)]
    qtbot.keyClicks(card.chooser.search, "zzz")
    qtbot.waitUntil(lambda: card.chooser.place.text() == "none found")
    before = card.row
    card.step(1)
    card.random_clip()
    assert card.row == before


def test_a_clip_chosen_elsewhere_is_shown_and_not_told_again(show: Show, audio: AudioSet, qtbot: QtBot) -> None:
    card = show(WaveformCard, audio)
    told: list[str] = []
    card.clip_chosen.connect(told.append)
    wanted = str(table_of(audio).clip_id[9])
    card.show_clip(wanted)
    picked(card, qtbot, wanted)
    card.show_clip("unknown")
    assert card.clip_id == wanted and not told


def test_another_set_keeps_the_clip(show: Show, audio: AudioSet, artifacts: dict[str, Any], qtbot: QtBot) -> None:
    card = show(WaveformCard, audio)
    wanted = str(table_of(audio).clip_id[9])
    card.show_clip(wanted)
    picked(card, qtbot, wanted)
    card.show_artifact(artifacts["ingest-1.audio"], Scene())
    qtbot.waitUntil(lambda: card.source.artifact is artifacts["ingest-1.audio"])
    assert card.clip_id == wanted


# ---- sound


def test_the_play_head_follows_the_sound(show: Show, audio: AudioSet, player: Player, qtbot: QtBot) -> None:
    card = show(WaveformCard, audio)
    with qtbot.waitSignal(player.moved):
        card.chooser.buttons["play"].click()
    assert player.owner is card and card.chooser.buttons["play"].text() == "stop"
    assert all(head.isVisible() and head.value() > 0 for head in card.chart.heads)
    qtbot.keyClick(card, Qt.Key.Key_Space)
    assert player.owner is None and card.chooser.buttons["play"].text() == "play"
    assert not card.chart.heads[0].isVisible()


def test_another_clip_ends_the_sound(show: Show, audio: AudioSet, player: Player) -> None:
    card = show(WaveformCard, audio)
    card.toggle()
    assert player.owner is card
    card.step(1)
    assert player.owner is None


def test_without_an_output_the_button_is_grey_and_says_why(qtbot: QtBot, dark: QApplication, audio: AudioSet) -> None:
    card = WaveformCard(Player(find=lambda: None))
    qtbot.addWidget(card)
    card.show()
    card.show_artifact(audio, Scene())
    qtbot.waitUntil(lambda: card.picture is not None and "No audio" in card.chooser.buttons["play"].toolTip())
    play = card.chooser.buttons["play"]
    assert not play.isEnabled() and play.text() == "no sound" and "sounddevice" in play.accessibleDescription()
    qtbot.keyClick(card, Qt.Key.Key_Space)
    assert card.player.owner is None


# ---- export and colours


def test_the_chart_and_its_numbers_are_saved(show: Show, features: FeatureSet, tmp_path: Path) -> None:
    card = show(FeatureCard, features)
    save_png(card.pictured(), tmp_path / "m.png")
    save_svg(card.pictured(), tmp_path / "m.svg")
    save_csv(card.table_rows(), tmp_path / "m.csv")
    lines = (tmp_path / "m.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("time / s,coefficient 0,coefficient 1")
    assert len(lines) == 1 + card.chart.map.frames
    assert "<svg" in (tmp_path / "m.svg").read_text(encoding="utf-8") and (tmp_path / "m.png").stat().st_size > 1000


def test_the_waveform_takes_the_colour_of_the_ground(show: Show, audio: AudioSet, dark: QApplication) -> None:
    card = show(WaveformCard, audio)
    assert card.chart.wave.item.opts["pen"].color().name() == theme.colour("teal").name()
    theme.apply(dark, "light")
    QApplication.processEvents()
    assert card.chart.wave.item.opts["pen"].color().name() == theme.colour("teal").name()
    assert card.chart.backgroundBrush().color().name() == theme.colour("canvas").name()


# ---- what is wrong


def test_an_empty_set_says_so(show: Show, tmp_path: Path) -> None:
    card = show(WaveformCard, write_audio(tmp_path, [], 8000))
    assert "no clips" in card.message.text() and not card.content.isVisible()


def test_a_clip_that_cannot_be_read_leaves_the_way_to_others(
    show: Show, audio: AudioSet, copy_of: Callable[[Artifact], Artifact], qtbot: QtBot
) -> None:
    copy = copy_of(audio)
    with h5py.File(copy.path / "waveforms.h5", "r+") as file:
        whole = file["samples"][()]
        del file["samples"]
        file["samples"] = whole[: len(whole) // 2]
    card = show(WaveformCard, copy)
    table = table_of(audio)
    card.show_clip(str(table.clip_id[int(table.offset.argmax())]))
    qtbot.waitUntil(lambda: "ends before clip" in card.trouble.text())
    assert card.chooser.isVisible() and not card.chart.isVisible()
    card.show_clip(str(table.clip_id[int(table.offset.argmin())]))
    qtbot.waitUntil(card.chart.isVisible)
    assert not card.trouble.isVisible()


def test_a_missing_waveform_file_is_told(show: Show, audio: AudioSet, copy_of: Callable[[Artifact], Artifact]) -> None:
    copy = copy_of(audio)
    (copy.path / "waveforms.h5").unlink()
    card = show(WaveformCard, copy)
    assert "waveforms.h5" in card.trouble.text()


def test_nan_is_told_and_drawn(show: Show, tmp_path: Path) -> None:
    values = np.ones((1, 4, 6), np.float32)
    values[0, 1, 2] = np.nan
    table = make_table([Clip("a", "yes")], [16000], [""])
    write_features(tmp_path, table, (4, 6), [(slice(0, 1), values)])
    meta = FeatureMeta(front_end={}, layout="coefficients,frames", shape=(4, 6), classes=("yes",))
    card = show(FeatureCard, FeatureSet(tmp_path, meta))
    assert "1 values are NaN" in card.subtitle.text()
    assert card.chooser.end.text() == "6 frames"
    card.chart.choose_frame(2)
    assert card.grab().width() == 900


def test_fewer_features_than_clips_are_told(show: Show, features: FeatureSet, copy_of: Any, qtbot: QtBot) -> None:
    copy = copy_of(features)
    with h5py.File(copy.path / "features.h5", "r+") as file:
        some = file["features"][:2]
        del file["features"]
        file["features"] = some
    card = show(FeatureCard, copy)
    card.show_clip(str(table_of(features).clip_id[30]))
    qtbot.waitUntil(lambda: "cannot be shown" in card.trouble.text())


def test_audio_that_is_gone_does_not_hide_the_features(
    show: Show, audio: AudioSet, features: FeatureSet, tmp_path: Path
) -> None:
    gone = replace(audio, path=tmp_path / "gone")
    card = show(FeatureCard, features, Scene(related={"a": gone}))
    assert card.picture is not None and card.picture.sound is None


def test_another_audio_without_these_clips_is_not_taken_for_theirs(
    show: Show, features: FeatureSet, tmp_path: Path
) -> None:
    other = write_audio(tmp_path, [(Clip("else", "x"), np.zeros(100, np.int16))], 16000)
    card = show(FeatureCard, features, Scene(related={"a": other}))
    assert card.picture.sound is None
    assert AudioMeta is type(other.meta)
