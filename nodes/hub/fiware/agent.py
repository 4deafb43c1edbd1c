"""Devices at an IoT agent: it turns a command written to a device's entity into a request to this hub.

The north side of `iotagent-node-lib` (services, devices with attributes and commands). An agent that keeps its
registry in memory forgets everything when it dies, so what should be there is compared again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from nodes.hub.errors import HubError
from nodes.hub.fiware.entities import DEVICE_TYPE, device_id
from nodes.hub.fiware.ngsi import Api, ContextBroker, Place
from nodes.hub.periodic import Periodic

RESOURCE: Final = "/iot/json"
COMMANDS: Final = ("threshold", "report", "update", "stream")
"""What a device takes as orders."""
ATTRIBUTES: Final[Mapping[str, tuple[str, str]]] = {
    "l": ("label", "Text"),
    "s": ("score", "Number"),
    "n": ("seq", "Number"),
    "e": ("epochNumber", "Number"),
    "m": ("model", "Text"),
    "t": ("observedAt", "DateTime"),
}
"""What an agent's short names (object ids) stand for."""
PAGE: Final = 500
Devices = Callable[[], Sequence[str]]


@dataclass(frozen=True)
class Desk:
    """Where an agent sends commands for our devices.

    Attributes:
        key: the agent's API key for our devices.
        url: address of the desk; a device's name is appended.
    """

    key: str = field(repr=False)
    url: str = field(repr=False)

    def endpoint(self, device: str) -> str:
        """Address for one device."""
        return f"{self.url}/{device}"


class IotAgent:
    """The administration of an IoT agent."""

    def __init__(self, place: Place, desk: Desk, timeout_s: float = 10.0) -> None:
        """Nothing is sent yet.

        Raises:
            HubError: the place cannot be one; an agent knows no default service.
        """
        if not place.service:
            raise HubError("no service is named", "the service the agent's devices belong to", "Give --service")
        self.desk, self._api = desk, Api(place, "IoT agent", timeout_s)

    def close(self) -> None:
        """Let go of connections."""
        self._api.close()

    def about(self) -> Mapping[str, Any]:
        """What it says it is."""
        return dict(self._api.ask("GET", "/iot/about", fine=[200]).json())

    def serve(self) -> bool:
        """Make our service; False if it is there."""
        service = {
            "apikey": self.desk.key,
            "resource": RESOURCE,
            "entity_type": DEVICE_TYPE,
            "attributes": [_attribute(*row) for row in ATTRIBUTES.items()],
            "commands": [_command(name) for name in COMMANDS],
        }
        return self._api.ask("POST", "/iot/services", {"services": [service]}, fine=[201, 409]).status_code == 201

    def devices(self) -> dict[str, Mapping[str, Any]]:
        """Our devices by name."""
        found: list[Mapping[str, Any]] = []
        while True:
            params = {"limit": str(PAGE), "offset": str(len(found))}
            page = self._api.ask("GET", "/iot/devices", params=params, fine=[200]).json().get("devices", [])
            found.extend(page)
            if len(page) < PAGE:
                break
        return {str(row["device_id"]): row for row in found if row.get("apikey") == self.desk.key}

    def provision(self, device: str) -> bool:
        """Make a device; False if it is there."""
        answer = self._api.ask("POST", "/iot/devices", {"devices": [self.document(device)]}, fine=[201, 409])
        return answer.status_code == 201

    def move(self, device: str) -> None:
        """Tell it where commands for a device go now."""
        body = {"endpoint": self.desk.endpoint(device), "apikey": self.desk.key}
        self._api.ask("PUT", self._path(device), body, fine=[204])

    def remove(self, device: str) -> bool:
        """Forget a device; False if there is none."""
        return self._api.ask("DELETE", self._path(device), fine=[204, 404]).status_code == 204

    def document(self, device: str) -> dict[str, Any]:
        """A device as the agent wants it."""
        return {
            "device_id": device,
            "apikey": self.desk.key,
            "entity_name": device_id(device),
            "entity_type": DEVICE_TYPE,
            "transport": "HTTP",
            "endpoint": self.desk.endpoint(device),
            "attributes": [_attribute(*row) for row in ATTRIBUTES.items()],
            "commands": [_command(name) for name in COMMANDS],
        }

    def _path(self, device: str) -> str:
        return f"/iot/devices/{quote(device, safe='')}?apikey={quote(self.desk.key, safe='')}"


def ensure(agent: IotAgent, broker: ContextBroker, devices: Sequence[str]) -> tuple[str, ...]:
    """Have exactly these devices at the agent; those that had to be made, moved or removed.

    What a forgetful agent left registered at the broker is cleared away, or commands would go there as well.

    Raises:
        HubError: the agent or the broker cannot be used now.
    """
    agent.serve()
    there = agent.devices()
    missing = [name for name in devices if name not in there]
    if missing:
        _clear(broker, {device_id(name) for name in missing})
        broker.update([_bare(name) for name in missing])
    for name in missing:
        agent.provision(name)
    moved = [name for name in devices if name in there and there[name].get("endpoint") != agent.desk.endpoint(name)]
    for name in moved:
        agent.move(name)
    gone = sorted(set(there) - set(devices))
    for name in gone:
        agent.remove(name)
    return (*missing, *moved, *gone)


class Registrar(Periodic):
    """Looks after devices at an agent, in a thread of its own."""

    def __init__(self, agent: IotAgent, broker: ContextBroker, devices: Devices, every_s: float = 5.0) -> None:
        super().__init__("registrar", every_s)
        self.changes = 0
        self._agent, self._broker, self._devices = agent, broker, devices

    def look(self) -> None:
        """Compare with the devices there are, and mend."""
        self.changes += len(ensure(self._agent, self._broker, self._devices()))


def _clear(broker: ContextBroker, entities: set[str]) -> None:
    for row in broker.registrations():
        provided = row.get("dataProvided", {}).get("entities", [])
        if provided and all(entity.get("id") in entities for entity in provided):
            broker.unregister(str(row["id"]))


def _bare(device: str) -> dict[str, Any]:
    """Enough of an entity to be commanded."""
    return {"id": device_id(device), "type": DEVICE_TYPE, "name": {"type": "Text", "value": device}}


def _attribute(short: str, long: tuple[str, str]) -> dict[str, str]:
    return {"object_id": short, "name": long[0], "type": long[1]}


def _command(name: str) -> dict[str, str]:
    return {"name": name, "type": "command"}
