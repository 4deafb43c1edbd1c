"""Download one file: resumed after a break, checked by digest, kept in a folder and not fetched again."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from nodes.dsp.errors import SourceError

Progress = Callable[[int, int], None]
"""Called with bytes so far and in all (0: unknown); it may raise to stop."""

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_ASK_TIMEOUT = httpx.Timeout(5.0)
_PAUSES_S = (0.0, 0.2, 1.0, 2.0)
_PLAIN = {"accept-encoding": "identity"}  # the bytes as they lie on the server: they are what the digest is of


@dataclass(frozen=True)
class State:
    """What a server says about a file; equal states, equal content."""

    etag: str = ""
    modified: str = ""
    size_bytes: int = 0

    @staticmethod
    def of(response: httpx.Response) -> State:
        """State from response headers; of a partial answer, the size of the whole."""
        headers = response.headers
        whole = headers.get("content-range", "").rpartition("/")[2] or headers.get("content-length", "")
        size_bytes = int(whole) if whole.isdecimal() else 0
        return State(headers.get("etag", ""), headers.get("last-modified", ""), size_bytes)

    @property
    def validator(self) -> str:
        """What lets a server tell whether our part belongs to its file; weak tags do not."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


@dataclass(frozen=True)
class _Place:
    """Where a download lies: the file, the part of it so far, and what the server said."""

    file: Path

    @property
    def part(self) -> Path:
        return self.file.with_name(self.file.name + ".part")

    def note(self, path: Path) -> Path:
        return path.with_name(path.name + ".json")

    def read(self, path: Path) -> Mapping[str, str | int]:
        try:
            raw = json.loads(self.note(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return raw if isinstance(raw, dict) else {}

    def write(self, path: Path, state: State, sha256: str = "") -> None:
        self.note(path).write_text(json.dumps({**asdict(state), "sha256": sha256}), encoding="utf-8")


def is_address(text: str) -> bool:
    """Whether a text is an http or https address."""
    return text.lower().startswith(("http://", "https://"))


def shown(url: str) -> str:
    """The address without user, password and query: what may stand in messages."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the address"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def ask(url: str) -> State | None:
    """What the server says about a file now; None if it cannot be reached or does not say."""
    try:
        response = httpx.head(url, headers=_PLAIN, follow_redirects=True, timeout=_ASK_TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    return State.of(response) if response.is_success else None


def kept(url: str, folder: Path) -> State | None:
    """What the server said when the file now kept in `folder` was downloaded; None if there is none."""
    place = _place(url, folder)
    return _state(place.read(place.file)) if place.file.is_file() else None


def fetch(url: str, folder: Path, sha256: str = "", progress: Progress = lambda _done, _total: None) -> Path:
    """Download `url` into `folder` and return the file; one already there is used if it is still the server's.

    A broken transfer is resumed, now or by a later call. The file appears under its name only when complete and, with
    `sha256` (hex), of that digest.

    Raises:
        SourceError: no such file, no answer, a wrong size or digest, or a full disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = _place(url, folder)
    if _is_current(url, place, sha256.lower()):
        return place.file
    try:
        state = _download(url, place, progress)
        digest = _digest(place.part)
    except OSError as error:
        raise SourceError(
            f"{shown(url)} cannot be stored ({error.strerror})", "a writable disk with room", "Free some space"
        ) from error
    if sha256 and digest != sha256.lower():
        place.part.unlink()
        raise SourceError(
            f"{shown(url)} has the sha256 {digest}",
            sha256.lower(),
            "Check the address and the digest; the file may have been changed on its way",
        )
    place.part.replace(place.file)
    place.write(place.file, state, digest)
    place.note(place.part).unlink(missing_ok=True)
    return place.file


def _place(url: str, folder: Path) -> _Place:
    name = re.sub(r"[^\w.-]", "_", re.split("[?#]", url)[0].rsplit("/", 1)[-1])[-80:] or "download"
    return _Place(folder / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}")


def _state(note: Mapping[str, str | int]) -> State:
    return State(str(note.get("etag", "")), str(note.get("modified", "")), int(note.get("size_bytes", 0)))


def _is_current(url: str, place: _Place, sha256: str) -> bool:
    """A kept file is good if it has the wanted digest, or if the server still says of it what it said then."""
    if not place.file.is_file():
        return False
    note = place.read(place.file)
    if sha256:
        return note.get("sha256") == sha256
    now = ask(url)
    return now is None or now == _state(note)


def _download(url: str, place: _Place, progress: Progress) -> State:
    before = _state(place.read(place.part))
    if _size(place.part) == before.size_bytes > 0 and ask(url) == before:
        return before  # complete, and killed just before it got its name
    failure: Exception | None = None
    for pause_s in _PAUSES_S:
        time.sleep(pause_s)
        try:
            return _transfer(url, place, progress)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = error  # the part stays: the next attempt, or the next run, goes on from there
    raise _failed(url, failure) from failure


def _failed(url: str, error: Exception | None) -> SourceError:
    return SourceError(
        f"{shown(url)} cannot be downloaded ({str(error) or type(error).__name__})",
        "a complete answer from the server",
        "Check the address and the network, then run again: what has arrived is kept",
    )


def _transfer(url: str, place: _Place, progress: Progress) -> State:
    """One request: the rest of the file if the server still has the one we began, else all of it."""
    done = _size(place.part)
    before = _state(place.read(place.part))
    can_resume = bool(done and before.validator)
    headers = {**_PLAIN, **({"range": f"bytes={done}-", "if-range": before.validator} if can_resume else {})}
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=_TIMEOUT) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            place.part.unlink(missing_ok=True)
            raise httpx.RemoteProtocolError("the server no longer has the part that was asked for")
        _check_status(url, response)
        state = State.of(response)
        is_rest = response.status_code == httpx.codes.PARTIAL_CONTENT
        place.write(place.part, state)
        # without a block size: httpx would hold back an unfilled block, and lose it when the transfer breaks
        _store(response.iter_raw(), place.part, done if is_rest else 0, state.size_bytes, progress)
    return state


def _check_status(url: str, response: httpx.Response) -> None:
    if response.is_server_error:
        raise httpx.RemoteProtocolError(f"the server answered {response.status_code}")
    if not response.is_success:
        raise SourceError(
            f"{shown(url)} answered {response.status_code} {response.reason_phrase}",
            "200 OK",
            "Check the address (and the password, if it needs one)",
        )


def _store(blocks: Iterator[bytes], part: Path, done: int, total: int, progress: Progress) -> None:
    with part.open("ab" if done else "wb") as file:
        for block in blocks:
            file.write(block)
            done += len(block)
            progress(done, total)
    if total and done != total:
        raise httpx.RemoteProtocolError(f"{done:,} of {total:,} bytes arrived")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
