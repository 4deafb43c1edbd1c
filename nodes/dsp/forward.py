"""A stream that tarfile can read without ever going back, and without being talked into one huge read."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from typing import IO

LARGEST_READ_BYTES = 4 << 20
"""Headers and blocks are far smaller; a "long name" of 10 GB is an attack on memory."""
_SKIP_BYTES = 1 << 18


class ForwardReader(io.RawIOBase):
    """Present a forward-only stream as one with `tell` and `seek`.

    tarfile seeks forward to skip a member and one byte back to see whether data ended early; the last byte is kept
    for that. `spend` is told of all bytes that come out, read or skipped; it may raise to stop.
    """

    def __init__(self, stream: IO[bytes] | io.BufferedIOBase, spend: Callable[[int], None]) -> None:
        super().__init__()
        self._spend = spend
        self.position = 0
        self._stream = stream
        self._last = b""
        self._is_back = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Forward, and one byte back."""
        return True

    def tell(self) -> int:
        """Position in the decompressed stream."""
        return self.position - self._is_back

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes.

        Raises:
            tarfile.ReadError: more is asked than any header may need.
        """
        if not 0 <= size <= LARGEST_READ_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        if not self._is_back or not size:
            return self._forward(size)
        self._is_back = False
        return self._last + self._forward(size - 1)

    def _forward(self, size: int) -> bytes:
        data = self._stream.read(size) if size else b""
        if data:
            self.position += len(data)
            self._spend(len(data))
            self._last = data[-1:]
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go forward by reading, or back by at most one byte.

        Raises:
            tarfile.ReadError: further back, which a stream cannot.
        """
        if whence != io.SEEK_SET or offset < self.position - 1:
            raise tarfile.ReadError("members overlap")
        self._is_back = offset == self.position - 1
        while self.position < offset:
            if not self._forward(min(offset - self.position, _SKIP_BYTES)):
                break  # truncated; the next read finds nothing and tarfile says so
        return self.tell()
