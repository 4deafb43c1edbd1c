"""Two slots on a device, and a pointer that says which of them counts; whatever is killed when, one of them can be run.

    slots/a, slots/b   deployments            pointer.json   which one is active, on trial or proven

A new model goes into the slot that does not count, is tried there, and counts by one rename. It is on trial until
`confirm`: a device that starts on trial more than `TRIALS` times goes back to the slot before.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Final, Literal

from nodes.hub.errors import HubError

Slot = Literal["a", "b"]
TRIALS: Final = 2
POINTER: Final = "pointer.json"
Step = Callable[[str], None]
OTHER: Final[dict[Slot, Slot]] = {"a": "b", "b": "a"}


@dataclass(frozen=True)
class Pointer:
    """Which slot counts.

    Attributes:
        active: the slot to run; empty if there is none yet.
        models: file of the bundle in each slot; empty where none is.
        is_proven: whether it has run; else it is on trial, and `starts` counts how often it was begun.
        rejected: bundles that failed here; they are not tried again.
    """

    active: Slot | Literal[""] = ""
    models: tuple[str, str] = ("", "")
    is_proven: bool = False
    starts: int = 0
    rejected: tuple[str, ...] = ()

    def model(self, slot: Slot) -> str:
        """The bundle in a slot."""
        return self.models["ab".index(slot)]

    def holding(self, slot: Slot, model: str) -> Pointer:
        """With another bundle in a slot."""
        first, second = self.models
        return replace(self, models=(model, second) if slot == "a" else (first, model))


class Slots:
    """The slots of one device."""

    def __init__(self, folder: Path, step: Step = lambda _name: None) -> None:
        """
        Args:
            step: called before every step that a kill may fall on.
        """
        self.folder, self._step = folder, step

    def path(self, slot: Slot) -> Path:
        """A slot's folder."""
        return self.folder / "slots" / slot

    def pointer(self) -> Pointer:
        """What counts now.

        Raises:
            HubError: the pointer is damaged.
        """
        path = self.folder / POINTER
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            found = Pointer(**{**raw, "models": tuple(raw["models"]), "rejected": tuple(raw["rejected"])})
            if found.active in ("", "a", "b") and len(found.models) == 2:
                return found
        except FileNotFoundError:
            return Pointer()
        except (OSError, ValueError, TypeError, KeyError):
            pass
        raise HubError(f"{path} cannot be read", "what this device wrote", "Install the model again in a new folder")

    def start(self) -> Path:
        """The deployment to run now; counts the start of one on trial, and goes back if it has had its chances.

        Raises:
            HubError: there is none.
        """
        with self._alone():
            found = self.pointer()
            if not found.active:
                raise HubError(
                    f"{self.folder} holds no model yet", "one that was installed", "Run `ossicle device update`"
                )
            if not found.is_proven and found.starts >= TRIALS:
                found = self._back(found)
                self._save(found)
            elif not found.is_proven:
                self._save(replace(found, starts=found.starts + 1))
            assert found.active
            return self.path(found.active)

    def confirm(self) -> None:
        """The model on trial has run: it counts from now on."""
        with self._alone():
            found = self.pointer()
            if found.active and not found.is_proven:
                self._save(replace(found, is_proven=True, starts=0))

    def install(self, model: str, fill: Callable[[Path], None], check: Callable[[Path], None]) -> None:
        """Put a bundle into the slot that does not count, try it, and let it count.

        Args:
            fill: writes the deployment into a new folder.
            check: tries it; raises HubError if it may not count.

        Raises:
            HubError: it could not be filled, or fails its check; the slot that counts is as before.
        """
        with self._alone():
            found = self.pointer()
            slot: Slot = OTHER[found.active] if found.active else "a"
            self._step("empty the slot")
            self._empty(slot)
            self._save(found.holding(slot, ""))
            self._step("fill the slot")
            fill(self.path(slot))
            self._step("sync the slot")
            _sync(self.path(slot))
            self._step("check the slot")
            try:
                check(self.path(slot))
            except HubError:
                self._empty(slot)
                self._save(replace(found.holding(slot, ""), rejected=(*found.rejected, model)[-20:]))
                raise
            self._step("point to the slot")
            self._save(replace(found.holding(slot, model), active=slot, is_proven=False, starts=0))
            self._step("done")

    def reject(self) -> str:
        """The model on trial does not do: go back now. The bundle that counts then, empty if there is none.

        Raises:
            HubError: there is no slot to go back to.
        """
        with self._alone():
            found = self._back(self.pointer())
            self._save(found)
            assert found.active
            return found.model(found.active)

    # ----

    def _back(self, found: Pointer) -> Pointer:
        assert found.active
        other = OTHER[found.active]
        if not found.model(other):
            raise HubError(
                "the model on trial does not run and there is none before it", "a healthy model", "Install one"
            )
        rejected = (*found.rejected, found.model(found.active))[-20:]
        return replace(found, active=other, is_proven=True, starts=0, rejected=rejected)

    def _empty(self, slot: Slot) -> None:
        path = self.path(slot)
        if path.exists():
            gone = path.with_name(f"{slot}.gone")
            shutil.rmtree(gone, ignore_errors=True)
            path.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def _save(self, pointer: Pointer) -> None:
        path = self.folder / POINTER
        fresh = path.with_name("pointer.new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(asdict(pointer), file)
            file.flush()
            os.fsync(file.fileno())
        self._step("write the pointer")
        fresh.replace(path)
        _sync_folder(self.folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "lock").open("a+b") as file:
                flock(file, LOCK_EX)
                yield
        except OSError as error:
            raise HubError(
                f"{self.folder} cannot be written ({error.strerror or error})", "a disk with room", "Free some space",
                is_final=False,
            ) from error  # fmt: skip


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
