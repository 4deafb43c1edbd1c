"""The content-addressed store: artifacts by digest, results by cache key. Everything in it is whole or not there.

Layout under the root: `objects/<2 hex>/<content key>/` (an artifact: read-only files and `artifact.json`, whose sha256
is the content key), `results/<2 hex>/<cache key>.json`, `tmp/` (work in progress), `scratch/<cache key>/` (checkpoints)
and `locks/`. Folders enter `objects` by one rename; nothing there is ever changed afterwards. Nothing is flushed to
disk per artifact: what a power cut tears is found by size (at every hit) or digest (before use), and made anew.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.artifact import DESCRIPTION_FILE, Artifact, Digest, canonical_json, describe, load
from engine.errors import OssicleError
from engine.key import Recipe
from engine.lock import Lock, lock

READ_ONLY = 0o444
Inode = tuple[int, int, int, int]


@dataclass(frozen=True)
class Result:
    """What a recipe gave: content keys by output port, and how long it took."""

    recipe: Recipe
    outputs: Mapping[str, str]
    seconds: float
    made_s: float = field(default_factory=time.time)

    @property
    def cache_key(self) -> str:
        """The key under which it is found."""
        return self.recipe.key


@dataclass(frozen=True)
class Damage:
    """A stored artifact that is not what it was."""

    content_key: str
    what: str


@dataclass(frozen=True)
class Store:
    """Artifacts and results under one root. Any number of processes may use one root at once."""

    root: Path
    _known: dict[Inode, str] = field(default_factory=dict, repr=False, compare=False)
    """Digests this process has computed, by file identity: hard links and unchanged files are never read twice."""
    _listed: dict[Inode, tuple[str, Mapping[str, Digest]]] = field(default_factory=dict, repr=False, compare=False)
    """Descriptions this process has read, by file identity: content key and files."""

    # ---- results

    def find(self, cache_key: str) -> Result | None:
        """The result of a recipe if all its artifacts are there with the right sizes. Cheap: reads no payload."""
        result = self.result(cache_key)
        if result is None or not all(self.is_whole(key) for key in result.outputs.values()):
            return None
        for key in result.outputs.values():
            self._touch(key)
        return result

    def result(self, cache_key: str) -> Result | None:
        """The recorded result, whether or not its artifacts are still there."""
        try:
            return _parse_result((self._result_path(cache_key)).read_bytes(), cache_key)
        except OSError:
            return None

    def results(self) -> Iterator[Result]:
        """All readable results, in no particular order."""
        for path in (self.root / "results").glob("*/*.json"):
            if (result := self.result(path.stem)) is not None:
                yield result

    def record(self, result: Result) -> None:
        """Write down a result, atomically."""
        path = self._result_path(result.cache_key)
        text = canonical_json(
            {
                "recipe": result.recipe.to_json(),
                "outputs": dict(result.outputs),
                "seconds": result.seconds,
                "made_s": result.made_s,
            }
        )
        part = self._tmp(f"result-{uuid.uuid4().hex}")
        part.write_text(text, encoding="utf-8")
        _made(str(path.parent))
        part.replace(path)

    def forget(self, cache_key: str) -> None:
        """Remove a result; its artifacts stay."""
        self._result_path(cache_key).unlink(missing_ok=True)

    # ---- artifacts

    def path(self, content_key: str) -> Path:
        """Folder of an artifact, there or not."""
        return Path(self._folder(content_key))

    def _folder(self, content_key: str) -> str:
        return f"{self.root}/objects/{content_key[:2]}/{content_key}"

    def content_keys(self) -> list[str]:
        """Content keys of all artifacts, sorted."""
        return sorted(path.name for path in (self.root / "objects").glob("*/*"))

    def open(self, content_key: str) -> Artifact:
        """Open an artifact.

        Raises:
            OssicleError: it is missing or its description is damaged.
        """
        return load(self.path(content_key))

    def files(self, content_key: str) -> Mapping[str, Digest] | None:
        """Size and digest of every payload file; None if the description is missing or damaged."""
        status = _status(f"{self._folder(content_key)}/{DESCRIPTION_FILE}")
        if status is None:
            return None
        key, files = self._listed.get(_inode(status), ("", {}))
        if key != content_key:
            found = self._read_files(content_key)
            if found is None:
                return None
            self._listed[_inode(status)] = content_key, (files := found)
        return files

    def _read_files(self, content_key: str) -> Mapping[str, Digest] | None:
        try:
            raw = (self.path(content_key) / DESCRIPTION_FILE).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(raw).hexdigest() != content_key:
            return None
        return {name: Digest(**entry) for name, entry in json.loads(raw)["files"].items()}

    def is_whole(self, content_key: str) -> bool:
        """Whether the description is intact and every file is there with the right size."""
        files = self.files(content_key)
        folder = self._folder(content_key)
        return files is not None and all(_size(f"{folder}/{name}") == d.size_bytes for name, d in files.items())

    def is_unchanged(self, content_key: str) -> bool:
        """Whether every file is still the one that this process has digested."""
        folder = self._folder(content_key)
        found = [_status(f"{folder}/{name}") for name in self.files(content_key) or ()]
        return all(status is not None and _inode(status) in self._known for status in found)

    def damage(self, content_key: str) -> Damage | None:
        """Compare every file with its digest. Files this process has digested before are not read again."""
        files, folder = self.files(content_key), self._folder(content_key)
        if files is None:
            there = _status(folder) is not None
            return Damage(content_key, "its description is damaged" if there else "it is missing")
        for name, wanted in files.items():
            what = self._file_damage(f"{folder}/{name}", wanted)
            if what:
                return Damage(content_key, f"{name} {what}")
        return None

    def seal(self, artifact: Artifact) -> str:
        """Digest a fresh artifact, make it read-only and move it into the store; equal content is kept once.

        Returns:
            The content key.

        Raises:
            OssicleError: its folder is missing, lies outside the store's work area, or holds links or special files.
        """
        folder = self._own_folder(artifact)
        files = {name: self._seal_file(folder / name) for name in _payload(folder, artifact.kind())}
        text = canonical_json(describe(artifact, files)).encode()
        key = hashlib.sha256(text).hexdigest()
        description = folder / DESCRIPTION_FILE
        description.unlink(missing_ok=True)
        description.write_bytes(text)
        description.chmod(READ_ONLY)
        self._publish(folder, key)
        return key

    def evict(self, content_key: str) -> None:
        """Remove an artifact at once; whoever needs it makes it anew."""
        aside = self._tmp(f"evicted-{uuid.uuid4().hex}")
        try:
            self.path(content_key).rename(aside)
        except FileNotFoundError:
            return
        shutil.rmtree(aside)

    def verify(self, repair: bool = False, on_artifact: Callable[[str], None] | None = None) -> tuple[Damage, ...]:
        """Read everything and compare it with its digests.

        Args:
            repair: evict what is damaged, so that the next run makes it anew.
            on_artifact: called with each content key before it is read.
        """
        fresh = replace(self, _known={}, _listed={})
        found: list[Damage] = []
        for key in self.content_keys():
            if on_artifact is not None:
                on_artifact(key)
            damage = fresh.damage(key)
            if damage is None or not self.path(key).exists():  # collected by somebody else meanwhile
                continue
            found.append(damage)
            if repair:
                self.evict(key)
        return tuple(found)

    # ---- work in progress

    def lock(self, cache_key: str, check: Callable[[], None], on_wait: Callable[[], None]) -> Lock:
        """The right to compute a recipe; see `engine.lock.lock`."""
        return lock(self.lock_path(cache_key), check, on_wait)

    def lock_path(self, cache_key: str) -> Path:
        """File of a recipe's lock."""
        return _made(f"{self.root}/locks") / f"{cache_key}.lock"

    def work(self, cache_key: str) -> Path:
        """An empty folder for the holder of the lock; what a killed holder left there is removed."""
        folder = self._tmp(cache_key)
        try:
            folder.mkdir()
        except FileExistsError:
            shutil.rmtree(folder)
            folder.mkdir()
        return folder

    def scratch(self, cache_key: str) -> Path:
        """Where the recipe's folder for checkpoints is, made or not; it survives a kill."""
        return self.root / "scratch" / cache_key

    # ---- inside

    def _result_path(self, cache_key: str) -> Path:
        return Path(f"{self.root}/results/{cache_key[:2]}/{cache_key}.json")

    def _tmp(self, name: str) -> Path:
        return _made(f"{self.root}/tmp") / name

    def _touch(self, content_key: str) -> None:
        """Note the use, for garbage collection by age; a read-only store goes without."""
        try:
            os.utime(self._folder(content_key))
        except OSError:
            pass

    def _file_damage(self, path: str, wanted: Digest) -> str:
        status = _status(path)
        if status is None:
            return "is missing"
        if status.st_size != wanted.size_bytes:
            return f"has {status.st_size} bytes instead of {wanted.size_bytes}"
        if self._known.get(_inode(status)) == wanted.sha256:
            return ""
        return "" if self._digest(path) == wanted.sha256 else "differs from its digest"

    def digest(self, path: Path) -> str:
        """sha256 (hex) of a file that is not changed any more; a hard link to it in an artifact is not read again."""
        return self._digest(path)

    def _digest(self, path: str | Path, is_fresh: bool = False) -> str:
        """sha256 (hex) of a file. A fresh one is always read: its inode may be that of a file just removed."""
        with open(path, "rb") as file:  # noqa: PTH123 - called for every file of every artifact
            inode = _inode(os.fstat(file.fileno()))
            if is_fresh or inode not in self._known:
                self._known[inode] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._known[inode]

    def _own_folder(self, artifact: Artifact) -> Path:
        """The artifact's folder; a copy by hard links if it is a stored artifact that is handed on."""
        if not artifact.path.is_dir():
            raise OssicleError(
                f"the output folder {artifact.path} does not exist", "a folder from ctx.folder()", _OUTPUT_REMEDY
            )
        if artifact.path.is_relative_to(self.root / "tmp"):
            return artifact.path
        if not artifact.path.is_relative_to(self.root / "objects"):
            raise OssicleError(
                f"the output folder {artifact.path} lies outside the store",
                "a folder from ctx.folder()",
                _OUTPUT_REMEDY,
            )
        return Path(shutil.copytree(artifact.path, self._tmp(f"linked-{uuid.uuid4().hex}"), copy_function=os.link))

    def _seal_file(self, path: Path) -> Digest:
        status = path.stat()
        if status.st_nlink > 1 and _inode(status) not in self._known:
            status = _break_link(path)
        if status.st_mode & 0o777 != READ_ONLY:
            path.chmod(READ_ONLY)
        return Digest(self._digest(path, is_fresh=status.st_nlink == 1), status.st_size)

    def _publish(self, folder: Path, key: str) -> None:
        target = self.path(key)
        _made(str(target.parent))
        while True:
            try:
                folder.rename(target)
            except OSError:
                if not target.exists():
                    raise
                if self.is_whole(key):
                    shutil.rmtree(folder)
                    return self._touch(key)
                self.evict(key)
            else:
                return None


_OUTPUT_REMEDY = "Correct the node: write into ctx.folder() and return an artifact with that path"


@functools.cache
def open_store(root: Path) -> Store:
    """The process's store at a root, so that digests are shared by everybody who uses it."""
    return Store(root.resolve())


def _parse_result(raw: bytes, cache_key: str) -> Result | None:
    """A result from its file; None if it is torn or its recipe is not the key's."""
    try:
        value: Any = json.loads(raw)
        result = Result(Recipe.from_json(value["recipe"]), value["outputs"], value["seconds"], value["made_s"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return result if result.cache_key == cache_key else None


def _payload(folder: Path, kind: str) -> list[str]:
    """Names of all payload files, relative, with slashes."""
    names = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise OssicleError(
                f"the {kind} holds {path.relative_to(folder)}, a link or special file",
                "plain files",
                "Correct the node: copy the file, or hard-link it with ctx.link()",
            )
        names += [path.relative_to(folder).as_posix()] if path.is_file() else []
    return [name for name in names if name != DESCRIPTION_FILE]


def _break_link(path: Path) -> os.stat_result:
    """Replace a hard link to a file outside the store by a copy, so that no later change reaches the store."""
    part = path.with_name(f".{path.name}.copy")
    shutil.copyfile(path, part)
    part.replace(path)
    return path.stat()


def _inode(status: os.stat_result) -> Inode:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _made(folder: str) -> Path:
    """A folder, made unless it is there."""
    if not os.path.isdir(folder):  # noqa: PTH112 - several times per node
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    return Path(folder)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - several times per node
    except OSError:
        return None


def _size(path: str) -> int | None:
    status = _status(path)
    return status.st_size if status is not None else None
