"""HTTP API over the same functions as the command line: loopback by default, and nothing without the token.

Runs go through a Runner in threads of this process; their events are read from the run folders, so a client may come
late or leave early. Only workflow files and runs of the served folder can be reached.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import queue
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.requests import Request as HttpRequest
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, JsonValue

from engine import workflow as wf
from engine.errors import OssicleError
from engine.event import Event
from engine.execute import installed
from engine.job import cancel_file
from engine.library import with_subgraphs
from engine.plain import error_json, run_json, spec_details
from engine.runner import Request, Runner
from engine.runs import find_run, home_of, list_runs
from engine.validate import check

POLL_S = 0.1
OPEN_STATES = ("running",)


class RunOrder(BaseModel):
    """What a client wants to run: a workflow file below the served folder, or a workflow itself."""

    model_config = ConfigDict(extra="forbid")
    file: str = ""
    workflow: dict[str, JsonValue] | None = None
    set: dict[str, JsonValue] = {}
    to: str | None = None
    force: list[str] = []


@dataclass
class Desk:
    """The served folder and the runs started here."""

    root: Path
    runner: Runner
    threads: dict[str, threading.Thread] = field(default_factory=dict)
    cancels: dict[str, threading.Event] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The project's data folder."""
        return home_of(self.root)

    def workflow_of(self, order: RunOrder) -> wf.Workflow:
        """The ordered workflow with its values set.

        Raises:
            OssicleError: no such file below the folder, or not a workflow.
        """
        found = wf.load(self._inside(order.file)) if order.file else wf.parse(order.workflow or {})
        return wf.with_values(found, order.set)

    def _inside(self, name: str) -> Path:
        path = (self.root / name).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise OssicleError(f"{name} lies outside the served folder", f"a file below {self.root}", "Move it there")
        return path

    def start(self, order: RunOrder) -> str:
        """Check a workflow and run it in a thread; the run's id.

        Raises:
            OssicleError: the workflow has problems; nothing runs.
        """
        request = Request(self.workflow_of(order), self.root, to=order.to, force=frozenset(order.force))
        cancel, first = threading.Event(), queue.SimpleQueue[Event | OssicleError]()

        def work() -> None:
            try:
                self.runner.run(
                    request, lambda event: first.put(event) if event.kind == "run_started" else None, cancel
                )
            except OssicleError as error:
                first.put(error)

        thread = threading.Thread(target=work, name=f"run of {request.workflow.name}", daemon=True)
        thread.start()
        if isinstance(started := first.get(), OssicleError):
            raise started
        self.threads[started.run], self.cancels[started.run] = thread, cancel
        return started.run

    def cancel(self, run: str) -> None:
        """Ask a run to stop, wherever it was started."""
        record = find_run(self.home, run)
        if run in self.cancels:
            self.cancels[run].set()
        elif record.state in OPEN_STATES:
            cancel_file(record.folder).touch()

    def is_open(self, run: str) -> bool:
        """Whether more events may come."""
        if run in self.threads:
            return self.threads[run].is_alive()
        return find_run(self.home, run).state in OPEN_STATES


async def lines_of(path: Path, is_open: Callable[[], bool]) -> AsyncIterator[str]:
    """Lines of a growing file until nobody writes to it any more; half lines are held back."""
    position, rest, last = 0, b"", False
    while True:
        if path.exists():
            with path.open("rb") as file:
                file.seek(position)
                rest += file.read()
                position = file.tell()
        *whole, rest = rest.split(b"\n")
        for line in whole:
            yield line.decode() + "\n"
        if last:
            return
        last = not is_open()
        await asyncio.sleep(0 if last else POLL_S)


def create_app(root: Path, token: str, runner: Runner) -> FastAPI:
    """The API of one folder of workflows.

    Args:
        token: every request must carry it as "Authorization: Bearer TOKEN".
    """

    async def authorise(request: HttpRequest) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise _Refused

    async def refuse(_request: HttpRequest, _error: Exception) -> JSONResponse:
        return JSONResponse({"what": "no or wrong token"}, 401, {"WWW-Authenticate": "Bearer"})

    async def tell(_request: HttpRequest, error: Exception) -> JSONResponse:
        assert isinstance(error, OssicleError)
        return JSONResponse(error_json(error), 422)

    app = FastAPI(
        title="Ossicle", dependencies=[Depends(authorise)], docs_url=None, redoc_url=None, openapi_url=None,
        exception_handlers={_Refused: refuse, OssicleError: tell},
    )  # fmt: skip
    _add_routes(app, Desk(root, runner))
    return app


class _Refused(Exception):  # noqa: N818 - an answer, not an error
    """The token is missing or wrong."""


def _add_routes(app: FastAPI, desk: Desk) -> None:
    def nodes() -> list[dict[str, Any]]:
        return [spec_details(spec) for spec in with_subgraphs(installed(), desk.root).specs.values()]

    def validate(order: RunOrder) -> dict[str, Any]:
        found = check(desk.workflow_of(order), with_subgraphs(installed(), desk.root))
        return {"problems": [vars(problem) for problem in found.problems], "steps": [step.node for step in found.steps]}

    def start(order: RunOrder) -> dict[str, str]:
        return {"run": desk.start(order)}

    def runs() -> list[dict[str, Any]]:
        return [run_json(record) for record in list_runs(desk.home)]

    def one_run(run: str) -> dict[str, Any]:
        return run_json(find_run(desk.home, run))

    def cancel(run: str) -> dict[str, str]:
        desk.cancel(run)
        return {"run": run}

    async def events(run: str) -> StreamingResponse:
        path = home_of(desk.root) / "runs" / find_run(desk.home, run).id / "events.jsonl"
        return StreamingResponse(lines_of(path, lambda: desk.is_open(run)), media_type="application/x-ndjson")

    for method, path, function in (
        ("GET", "/nodes", nodes),
        ("POST", "/validate", validate),
        ("POST", "/runs", start),
        ("GET", "/runs", runs),
        ("GET", "/runs/{run}", one_run),
        ("GET", "/runs/{run}/events", events),
        ("POST", "/runs/{run}/cancel", cancel),
    ):
        app.add_api_route(path, function, methods=[method], response_model=None)


def serve(root: Path, runner: Runner, token: str, host: str = "127.0.0.1", port: int = 0) -> None:
    """Serve until stopped; the address is told as one JSON line once the socket is open."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
        address = f"http://{host}:{listener.getsockname()[1]}"
        sys.stdout.write(json.dumps({"address": address, "token": token}) + "\n")
        sys.stdout.flush()
        config = uvicorn.Config(create_app(root, token, runner), log_level="warning")
        uvicorn.Server(config).run(sockets=[listener])
