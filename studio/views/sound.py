"""One clip of a set: its waveform above its spectrogram or stored features, to be looked through and heard."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from engine.artifact import Artifact
from engine.audio import SUBSETS
from engine.errors import OssicleError
from engine.evidence import sample_row
from studio.views.chooser import Chooser
from studio.views.data.clips import Rows, matching
from studio.views.data.maps import LONGEST_S, Map, Sound
from studio.views.data.source import Source, read_source
from studio.views.parts import LoadedCard, read_safely, sentence
from studio.views.play import Player, shared_player
from studio.views.plotting import SoundChart
from studio.views.viewer import Scene
from studio.work import Background

WIDE_PX: Final = 520
SEARCH_MS: Final = 120
SHORT_SUBSETS: Final = dict(zip(SUBSETS, ("train", "validation", "test"), strict=True))


@dataclass(frozen=True)
class Picture:
    """One clip, ready to be drawn."""

    row: int
    sound: Sound | None
    map: Map


class SoundCard(LoadedCard):
    """What both cards share. `clip_chosen(str)`: somebody chose a clip here; its id."""

    clip_chosen = Signal(str)
    reader = staticmethod(read_source)

    def __init__(self, player: Player | None = None) -> None:
        super().__init__()
        self.source: Source | None = None
        self.picture: Picture | None = None
        self.row = -1
        self.found: Rows = np.zeros(0, np.int64)
        self.clip_work = Background(self, threads=1)
        self.player = player or shared_player()
        self.chart = SoundChart(self.title)
        self.chart.sought.connect(self._seek)
        self.chart.frame_chosen.connect(lambda _frame: self._tell())
        self.head_s = 0.0
        self.chooser = Chooser()
        self._words = ""
        self._search = QTimer(self, singleShot=True, interval=SEARCH_MS)
        self._search.timeout.connect(self._find)
        self._join()
        self.trouble = QLabel()
        self.trouble.setObjectName("mute")
        self.trouble.setWordWrap(True)
        self.trouble.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.trouble.hide()
        self.stage = QWidget()
        column = QVBoxLayout(self.stage)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.chart, 1)
        column.addWidget(self.trouble, 1)
        self.inner.addWidget(self.stage, 1)
        self.inner.addWidget(self.chooser)

    def _join(self) -> None:
        chooser, player = self.chooser, self.player
        chooser.stepped.connect(self.step)
        chooser.random_asked.connect(self.random_clip)
        chooser.searched.connect(lambda _text: self._search.start())
        chooser.play_asked.connect(self.toggle)
        player.changed.connect(self._show_player)
        player.moved.connect(self._follow)
        player.ended.connect(self._rest)
        self._show_player()

    # ---- what is shown

    def show_data(self, data: Source) -> None:
        """Another set: the same clip if it has it, else the first worth looking at."""
        before = self.clip_id
        self.source = data
        self.row = -1
        self._choose_found()
        self._go(data.clips.place.get(before, sample_row(data.clips.table)))
        self.player.look()

    @property
    def clip_id(self) -> str:
        """The clip that is shown."""
        return str(self.source.clips.table.clip_id[self.row]) if self.source is not None and self.row >= 0 else ""

    def show_clip(self, clip: str) -> None:
        """Show a clip, if it is one of this set; nothing is told."""
        row = self.source.clips.place.get(clip) if self.source is not None else None
        if row is not None and row != self.row:
            self._go(row)

    def _go(self, row: int) -> None:
        self.row = row
        self._stop()
        self._tell()
        self._read()

    def _read(self) -> None:
        source, row = self.source, self.row
        if source is not None and row >= 0:
            draw = self.drawer()

            def read(_artifact: Artifact, _scene: Scene) -> Picture:
                return Picture(row, *draw(source, row))

            job = partial(read_safely, read, source.artifact, self.scene)
            self.clip_work.call("clip", job, self._show, self._refuse_clip)

    def drawer(self) -> Any:
        """A function from source and row to sound and map, called in a thread."""
        raise NotImplementedError

    def _show(self, picture: Picture) -> None:
        is_new = self.picture is None or self.picture.row != picture.row
        self.picture = picture
        self._tell_trouble("")
        self.chart.show_sound(picture.sound, picture.map, self.span(picture))
        self.chooser.show_span(self.chart.seconds, picture.map.is_timed)
        if is_new:
            self.chart.show_all()
            self.head_s = 0.0
            self.chart.move_head(None)
        self._show_player()
        self._tell()

    def _refuse_clip(self, error: OssicleError) -> None:
        """Tell why this clip is not shown; the way to others stays."""
        self.picture = None
        self._tell_trouble(f"{sentence(error.what)}\n{sentence(error.remedy)}")
        self._show_player()

    def _tell_trouble(self, text: str) -> None:
        self.trouble.setText(text)
        self.trouble.setVisible(bool(text))
        self.chart.setVisible(not text)

    def span(self, picture: Picture) -> float:
        """Length of the time axis in s."""
        return picture.sound.seconds if picture.sound is not None else picture.map.end_s

    def _tell(self) -> None:
        """Which clip this is, in words."""
        if self.source is None or self.row < 0:
            return
        clip = self.source.clips.table.row(self.row)
        parts = [clip.label or "no label", clip.clip_id, SHORT_SUBSETS.get(clip.subset, clip.subset), clip.speaker]
        picture = self.picture
        if picture is not None and picture.row == self.row:
            parts += [f"{picture.sound.whole_s:.3g} s" if picture.sound is not None else "", *self._marks(picture)]
        self.subtitle.setText(" · ".join(filter(None, parts)))
        self.chart.setAccessibleDescription(self.subtitle.text())
        place = int(np.searchsorted(self.found, self.row))
        is_among = place < len(self.found) and self.found[place] == self.row
        self.chooser.show_place(place if is_among else -1, len(self.found), len(self.source.clips))

    def _marks(self, picture: Picture) -> list[str]:
        sound = picture.sound
        is_cut = sound is not None and sound.whole_s > sound.seconds + 1e-6
        found = [f"first {LONGEST_S:.0f} s shown"] if is_cut else []
        broken = picture.map.broken
        found += [f"{broken:,} values are NaN or infinite"] if broken else []
        frame = self.chart.frame
        return found + ([f"frame {frame} at {picture.map.middle_s(frame):.3f} s"] if frame >= 0 else [])

    # ---- the way to other clips

    def step(self, by: int) -> None:
        """The clip before or after among those found; round and round."""
        if self.source is None or not len(self.found):
            return
        place = int(np.searchsorted(self.found, self.row, "left" if by < 0 else "right"))
        place += by if by < 0 else 0
        self._choose(int(self.found[place % len(self.found)]))

    def random_clip(self) -> None:
        """Any other clip among those found."""
        others = self.found[self.found != self.row]
        if len(others):
            self._choose(int(random.choice(others)))

    def _choose(self, row: int) -> None:
        if row != self.row:
            self._go(row)
            self.clip_chosen.emit(self.clip_id)

    def _find(self) -> None:
        """Words were typed: the first clip that fits, unless the present one does."""
        self._words = self.chooser.search.text()
        self._choose_found()
        if len(self.found) and self.row not in self.found:
            self._choose(int(self.found[0]))
        self._tell()

    def _choose_found(self) -> None:
        if self.source is not None:
            self.found = np.flatnonzero(matching(self.source.clips, self._words))

    # ---- sound

    def toggle(self) -> None:
        """Play from the play head, or stop."""
        sound = self.picture.sound if self.picture is not None else None
        if self.player.owner is self:
            self._stop()
        elif sound is not None:
            start = self.head_s if self.head_s < sound.seconds - 0.02 else 0.0
            self.player.play(self, sound.samples, sound.rate_hz, start)

    def _stop(self) -> None:
        if self.player.owner is self:
            self.player.stop()

    def _seek(self, seconds: float) -> None:
        is_playing = self.player.owner is self
        self._stop()
        self.head_s = max(0.0, seconds)
        self.chart.move_head(self.head_s)
        if is_playing:
            self.toggle()

    def _follow(self, owner: object, seconds: float) -> None:
        if owner is self:
            self.chart.move_head(seconds)

    def _rest(self, owner: object) -> None:
        if owner is self:
            self.chart.move_head(self.head_s or None)

    def _show_player(self) -> None:
        has_sound = self.picture is None or self.picture.sound is not None
        reason = self.player.reason if has_sound else "The audio of these features is not in this graph"
        self.chooser.show_playing(self.player.owner is self, reason)

    # ---- frame

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space plays, Page Up and Page Down walk through the clips."""
        moves = {Qt.Key.Key_PageUp: -1, Qt.Key.Key_PageDown: 1}
        if event.key() == Qt.Key.Key_Space and not self.player.reason:
            self.toggle()
        elif event.key() in moves:
            self.step(moves[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More room, more to choose from."""
        super().resizeEvent(event)
        self.arrange()

    def arrange(self) -> None:
        """Show what there is room for."""
        self.chooser.set_wide(self.width() >= WIDE_PX)

    def restyle(self) -> None:
        """Take the present colours."""
        super().restyle()
        self.chart.restyle()
        self.chooser.restyle()

    def clear(self) -> None:
        """Nothing to show."""
        super().clear()
        self._stop()
        self.clip_work.forget("clip")
        self.source = self.picture = None
        self.row = -1

    def pictured(self) -> QWidget:
        """The chart without the bar below it."""
        return self.stage

    def table_rows(self) -> list[list[object]]:
        """The map as a table: a line per frame, a column per row of the map."""
        if self.picture is None:
            return []
        found = self.picture.map
        unit = f" / {found.unit}" if found.unit else ""
        first = "time / s" if found.is_timed else "frame"
        names = [f"{found.row_text(row)}{unit}" for row in range(found.rows)]
        times = [round(found.middle_s(k), 6) if found.is_timed else k for k in range(found.frames)]
        return [
            [first, *names],
            *([time, *values] for time, values in zip(times, found.values.T.tolist(), strict=True)),
        ]
