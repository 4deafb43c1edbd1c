"""Where a device's sound comes from: a microphone, a file, a folder of files."""

from __future__ import annotations

import shutil
import subprocess
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from nodes.hub.errors import HubError

Samples = NDArray[np.int16]
FILES: Final = frozenset({".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au"})
LONGEST_S: Final = 24 * 3600.0
RECORDERS: Final[Sequence[Sequence[str]]] = (
    ("arecord", "-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "{rate}"),
    ("pw-record", "--format", "s16", "--channels", "1", "--rate", "{rate}", "-"),
    ("parec", "--raw", "--format=s16le", "--channels=1", "--rate={rate}"),
    ("rec", "-q", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", "{rate}", "-"),
)
"""Programs that write the default microphone to their output: ALSA's, PipeWire's, PulseAudio's, SoX's."""


class Source(Protocol):
    """Something to hear."""

    def blocks(self, samples: int) -> Iterator[Samples]:
        """Blocks of so many samples, the last one filled up with silence; ends with the source.

        Raises:
            HubError: it cannot be heard, or ends because it is broken.
        """
        ...


@dataclass(frozen=True)
class Files:
    """Files one after another, with a clip of silence behind each.

    Attributes:
        speed: 1 is real time; 0 is as fast as can be heard.
        skipped: told of a file that cannot be read; the others go on.
    """

    paths: tuple[Path, ...]
    rate_hz: int
    speed: float = 1.0
    tail_s: float = 1.0
    skipped: Callable[[HubError], None] = lambda _error: None

    def blocks(self, samples: int) -> Iterator[Samples]:
        """See `Source`."""
        begun, count, failed = time.monotonic(), 0, 0
        for path in self.paths:
            try:
                heard = read(path, self.rate_hz)
            except HubError as error:
                failed += 1
                self.skipped(error)
                if failed == len(self.paths):
                    raise
                continue
            silence = np.zeros(round(self.tail_s * self.rate_hz), np.int16)
            for block in cut(np.concatenate([heard, silence]), samples):
                yield block
                count += samples
                if self.speed:
                    time.sleep(max(0.0, begun + count / self.rate_hz / self.speed - time.monotonic()))


@dataclass(frozen=True)
class Microphone:
    """The default microphone, through a program of the system."""

    rate_hz: int

    def blocks(self, samples: int) -> Iterator[Samples]:
        """See `Source`."""
        program = recorder(self.rate_hz)
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert process.stdout is not None
        try:
            while len(data := process.stdout.read(2 * samples)) == 2 * samples:
                yield np.frombuffer(data, "<i2").astype(np.int16)
            raise HubError(
                f"the microphone fell silent ({_last_words(process.stderr)})",
                f"sound from {program[0]}",
                "Look whether it is plugged in and free",
                is_final=False,
            )
        finally:
            process.kill()
            process.wait()


def open_source(name: str, rate_hz: int, speed: float, skipped: Callable[[HubError], None]) -> Source:
    """What `--source` names: "mic", a file or a folder.

    Raises:
        HubError: there is no such thing, or no sound in it.
    """
    if name == "mic":
        recorder(rate_hz)
        return Microphone(rate_hz)
    path = Path(name)
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in FILES) if path.is_dir() else [path]
    if not found or not found[0].is_file():
        raise HubError(
            f"there is nothing to hear in {name}", "mic, an audio file or a folder of them", "Correct --source"
        )
    return Files(tuple(found), rate_hz, speed, skipped=skipped)


def recorder(rate_hz: int) -> tuple[str, ...]:
    """The command that records here.

    Raises:
        HubError: there is none.
    """
    for command in RECORDERS:
        if shutil.which(command[0]):
            return tuple(word.format(rate=rate_hz) for word in command)
    raise HubError(
        "no program that records was found",
        f"one of {', '.join(command[0] for command in RECORDERS)}",
        "Install one (apt install alsa-utils), or give a file as --source",
    )


def read(path: Path, rate_hz: int) -> Samples:
    """A recording as mono int16 (samples,) at a rate. Where only numpy is installed: 16-bit WAV of that rate.

    Raises:
        HubError: it cannot be read.
    """
    try:
        from nodes.dsp.decode import decode
        from nodes.dsp.errors import SourceError
    except ModuleNotFoundError:
        return _read_plain(path, rate_hz)
    try:
        return decode(path, rate_hz, LONGEST_S)
    except SourceError as error:
        raise HubError(f"{path}: {error.what}", error.expected, error.remedy) from error


def _read_plain(path: Path, rate_hz: int) -> Samples:
    try:
        with closing(wave.open(str(path), "rb")) as file:
            if (file.getframerate(), file.getsampwidth()) != (rate_hz, 2):
                raise wave.Error(f"{file.getframerate()} Hz, {8 * file.getsampwidth()} bits")
            data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            mono: Samples = data.reshape(-1, file.getnchannels()).mean(1).astype(np.int16)
            return mono
    except (OSError, EOFError, wave.Error, ValueError) as error:
        raise HubError(
            f"{path} cannot be read ({error})",
            f"a WAV file of {rate_hz} Hz and 16 bits",
            "Convert it, or install ossicle",
        ) from error


def cut(samples: Samples, size: int) -> Iterator[Samples]:
    """Blocks of one size; the last one is filled up with silence."""
    for first in range(0, len(samples), size):
        block = samples[first : first + size]
        yield np.pad(block, (0, size - len(block)))


def _last_words(stream: IO[bytes] | None) -> str:
    said = stream.read(4096).decode(errors="replace").strip().splitlines() if stream is not None else []
    return said[-1] if said else "it said nothing"
