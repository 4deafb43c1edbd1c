"""The table of printed numbers: its columns, sorting and filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import Qt

from engine.claim import LOOKS, Verdict, ours_text, remark
from engine.errors import sentence
from studio.look.theme import colour, font
from studio.panels.rows_model import LEFT, RIGHT, Index, RowsModel, RowsOrder

SORT_ROLE: Final = Qt.ItemDataRole.UserRole
ORDER: Final = tuple(LOOKS)


@dataclass(frozen=True)
class Column:
    """One column: its heading, its text and what it is sorted by, its width, and whether it holds numbers."""

    name: str
    text: Callable[[Verdict], str]
    width: int
    key: Callable[[Verdict], Any] | None = None
    is_number: bool = False
    about: str = ""

    def sorts_by(self, verdict: Verdict) -> Any:
        """What the rows are put in order by."""
        return (self.key or self.text)(verdict)


def state_text(verdict: Verdict) -> str:
    """ "✓ reproduced"."""
    look = LOOKS[verdict.state]
    return f"{look.mark} {look.word}"


def _ours(verdict: Verdict) -> float:
    return verdict.ours.value if verdict.ours is not None else float("-inf")


def _node(verdict: Verdict) -> str:
    return verdict.claim.place.node if verdict.claim.place is not None else ""


COLUMNS: Final = (
    Column("State", state_text, 194, lambda verdict: ORDER.index(verdict.state)),
    Column("Source", lambda verdict: verdict.claim.source, 96, about="Where it is printed"),
    Column("Claim", lambda verdict: verdict.claim.what, 226),
    Column("Printed", lambda verdict: verdict.claim.printed, 88, lambda verdict: verdict.claim.value, True),
    Column("Ours", ours_text, 136, _ours, True, "with its spread or 95 % interval"),
    Column("Node", _node, 112, about="Where our number comes from; Enter goes there"),
    Column("Why", remark, 240, about="How far off, or what is missing; known slips; notes"),
)
NAMES: Final = tuple(column.name for column in COLUMNS)
FIRST_TO_GO: Final = ("Node", "Source")
"""Columns that give way, in this order, where it is narrow."""


def hidden_columns(width: int) -> set[int]:
    """Columns that tell least, until the rest fits into `width`."""
    gone: set[int] = set()
    for name in FIRST_TO_GO:
        if sum(column.width for place, column in enumerate(COLUMNS) if place not in gone) > width:
            gone.add(NAMES.index(name))
    return gone


def as_text(found: Sequence[Verdict]) -> str:
    """Verdicts as a table, tab-separated."""
    rows = ["\t".join(column.text(verdict) for column in COLUMNS) for verdict in found]
    return "\n".join(["\t".join(NAMES), *rows])


def tip_of(verdict: Verdict) -> str:
    """All about a claim, in lines."""
    claim = verdict.claim
    held = f"printed {claim.printed}, ours {ours_text(verdict)}"
    needs = f"needs {claim.needs}" if claim.needs else ""
    lines = (f"{claim.source}: {claim.what}", state_text(verdict), held, sentence(remark(verdict)), needs, claim.at)
    return "\n".join(filter(None, lines))


def _token(verdict: Verdict, column: Column) -> Any:
    if column.name == "State":
        return colour(LOOKS[verdict.state].token)
    return colour("mute") if column.name in ("Source", "Node", "Why") else None


_ROLES: Final[Mapping[int, Callable[[Verdict, Column], Any]]] = {
    int(Qt.ItemDataRole.DisplayRole): lambda verdict, column: column.text(verdict),
    int(Qt.ItemDataRole.ToolTipRole): lambda verdict, column: tip_of(verdict),
    int(Qt.ItemDataRole.TextAlignmentRole): lambda verdict, column: RIGHT if column.is_number else LEFT,
    int(Qt.ItemDataRole.FontRole): lambda verdict, column: font(11.5, monospace=True) if column.is_number else font(),
    int(Qt.ItemDataRole.ForegroundRole): _token,
    int(SORT_ROLE): lambda verdict, column: column.sorts_by(verdict),
}


class ClaimsModel(RowsModel):
    """The verdicts, in the order of the workflow file."""

    def __init__(self) -> None:
        super().__init__(COLUMNS, frozenset(column.name for column in COLUMNS if column.is_number))
        self.verdicts: tuple[Verdict, ...] = ()

    def show(self, found: Sequence[Verdict]) -> None:
        """List these; the same again change nothing."""
        if tuple(found) != self.verdicts:
            self.beginResetModel()
            self.verdicts = tuple(found)
            self.endResetModel()

    def listed(self) -> Sequence[object]:
        """See `RowsModel`."""
        return self.verdicts

    def data(self, index: Index, role: int = 0) -> Any:
        """One cell."""
        tell = _ROLES.get(int(role))
        return tell(self.verdicts[index.row()], COLUMNS[index.column()]) if tell is not None else None


class ClaimsOrder(RowsOrder):
    """Claims in order; only those of one state, if one is asked for."""

    def __init__(self, source: ClaimsModel) -> None:
        super().__init__(source, int(SORT_ROLE))
        self._source = source
        self._state = ""

    def set_state(self, state: str) -> None:
        """Show only claims of this state; of all for ""."""
        self._state = state
        self.invalidate()

    def told(self, row: int) -> str:
        """See `RowsOrder`."""
        return tip_of(self._source.verdicts[row])

    def filterAcceptsRow(self, row: int, parent: Index) -> bool:
        """Whether it has the state, and every word occurs in what is known about it."""
        return self._state in ("", self._source.verdicts[row].state) and super().filterAcceptsRow(row, parent)

    def shown(self) -> list[Verdict]:
        """The verdicts from top to bottom."""
        return [self.verdict(row) for row in range(self.rowCount())]

    def verdict(self, row: int) -> Verdict:
        """The verdict in a row as shown."""
        return self._source.verdicts[self.place(row)]
