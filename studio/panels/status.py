"""The status strip: what runs, Prefect, the runner, the store; processor, memory, frames per second."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from engine.console import duration, size
from engine.runs import home_of
from engine.theme import state as state_look
from studio.look.theme import colour, font
from studio.run.session import Session
from studio.run.view import RunView, point_words
from studio.work import Background

HEIGHT: Final = 24
TEXT_PX: Final = 11.5
OWN_MS: Final = 2000
STORE_MS: Final = 120_000
GAP_PX: Final = 5
SERVER_LOOKS: Final = {"ready": ("●", "green"), "starting": ("◔", "amber-text"), "off": ("○", "faint")}
RUNNER_LOOKS: Final = {
    "warm": ("●", "green"),
    "busy": ("●", "blue"),
    "starting": ("◔", "amber-text"),
    "not answering": ("!", "red"),
    "gone": ("✕", "red"),
    "off": ("○", "faint"),
}
SERVER_TIPS: Final = {
    "ready": "Runs go through the Prefect server on this machine",
    "starting": "The Prefect server is starting; until then runs use threads of the runner",
    "off": "Without the Prefect server runs use threads of the runner",
}
RUNNER_TIPS: Final = {
    "warm": "The runner has imported everything and waits for a run",
    "busy": "The runner is at work",
    "starting": "The runner is importing what runs need",
    "not answering": "The runner has not given a sign of life for some time",
    "gone": "There is no runner; it is started with the next run",
    "off": "The runner is started with the window",
}


class Segment(QWidget):
    """A word, a coloured mark and a value on one line: "Prefect ● ready". As wide as its text, never cut."""

    def __init__(self, word: str = "", *, numbers: bool = False) -> None:
        super().__init__()
        self.word, self.mark, self.value, self.token = word, "", "", "mute"
        self.value_token = "mute"
        self._value_font = font(11, monospace=True) if numbers else font(TEXT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(word)

    def show_text(self, value: str, mark: str = "", token: str = "mute", value_token: str = "mute") -> None:
        """What it says now; nothing at all if `value` is empty."""
        new = (value, mark, token, value_token)
        if new != (self.value, self.mark, self.token, self.value_token):
            self.value, self.mark, self.token, self.value_token = new
            self.setAccessibleDescription(f"{self.word} {value}".strip())
            self.setVisible(bool(value))
            self.updateGeometry()
            self.update()

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(part for part in (self.word, self.mark, self.value) if part)

    def _parts(self) -> list[tuple[str, str, bool]]:
        parts = ((self.word, "mute", False), (self.mark, self.token, False), (self.value, self.value_token, True))
        return [part for part in parts if part[0]]

    def sizeHint(self) -> QSize:
        """Room for all of it."""
        widths = [self._advance(text, is_value) for text, _token, is_value in self._parts()]
        return QSize(sum(widths) + GAP_PX * max(len(widths) - 1, 0) + 2, HEIGHT - 1)

    def _advance(self, text: str, is_value: bool) -> int:
        return QFontMetrics(self._value_font if is_value else font(TEXT_PX)).horizontalAdvance(text)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        painter, left = QPainter(self), 0
        for text, token, is_value in self._parts():
            painter.setFont(self._value_font if is_value else font(TEXT_PX))
            painter.setPen(colour(token))
            width = self._advance(text, is_value)
            painter.drawText(left, 0, width + 2, self.height(), Qt.AlignmentFlag.AlignVCenter, text)
            left += width + GAP_PX
        painter.end()


class StatusStrip(QWidget):
    """24 px along the lower edge of the window."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("status")
        self.setAccessibleName("Status")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT)
        self.session = session
        self._background = Background(self, 1)
        self.run = Segment()
        self.server, self.runner, self.store = Segment("Prefect"), Segment("Runner"), Segment("Store")
        self.cpu, self.memory = Segment("CPU", numbers=True), Segment("RSS", numbers=True)
        self.fps = Segment(numbers=True)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 0, 14, 0)
        row.setSpacing(18)
        for segment in (self.run, self.server, self.runner, self.store):
            row.addWidget(segment)
        row.addStretch(1)
        for segment in (self.cpu, self.memory, self.fps):
            row.addWidget(segment)
        self._own = (time.monotonic(), time.process_time(), 0.0)
        self._own_timer = QTimer(self, interval=OWN_MS)
        self._own_timer.timeout.connect(self._tell_usage)
        self._store_timer = QTimer(self, interval=STORE_MS)
        self._store_timer.timeout.connect(self.measure_store)
        self._was_active = False
        session.run_changed.connect(self._tell)
        session.usage_changed.connect(self._tell_usage)
        session.document.path_changed.connect(lambda _path: self.measure_store())
        self.fps.hide()
        self.store.hide()
        self._tell()
        self._tell_usage()

    def showEvent(self, event: object) -> None:
        """Measure only what somebody can see."""
        super().showEvent(event)  # type: ignore[arg-type]
        self._own_timer.start()
        self._store_timer.start()
        QTimer.singleShot(OWN_MS, self, self.measure_store)

    def hideEvent(self, event: object) -> None:
        """Rest."""
        super().hideEvent(event)  # type: ignore[arg-type]
        self._own_timer.stop()
        self._store_timer.stop()

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            for segment in self.findChildren(Segment):
                segment.update()

    # ---- what it says

    def set_fps(self, fps: float) -> None:
        """Frames per second that the canvas reached; 0 hides it."""
        self.fps.show_text(f"{fps:.0f} fps" if fps > 0 else "")

    def _tell(self) -> None:
        view = self.session.run
        self.run.show_text(*run_words(view))
        self.run.setToolTip(self.session.plan_text)
        mark, token = SERVER_LOOKS.get(view.server_state, ("○", "faint"))
        self.server.show_text(view.server_state, mark, token)
        self.server.setToolTip(SERVER_TIPS.get(view.server_state, ""))
        mark, token = RUNNER_LOOKS.get(view.runner_state, ("○", "faint"))
        loud = "red" if token == "red" else "mute"
        self.runner.show_text(view.runner_state, mark, token, loud)
        self.runner.setToolTip(RUNNER_TIPS.get(view.runner_state, ""))
        if self._was_active and not self.session.is_active:
            self.measure_store()
        self._was_active = self.session.is_active

    def _tell_usage(self) -> None:
        view = self.session.run
        own_percent, own_bytes = self._own_percent(), own_rss_bytes()
        self.cpu.show_text(f"{own_percent + view.cpu_percent:.0f} %")
        self.cpu.setToolTip(f"Window {own_percent:.0f} %, runner {view.cpu_percent:.0f} %; 100 % is one core")
        self.memory.show_text(short_size(own_bytes + view.rss_bytes) if own_bytes else "")
        self.memory.setToolTip(f"Window {size(own_bytes)}, runner {size(view.rss_bytes)}")

    def _own_percent(self) -> float:
        """Processor use of this process since the last look, at least a second apart."""
        at_s, cpu_s, percent = self._own
        now_s, used_s = time.monotonic(), time.process_time()
        if now_s - at_s >= 1.0:
            percent = 100 * (used_s - cpu_s) / (now_s - at_s)
            self._own = (now_s, used_s, percent)
        return percent

    def measure_store(self) -> None:
        """Add up the store's files, in a thread."""
        root = home_of(self.session.document.base) / "store"
        self._background.call("store", partial(folder_bytes, root), partial(self._tell_store, root))

    def _tell_store(self, root: Path, used_bytes: int) -> None:
        self.store.show_text(short_size(used_bytes) if used_bytes else "empty")
        self.store.setToolTip(f"Results of this project in {root}")


def run_words(view: RunView) -> tuple[str, str, str, str]:
    """Value, mark and colours of the run's segment: "Running · 4:21"."""
    match view.state:
        case "running":
            word = point_words(view).capitalize() if view.point[0] else "Running"
            return f"{word} · {clock(view.seconds)}", "◑", "blue", "blue"
        case "queued":
            return "Queued", "◔", "mute", "mute"
        case "stopping":
            return "Stopping …", "◔", "amber-text", "amber-text"
    if not view.result:
        return "Ready", "○", "faint", "mute"
    look = state_look(view.result)
    return f"{look.word.capitalize()} in {duration(view.seconds)}", look.mark, look.token, "mute"


def clock(seconds: float) -> str:
    """ "4:21", "1:02:09"."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def short_size(size_bytes: float) -> str:
    """ "311 MB", "1.2 GB": as much as a glance takes in."""
    return f"{size_bytes / 1e6:.0f} MB" if 1e6 <= size_bytes < 1e9 else size(size_bytes)


def own_rss_bytes() -> int:
    """Memory that this process holds; 0 if the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def folder_bytes(root: Path) -> int:
    """Bytes of all files under a folder; links are not followed, hard links count once."""
    total, todo, seen = 0, [str(root)], set[int]()
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                        continue
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink == 1 or status.st_ino not in seen:
                        seen.add(status.st_ino) if status.st_nlink > 1 else None
                        total += status.st_size
        except OSError:
            continue  # collected meanwhile
    return total
