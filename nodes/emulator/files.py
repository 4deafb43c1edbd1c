"""Files of the host for an emulated program, by semihosting: only those it was given, by name."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from io import RawIOBase
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

OPEN, CLOSE, WRITE, READ, LENGTH = 0x01, 0x02, 0x05, 0x06, 0x0C
_MODES: Final = ("rb", "rb", "rb+", "rb+", "wb", "wb", "wb+", "wb+", "ab", "ab", "ab+", "ab+")
LONGEST_NAME: Final = 256
FAILED: Final = -1


class Files:
    """What a program opens, reads and writes. Every operation takes the address of its argument block."""

    def __init__(self, given: Mapping[str, Path]) -> None:
        self._given, self._open = given, dict[int, RawIOBase]()
        self.operations: Mapping[int, Callable[[Any, int], int]] = MappingProxyType(
            {OPEN: self._start, CLOSE: self._end, WRITE: self._write, READ: self._read, LENGTH: self._length}
        )

    def close(self) -> None:
        """Close all."""
        for file in self._open.values():
            file.close()
        self._open.clear()

    def _start(self, uc: Any, block: int) -> int:
        address, mode, length = _words(uc, block, 3)
        if length > LONGEST_NAME or mode >= len(_MODES):
            return FAILED
        path = self._given.get(bytes(uc.mem_read(address, length)).decode("utf-8", "replace"))
        if path is None:
            return FAILED
        try:
            file = path.open(_MODES[mode], buffering=0)  # so that a full disk is met where it is written
        except OSError:
            return FAILED
        handle = len(self._open) + 1
        self._open[handle] = file
        return handle

    def _end(self, uc: Any, block: int) -> int:
        (handle,) = _words(uc, block, 1)
        if handle not in self._open:
            return FAILED
        self._open[handle].close()
        return 0

    def _write(self, uc: Any, block: int) -> int:
        """Bytes that could not be written."""
        handle, address, length = _words(uc, block, 3)
        try:
            return length - (self._open[handle].write(uc.mem_read(address, length)) or 0)
        except (OSError, ValueError, KeyError):
            return length

    def _read(self, uc: Any, block: int) -> int:
        """Bytes that could not be read."""
        handle, address, length = _words(uc, block, 3)
        try:
            data = self._open[handle].read(length) or b""
        except (OSError, ValueError, KeyError):
            return length
        uc.mem_write(address, data)
        return length - len(data)

    def _length(self, uc: Any, block: int) -> int:
        (handle,) = _words(uc, block, 1)
        try:
            file = self._open[handle]
            here, length = file.tell(), file.seek(0, 2)
            file.seek(here)
        except (OSError, ValueError, KeyError):
            return FAILED
        return length


def _words(uc: Any, address: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}I", uc.mem_read(address, 4 * count))
