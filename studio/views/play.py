"""Playing a clip: sounddevice where it is installed, else the platform's own player; or the reason why not."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from PySide6.QtCore import QObject, QProcess, QTimer, Signal

PLAYERS: Final[tuple[tuple[str, ...], ...]] = (
    ("pw-play",), ("paplay",), ("aplay", "-q"), ("afplay",), ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
)  # fmt: skip
TICK_MS: Final = 40


class Output(Protocol):
    """Something that makes sound."""

    def start(self, wave: Any, rate_hz: int) -> None:
        """Begin to play samples in [-1, 1]."""

    def stop(self) -> None:
        """Be silent."""


class Device:
    """sounddevice, imported at the first sound."""

    def start(self, wave: Any, rate_hz: int) -> None:
        """Begin to play."""
        import sounddevice

        sounddevice.play(wave, rate_hz)

    def stop(self) -> None:
        """Be silent."""
        import sounddevice

        sounddevice.stop()


class Command:
    """The platform's player, given a WAV file."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        self.process: QProcess | None = None
        self.file: Path | None = None

    def start(self, wave: Any, rate_hz: int) -> None:
        """Write a WAV file and play it."""
        import soundfile

        self.stop()
        with tempfile.NamedTemporaryFile(suffix=".wav", delete=False) as file:
            self.file = Path(file.name)
        soundfile.write(self.file, wave, rate_hz)
        self.process = QProcess()
        self.process.start(self.words[0], [*self.words[1:], str(self.file)])

    def stop(self) -> None:
        """End the player and take the file away."""
        if self.process is not None:
            self.process.kill()
            self.process.waitForFinished(200)
            self.process = None
        if self.file is not None:
            self.file.unlink(missing_ok=True)
            self.file = None


def find_output() -> tuple[Output | None, str]:
    """What can make sound here, and its name; or None and the reason in words."""
    if importlib.util.find_spec("sounddevice") is not None:
        try:
            import sounddevice

            if any(device["max_output_channels"] > 0 for device in sounddevice.query_devices()):
                return Device(), "sounddevice"
        except Exception:  # PortAudio is missing or broken: the players below may still work
            pass
    has_card = Path("/dev/snd").exists() or not Path("/proc").exists()
    for words in PLAYERS:
        if shutil.which(words[0]) and (has_card or words[0] in ("pw-play", "paplay")):
            return Command(words), words[0]
    names = ", ".join(words[0] for words in PLAYERS)
    return None, f"There is no sound output here: no sound card, or none of sounddevice, {names} is installed."


class Player(QObject):
    """Plays one clip at a time.

    Signals:
        moved(float): seconds played; -1 when it ended.
    """

    moved = Signal(float)

    def __init__(
        self, parent: QObject | None = None, find: Callable[[], tuple[Output | None, str]] = find_output
    ) -> None:
        super().__init__(parent)
        self._find = find
        self._found: tuple[Output | None, str] | None = None
        self._seconds, self._at = 0.0, 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    @property
    def output(self) -> Output | None:
        """What makes the sound; looked for once."""
        self._found = self._found or self._find()
        return self._found[0]

    @property
    def reason(self) -> str:
        """Why nothing can be played, or ""."""
        return "" if self.output is not None else (self._found or (None, ""))[1]

    @property
    def is_playing(self) -> bool:
        """Whether a clip plays now."""
        return self._timer.isActive()

    def toggle(self, wave: Any, rate_hz: int) -> None:
        """Play, or stop."""
        if self.is_playing:
            self.stop()
        elif self.output is not None and len(wave) and rate_hz:
            self.output.start(wave, rate_hz)
            self._seconds, self._at = len(wave) / rate_hz, 0.0
            self._timer.start()
            self.moved.emit(0.0)

    def stop(self) -> None:
        """Be silent."""
        if self.is_playing and self.output is not None:
            self._timer.stop()
            self.output.stop()
            self.moved.emit(-1.0)

    def _tick(self) -> None:
        self._at += TICK_MS / 1000
        if self._at >= self._seconds:
            self.stop()
        else:
            self.moved.emit(self._at)
