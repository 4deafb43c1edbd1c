"""Playing a clip: through sounddevice, the system's own, or a player program; never on the window's thread."""

from __future__ import annotations

import importlib
import importlib.util
import io
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal

from studio.views.data.maps import Samples

STEP_MS: Final = 33
LOOK_S: Final = 0.02
"""How often a playing thread looks whether it shall stop."""
PLAYERS: Final[Mapping[str, Sequence[str]]] = {
    "pw-play": (),
    "paplay": (),
    "aplay": ("-q",),
    "afplay": (),
    "ffplay": ("-nodisp", "-autoexit", "-loglevel", "error"),
    "play": ("-q",),
}
"""Programs that play a WAV file, and what they are told besides it, the best first."""
SERVED: Final = ("pw-play", "paplay")
"""Those that may play on another machine: they need no sound card here."""
NO_OUTPUT: Final = (
    "No audio output here: there is no sound card, or none of sounddevice, " + ", ".join(PLAYERS) + " is installed"
)
SEARCHING: Final = "Looking for an audio output…"


class Output(Protocol):
    """Something that plays samples."""

    def play(self, samples: Samples, rate_hz: int, stop: threading.Event) -> str:
        """Play to the end, or until `stop` is set. Called in a thread. Gives an error in words, or ""."""


class DeviceOutput:
    """Plays through the sounddevice package (PortAudio)."""

    def play(self, samples: Samples, rate_hz: int, stop: threading.Event) -> str:
        """Play on the default device."""
        device: Any = importlib.import_module("sounddevice")
        device.play(samples, rate_hz)
        while device.get_stream().active and not stop.wait(LOOK_S):
            pass
        device.stop()
        return ""


class WindowsOutput:
    """Plays through Windows' own winsound."""

    def play(self, samples: Samples, rate_hz: int, stop: threading.Event) -> str:
        """Play a temporary file; winsound cannot stop what it plays from memory."""
        sound: Any = importlib.import_module("winsound")
        with tempfile.TemporaryDirectory(prefix="ossicle-") as folder:
            file = Path(folder, "clip.wav")
            file.write_bytes(wav_bytes(samples, rate_hz))
            sound.PlaySound(str(file), sound.SND_FILENAME | sound.SND_ASYNC)
            stop.wait(len(samples) / rate_hz)
            sound.PlaySound(None, 0)
        return ""


class ProgramOutput:
    """Plays a temporary WAV file with a program."""

    def __init__(self, program: str, options: Sequence[str] = ()) -> None:
        self.program, self.options = program, tuple(options)

    def play(self, samples: Samples, rate_hz: int, stop: threading.Event) -> str:
        """Run the program until it ends."""
        with tempfile.TemporaryDirectory(prefix="ossicle-") as folder:
            file = Path(folder, "clip.wav")
            file.write_bytes(wav_bytes(samples, rate_hz))
            return self._run([self.program, *self.options, str(file)], stop)

    def _run(self, command: list[str], stop: threading.Event) -> str:
        nothing = subprocess.DEVNULL
        with subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE) as process:
            while process.poll() is None:
                if stop.wait(LOOK_S):
                    process.kill()
                    return ""
            told = (process.stderr.read() if process.stderr is not None else b"").decode(errors="replace").split("\n")
        name = Path(self.program).name
        return "" if process.returncode == 0 else f"{name} ended with {process.returncode}. {told[0].strip()}".strip()


def wav_bytes(samples: Samples, rate_hz: int) -> bytes:
    """A mono 16-bit WAV file."""
    memory = io.BytesIO()
    with wave.open(memory, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return memory.getvalue()


def find_output() -> Output | None:
    """The best way to play here, or None. May take a moment: opens the audio system."""
    if importlib.util.find_spec("sounddevice") is not None and _has_device():
        return DeviceOutput()
    if sys.platform == "win32":
        return WindowsOutput()
    names = PLAYERS if has_sound_card() else SERVED
    found = ((shutil.which(name), PLAYERS[name]) for name in names)
    return next((ProgramOutput(program, options) for program, options in found if program is not None), None)


def has_sound_card() -> bool:
    """Whether there is one; elsewhere than on Linux there always is."""
    return not sys.platform.startswith("linux") or Path("/dev/snd").exists()


def _has_device() -> bool:
    try:
        importlib.import_module("sounddevice").query_devices(kind="output")
    except Exception:  # PortAudio is missing or broken, or there is no device: any error means "not this way"
        return False
    return True


class Player(QObject):
    """Plays one clip at a time, for every card.

    Signals:
        moved(object, float): who plays, and where it is, in s; every 33 ms.
        ended(object): who played; it came to the end or was stopped.
        changed(): `reason` or `owner` is another.
    """

    moved = Signal(object, float)
    ended = Signal(object)
    changed = Signal()
    _found = Signal(object)
    _over = Signal(object, str)

    def __init__(self, parent: QObject | None = None, find: Callable[[], Output | None] = find_output) -> None:
        super().__init__(parent)
        self.output: Output | None = None
        self.reason = SEARCHING
        """Why nothing can be played; "" if it can."""
        self.owner: object = None
        """Who plays now; None: nobody."""
        self._find = find
        self._is_searched = False
        self._stop = threading.Event()
        self._from_s = self._until_s = self._began = 0.0
        self._timer = QTimer(self, interval=STEP_MS)
        self._timer.timeout.connect(self._step)
        self._found.connect(self._take_output)
        self._over.connect(self._finish)

    def look(self) -> None:
        """Find out how to play, in a thread; `changed` tells when it is known."""
        if not self._is_searched:
            self._is_searched = True
            _in_thread(lambda: _emit(self._found, self._find()))

    def _take_output(self, output: Any) -> None:
        self.output = output
        self.reason = "" if output is not None else NO_OUTPUT
        self.changed.emit()

    def play(self, owner: object, samples: Samples, rate_hz: int, start_s: float = 0.0) -> None:
        """Play from a time on; whoever plays is stopped first. Does nothing where nothing can be played."""
        self.stop()
        output = self.output
        if output is None or not len(samples):
            return
        stop = self._stop = threading.Event()
        part = samples[int(start_s * rate_hz) :]
        self.owner = owner
        self._from_s, self._until_s, self._began = start_s, len(samples) / rate_hz, time.monotonic()
        _in_thread(lambda: _emit(self._over, stop, _played(output, part, rate_hz, stop)))
        self._timer.start()
        self.changed.emit()

    def stop(self) -> None:
        """Fall silent."""
        self._stop.set()
        self._close()

    def _step(self) -> None:
        seconds = self._from_s + time.monotonic() - self._began
        self.moved.emit(self.owner, min(seconds, self._until_s))

    def _finish(self, stop: Any, error: str) -> None:
        if error:
            self.output, self.reason = None, f"Playing failed: {error}"
        if stop is self._stop:
            self._close()
        if error:
            self.changed.emit()

    def _close(self) -> None:
        owner, self.owner = self.owner, None
        self._timer.stop()
        if owner is not None:
            self.ended.emit(owner)
            self.changed.emit()


def _played(output: Output, samples: Samples, rate_hz: int, stop: threading.Event) -> str:
    try:
        return output.play(samples, rate_hz, stop)
    except Exception as error:  # whatever an audio system throws is told, and the window lives on
        return f"{type(error).__name__}: {error}"


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="ossicle-audio", daemon=True).start()


def _emit(signal: Any, *values: object) -> None:
    try:
        signal.emit(*values)
    except RuntimeError:
        return  # the window was closed meanwhile


def shared_player() -> Player:
    """The application's player: cards share it, so that two clips never sound at once."""
    app = QCoreApplication.instance()
    found = app.findChild(Player) if app is not None else None
    if found is None:
        found = Player(app)
        if app is not None:
            app.aboutToQuit.connect(found.stop)
    return found
