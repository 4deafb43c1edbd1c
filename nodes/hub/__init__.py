"""Results on their way to an IoT hub: messages, destinations and delivery at QoS 1."""

from nodes.hub.endpoint import Broker, Endpoint, JournalFile, parse_endpoint
from nodes.hub.errors import HubError
from nodes.hub.message import Item, Message, make_messages

__all__ = ["Broker", "Endpoint", "HubError", "Item", "JournalFile", "Message", "make_messages", "parse_endpoint"]
