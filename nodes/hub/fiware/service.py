"""Everything FIWARE of one hub: the forwarder and, where there is an IoT agent, its devices and their commands."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nodes.hub.errors import HubError
from nodes.hub.files import write_private
from nodes.hub.fiware.agent import Desk, IotAgent, Registrar
from nodes.hub.fiware.commands import PREFIX, Commands, Hub, create_desk
from nodes.hub.fiware.forward import Forwarder, Manner
from nodes.hub.fiware.ngsi import ContextBroker, Place
from nodes.hub.fiware.served import Served
from nodes.hub.home import HubHome
from nodes.hub.store import Store, Waiting


@dataclass(frozen=True)
class Commanded:
    """Devices can be commanded through an IoT agent.

    Attributes:
        hub: address of the hub's HTTP API.
        host: where this process listens for the agent.
        announced: address by which the agent reaches it; empty for where it listens.
    """

    agent: Place
    hub: str
    host: str = "127.0.0.1"
    port: int = 0
    announced: str = ""


@dataclass(frozen=True)
class Wishes:
    """What is connected to what."""

    broker: Place
    manner: Manner = field(default_factory=Manner)
    commanded: Commanded | None = None


@dataclass(frozen=True)
class Running:
    """What runs."""

    forwarder: Forwarder
    registrar: Registrar | None = None
    commands: Commands | None = None

    def problems(self) -> tuple[str, ...]:
        """What keeps it from going on, in words."""
        parts = (self.forwarder, self.registrar, self.commands)
        return tuple(part.problem for part in parts if part is not None and part.problem)

    def status(self) -> dict[str, Any]:
        """How it fares."""
        changes = self.registrar.changes if self.registrar is not None else 0
        return {**asdict(self.forwarder.tally), "device_changes": changes, "problems": list(self.problems())}


def forwarder(home: HubHome, store: Store, wishes: Wishes, broker: ContextBroker) -> Forwarder:
    """A forwarder of this hub; refused events are noted in its folder."""
    file = home.folder / "fiware-refused.jsonl"

    def note(waiting: Waiting, why: str) -> None:
        row = waiting.row
        line = {"device": row.device, "epoch": waiting.epoch, "seq": row.seq, "kind": row.kind, "why": why}
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")

    store.follow()
    return Forwarder(store, broker, wishes.manner, note)


@contextmanager
def running(home: HubHome, store: Store, wishes: Wishes) -> Iterator[Running]:
    """Run until the block ends.

    Raises:
        HubError: an address is none, or a port is taken. Servers that are away do not matter: they may come.
    """
    with ExitStack() as stack:
        broker = stack.enter_context(closing(ContextBroker(wishes.broker)))
        made = forwarder(home, store, wishes, broker)
        registrar, commands = _commanded(stack, home, broker, wishes.commanded)
        made.start()
        stack.callback(made.stop)
        yield Running(made, registrar, commands)


def _commanded(
    stack: ExitStack, home: HubHome, broker: ContextBroker, wish: Commanded | None
) -> tuple[Registrar | None, Commands | None]:
    if wish is None:
        return None, None
    keys = keys_of(home.folder)
    commands = Commands(Hub.at(wish.hub, home.token))
    commands.start()
    stack.callback(commands.stop)
    url = stack.enter_context(Served(create_desk(commands, keys["desk"]), wish.host, wish.port))
    desk = Desk(keys["agent"], f"{(wish.announced or url).rstrip('/')}{PREFIX}/{keys['desk']}")
    agent = stack.enter_context(closing(IotAgent(wish.agent, desk)))

    def devices() -> tuple[str, ...]:
        home.refresh()
        return home.devices()

    registrar = Registrar(agent, broker, devices)
    registrar.start()
    stack.callback(registrar.stop)
    return registrar, commands


def keys_of(folder: Path) -> dict[str, str]:
    """The agent's API key for our devices, and the desk's own; made on first use, mode 0600.

    Raises:
        HubError: the file is damaged.
    """
    file = folder / "fiware.json"
    if not file.exists():
        write_private(file, json.dumps({"agent": secrets.token_hex(16), "desk": secrets.token_hex(16)}).encode())
    try:
        found = json.loads(file.read_bytes())
        if all(isinstance(found[name], str) and found[name] for name in ("agent", "desk")):
            return {name: str(found[name]) for name in ("agent", "desk")}
    except (ValueError, KeyError, TypeError):
        pass
    raise HubError(f"{file} holds no keys", "what was written on first use", "Delete it; devices are provisioned anew")
