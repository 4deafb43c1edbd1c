"""The warm runner: everything imported, one flow already run, then one workflow per line of standard input.

The same functions as `ossicle run`, so the two cannot drift apart. A request is a JSON line {"file": path} or
{"workflow": {...}, "base": folder}, with "set", "to", "force", "runner" and "id" if wanted, and with "sweep" (values by
variable) for a whole sweep, whose events come between those of its runs; the line `cancel` stops the run at hand. The
end of standard input means that the parent is gone: the run at hand is cancelled and the process ends, by force if a
node does not listen.

Standard output holds JSON lines, each with `kind` and `node`: the events of runs, and about the runner itself
`ready`, `accepted` (an order's turn has come; its `id`), `refused` (with the three parts and the `id`), `answered`
(that order is over), `alive` (every second, see `engine.pulse.Beat`), `server` (a change of the Prefect server's state)
and `trouble` (three parts; the runner goes on). With OSSICLE_RUNNER=local nothing of Prefect is touched.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from engine import server
from engine import workflow as wf
from engine.errors import OssicleError
from engine.event import Sink
from engine.execute import installed
from engine.plain import error_json
from engine.pulse import BEAT_S, Beat, ServerWatch, Voice, every
from engine.record import RunRecord
from engine.runner import Request
from engine.select import Choice, choose
from engine.sweep_record import SweepRecord

CANCEL = "cancel"
RUNNER = "OSSICLE_RUNNER"
ORPHAN_S = 10.0
"""How long the run at hand may take to stop once the parent is gone."""
EXIT_CANCELLED = 130


class Order(BaseModel):
    """One line of standard input."""

    model_config = ConfigDict(extra="forbid")
    id: str = ""
    file: str = ""
    workflow: dict[str, JsonValue] | None = None
    base: str = "."
    set: dict[str, JsonValue] = {}
    to: str | None = None
    force: list[str] = []
    sweep: dict[str, list[JsonValue]] | None = None
    runner: Choice = Field(default_factory=lambda: os.environ.get(RUNNER, "auto"), validate_default=True)
    address: str = ""

    def request(self) -> Request:
        """What to run.

        Raises:
            OssicleError: no such file, or not a workflow.
        """
        path = Path(self.file)
        found = wf.load(path) if self.file else wf.parse(self.workflow or {})
        base = path.resolve().parent if self.file else Path(self.base)
        return Request(wf.with_values(found, self.set), base, to=self.to, force=frozenset(self.force), after=(_report,))

    def obey(self, sink: Sink, cancel: threading.Event) -> None:
        """Run what is asked for.

        Raises:
            OssicleError: it cannot be run.
        """
        runner, request = choose(self.runner, self.address), self.request()
        if self.sweep is None:
            runner.run(request, sink, cancel)
            return
        from engine.sweep import SweepRequest, run_sweep

        asked = SweepRequest(
            request.workflow, request.base, self.sweep, self.to, after=request.after, finish=(_summary,)
        )  # fmt: skip
        run_sweep(asked, runner, sink, cancel)


def serve(
    lines: IO[str],
    events: IO[str],
    preload: tuple[str, ...] = (),
    prepare: Callable[[], object] | None = None,
    beat_s: float = BEAT_S,
) -> int:
    """Answer requests until `lines` ends; the exit code.

    Args:
        preload: modules to import before saying "ready" ("torch").
        prepare: run before saying "ready"; imports Prefect and runs one flow unless given. Gives True if one ran.
        beat_s: seconds between two heartbeats.
    """
    voice, ended = Voice(events), threading.Event()
    every(beat_s, Beat(voice), ended)
    waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
    try:
        is_warm = _get_warm(voice, preload, prepare or (_without_prefect if _is_local() else warm_prefect))
        _watch_server(voice, waiting, ended, is_warm)
        voice.say("ready", pid=os.getpid())
        threading.Thread(target=_listen, args=(lines, waiting, ended), daemon=True).start()
        while (order := waiting.get()) is not None:
            _answer(order, voice)
    finally:
        ended.set()
    return 0


def warm_prefect() -> bool:
    """Import Prefect and run one flow if the server is up (then True); if not, start it for later."""
    from engine import flow

    if server.status().state == "healthy":
        flow.warm_up()
        return True
    server.start_in_background()
    return False


def _without_prefect() -> bool:
    return False


def _is_local() -> bool:
    return os.environ.get(RUNNER) == "local"


def _get_warm(voice: Voice, preload: tuple[str, ...], prepare: Callable[[], object]) -> bool:
    """What can be had is had: a runner without torch or without Prefect still runs what needs neither."""
    installed()
    for name in preload:
        with _telling(voice, f"{name} cannot be imported", "Nodes that need it will fail; install it again"):
            importlib.import_module(name)
    with _telling(voice, "Prefect is not at hand", "Runs use threads of this process instead"):
        return prepare() is True
    return False


@contextlib.contextmanager
def _telling(voice: Voice, what: str, remedy: str) -> Iterator[None]:
    """Tell of an error in the block and go on."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        voice.say("trouble", what=f"{what} ({type(error).__name__}: {error})", expected="a warm runner", remedy=remedy)


def _watch_server(
    voice: Voice, waiting: queue.SimpleQueue[Waiting | None], ended: threading.Event, is_warm: bool
) -> None:
    if _is_local():
        voice.say("server", state="off")
    else:
        ServerWatch(voice, lambda: None if is_warm else waiting.put(Waiting(""))).start(ended)


@dataclass(frozen=True)
class Waiting:
    """A line that was read, and the way to cancel what it asked for. An empty line asks for Prefect to be warmed up."""

    line: str
    cancel: threading.Event = field(default_factory=threading.Event)


def _listen(lines: IO[str], waiting: queue.SimpleQueue[Waiting | None], ended: threading.Event) -> None:
    """Requests wait their turn; `cancel`, and the end of the lines, stop everything asked for so far."""
    asked: list[Waiting] = []
    for line in lines:
        if line.strip() == CANCEL:
            _cancel(asked)
        elif line.strip():
            asked.append(Waiting(line))
            waiting.put(asked[-1])
    _cancel(asked)
    waiting.put(None)
    if not ended.wait(ORPHAN_S):
        os._exit(EXIT_CANCELLED)  # a node does not listen, and nobody is left to end this process


def _cancel(asked: list[Waiting]) -> None:
    for order in asked:
        order.cancel.set()
    asked.clear()


def _answer(waiting: Waiting, voice: Voice) -> None:
    if not waiting.line:
        with _telling(voice, "Prefect cannot be warmed up", "The first run on Prefect takes a little longer"):
            _warm_up()
        return
    name = _id_of(waiting.line)
    try:
        order = Order.model_validate_json(waiting.line)
        voice.say("accepted", id=name)
        order.obey(voice.tell, waiting.cancel)
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        told = OssicleError(f"this is no request ({what})", "one JSON object a line", "Correct the caller")
        _refuse(voice, told, name)
    except OssicleError as error:
        _refuse(voice, error, name)
    except Exception as error:  # the run border: the next order must still be answered
        traceback.print_exc()
        what = f"the run ended early ({type(error).__name__}: {error})"
        _refuse(voice, OssicleError(what, "a run to its end", "Run again; finished nodes are kept"), name)
    voice.say("answered", id=name)


def _warm_up() -> None:
    from engine import flow

    flow.warm_up()


def _id_of(line: str) -> str:
    """The id of an order, even of one that is refused for another reason."""
    try:
        raw = json.loads(line)
    except ValueError:
        return ""
    return str(raw.get("id", "")) if isinstance(raw, dict) else ""


def _refuse(voice: Voice, error: OssicleError, name: str) -> None:
    voice.say("refused", id=name, **error_json(error))


def _report(record: RunRecord) -> None:
    from engine.report import write_report

    write_report(record)


def _summary(record: SweepRecord) -> None:
    from engine.sweep_summary import write_summary

    write_summary(record)
