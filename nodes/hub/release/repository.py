"""The signed repository that devices read: metadata of The Update Framework, bundles, and channels.

A channel is a small signed file that says which model its devices shall run, for which share of them, and what the
others keep. Going back is a new, higher version of it that names the old model; old metadata is refused by devices.

https://theupdateframework.github.io/specification/latest/
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from nodes.hub.errors import HubError
from nodes.hub.release.keys import NAMES, ROOT_THRESHOLD, load_role, make_key

METADATA, TARGETS = "metadata", "targets"
DAYS: Final[Mapping[str, int]] = MappingProxyType({"root": 365, "targets": 90, "snapshot": 7, "timestamp": 1})
CHANNEL: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Channel:
    """What devices of a channel shall run.

    Attributes:
        model: file of the bundle.
        share: percent of devices that shall run it; the others run `before`.
        before: file of the bundle before it; empty if there was none.
    """

    model: str
    share: int = 100
    before: str = ""


def now() -> datetime:
    """The time as metadata has it: whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Repository:
    """A repository in a folder; `metadata/` and `targets/` below it are what devices may read."""

    folder: Path
    clock: Clock = now

    def create(self, keys: Path) -> None:
        """Begin a repository with new keys.

        Raises:
            HubError: there is one already, or a key is there.
        """
        if (self.folder / METADATA).exists():
            raise HubError(f"{self.folder} is a repository already", "a new folder", "Choose another")
        root = Root(consistent_snapshot=True, expires=self._end("root"))
        for role, names in NAMES.items():
            for name in names:
                root.add_key(make_key(keys, name).public_key, role)
        root.roles["root"].threshold = ROOT_THRESHOLD
        self._save_root(root, load_role(keys, "root", ROOT_THRESHOLD))
        self._save("targets", Targets(expires=self._end("targets")), keys)
        self._snapshot(keys, first=True)
        self._stamp(keys, first=True)

    def publish(self, keys: Path, name: str, bundle: bytes, channel: str, share: int = 100) -> Channel:
        """Add a bundle and let a share of a channel's devices run it.

        Raises:
            HubError: a key is missing, the channel or the share makes no sense.
        """
        _check(channel, share)
        old = self.channels().get(channel)
        before = "" if old is None else old.before if old.model == name else old.model
        self._put({name: bundle, **_channel_file(channel, found := Channel(name, share, before))}, keys)
        return found

    def rollback(self, keys: Path, channel: str) -> Channel:
        """Let all devices of a channel run what they ran before, by a new signed version.

        Raises:
            HubError: there is nothing before, or a key is missing.
        """
        old = self.channels().get(channel)
        if old is None or not old.before:
            raise HubError(f"channel {channel!r} has nothing to go back to", "a second release", "Publish one")
        found = Channel(old.before, 100, old.model)
        self._put(_channel_file(channel, found), keys)
        return found

    def rotate(self, keys: Path, role: str) -> None:
        """Replace the key of targets, snapshot or timestamp; two root keys must be at hand.

        Raises:
            HubError: the role has no single key, or root keys are missing.
        """
        if role == "root" or role not in NAMES:
            raise HubError(
                f"the key of {role!r} cannot be replaced so", "targets, snapshot or timestamp", "Correct the role"
            )
        signers = load_role(keys, "root", ROOT_THRESHOLD)
        root: Root = self._load("root")
        old = keys / f"{NAMES[role][0]}.pem"
        for known in list(root.roles[role].keyids):
            root.revoke_key(known, role)
        old.replace(old.with_name(f"{old.name}.retired-{root.version}"))
        root.add_key(make_key(keys, NAMES[role][0]).public_key, role)
        root.version, root.expires = root.version + 1, self._end("root")
        self._save_root(root, signers)
        if role == "targets":
            self._put({}, keys)
        else:
            self.refresh(keys)

    def refresh(self, keys: Path) -> None:
        """Say anew that nothing is new, before the last word on it expires. Keys of snapshot and timestamp suffice.

        Raises:
            HubError: a key is missing.
        """
        self._snapshot(keys)
        self._stamp(keys)

    def channels(self) -> Mapping[str, Channel]:
        """Every channel's newest word."""
        targets: Targets = self._load("targets")
        found = {}
        for path, info in targets.targets.items():
            if path.startswith("channels/"):
                raw = json.loads(self._target(path, info.hashes["sha256"]).read_bytes())
                found[path.removeprefix("channels/").removesuffix(".json")] = Channel(**raw)
        return found

    def status(self) -> dict[str, Any]:
        """Versions and ends of all roles, channels, and bundles with their sizes."""
        roles = {role: self._load(role) for role in NAMES}
        return {
            "roles": {
                role: {"version": signed.version, "expires": signed.expires.isoformat(), "is_over": signed.is_expired()}
                for role, signed in roles.items()
            },
            "channels": {name: asdict(channel) for name, channel in self.channels().items()},
            "models": {
                path: info.length for path, info in roles["targets"].targets.items() if path.startswith("models/")
            },
        }

    def root_bytes(self) -> bytes:
        """The first root: what a device must be given by hand."""
        return (self.folder / METADATA / "1.root.json").read_bytes()

    # ----

    def _put(self, files: Mapping[str, bytes], keys: Path) -> None:
        load_role(keys, "targets")
        targets: Targets = self._load("targets")
        for path, data in files.items():
            digest = hashlib.sha256(data).hexdigest()
            _write(self._target(path, digest), data)
            targets.targets[path] = TargetFile(len(data), {"sha256": digest}, path)
        targets.version, targets.expires = targets.version + 1, self._end("targets")
        self._save("targets", targets, keys)
        self.refresh(keys)

    def _snapshot(self, keys: Path, *, first: bool = False) -> None:
        snapshot = Snapshot(expires=self._end("snapshot")) if first else self._load("snapshot")
        snapshot.meta["targets.json"] = MetaFile(self._load("targets").version)
        snapshot.version, snapshot.expires = snapshot.version + (not first), self._end("snapshot")
        self._save("snapshot", snapshot, keys)

    def _stamp(self, keys: Path, *, first: bool = False) -> None:
        stamp = Timestamp(expires=self._end("timestamp")) if first else self._load("timestamp")
        stamp.snapshot_meta = MetaFile(self._load("snapshot").version)
        stamp.version, stamp.expires = stamp.version + (not first), self._end("timestamp")
        self._save("timestamp", stamp, keys)

    def _save(self, role: str, signed: Any, keys: Path) -> None:
        made = Metadata(signed)
        made.sign(load_role(keys, role)[0])
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        _write(self.folder / METADATA / name, made.to_bytes())
        _write(self.folder / METADATA / f"{role}.json", made.to_bytes())

    def _save_root(self, root: Root, signers: Sequence[CryptoSigner]) -> None:
        made = Metadata(root)
        for index, signer in enumerate(signers):
            made.sign(signer, append=index > 0)
        for name in (f"{root.version}.root.json", "root.json"):
            _write(self.folder / METADATA / name, made.to_bytes())

    def _load(self, role: str) -> Any:
        path = self.folder / METADATA / f"{role}.json"
        try:
            return Metadata.from_bytes(path.read_bytes()).signed
        except (OSError, RepositoryError, DownloadError) as error:
            raise HubError(
                f"{path} cannot be read ({error})",
                "a repository of `ossicle release create`",
                "Create one, or restore it",
            ) from error

    def _target(self, path: str, digest: str) -> Path:
        folder, _, name = path.rpartition("/")
        return self.folder / TARGETS / folder / f"{digest}.{name}"

    def _end(self, role: str) -> datetime:
        return self.clock() + timedelta(days=DAYS[role])


def _channel_file(name: str, channel: Channel) -> dict[str, bytes]:
    return {f"channels/{name}.json": json.dumps(asdict(channel), sort_keys=True).encode()}


def _check(channel: str, share: int) -> None:
    if CHANNEL.fullmatch(channel) is None:
        raise HubError(f"{channel!r} is no name of a channel", "lower-case letters, digits and -", "Rename it")
    if not 0 <= share <= 100:
        raise HubError(f"a share of {share} %", "0 to 100", "Correct it")


def _write(path: Path, data: bytes) -> None:
    """All or nothing, also when the machine dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
