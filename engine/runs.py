"""Run folders: `runs/<id>/` with the workflow, the environment, all events, the record and links to the artifacts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock as Guard
from typing import IO

from engine.environment import environment
from engine.errors import OssicleError
from engine.event import Event, Sink, read_events
from engine.job import cancel_file
from engine.lock import Lock, is_locked, try_lock
from engine.record import NodeRecord, NodeState, RunRecord, the_one
from engine.store import Store, open_store
from engine.sweep_record import siblings
from engine.workflow import Workflow, to_text

RECORD, EVENTS, WORKFLOW, ENVIRONMENT = "record.json", "events.jsonl", "workflow.json", "environment.json"
LOG, LOCK, PIN, OUTPUTS = "log.txt", "lock", "pinned", "outputs"
CLOSING: Mapping[str, NodeState] = {
    "finished": "done",
    "cached": "cached",
    "failed": "failed",
    "skipped": "skipped",
    "cancelled": "cancelled",
    "started": "running",
}


def home_of(base: Path) -> Path:
    """The project's data folder: OSSICLE_HOME, or `.ossicle` beside the workflow file."""
    given = os.environ.get("OSSICLE_HOME")
    return (Path(given).expanduser() if given else base / ".ossicle").resolve()


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run in progress; its lock is held as long as the run lives."""

    path: Path
    held: Lock
    stream: IO[str]
    guard: Guard = field(default_factory=Guard)

    def sink(self, *others: Sink) -> Sink:
        """A sink for all threads: events go to events.jsonl and to `others`, one at a time, in one order.

        A full disk must not stop the telling: then the file ends early and the others still hear everything.
        """

        def tell(event: Event) -> None:
            with self.guard:
                self._write(event)
                for other in others:
                    other(event)

        return tell

    def _write(self, event: Event) -> None:
        try:
            self.stream.write(event.to_line() + "\n")
            self.stream.flush()
            if event.kind == "failed" and event.values.get("traceback"):
                with (self.path / LOG).open("a", encoding="utf-8") as log:
                    log.write(f"{event.node}: {event.values['what']}\n{event.values['traceback']}\n")
        except OSError:
            return

    def write_record(self, record: RunRecord) -> None:
        """Write record.json, atomically."""
        part = self.path / f".{RECORD}"
        part.write_text(json.dumps(record.to_json(), ensure_ascii=False), encoding="utf-8")
        part.replace(self.path / RECORD)

    def link_outputs(self, record: RunRecord) -> None:
        """Links `outputs/<node>/<port>` to the artifacts, for people who look around."""
        for name in record.nodes:
            found = record.artifacts(name)
            folder = self.path / OUTPUTS / name
            if found:
                folder.mkdir(parents=True, exist_ok=True)
            for port, target in found.items():
                link = folder / port
                link.unlink(missing_ok=True)
                link.symlink_to(os.path.relpath(target, folder))

    def is_cancelled(self) -> bool:
        """Whether somebody asked for the end by the file `cancel`."""
        return cancel_file(self.path).exists()

    def close(self) -> None:
        """End of the run: give the lock back."""
        try:
            self.stream.close()
        except OSError:
            pass  # a full disk: told already
        self.held.release()


def create_run(home: Path, workflow: Workflow, run_id: str = "") -> RunFolder:
    """Make and lock a new run folder with the workflow's and the environment's snapshot.

    Args:
        run_id: its name; a new one from the time and the workflow's name unless given.

    Raises:
        OssicleError: there is a run of that name.
        OSError: the folder cannot be written.
    """
    path = _new_folder(home / "runs", run_id or f"{time.strftime('%Y%m%d-%H%M%S')}-{slug(workflow.name)}", bool(run_id))
    held = try_lock(path / LOCK)
    if held is None:
        raise OssicleError(f"the run {path.name} is locked", "a new run", "Choose another run id")
    (path / WORKFLOW).write_text(to_text(workflow), encoding="utf-8")
    (path / ENVIRONMENT).write_text(json.dumps(environment(), indent=2) + "\n", encoding="utf-8")
    return RunFolder(path, held, (path / EVENTS).open("a", encoding="utf-8"))


def _new_folder(runs: Path, name: str, is_given: bool) -> Path:
    runs.mkdir(parents=True, exist_ok=True)
    for number in range(1, 10_000):
        path = runs / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            if is_given:
                break
        else:
            return path
    raise OssicleError(f"there is a run {name} already", "a new name", "Choose another run id")


def slug(name: str) -> str:
    """A name as part of a folder's name: small letters, digits and hyphens."""
    words = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower()).split("-")
    return "-".join(word for word in words if word)[:40] or "run"


# ---- looking at runs


def load_run(folder: Path) -> RunRecord:
    """The record of a run; one that was killed is put together from its events (state "interrupted").

    Raises:
        OssicleError: there is no run in that folder.
    """
    try:
        record = RunRecord.from_json(folder, json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OssicleError(
            f"{folder} holds no run ({error})", f"a run folder with {RECORD}", "`ossicle runs` lists them"
        ) from error
    record = replace(record, pinned=(folder / PIN).exists())
    if record.state != "running":
        return record
    nodes = _nodes_so_far(record, read_events(folder / EVENTS))
    return replace(record, nodes=nodes, state="running" if is_locked(folder / LOCK) else "interrupted")


def _nodes_so_far(record: RunRecord, events: Iterable[Event]) -> Mapping[str, NodeRecord]:
    nodes = dict(record.nodes)
    store = open_store(record.store_root)
    for event in events:
        state = CLOSING.get(event.kind)
        if state is None or event.node not in nodes:
            continue
        known = store.result(str(event.values.get("cache_key", "")))
        recipe = known.recipe if known is not None else None
        outputs = event.values.get("outputs", {})
        nodes[event.node] = replace(
            nodes[event.node],
            state=state,
            recipe=recipe,
            outputs={port: str(key) for port, key in outputs.items()} if isinstance(outputs, dict) else {},
        )
    return nodes


def run_folders(home: Path) -> list[Path]:
    """All run folders, the newest first."""
    found = [path.parent for path in (home / "runs").glob(f"*/{RECORD}")]
    return sorted(found, key=lambda path: ((path / WORKFLOW).stat().st_mtime_ns, path.name), reverse=True)


def list_runs(home: Path, limit: int | None = None) -> list[RunRecord]:
    """Records of the newest runs, the newest first."""
    return [load_run(folder) for folder in run_folders(home)[:limit]]


def find_run(home: Path, name: str) -> RunRecord:
    """A run by its id, an unambiguous beginning or part of it, its folder, or "last".

    Raises:
        OssicleError: none or several fit; names near ones.
    """
    folders = run_folders(home)
    if name == "last" and folders:
        return load_run(folders[0])
    if (Path(name) / RECORD).is_file():
        return load_run(Path(name).resolve())
    exact = [folder for folder in folders if folder.name == name]
    found = exact or [folder for folder in folders if name and name in folder.name]
    return load_run(the_one(found, name, folders, home, "run"))


def pin(record: RunRecord, pinned: bool = True) -> None:
    """Keep a run's artifacts for ever, or no longer."""
    path = record.folder / PIN
    path.touch() if pinned else path.unlink(missing_ok=True)


def referenced(home: Path, recent: int = 10) -> set[str]:
    """Content keys that garbage collection keeps: inputs and outputs of pinned, running and the newest runs.

    Where one of them is a point of a sweep, all the sweep's points are kept.
    """
    records = list_runs(home)
    chosen = {r.id for n, r in enumerate(records) if n < recent or r.pinned or r.state == "running"}
    chosen |= siblings(home, chosen)
    kept: set[str] = set()
    for record in records:
        for node in record.nodes.values() if record.id in chosen else ():
            kept.update(node.outputs.values())
            kept.update(key for keys in (node.recipe.inputs if node.recipe else {}).values() for key in keys)
    return kept


def last_nodes(
    home: Path, workflow: str, base: Path, nodes: Iterable[str], look_back: int = 8
) -> dict[str, NodeRecord]:
    """Each node as the latest run of the same workflow that reached it left it."""
    wanted, found = set(nodes), dict[str, NodeRecord]()
    for folder in run_folders(home)[:look_back]:
        if not wanted:
            break
        record = load_run(folder)
        if (record.workflow, record.base) == (workflow, base):
            found |= {name: record.nodes[name] for name in wanted & record.nodes.keys() if record.nodes[name].recipe}
        wanted -= found.keys()
    return found


def store_of(home: Path) -> Store:
    """The store of a project."""
    return open_store(home / "store")
