"""A list of things to choose from: title with matched letters, where it stands, its shortcut. Greyed ones say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from studio.canvas.match_list import RowLook
from studio.look.icons import icon
from studio.look.paint import draw_caps, draw_kind, draw_lit, draw_marked, draw_text
from studio.look.theme import font
from studio.model.rank import Match

ROW_PX: Final = 34
ICON_PX: Final = 14


@dataclass(frozen=True)
class Choice:
    """One line.

    Attributes:
        key: what choosing it tells.
        place: where else it is found ("Edit", "View ▸ Panels"), or what it is.
        keys: its shortcut, as people read it.
        about: a sentence about it, for the tooltip and the search.
        icon: name of an icon in front.
        kind: artifact type whose shape stands in front instead.
        reason: why it cannot be chosen now; "" if it can.
    """

    key: str
    title: str
    place: str = ""
    keys: str = ""
    about: str = ""
    icon: str = ""
    kind: str = ""
    reason: str = ""
    is_checked: bool = False

    @property
    def is_enabled(self) -> bool:
        """Whether it can be chosen."""
        return not self.reason


def _texts(choice: Choice) -> tuple[str, str, str]:
    spoken = filter(None, (choice.title, choice.place, choice.keys, choice.reason))
    return choice.title, choice.reason or choice.about, ", ".join(spoken)


def _draw(painter: QPainter, area: QRectF, match: Match[Choice], is_chosen: bool, is_under: bool) -> None:
    choice = match.item
    if is_chosen or is_under:
        draw_lit(painter, area, is_chosen=is_chosen, has_bar=True)
    token = "text" if choice.is_enabled else "faint"
    middle = QRectF(area.left() + 12, area.top(), ICON_PX, area.height()).center()
    look = "check" if choice.is_checked else choice.icon
    if look:
        image = icon(look, "accent" if choice.is_checked else "mute" if choice.is_enabled else "faint", ICON_PX)
        corner = middle.toPoint()
        image.paint(painter, corner.x() - ICON_PX // 2, corner.y() - ICON_PX // 2, ICON_PX, ICON_PX)
    elif choice.kind:
        draw_kind(painter, middle, choice.kind, 4.6)
    room = area.adjusted(38, 0, -10, 0)
    room.setRight(room.right() - draw_caps(painter, room, choice.keys, "mute" if choice.is_enabled else "faint"))
    used = draw_marked(painter, room, choice.title, match.marks if choice.is_enabled else (), font(), token)
    rest = room.adjusted(used + 12, 0, 0, 0)
    if rest.width() > 24:
        words = choice.place if choice.is_enabled else " · ".join(filter(None, (choice.place, choice.reason)))
        draw_text(painter, rest, words, font(11.5), "mute" if choice.is_enabled else "faint")


LOOK: Final = RowLook(ROW_PX, _texts, _draw)
