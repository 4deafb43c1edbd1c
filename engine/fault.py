"""From an exception to what a person is told: three parts, and a traceback only where nobody foresaw it."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.errors import OssicleError, sentence

FULL = "No space left on device"


@dataclass(frozen=True)
class Fault:
    """Why a node failed. `traceback` is empty for errors that were foreseen."""

    what: str
    expected: str
    remedy: str
    traceback: str = ""

    @property
    def is_unexpected(self) -> bool:
        """Whether this is a bug rather than a problem with the input or the machine."""
        return bool(self.traceback)

    def __str__(self) -> str:
        return " ".join(sentence(part) for part in (self.what, f"Expected: {self.expected}", self.remedy))

    def error(self) -> OssicleError:
        """The same as an exception."""
        return OssicleError(self.what, self.expected, self.remedy)

    def to_json(self) -> dict[str, Any]:
        """Plain values for files and events."""
        return asdict(self)

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Fault:
        """Read back what `to_json` wrote."""
        return Fault(raw["what"], raw["expected"], raw["remedy"], raw["traceback"])


def fault_of(error: BaseException, place: Path) -> Fault:
    """What to tell about an error that happened while writing under `place`."""
    told = error if isinstance(error, OssicleError) else disk_error(error, place)
    if told is not None:
        return Fault(told.what, told.expected, told.remedy)
    return Fault(
        f"{type(error).__name__}: {error}",
        "the node to finish",
        "This was not foreseen: its traceback is in the run's log.txt; please report it to the node's author",
        "".join(traceback.format_exception(error)),
    )


def disk_error(error: BaseException, place: Path) -> OssicleError | None:
    """The three parts for a full or read-only disk, whichever library met it; None for any other error."""
    for cause in _chain(error):
        if not isinstance(cause, OSError):
            continue
        if cause.errno in (errno.ENOSPC, errno.EDQUOT) or FULL in str(cause):
            return OssicleError(
                f"the disk that holds {place} is full",
                "free space for the results",
                "Free some (`ossicle store gc` removes what no recent run uses) or set OSSICLE_HOME to a folder on a "
                "larger disk, then run again: finished nodes are kept",
            )
        if cause.errno == errno.EROFS or (cause.errno in (errno.EACCES, errno.EPERM) and _is_within(cause, place)):
            return OssicleError(
                f"{cause.filename or place} cannot be written ({cause.strerror})",
                f"a project folder {place} that you may write to",
                "Correct its permissions, mount it writable, or set OSSICLE_HOME to another folder",
            )
    return None


def _is_within(error: OSError, place: Path) -> bool:
    return isinstance(error.filename, str) and Path(error.filename).is_relative_to(place)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
