"""A deployment as one file: a zip archive that is the same for the same content, and is unpacked with suspicion.

Beside the deployment it holds `golden.json`: clips and what the deployment said to them where it was made, so that a
device can try it before it counts.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from nodes.hub.device.ear import DESCRIPTION
from nodes.hub.errors import HubError

GOLDEN: Final = "golden.json"
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
MOST_FILES: Final = 500
LARGEST_BYTES: Final = 512 << 20
"""Of everything in a bundle, unpacked."""
SUFFIXES: Final = frozenset({".json", ".onnx", ".so", ".c", ".h", ".md", ".txt", ".bin", ".cmake", ".in", ""})


def make_bundle(deployment: Path, golden: Mapping[str, Any]) -> bytes:
    """The archive of a deployment's folder.

    Raises:
        HubError: it is no deployment, or holds what no bundle may.
    """
    if not (deployment / DESCRIPTION).is_file():
        raise HubError(f"{deployment} is no deployment", f"a folder with {DESCRIPTION}", "Deploy the model again")
    files = {file.relative_to(deployment).as_posix(): file for file in sorted(deployment.rglob("*")) if file.is_file()}
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files.items():
            if path.is_symlink():
                raise HubError(f"{path} is a link", "plain files", "Put the file itself there")
            if path.suffix in SUFFIXES and name not in (GOLDEN, "artifact.json"):
                archive.writestr(zipfile.ZipInfo(name, EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED)
        text = json.dumps(golden, separators=(",", ":"), sort_keys=True)
        archive.writestr(zipfile.ZipInfo(GOLDEN, EPOCH), text, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def name_of(bundle: bytes, deployment: str) -> str:
    """Name of a bundle's file: what it is, and the digest that makes it that one."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in deployment.lower()).strip("-") or "model"
    return f"models/{plain}-{hashlib.sha256(bundle).hexdigest()[:12]}.zip"


def unpack(bundle: Path, folder: Path) -> None:
    """Unpack into a new folder; nothing is written outside it, and no more than a bundle may hold.

    Raises:
        HubError: the archive is damaged or hostile; the folder may be half full and must be thrown away.
    """
    try:
        with zipfile.ZipFile(bundle) as archive:
            members = archive.infolist()
            _check(members)
            folder.mkdir(parents=True)
            for member in members:
                _write(archive, member, folder / member.filename)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, EOFError) as error:
        raise HubError(
            f"{bundle.name} cannot be unpacked ({error})", "a bundle of `ossicle release`", "Publish it again"
        ) from error


def _check(members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    total = sum(member.file_size for member in members)
    if len(members) > MOST_FILES or total > LARGEST_BYTES:
        raise _hostile(f"it holds {len(members)} files of {total:,} bytes")
    if len({name.lower() for name in names}) != len(names):
        raise _hostile("it holds a name twice")
    for member in members:
        path, kind = PurePosixPath(member.filename), stat.S_IFMT(member.external_attr >> 16)
        is_outside = path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename
        if is_outside or member.filename != str(path) or not path.parts or "\0" in member.filename:
            raise _hostile(f"the name {member.filename!r}")
        if kind not in (0, stat.S_IFREG) or member.is_dir():
            raise _hostile(f"{member.filename!r} is no plain file")


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with archive.open(member) as source, path.open("xb") as target:
        while block := source.read(1 << 20):
            left -= len(block)
            if left < 0:
                raise _hostile(f"{member.filename!r} is larger than it says")
            target.write(block)


def _hostile(why: str) -> HubError:
    return HubError(f"the bundle is refused: {why}", "plain files below one folder", "Do not trust its origin")


def encode_clip(samples: bytes) -> str:
    """Samples (int16, little endian) as text."""
    return base64.b64encode(samples).decode("ascii")


def decode_clip(text: str) -> bytes:
    """Samples of their text.

    Raises:
        ValueError: it is none.
    """
    return base64.b64decode(text, validate=True)
