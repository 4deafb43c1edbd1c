"""What the session tells the person: three parts, and buttons that do something about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Level = Literal["info", "warning", "error"]
Action = tuple[str, Callable[[], object]]


@dataclass(frozen=True)
class Notice:
    """A message.

    Attributes:
        node: the node it is about, or "".
        actions: buttons: a label and what it does.
    """

    level: Level
    what: str
    expected: str = ""
    remedy: str = ""
    node: str = ""
    actions: tuple[Action, ...] = ()
