"""Topics of the hub: what a broker's access list guards. A device writes below evt/NAME and reads below cmd/NAME."""

from typing import Final

EVENTS, PRESENCE = "events", "presence"
ACK, ORDERS = "ack", "orders"
HUB_READS: Final = "evt/#"


def event_topic(device: str, what: str) -> str:
    """Where a device speaks."""
    return f"evt/{device}/{what}"


def command_topic(device: str, what: str) -> str:
    """Where a device is spoken to."""
    return f"cmd/{device}/{what}"


def speaker(topic: str) -> tuple[str, str]:
    """Device and matter of a topic below evt/; empty for any other."""
    match topic.split("/"):
        case ["evt", device, what]:
            return device, what
    return "", ""
