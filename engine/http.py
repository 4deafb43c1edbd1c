"""HTTP API over the same functions as the command line: loopback by default, and nothing without the token.

Runs and sweeps go through a Runner in threads of this process (`engine.desk`); their events are read from their
folders, so a client may come late or leave early. Only workflow files, runs and sweeps of the served folder are
reached.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.requests import Request as HttpRequest
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from engine.desk import Desk, RunOrder, SweepOrder
from engine.errors import OssicleError
from engine.execute import installed
from engine.library import with_subgraphs
from engine.plain import error_json, run_json, spec_details, sweep_json, sweep_row_json
from engine.record import RunRecord
from engine.runner import Runner
from engine.runs import EVENTS, list_runs
from engine.sweep_record import SweepRecord, list_sweeps
from engine.validate import check

POLL_S = 0.1
Route = tuple[str, str, Callable[..., Any]]


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
    for method, path, function in (*_workflow_routes(desk), *_run_routes(desk), *_sweep_routes(desk)):
        app.add_api_route(path, function, methods=[method], response_model=None)


def _workflow_routes(desk: Desk) -> list[Route]:
    def nodes() -> list[dict[str, Any]]:
        return [spec_details(spec) for spec in with_subgraphs(installed(), desk.root).specs.values()]

    def validate(order: RunOrder) -> dict[str, Any]:
        found = check(desk.workflow_of(order), with_subgraphs(installed(), desk.root))
        return {"problems": [vars(problem) for problem in found.problems], "steps": [step.node for step in found.steps]}

    return [("GET", "/nodes", nodes), ("POST", "/validate", validate)]


def _run_routes(desk: Desk) -> list[Route]:
    def start(order: RunOrder) -> dict[str, str]:
        return {"run": desk.start(order)}

    def runs() -> list[dict[str, Any]]:
        return [run_json(record) for record in list_runs(desk.home)]

    def one_run(run: str) -> dict[str, Any]:
        return run_json(desk.run(run))

    def cancel(run: str) -> dict[str, str]:
        return {"run": desk.cancel(run)}

    async def events(run: str) -> StreamingResponse:
        return _followed(desk, desk.run(run))

    def artifacts(run: str) -> list[dict[str, Any]]:
        return desk.artifacts(run)

    def artifact(run: str, node: str, port: str, path: str) -> FileResponse:
        return FileResponse(desk.artifact_file(run, node, port, path))

    return [
        ("POST", "/runs", start),
        ("GET", "/runs", runs),
        ("GET", "/runs/{run}", one_run),
        ("GET", "/runs/{run}/events", events),
        ("POST", "/runs/{run}/cancel", cancel),
        ("GET", "/runs/{run}/artifacts", artifacts),
        ("GET", "/runs/{run}/artifacts/{node}/{port}/{path:path}", artifact),
    ]


def _sweep_routes(desk: Desk) -> list[Route]:
    def start(order: SweepOrder) -> dict[str, str]:
        return {"sweep": desk.start_sweep(order)}

    def sweeps() -> list[dict[str, Any]]:
        return [sweep_row_json(record) for record in list_sweeps(desk.home)]

    def one_sweep(sweep: str) -> dict[str, Any]:
        return sweep_json(desk.sweep(sweep))

    def cancel(sweep: str) -> dict[str, str]:
        return {"sweep": desk.cancel_sweep(sweep)}

    async def events(sweep: str) -> StreamingResponse:
        return _followed(desk, desk.sweep(sweep))

    return [
        ("POST", "/sweeps", start),
        ("GET", "/sweeps", sweeps),
        ("GET", "/sweeps/{sweep}", one_sweep),
        ("GET", "/sweeps/{sweep}/events", events),
        ("POST", "/sweeps/{sweep}/cancel", cancel),
    ]


def _followed(desk: Desk, record: RunRecord | SweepRecord) -> StreamingResponse:
    """The events of a run, or of a sweep and its points, until its end."""
    lines = lines_of(record.folder / EVENTS, lambda: desk.is_open(record))
    return StreamingResponse(lines, media_type="application/x-ndjson")


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
