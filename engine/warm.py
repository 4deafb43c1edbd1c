"""The warm runner: everything imported, one flow already run, then one workflow per line of standard input.

The same functions as `ossicle run`, so the two cannot drift apart. A request is a JSON line {"file": path} or
{"workflow": {...}, "base": folder}, with "set", "to", "force" and "runner" if wanted; the line `cancel` stops the run
at hand. Events are JSON lines on standard output; a refused request is answered by {"kind": "refused", ...}. The end of
standard input means that the parent is gone: the run at hand is cancelled and the process ends.
"""

from __future__ import annotations

import importlib
import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from engine import server
from engine import workflow as wf
from engine.errors import OssicleError
from engine.event import to_stream
from engine.execute import installed
from engine.plain import error_json
from engine.record import RunRecord
from engine.runner import Request
from engine.select import Choice, choose

CANCEL = "cancel"
READY = {"kind": "ready"}


class Order(BaseModel):
    """One line of standard input."""

    model_config = ConfigDict(extra="forbid")
    file: str = ""
    workflow: dict[str, JsonValue] | None = None
    base: str = "."
    set: dict[str, JsonValue] = {}
    to: str | None = None
    force: list[str] = []
    runner: Choice = "auto"
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


def serve(
    lines: IO[str], events: IO[str], preload: tuple[str, ...] = (), prepare: Callable[[], None] | None = None
) -> int:
    """Answer requests until `lines` ends; the exit code.

    Args:
        preload: modules to import before saying "ready" ("torch").
        prepare: run before saying "ready"; imports Prefect and runs one flow unless given.
    """
    installed()
    for name in preload:
        importlib.import_module(name)
    (prepare or warm_prefect)()
    _say(events, READY)
    waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines, waiting), daemon=True).start()
    while (order := waiting.get()) is not None:
        _answer(order, events)
    return 0


def warm_prefect() -> None:
    """Import Prefect and run one flow if the server is up; if not, start it for later."""
    from engine import flow

    if server.status().state == "healthy":
        flow.warm_up()
    else:
        server.start_in_background()


@dataclass(frozen=True)
class Waiting:
    """A line that was read, and the way to cancel what it asked for."""

    line: str
    cancel: threading.Event = field(default_factory=threading.Event)


def _listen(lines: IO[str], waiting: queue.SimpleQueue[Waiting | None]) -> None:
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


def _cancel(asked: list[Waiting]) -> None:
    for order in asked:
        order.cancel.set()
    asked.clear()


def _answer(waiting: Waiting, events: IO[str]) -> None:
    try:
        order = Order.model_validate_json(waiting.line)
        choose(order.runner, order.address).run(order.request(), to_stream(events), waiting.cancel)
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        _refuse(events, OssicleError(f"this is no request ({what})", "one JSON object a line", "Correct the caller"))
    except OssicleError as error:
        _refuse(events, error)


def _refuse(events: IO[str], error: OssicleError) -> None:
    _say(events, {"kind": "refused", **error_json(error)})


def _say(events: IO[str], value: dict[str, Any]) -> None:
    events.write(json.dumps(value, ensure_ascii=False) + "\n")
    events.flush()


def _report(record: RunRecord) -> None:
    from engine.report import write_report

    write_report(record)
