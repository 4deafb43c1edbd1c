"""The hub's folder: who may connect, with what, and where everything is kept.

    hub.db          what devices said           broker/         configuration and certificates of the hub's own broker
    users.json      passwords, 0600             token           of the HTTP API, 0600

A device is let in by `enrol`, which gives a document to carry to it: address, name, password and the authority's
certificate. Nothing of it is ever logged.
"""

from __future__ import annotations

import json
import secrets
import threading
from pathlib import Path
from typing import Final

from nodes.hub.broker import HUB_USER, free_port
from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError
from nodes.hub.event import check_device
from nodes.hub.files import write_private
from nodes.hub.ticket import Ticket

WORD_BYTES: Final = 24


class HubHome:
    """The folder. Its secrets are made on first use."""

    def __init__(self, folder: Path) -> None:
        """Open or begin the folder.

        Raises:
            HubError: it cannot be written, or its users cannot be read.
        """
        self.folder, self._guard = folder, threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.token = self._secret("token")
            self._users = self._load()
        except OSError as error:
            raise HubError(
                f"the hub's folder {folder} cannot be used ({error.strerror})", "a folder of your own", "Choose another"
            ) from error

    @property
    def store_file(self) -> Path:
        """Where events are kept."""
        return self.folder / "hub.db"

    @property
    def broker_folder(self) -> Path:
        """Where the hub's own broker lives."""
        return self.folder / "broker"

    @property
    def users(self) -> dict[str, str]:
        """Passwords of the hub and of every enrolled device."""
        with self._guard:
            return dict(self._users)

    def refresh(self) -> bool:
        """Read the users again if another process changed them; whether it did."""
        with self._guard:
            found = self._load()
            changed, self._users = found != self._users, found
        return changed

    def devices(self) -> tuple[str, ...]:
        """Names of enrolled devices."""
        return tuple(name for name in self.users if name != HUB_USER)

    def port(self) -> int:
        """Port of the hub's own broker: always the same one, since devices keep it."""
        path = self.folder / "port"
        try:
            return int(path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            path.write_text(str(free_port()), encoding="ascii")
            return int(path.read_text(encoding="ascii"))

    def enrol(self, device: str) -> str:
        """Let a device in; its new password. Enrolling it again shuts the old password out.

        Raises:
            HubError: the name is none, or is the hub's own.
        """
        if check_device(device) == HUB_USER:
            raise HubError(
                f"{HUB_USER!r} is the hub itself", "a name of its own for every device", "Choose another name"
            )
        return self._change(device, secrets.token_urlsafe(WORD_BYTES))

    def dismiss(self, device: str) -> None:
        """Let a device in no more.

        Raises:
            HubError: it is not enrolled.
        """
        if device == HUB_USER or device not in self.users:
            raise HubError(
                f"there is no device {device!r}", "the name of an enrolled device", "Look at the list of devices"
            )
        with self._guard:
            del self._users[device]
            self._write()

    def ticket(self, device: str, address: Broker) -> Ticket:
        """What an enrolled device needs to connect."""
        ca = (self.broker_folder / "ca.crt").read_text(encoding="ascii")
        return Ticket(device, self.users[device], address.host, address.port, ca)

    def _change(self, name: str, word: str) -> str:
        with self._guard:
            self._users[name] = word
            self._write()
        return word

    def _write(self) -> None:
        path = self.folder / "users.json"
        fresh = path.with_suffix(".new")
        write_private(fresh, json.dumps(self._users, indent=1).encode())
        fresh.replace(path)

    def _load(self) -> dict[str, str]:
        path = self.folder / "users.json"
        if not path.exists():
            users = {HUB_USER: secrets.token_urlsafe(WORD_BYTES)}
            write_private(path, json.dumps(users, indent=1).encode())
            return users
        try:
            found = json.loads(path.read_bytes())
            if isinstance(found, dict) and HUB_USER in found and all(isinstance(word, str) for word in found.values()):
                return {str(name): word for name, word in found.items()}
        except ValueError:
            pass
        raise HubError(f"{path} cannot be read", "names and passwords in JSON", "Restore it, or begin a new folder")

    def _secret(self, name: str) -> str:
        path = self.folder / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(WORD_BYTES).encode())
        return path.read_text(encoding="ascii").strip()
