"""Signing keys (Ed25519), a file each with mode 0600. Those of root and targets belong on a disk that is put away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner

from nodes.hub.errors import HubError
from nodes.hub.files import write_private

ROOT_KEYS, ROOT_THRESHOLD = 3, 2
NAMES: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "root": tuple(f"root{number}" for number in range(1, ROOT_KEYS + 1)),
        "targets": ("targets",),
        "snapshot": ("snapshot",),
        "timestamp": ("timestamp",),
    }
)
"""Key files by role. A hub needs those of snapshot and timestamp alone, to say daily that nothing is new."""
ONLINE: Final = ("snapshot", "timestamp")


def make_key(folder: Path, name: str) -> CryptoSigner:
    """A new key in a folder.

    Raises:
        HubError: there is one of that name already.
    """
    path = folder / f"{name}.pem"
    if path.exists():
        raise HubError(f"{path} exists already", "a new key", "Choose another folder; a key is never overwritten")
    folder.mkdir(parents=True, exist_ok=True)
    signer = CryptoSigner.generate_ed25519()
    write_private(path, signer.private_bytes)
    return signer


def load_key(folder: Path, name: str) -> CryptoSigner:
    """A key of a folder.

    Raises:
        HubError: it is not there, or is none.
    """
    path = folder / f"{name}.pem"
    try:
        return CryptoSigner(load_pem_private_key(path.read_bytes(), None))
    except (OSError, ValueError, TypeError) as error:
        raise HubError(
            f"the key {path} cannot be used ({error})",
            "a key of `ossicle release create`",
            "Bring the disk with the keys",
        ) from error


def load_role(folder: Path, role: str, count: int = 1) -> tuple[CryptoSigner, ...]:
    """So many keys of a role that lie in a folder.

    Raises:
        HubError: there are fewer.
    """
    here = [name for name in NAMES[role] if (folder / f"{name}.pem").is_file()]
    if len(here) < count:
        raise HubError(
            f"{folder} holds {len(here)} of {count} keys of {role}",
            "enough keys to sign",
            "Bring the disk with the keys",
        )
    return tuple(load_key(folder, name) for name in here[:count])
