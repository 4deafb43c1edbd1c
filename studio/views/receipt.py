"""What a hub or device acknowledged: the destination, and every message with its digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from engine.artifact import Artifact, Receipt
from studio.views.parts import LoadedCard
from studio.views.table import Table
from studio.views.viewer import Scene, viewer

RECEIPT_FILE = "receipt.json"


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


def read_receipt(artifact: Artifact, _scene: Scene) -> Receipted:
    """The messages of receipt.json; the metadata alone where there is no such file (another node's receipt)."""
    destination = str(getattr(artifact.meta, "destination", ""))
    if not (artifact.path / RECEIPT_FILE).is_file():
        return Receipted(destination, ())
    raw = artifact.json(RECEIPT_FILE)
    return Receipted(
        str(raw.get("destination", destination)),
        tuple(_message(number, row) for number, row in enumerate(raw.get("messages") or (), 1)),
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
        self.table = Table("Messages")
        self.table.source.tips = self._tip
        self.inner.addWidget(self.table, 1)

    def show_data(self, data: Receipted) -> None:
        """Show the messages."""
        self.messages = data.messages
        arrived = sum(message.is_acknowledged for message in data.messages)
        self.subtitle.setText(f"{data.destination} · {arrived:,} of {len(data.messages):,} acknowledged")
        self.table.fill(
            ("topic", "state", "QoS", "kept", "sha256"),
            [(m.topic, _state(m), m.qos, m.is_retained, m.sha256) for m in data.messages],
        )
        if not data.messages:
            self.subtitle.setText(data.destination)

    def _tip(self, row: int) -> str:
        message = self.messages[row]
        return f"{message.id}\n{message.topic}\nsha256 {message.sha256}"

    def table_rows(self) -> list[Sequence[object]]:
        """The messages as a table."""
        head = ("seq", "id", "topic", "qos", "retained", "acknowledged", "sha256")
        return [head, *(astuple(message) for message in self.messages)]


def _state(message: Message) -> str:
    return "✓ acknowledged" if message.is_acknowledged else "✕ not acknowledged"
