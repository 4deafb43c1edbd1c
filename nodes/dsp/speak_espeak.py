"""espeak-ng in a process of its own: the library is one global state, and a crash in it must not take the app along.

Run as `python -m nodes.dsp.speak_espeak` it reads JSON lines from standard input and writes, for each, the number of
samples (4 bytes) and the samples (int16) to standard output.
"""

from __future__ import annotations

import ctypes
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.errors import SourceError

RATE_HZ = 22_050
"""Rate of espeak-ng's waveforms; its data say so, and the worker checks."""

_RETRIEVE, _DONT_EXIT, _UTF8, _AT_CHARACTER = 2, 1 << 15, 1, 1
_BREATH_SEED = 1
_SPEED, _PITCH, _RANGE = 1, 3, 4
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class Request:
    """One thing to say. `voice` is accent+variant, pitch and range 0 to 99."""

    text: str
    voice: str
    pitch: int
    pitch_range: int
    speed_wpm: int


def data_folder() -> Path:
    """espeak-ng's data.

    Raises:
        SourceError: the package that brings espeak-ng is not installed.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise SourceError(
            "espeak-ng is not installed", "the package espeakng-loader", 'Run pip install "ossicle[speak]"'
        ) from error
    return Path(str(espeakng_loader.get_data_path()))


def say(requests: Iterable[Request]) -> Iterator[NDArray[np.int16]]:
    """Waveforms int16 (samples,) at RATE_HZ, one per request, in order; empty if there is nothing to hear.

    The same list gives the same bytes: one fresh process says all of it.

    Raises:
        SourceError: espeak-ng is missing, does not start, or died.
    """
    data_folder()
    with tempfile.TemporaryFile() as lines, tempfile.TemporaryFile() as complaints:
        count = 0
        for request in requests:
            lines.write(json.dumps(asdict(request)).encode() + b"\n")
            count += 1
        lines.seek(0)
        command = [sys.executable, "-m", __name__]
        with subprocess.Popen(command, stdin=lines, stdout=subprocess.PIPE, stderr=complaints) as worker:
            try:
                yield from _received(worker.stdout, count, complaints)
            finally:
                worker.kill()


def _received(stream: IO[bytes] | None, count: int, complaints: IO[bytes]) -> Iterator[NDArray[np.int16]]:
    for _ in range(count):
        head = stream.read(4) if stream else b""
        size_bytes = 2 * struct.unpack("<I", head)[0] if len(head) == 4 else 0
        data = stream.read(size_bytes) if stream and size_bytes else b""
        if len(head) < 4 or len(data) < size_bytes:
            complaints.seek(0)
            raise SourceError(
                f"espeak-ng stopped ({complaints.read().decode(errors='replace').strip()[-300:] or 'no message'})",
                "a waveform for every word",
                "Check languages and words; reinstall espeakng-loader if it goes on",
            )
        yield np.frombuffer(data, "<i2").astype(np.int16, copy=False)


class _Espeak:
    """The library, started. Only ever one per process."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_Synth.argtypes = _SYNTH_TYPES
        rate_hz = self._library.espeak_Initialize(_RETRIEVE, 0, str(data_folder()).encode(), _DONT_EXIT)
        if rate_hz != RATE_HZ:
            raise OSError(f"espeak_Initialize gave the rate {rate_hz}")
        self._pieces: list[bytes] = []
        self._callback: Callable[..., int] = _Callback(self._collect)  # kept: the library holds only a pointer
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: Any, count: int, _events: object) -> int:
        if samples and count > 0:
            self._pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    def say(self, request: Request) -> bytes:
        """Samples as bytes."""
        self._pieces.clear()
        self._library.espeak_ng_SetRandSeed(_BREATH_SEED)  # breathy voices draw noise; unseeded, from the clock
        if self._library.espeak_SetVoiceByName(request.voice.encode()) != 0:
            raise OSError(f"espeak-ng has no voice {request.voice!r}")
        settings = {_SPEED: request.speed_wpm, _PITCH: request.pitch, _RANGE: request.pitch_range}
        for which, value in settings.items():
            self._library.espeak_SetParameter(which, value, 0)
        text = request.text.encode() + b"\0"
        self._library.espeak_Synth(text, len(text), 0, _AT_CHARACTER, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        return b"".join(self._pieces)


_SYNTH_TYPES = (
    *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
    *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
)


def main() -> None:
    """Say every request on standard input."""
    try:
        espeak = _Espeak()
        for line in sys.stdin.buffer:
            samples = espeak.say(Request(**json.loads(line)))
            sys.stdout.buffer.write(struct.pack("<I", len(samples) // 2) + samples)
        sys.stdout.buffer.flush()
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
