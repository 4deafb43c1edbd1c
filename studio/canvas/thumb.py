"""What a node's box shows of its result: up to two lines of fact, or one small picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtGui import QImage

WIDTH_PX: Final = 166
HEIGHT_PX: Final = 42
"""Room for a picture in a box, in logical pixels; a larger image is scaled down, so give it at 2x or 3x."""


@dataclass(frozen=True)
class Thumb:
    """Two lines of fact, or a picture that takes their place."""

    lines: tuple[str, ...] = ()
    picture: QImage | None = None
