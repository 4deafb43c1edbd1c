"""A device's side of a roll-out: trusted download by The Update Framework, then slots and health are ours."""

from __future__ import annotations

import hashlib
import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    EqualVersionNumberError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from nodes.hub.errors import HubError
from nodes.hub.event import check_device
from nodes.hub.release.bundle import LARGEST_BYTES, unpack
from nodes.hub.release.health import check_health
from nodes.hub.release.repository import CHANNEL, METADATA, TARGETS, Channel
from nodes.hub.release.slots import Slots, Step

logging.getLogger("tuf").setLevel(logging.ERROR)
CHUNK_BYTES: Final = 64 * 1024
LARGEST_CHANNEL_BYTES: Final = 4096
Outcome = Literal["installed", "current", "waits", "rejected"]


@dataclass(frozen=True)
class Patience:
    """How long a download may take: for any one answer, and as a whole."""

    answer_s: float = 10.0
    whole_s: float = 300.0


@dataclass(frozen=True)
class Follower:
    """What a device needs to follow a channel.

    Attributes:
        root: the first root of the repository, given by hand; only what it leads to is trusted.
    """

    device: str
    url: str
    root: bytes
    folder: Path
    channel: str = "stable"
    patience: Patience = Patience()


@dataclass(frozen=True)
class Result:
    """What came of a look at the repository."""

    outcome: Outcome
    model: str
    why: str = ""


def update(follower: Follower, step: Step = lambda _name: None, check: Callable[[Path], None] = check_health) -> Result:
    """Look once, and install what this device shall run.

    Args:
        check: tries an unpacked deployment; raises HubError if it may not count.

    Raises:
        HubError: the repository cannot be reached or is not to be trusted, or a download is not what was signed; the
            model that runs is as before.
    """
    check_device(follower.device)
    slots = Slots(follower.folder, step)
    wanted, updater = _wanted(follower)
    found = slots.pointer()
    if found.active and found.model(found.active) == wanted:
        return Result("current", wanted)
    if not wanted:
        return Result("waits", "", "this device's turn has not come")
    if wanted in found.rejected:
        return Result("rejected", wanted, "it failed on this device before")
    bundle = _download(updater, wanted, follower, step)
    try:
        slots.install(wanted, lambda folder: unpack(bundle, folder), check)
    except HubError as error:
        return Result("rejected", wanted, error.what)
    finally:
        bundle.unlink(missing_ok=True)
    return Result("installed", wanted)


def is_chosen(device: str, model: str, share: int) -> bool:
    """Whether a device is among the first `share` percent for a model: stable, and another order for every model."""
    number = int.from_bytes(hashlib.sha256(f"{device}\0{model}".encode()).digest()[:8], "big")
    return number % 100 < share


def _wanted(follower: Follower) -> tuple[str, Updater]:
    """File of the bundle this device shall run; empty for none yet."""
    if CHANNEL.fullmatch(follower.channel) is None:
        raise HubError(f"{follower.channel!r} is no channel", "the name of one", "Correct it")
    with _trusted():
        updater = _updater(follower)
        updater.refresh()
        info = updater.get_targetinfo(f"channels/{follower.channel}.json")
        if info is None:
            raise HubError(
                f"there is no channel {follower.channel!r}", "one of the repository's", "Correct the channel"
            )
        if info.length > LARGEST_CHANNEL_BYTES:
            raise HubError("the channel's file is too large", f"{LARGEST_CHANNEL_BYTES} bytes", "Publish it again")
        path = updater.download_target(info, str(_folder(follower, "downloads") / "channel.json"))
    try:
        channel = Channel(**json.loads(Path(path).read_bytes()))
    except (ValueError, TypeError) as error:
        raise HubError(
            f"the channel cannot be read ({error})", "what `ossicle release` writes", "Update Ossicle"
        ) from error
    return channel.model if is_chosen(follower.device, channel.model, channel.share) else channel.before, updater


def _download(updater: Updater, model: str, follower: Follower, step: Step) -> Path:
    step("download")
    with _trusted():
        info = updater.get_targetinfo(model)
        if info is None or info.length > LARGEST_BYTES:
            raise HubError(f"{model} is not in the repository, or too large", "a signed bundle", "Publish it again")
        path = updater.download_target(info, str(_folder(follower, "downloads") / "bundle.zip"))
    step("downloaded")
    return Path(path)


def _updater(follower: Follower) -> Updater:
    url = follower.url.rstrip("/")
    return Updater(
        str(_folder(follower, "metadata")),
        f"{url}/{METADATA}/",
        str(_folder(follower, "downloads")),
        f"{url}/{TARGETS}/",
        fetcher=Fetcher(follower.patience),
        config=UpdaterConfig(prefix_targets_with_hash=True),
        bootstrap=None if _has_root(follower) else follower.root,
    )


def _has_root(follower: Follower) -> bool:
    """A root that was reached by signed steps is kept: an old one given by hand must not bring old keys back."""
    return (_folder(follower, "metadata") / "root.json").exists()


def _folder(follower: Follower, name: str) -> Path:
    path = follower.folder / name
    path.mkdir(parents=True, exist_ok=True)
    return path


class Fetcher(FetcherInterface):
    """HTTP with an end: neither one answer nor the whole may take too long. Redirects are not followed."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._opener = urllib.request.build_opener(_NoRedirect())

    def _fetch(self, url: str) -> Iterator[bytes]:
        if not url.startswith(("http://", "https://")):
            raise DownloadError(f"{url} is no web address")
        end = time.monotonic() + self.patience.whole_s
        try:
            with self._opener.open(url, timeout=self.patience.answer_s) as answer:
                while block := answer.read1(CHUNK_BYTES):
                    yield block
                    if time.monotonic() > end:
                        raise DownloadError(f"{url} took more than {self.patience.whole_s:g} s")
        except urllib.error.HTTPError as error:
            raise DownloadHTTPError(str(error), error.code) from error
        except OSError as error:
            raise DownloadError(f"{url}: {error}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_REASONS: Final[Mapping[type[Exception], str]] = MappingProxyType(
    {
        ExpiredMetadataError: "its word has expired: somebody may hold back news",
        EqualVersionNumberError: "it says the same version twice",
        BadVersionNumberError: "it shows older metadata than before",
        LengthOrHashMismatchError: "a file is not what was signed",
        UnsignedMetadataError: "metadata is not signed by the keys it must be",
    }
)


class _trusted:  # noqa: N801 - a context manager reads like a word
    """The framework's errors in three parts."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, RepositoryError):
            why = next((text for kind, text in _REASONS.items() if isinstance(error, kind)), str(error))
            raise HubError(
                f"the repository is not to be trusted: {why}", "what its keys have signed", "Tell whoever runs the hub"
            ) from error
        if isinstance(error, DownloadError | OSError | ValueError) and not isinstance(error, HubError):
            raise HubError(
                f"the repository cannot be read ({error.__cause__ or error})",
                "an address that answers",
                "Try again later",
                is_final=False,
            ) from error
