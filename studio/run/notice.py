"""What the session tells the person: three parts, and buttons that do something about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.errors import OssicleError

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


def notice_of(error: OssicleError) -> Notice:
    """An error's three parts."""
    return Notice("error", error.what, error.expected, error.remedy)
