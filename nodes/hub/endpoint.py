"""Where messages go: an MQTT broker, with or without TLS, or a local file of JSON lines."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from nodes.hub.errors import HubError

PORTS: Final[Mapping[str, int]] = MappingProxyType({"mqtt": 1883, "mqtts": 8883})
FORMS: Final = "mqtt://HOST[:PORT], mqtts://HOST[:PORT], file:PATH or nothing"


@dataclass(frozen=True)
class Broker:
    """An MQTT broker."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


@dataclass(frozen=True)
class JournalFile:
    """A file of JSON lines; an empty path leaves the choice of the file to the caller."""

    path: str

    def __str__(self) -> str:
        return f"file:{self.path}" if self.path else "local file"


Endpoint = Broker | JournalFile


def parse_endpoint(url: str) -> Endpoint:
    """Read a destination.

    Raises:
        HubError: not one of the four forms, or it carries a password.
    """
    if not url.strip():
        return JournalFile("")
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise HubError(f"broker {url!r} is not an address ({error})", FORMS, "Correct the address") from error
    if parts.scheme == "file":
        return _journal(parts, url)
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise HubError(f"broker {_without_login(parts, url)!r} is not an address Ossicle knows", FORMS, "Correct it")
    if parts.username is not None or parts.password is not None:
        raise HubError(
            f"broker {_without_login(parts, url)} carries a login in its address",
            "an address without user and password, which would be stored in the workflow file",
            "Set the parameter user, and password to the name of a secret",
        )
    return Broker(parts.hostname, port or PORTS[parts.scheme], parts.scheme == "mqtts")


def _journal(parts: SplitResult, url: str) -> JournalFile:
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path:
        raise HubError(f"broker {url!r} names no local file", "file:///FOLDER/NAME or file:NAME", "Correct the address")
    return JournalFile(path)


def _without_login(parts: SplitResult, url: str) -> str:
    return url.replace(f"{parts.netloc.rpartition('@')[0]}@", "***@") if "@" in parts.netloc else url
