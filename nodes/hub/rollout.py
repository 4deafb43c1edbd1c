"""A roll-out to a fleet under attack: who runs what in the end, and whether anything unsigned ever ran."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from nodes.hub.errors import HubError
from nodes.hub.release.bundle import make_bundle, name_of
from nodes.hub.release.client import Follower, Patience, update
from nodes.hub.release.health import check_health, golden_of
from nodes.hub.release.keys import make_key
from nodes.hub.release.repository import Repository
from nodes.hub.release.slots import Slots

AT_ONCE: Final = 8
ATTACKS: Final = ("tamper", "replay", "freeze", "rollback", "wrong key", "expired")
KILL_AFTER_S: Final = (0.2, 0.35, 0.5)


@dataclass(frozen=True)
class Rolled:
    """What a roll-out came to.

    Attributes:
        unverified: devices that ran, at any time, anything that was not signed and healthy.
        refused: attacks that every tried device refused.
        ill: devices made to fail the health check, and how many of them kept the old model.
        killed: devices killed while they installed, all of which ran a whole model afterwards.
        rollback_s: from the order to go back to the last device running the old model.
    """

    devices: int
    installed: int
    unverified: int
    refused: tuple[str, ...]
    ill: int
    ill_kept_old: int
    killed: int
    killed_whole: int
    rollout_s: float
    rollback_s: float


@dataclass(frozen=True)
class Fleet:
    """Devices of one repository."""

    folder: Path
    url: str
    root: bytes
    names: tuple[str, ...]
    ill: frozenset[str] = frozenset()

    def follower(self, name: str) -> Follower:
        """A device."""
        return Follower(name, self.url, self.root, self.folder / name, patience=Patience(5.0, 30.0))

    def running(self, name: str) -> str:
        """What a device runs; empty for nothing."""
        found = Slots(self.folder / name).pointer()
        return found.model(found.active) if found.active else ""

    def update(self, names: Sequence[str]) -> None:
        """Let devices look once, some at a time; who is refused keeps what it has."""

        def look(name: str) -> None:
            try:
                update(self.follower(name), check=_ill_check if name in self.ill else check_health)
                Slots(self.folder / name).confirm()
            except HubError:
                pass

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(look, names))


def roll_out(deployments: tuple[Path, Path], folder: Path, devices: int = 100, ill_share: float = 0.1) -> Rolled:
    """First model to all, a second one to all while some are ill and some are killed, attacks, and back."""
    repository, keys = Repository(folder / "repository"), folder / "keys"
    repository.create(keys)
    names = tuple(f"device{number}" for number in range(devices))
    with _served(repository.folder) as url:
        fleet = Fleet(folder / "fleet", url, repository.root_bytes(), names)
        first, second = (_publishable(path) for path in deployments)
        repository.publish(keys, *first, "stable")
        fleet.update(names)
        sick = names[: round(devices * ill_share)]
        fleet = replace(fleet, ill=frozenset(sick))
        killed = names[len(sick) : len(sick) + len(KILL_AFTER_S) * 3]
        old = _copy_metadata(repository, folder / "old")
        repository.publish(keys, *second, "stable")
        begun = time.monotonic()
        whole = sum(_kill_while_updating(fleet, name, KILL_AFTER_S[index % 3]) for index, name in enumerate(killed))
        fleet.update(names)
        rollout_s = time.monotonic() - begun
        good = {first[0], second[0]}
        unverified = {name for name in names if fleet.running(name) not in good}
        kept = sum(fleet.running(name) == first[0] for name in sick)
        installed = sum(fleet.running(name) == second[0] for name in names)
        refused, fooled = _attack(repository, keys, fleet, names[-1], old, deployments[0])
        begun = time.monotonic()
        repository.rollback(keys, "stable")
        fleet.update(names)
        rollback_s = time.monotonic() - begun
        unverified |= fooled | {name for name in names if fleet.running(name) != first[0]}
    return Rolled(
        devices, installed, len(unverified), refused, len(sick), kept, len(killed), whole, rollout_s, rollback_s
    )


def _publishable(deployment: Path) -> tuple[str, bytes]:
    bundle = make_bundle(deployment, golden_of(deployment))
    return name_of(bundle, deployment.name), bundle


def _ill_check(slot: Path) -> None:
    """The health check of a device whose flash is broken: what it reads is not what was written."""
    path = slot / "model.onnx"
    path.write_bytes(path.read_bytes()[::-1])
    check_health(slot)


_CHILD: Final = """
import json, sys
from pathlib import Path
from nodes.hub.release.client import Follower, update
given = json.load(sys.stdin)
update(Follower(given["name"], given["url"], bytes.fromhex(given["root"]), Path(given["folder"])))
"""


def _kill_while_updating(fleet: Fleet, name: str, after_s: float) -> bool:
    """Kill a device's process on its way; whether a whole model can be run afterwards."""
    document = {"name": name, "url": fleet.url, "root": fleet.root.hex(), "folder": str(fleet.folder / name)}
    process = subprocess.Popen([sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(json.dumps(document))
    process.stdin.close()
    time.sleep(after_s)
    process.kill()
    process.wait()
    return (Slots(fleet.folder / name).start() / "deployment.json").is_file()


def _copy_metadata(repository: Repository, folder: Path) -> Path:
    shutil.copytree(repository.folder / "metadata", folder)
    return folder


def _attack(
    repository: Repository, keys: Path, fleet: Fleet, name: str, old: Path, evil: Path
) -> tuple[tuple[str, ...], set[str]]:
    """Try every attack on a device; those that were refused, and the device if it was ever fooled."""
    refused, fooled, before = [], set(), fleet.running(name)
    safe = _copy_metadata(repository, repository.folder.parent / "safe")
    for attack in ATTACKS:
        _ATTACKS[attack](repository, keys, old, evil)
        try:
            update(fleet.follower(name))
        except HubError:
            refused.append(attack)
        if fleet.running(name) != before:
            fooled.add(name)
        shutil.rmtree(repository.folder / "metadata")
        shutil.copytree(safe, repository.folder / "metadata")
    return tuple(refused), fooled


def _tamper(repository: Repository, _keys: Path, _old: Path, _evil: Path) -> None:
    path = repository.folder / "metadata" / "timestamp.json"
    raw = json.loads(path.read_bytes())
    raw["signed"]["version"] += 5
    path.write_text(json.dumps(raw), encoding="utf-8")


def _replay(repository: Repository, _keys: Path, old: Path, _evil: Path) -> None:
    shutil.copy(old / "timestamp.json", repository.folder / "metadata" / "timestamp.json")


def _late(repository: Repository, keys: Path, days: float) -> None:
    then = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)
    Repository(repository.folder, lambda: then).refresh(keys)


def _freeze(repository: Repository, keys: Path, _old: Path, _evil: Path) -> None:
    _late(repository, keys, 2.0)


def _roll_back(repository: Repository, _keys: Path, old: Path, _evil: Path) -> None:
    for path in old.iterdir():
        shutil.copy(path, repository.folder / "metadata" / path.name)


def _wrong_key(repository: Repository, keys: Path, _old: Path, evil: Path) -> None:
    forged = repository.folder.parent / f"forged{time.monotonic_ns()}"
    make_key(forged, "targets")
    for role in ("snapshot", "timestamp"):
        shutil.copy(keys / f"{role}.pem", forged / f"{role}.pem")
    repository.publish(forged, "models/evil.zip", _publishable(evil)[1], "stable")


def _expired(repository: Repository, keys: Path, _old: Path, _evil: Path) -> None:
    _late(repository, keys, 400.0)


_ATTACKS: Final = {
    "tamper": _tamper,
    "replay": _replay,
    "freeze": _freeze,
    "rollback": _roll_back,
    "wrong key": _wrong_key,
    "expired": _expired,
}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=os.fspath(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
