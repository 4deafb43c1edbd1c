"""JSON lines as they arrive: halves are kept until their rest comes, garbled ones are counted and left out."""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Final

Line = dict[str, Any]
MOST_HALF_BYTES: Final = 16_000_000
"""A line longer than this is no line: it is dropped up to its end."""
NOISE_LINES: Final = 20
NOISE_CHARACTERS: Final = 200


class Lines:
    """Bytes in, JSON objects out.

    Attributes:
        garbled: how many lines were no JSON object.
        noise: the beginnings of the last of them.
    """

    def __init__(self) -> None:
        self.garbled = 0
        self.noise: deque[str] = deque(maxlen=NOISE_LINES)
        self._whole: deque[bytes] = deque()
        self._half: list[bytes] = []
        self._half_bytes = 0
        self._is_dropping = False

    @property
    def is_empty(self) -> bool:
        """Whether no whole line waits."""
        return not self._whole

    def feed(self, data: bytes) -> None:
        """Take what came in; cheap, nothing is parsed yet."""
        first, *rest = data.split(b"\n")
        self._keep_half(first)
        for part in rest:
            self._end_line()
            self._keep_half(part)

    def end(self) -> None:
        """Nothing more comes: a line without its end is a line all the same."""
        if self._half:
            self._end_line()

    def take(self, most: int) -> list[Line]:
        """Up to `most` waiting lines, parsed; garbled ones are left out."""
        found = (self._parse(self._whole.popleft()) for _ in range(min(most, len(self._whole))))
        return [line for line in found if line is not None]

    def _keep_half(self, part: bytes) -> None:
        if not part or self._is_dropping:
            return
        self._half.append(part)
        self._half_bytes += len(part)
        if self._half_bytes > MOST_HALF_BYTES:
            self._note(self._half[0])
            self._half, self._half_bytes, self._is_dropping = [], 0, True

    def _end_line(self) -> None:
        if self._half:
            self._whole.append(self._half[0] if len(self._half) == 1 else b"".join(self._half))
        self._half, self._half_bytes, self._is_dropping = [], 0, False

    def _parse(self, raw: bytes) -> Line | None:
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and isinstance(value.get("kind"), str):
            return value
        self._note(raw)
        return None

    def _note(self, raw: bytes) -> None:
        self.garbled += 1
        self.noise.append(raw[:NOISE_CHARACTERS].decode("utf-8", errors="replace"))
