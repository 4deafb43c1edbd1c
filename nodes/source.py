"""Where recordings come from: a folder, a table, an archive, an address or a preset, as a local folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine import Context, OssicleError

if TYPE_CHECKING:
    from nodes.dsp.layout import FileIssue

PRESETS: Mapping[str, tuple[str, str]] = {
    "speech_commands_v0.01": (
        "https://download.tensorflow.org/data/speech_commands_v0.01.tar.gz",
        "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
    ),
    "speech_commands_v0.02": (
        "https://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    ),
}
"""Address and sha256 of data sets that have a name."""
TABLE_KINDS = frozenset({".csv", ".tsv"})
UNPACK_SHARE = 0.4
"""Part of the progress bar for getting and unpacking an archive."""


class SourceParams(Protocol):
    """The parameters that say where recordings are and how large an archive may become."""

    @property
    def source(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def max_unpacked_bytes(self) -> int: ...
    @property
    def max_files(self) -> int: ...
    @property
    def max_ratio(self) -> float: ...


@dataclass(frozen=True)
class Opened:
    """A local folder of recordings, the table in it that was named, and archive members left out."""

    folder: Path
    table: str = ""
    issues: tuple[FileIssue, ...] = ()


def address_of(params: SourceParams) -> tuple[str, str] | None:
    """Address and sha256 (or an empty text) if the source is an address or a preset."""
    if params.source in PRESETS:
        address, sha256 = PRESETS[params.source]
        return address, params.sha256 or sha256
    return (params.source, params.sha256) if _is_address(params.source) else None


def outside(params: SourceParams, base: Path) -> dict[str, Any]:
    """What the result depends on outside the graph: names, sizes and times of files, or what the server says.

    Raises:
        OssicleError: the source does not exist.
    """
    remote = address_of(params)
    if remote is not None:
        return _remote_state(*remote, base)
    path = _existing(params.source, base)
    if path.is_dir() or path.suffix.lower() in TABLE_KINDS:
        from nodes.dsp.tree import stamp

        return {"files": stamp(path if path.is_dir() else path.parent)}
    status = path.stat()
    return {"size_bytes": status.st_size, "changed_ns": status.st_mtime_ns}


def _remote_state(address: str, sha256: str, base: Path) -> dict[str, Any]:
    if sha256:
        return {"sha256": sha256.lower()}
    from nodes.dsp.fetch import ask, kept

    state = ask(address) or kept(address, _downloads(base))
    return {"etag": state.etag, "modified": state.modified, "size_bytes": state.size_bytes} if state else {}


def _downloads(base: Path) -> Path:
    from engine.runs import home_of

    return home_of(base) / "downloads"


def _existing(source: str, base: Path) -> Path:
    path = (base / Path(source).expanduser()).resolve()
    if not source or not path.exists():
        raise OssicleError(
            f"source {source!r} does not exist",
            f"a folder, a table, an archive, an http(s) address, or one of {', '.join(PRESETS)}",
            "Set `source`; a relative path starts at the workflow file",
        )
    return path


def file_outside(named: str, base: Path) -> str | dict[str, Any]:
    """What a named file depends on outside the graph: its digest ("" where there is none), or what the server says."""
    if _is_address(named):
        return _remote_state(named, "", base)
    path = (base / Path(named).expanduser()).resolve()
    return file_digest(path) if named and path.is_file() else ""


def file_digest(path: Path) -> str:
    """sha256 (hex) of a file."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def named_file(named: str, what: str, ctx: Context) -> Path:
    """The file that a parameter names by path or by address, downloaded if it is not here yet.

    Raises:
        OssicleError: there is no such file, or it cannot be downloaded; it is called `what`.
    """
    from nodes.dsp.errors import SourceError

    try:
        path = _downloaded(named, "", ctx) if _is_address(named) else ctx.resolve(named)
    except SourceError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    if not path.is_file():
        raise OssicleError(f"there is no {what} {path}", "a file or an http(s) address", f"Correct the {what}")
    return path


def _is_address(named: str) -> bool:
    return re.match(r"https?://", named, re.IGNORECASE) is not None


@contextmanager
def opened(params: SourceParams, ctx: Context) -> Iterator[Opened]:
    """The source as a local folder, for as long as the context lasts (archives are unpacked for that time).

    Raises:
        OssicleError: the source does not exist.
        SourceError: it cannot be downloaded or unpacked.
    """
    remote = address_of(params)
    path = _downloaded(*remote, ctx) if remote else _existing(params.source, ctx.base)
    if path.is_dir():
        yield Opened(path)
    elif path.suffix.lower() in TABLE_KINDS:
        yield Opened(path.parent, path.name)
    else:
        if not remote:
            _check_digest(path, params.sha256)
        folder = ctx.scratch / "unpacked"
        shutil.rmtree(folder, ignore_errors=True)  # what a killed run left half done
        try:
            yield Opened(folder, issues=_unpacked(path, folder, params, ctx))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _downloaded(address: str, sha256: str, ctx: Context) -> Path:
    from nodes.dsp.fetch import fetch, shown

    def tell(done: int, total: int) -> None:
        size = f"{done / 1e6:,.0f}" + (f" of {total / 1e6:,.0f} MB" if total else " MB")
        ctx.progress(UNPACK_SHARE / 2 * done / total if total else 0.0, f"downloading {size}")

    ctx.log(f"source: {shown(address)}")
    return fetch(address, _downloads(ctx.base), sha256, tell)


def _check_digest(path: Path, sha256: str) -> None:
    if not sha256:
        return
    if (digest := file_digest(path)) != sha256.lower():
        raise OssicleError(
            f"{path.name} has the sha256 {digest}",
            sha256.lower(),
            "Check the file and the digest; get the file again from its origin",
        )


def _unpacked(archive: Path, folder: Path, params: SourceParams, ctx: Context) -> tuple[FileIssue, ...]:
    from nodes.dsp.unpack import Limits, unpack

    def tell(fraction: float) -> None:
        ctx.progress(UNPACK_SHARE / 2 * (1 + fraction), f"unpacking {archive.name}")

    limits = Limits(params.max_unpacked_bytes, params.max_files, params.max_ratio)
    return tuple(unpack(archive, folder, limits, tell))
