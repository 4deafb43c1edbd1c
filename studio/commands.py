"""Every command of the window: one table from which menus, shortcuts and the command palette are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Enabled = Callable[[], bool]


def always() -> bool:
    """A command that can always be given."""
    return True


@dataclass(frozen=True)
class Command:
    """Something a person can do.

    Attributes:
        id: stable name ("edit.undo").
        menu: where it stands: File, Edit, Add, Node, Run, View, Help; submenus with "/".
        shortcuts: as QKeySequence reads them ("Ctrl+Z"); single letters act while the canvas has the focus.
        enabled: asked before it is shown and run.
        words: what it is called just now ("Undo Add MFCC"), if that changes.
        on_canvas: the shortcuts act only while the canvas has the focus.
    """

    id: str
    title: str
    menu: str
    run: Callable[[], object]
    shortcuts: tuple[str, ...] = ()
    enabled: Enabled = always
    icon: str = ""
    about: str = ""
    on_canvas: bool = False
    is_checked: Callable[[], bool] | None = None
    words: Callable[[], str] | None = None
