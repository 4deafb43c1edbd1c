"""What a hub or device acknowledged: the destination, and every message with its digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from types import MappingProxyType
from typing import Any, Final

from engine.artifact import Artifact, Receipt
from studio.views.parts import LoadedCard
from studio.views.table import Table
from studio.views.viewer import Scene, viewer

RECEIPT_FILE = "receipt.json"
SAID_BY: Final[Mapping[str, str]] = MappingProxyType(
    {"hub": "stored by the hub", "broker": "taken by the broker", "file": "in the file"}
)
"""What each kind of acknowledgement means; a receipt that names none is of a node that knows only one."""
ACKNOWLEDGED: Final = "acknowledged"
WORTH: Final[Mapping[str, str]] = MappingProxyType(
    {
        "hub": "The hub said so after its own commit: the row is on disk.",
        "broker": "A PUBACK: the broker had it in its memory. Whether anybody has stored it is not known.",
        "file": "Written to a local file, and synced.",
    }
)


@dataclass(frozen=True)
class Message:
    """One message that was sent."""

    number: int
    id: str
    topic: str
    qos: int
    is_retained: bool
    is_acknowledged: bool
    sha256: str


@dataclass(frozen=True)
class Receipted:
    """Where to, and what."""

    destination: str
    messages: tuple[Message, ...]
    by: str = ""
    """Who acknowledged: "hub", "broker", "file"; empty where the receipt does not tell."""


def read_receipt(artifact: Artifact, _scene: Scene) -> Receipted:
    """The messages of receipt.json; the metadata alone where there is no such file (another node's receipt)."""
    destination = str(getattr(artifact.meta, "destination", ""))
    if not (artifact.path / RECEIPT_FILE).is_file():
        return Receipted(destination, ())
    raw = artifact.json(RECEIPT_FILE)
    return Receipted(
        str(raw.get("destination", destination)),
        tuple(_message(number, row) for number, row in enumerate(raw.get("messages") or (), 1)),
        str(raw.get("acknowledged_by", "")),
    )


def _message(number: int, row: Mapping[str, Any]) -> Message:
    return Message(
        int(row.get("seq", number)),
        str(row.get("id", "")),
        str(row["topic"]),
        int(row.get("qos", 0)),
        bool(row.get("retained")),
        bool(row.get("acknowledged")),
        str(row.get("sha256", "")),
    )


@viewer(Receipt, "Receipt")
class ReceiptCard(LoadedCard):
    """The messages as a table."""

    title = "Receipt"
    reader = staticmethod(read_receipt)

    def __init__(self) -> None:
        super().__init__()
        self.messages: tuple[Message, ...] = ()
        self.by = ""
        self.table = Table("Messages")
        self.table.source.tips = self._tip
        self.inner.addWidget(self.table, 1)

    def show_data(self, data: Receipted) -> None:
        """Show the messages."""
        self.messages, self.by = data.messages, data.by
        arrived, said = sum(message.is_acknowledged for message in data.messages), SAID_BY.get(data.by, ACKNOWLEDGED)
        self.subtitle.setText(f"{data.destination} · {arrived:,} of {len(data.messages):,} {said}")
        self.subtitle.setToolTip(WORTH.get(data.by, ""))
        self.table.fill(
            ("topic", "state", "QoS", "kept", "sha256"),
            [(m.topic, _state(m, said), m.qos, m.is_retained, m.sha256) for m in data.messages],
        )
        if not data.messages:
            self.subtitle.setText(data.destination)

    def _tip(self, row: int) -> str:
        message = self.messages[row]
        worth = f"\n{WORTH[self.by]}" if self.by in WORTH and message.is_acknowledged else ""
        return f"{message.id}\n{message.topic}\nsha256 {message.sha256}{worth}"

    def table_rows(self) -> list[Sequence[object]]:
        """The messages as a table."""
        head = ("seq", "id", "topic", "qos", "retained", "acknowledged", "sha256")
        return [head, *(astuple(message) for message in self.messages)]


def _state(message: Message, said: str) -> str:
    return f"✓ {said}" if message.is_acknowledged else f"✕ not {said}"
