"""A STUB of a context broker, for tests and for trying things without one. It is not Orion.

It answers the part of NGSI-v2 that design notes record of a real Orion 3.10: entities, batches, subscriptions,
registrations with forwarding of commands. What it keeps lies in one SQLite file, so that it can be killed and started
again as a broker with a database. `GET /version` says that it is a stub.

    python -m nodes.hub.fiware.stub --port 1026 --file broker.db
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from nodes.hub.errors import HubError
from nodes.hub.fiware.served import Served
from nodes.hub.fiware.stub_state import Kept, Told, merged, refusal, shown

NAME: Final = "Ossicle stub context broker"
TELL_S: Final = 5.0
FORWARD_S: Final = 10.0
LARGEST_BODY_BYTES: Final = 1 << 20
Where = tuple[str, str]


def create_app(file: Path) -> FastAPI:
    """The stub as an application."""
    stub = _Stub(Kept(file))

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=TELL_S) as client:
            stub.client = client
            yield

    app = FastAPI(title=NAME, docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)
    for method, path, answer in _routes(stub):
        app.add_api_route(path, answer, methods=[method], response_model=None)
    app.exception_handlers[HubError] = _tell
    return app


class _Stub:
    """Answers. One event loop does everything, so every request is whole."""

    client: httpx.AsyncClient

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self._tasks: set[asyncio.Task[Any]] = set()

    async def version(self, _request: Request) -> Response:
        return JSONResponse({"stub": {"name": NAME, "is_orion": False}})

    # ---- entities

    async def create(self, request: Request) -> Response:
        entity, where = await _body(request), _where(request)
        if why := refusal(entity):
            return _error(400, "BadRequest", why)
        options = request.query_params.get("options", "").split(",")
        old = self.kept.entity(where, entity["id"], entity.get("type", "Thing"))
        if old is not None and "upsert" not in options:
            return _error(422, "Unprocessable", "Already Exists")
        self._write(where, entity, is_forced="forcedUpdate" in options)
        location = f"/v2/entities/{entity['id']}?type={entity.get('type', 'Thing')}"
        return Response(status_code=204 if "upsert" in options else 201, headers={"location": location})

    async def update(self, request: Request) -> Response:
        body, where = await _body(request), _where(request)
        action, entities = body.get("actionType"), body.get("entities")
        if action not in _ACTIONS or not isinstance(entities, list):
            return _error(400, "BadRequest", "actionType or entities")
        for entity in entities:
            if why := refusal(entity):
                return _error(400, "BadRequest", why)
        missing = [found["id"] for found in entities if not await self._one(where, action, found)]
        return _error(404, "NotFound", f"{missing}") if missing else Response(status_code=204)

    async def _one(self, where: Where, action: str, entity: dict[str, Any]) -> bool:
        type_ = entity.get("type", "Thing")
        if action == "delete":
            return self.kept.delete(where, entity["id"], type_)
        if action == "update":
            attributes = {name: value for name, value in entity.items() if name not in ("id", "type")}
            return await self._change(where, entity["id"], type_, attributes, is_forced=False)
        old = self.kept.entity(where, entity["id"], type_)
        if action == "appendStrict" and old is not None and set(old) & set(entity) - {"id", "type"}:
            return False
        self._write(where, entity)
        return True

    async def change(self, request: Request) -> Response:
        attributes, where = await _body(request), _where(request)
        entity_id, type_ = request.path_params["entity"], request.query_params.get("type", "Thing")
        if why := refusal({"id": entity_id, "type": type_, **attributes}):
            return _error(400, "BadRequest", why)
        is_forced = "forcedUpdate" in request.query_params.get("options", "")
        if request.method == "POST":
            if self.kept.entity(where, entity_id, type_) is None:
                return _absent()
            self._write(where, {"id": entity_id, "type": type_, **attributes}, is_forced=is_forced)
            return Response(status_code=204)
        is_there = await self._change(where, entity_id, type_, attributes, is_forced=is_forced)
        return Response(status_code=204) if is_there else _absent()

    async def _change(
        self, where: Where, entity_id: str, type_: str, attributes: Mapping[str, Any], *, is_forced: bool
    ) -> bool:
        """Change attributes that are kept here; those that another server answers for are sent on to it."""
        old = self.kept.entity(where, entity_id, type_)
        elsewhere = {
            url: {name: attributes[name] for name in names if name in attributes and name not in (old or {})}
            for url, names in self.kept.providers(where, entity_id, type_).items()
        }
        sent = {name for part in elsewhere.values() for name in part}
        here = {name: value for name, value in attributes.items() if name not in sent}
        if (old is None and here) or set(here) - set(old or {}):
            return False
        for url, part in elsewhere.items():
            if part and not await self._send_on(where, url, {"id": entity_id, "type": type_, **part}):
                return False
        if here:
            self._write(where, {"id": entity_id, "type": type_, **here}, is_forced=is_forced)
        return bool(here or sent)

    async def _send_on(self, where: Where, url: str, entity: Mapping[str, Any]) -> bool:
        """As Orion calls a context provider: the path of its address ("/" if it has none), then /op/update."""
        address = f"{url if urlsplit(url).path else f'{url}/'}/op/update"
        body = {"actionType": "update", "entities": [entity]}
        try:
            answer = await self.client.post(address, json=body, headers=_headers(where), timeout=FORWARD_S)
        except httpx.HTTPError:
            return False
        return answer.status_code == 204

    async def get(self, request: Request) -> Response:
        entity_id, type_ = request.path_params["entity"], request.query_params.get("type", "")
        found = self.kept.find(_where(request), entity_id, type_)
        return _absent() if found is None else JSONResponse(shown(found, request.query_params))

    async def attributes(self, request: Request) -> Response:
        found = self.kept.find(_where(request), request.path_params["entity"], request.query_params.get("type", ""))
        if found is None:
            return _absent()
        part = shown(found, request.query_params)
        return JSONResponse({name: value for name, value in part.items() if name not in ("id", "type")})

    async def entities(self, request: Request) -> Response:
        given = request.query_params
        rows = self.kept.entities(
            _where(request), given.get("type", ""), _number(given, "limit", 20), _number(given, "offset", 0)
        )
        return JSONResponse([shown(row, given) for row in rows])

    async def delete(self, request: Request) -> Response:
        type_ = request.query_params.get("type", "Thing")
        is_gone = self.kept.delete(_where(request), request.path_params["entity"], type_)
        return Response(status_code=204) if is_gone else _absent()

    def _write(self, where: Where, entity: Mapping[str, Any], *, is_forced: bool = False) -> None:
        old = self.kept.entity(where, entity["id"], entity.get("type", "Thing"))
        fresh = merged(old, entity)
        self.kept.put(where, fresh)
        changed = {name for name, value in fresh.items() if (old or {}).get(name) != value}
        named = set(entity) - {"id", "type"}
        for told in self.kept.told(where, fresh, named if is_forced else changed):
            task = asyncio.get_running_loop().create_task(self._notify(where, told))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _notify(self, where: Where, told: Told) -> None:
        headers = {**_headers(where), "Ngsiv2-AttrsFormat": "normalized"}
        body = {"subscriptionId": told.subscription, "data": [told.entity]}
        try:
            await self.client.post(told.url, json=body, headers=headers)
        except httpx.HTTPError:
            pass  # as a broker does: a notification is tried once

    # ---- subscriptions and registrations

    async def subscribe(self, request: Request) -> Response:
        body = await _body(request)
        try:
            is_whole = body["subject"]["entities"] and body["notification"]["http"]["url"]
        except (KeyError, TypeError):
            is_whole = False
        return self._keep(request, body) if is_whole else _error(400, "BadRequest", "subject or notification")

    async def register(self, request: Request) -> Response:
        body = await _body(request)
        try:
            is_whole = body["dataProvided"]["entities"] and body["provider"]["http"]["url"]
        except (KeyError, TypeError):
            is_whole = False
        return self._keep(request, body) if is_whole else _error(400, "BadRequest", "dataProvided or provider")

    def _keep(self, request: Request, body: Mapping[str, Any]) -> Response:
        kind = request.url.path.rpartition("/")[2]
        location = f"/v2/{kind}/{self.kept.keep(kind, _where(request), body)}"
        return Response(status_code=201, headers={"location": location})

    async def listed(self, request: Request) -> Response:
        kind, given = request.url.path.rpartition("/")[2], request.query_params
        rows = self.kept.listed(kind, _where(request))
        first = _number(given, "offset", 0)
        return JSONResponse(rows[first : first + _number(given, "limit", 20)])

    async def forget(self, request: Request) -> Response:
        is_gone = self.kept.forget(_where(request), request.path_params["number"])
        return Response(status_code=204) if is_gone else _absent()


_ACTIONS: Final = ("append", "appendStrict", "update", "delete")


def _routes(stub: _Stub) -> tuple[tuple[str, str, Any], ...]:
    return (
        ("GET", "/version", stub.version),
        ("POST", "/v2/entities", stub.create),
        ("GET", "/v2/entities", stub.entities),
        ("POST", "/v2/op/update", stub.update),
        ("GET", "/v2/entities/{entity}", stub.get),
        ("DELETE", "/v2/entities/{entity}", stub.delete),
        ("GET", "/v2/entities/{entity}/attrs", stub.attributes),
        ("PATCH", "/v2/entities/{entity}/attrs", stub.change),
        ("POST", "/v2/entities/{entity}/attrs", stub.change),
        ("POST", "/v2/subscriptions", stub.subscribe),
        ("GET", "/v2/subscriptions", stub.listed),
        ("DELETE", "/v2/subscriptions/{number}", stub.forget),
        ("POST", "/v2/registrations", stub.register),
        ("GET", "/v2/registrations", stub.listed),
        ("DELETE", "/v2/registrations/{number}", stub.forget),
    )


async def _body(request: Request) -> dict[str, Any]:
    data = await request.body()
    try:
        found = json.loads(data) if len(data) <= LARGEST_BODY_BYTES else None
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    raise HubError("a body that is no JSON object, or too large", "JSON", "Correct it")


async def _tell(_request: Request, error: Exception) -> Response:
    return _error(400, "ParseError", str(error))


def _where(request: Request) -> Where:
    return request.headers.get("fiware-service", "").lower(), request.headers.get("fiware-servicepath", "/")


def _headers(where: Where) -> dict[str, str]:
    service, path = where
    return {**({"fiware-service": service} if service else {}), "fiware-servicepath": path}


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, "")
    return int(text) if re.fullmatch(r"\d{1,6}", text) else default


def _error(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "description": description}, status)


def _absent() -> Response:
    return _error(404, "NotFound", "The requested entity has not been found. Check type and id")


def served(file: Path) -> Served:
    """The stub in a thread of this process, for trying and for tests that kill nothing."""
    return Served(create_app(file))


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=NAME)
    parser.add_argument("--port", type=int, default=1026)
    parser.add_argument("--file", type=Path, required=True)
    given = parser.parse_args()
    uvicorn.run(create_app(given.file), host="127.0.0.1", port=given.port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
