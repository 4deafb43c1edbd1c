"""Commands of a context broker, on their way to a device and back.

An IoT agent posts `{"threshold": 0.7}` to the desk; the hub orders the device; the device's own answer, stored and
told by the hub like any other event, is what the agent gets back.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from pydantic import JsonValue

from nodes.hub.errors import HubError
from nodes.hub.event import DEVICE, KIND
from nodes.hub.fiware.entities import plain
from nodes.hub.fiware.ngsi import Api, Place

SILENCE_S: Final = 40.0
"""The hub says something on its live line every 15 s."""
AGAIN_S: Final = 0.5
PREFIX: Final = "/command"


@dataclass(frozen=True)
class Hub:
    """A hub as its HTTP API shows it."""

    api: Api

    @staticmethod
    def at(url: str, token: str) -> Hub:
        """The hub at an address."""
        return Hub(Api(Place(url), "hub", headers={"authorization": f"Bearer {token}"}))

    def order(self, device: str, order: str, values: Mapping[str, Any]) -> None:
        """Tell a device what to do."""
        self.api.ask("POST", f"/api/devices/{device}/orders", {"order": order, "values": values}, fine=[202])

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Events from now on. The first thing yielded is empty: the line stands."""
        with self.api.listen("/api/live", SILENCE_S) as lines:
            kind = ""
            for line in lines:
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: ") and kind == "event":
                    yield json.loads(line.removeprefix("data: "))
                elif line.startswith(":"):
                    yield {}


class Commands:
    """Asks devices and waits for their answers."""

    def __init__(self, hub: Hub, patience_s: float = 5.0) -> None:
        self._hub, self._patience_s = hub, patience_s
        self._open: dict[str, Future[str]] = {}
        self._hears, self._ends = threading.Event(), threading.Event()
        self.problem = ""
        self._thread = threading.Thread(target=self._run, name="answers", daemon=True)

    def start(self) -> None:
        """Listen for answers."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more; the thread ends with the next line."""
        self._ends.set()
        self._hub.api.close()

    def ask(self, device: str, order: str, value: Any) -> str:
        """Have a device do something; "done" when it says so.

        Raises:
            HubError: it refused, or did not answer in time.
        """
        if not self._hears.wait(self._patience_s):
            raise HubError("the hub cannot be heard", "a hub that runs", "Start it", is_final=False)
        number, answer = secrets.token_hex(8), Future[str]()
        self._open[number] = answer
        try:
            self._hub.order(device, order, {**_values(value), "id": number})
            why = answer.result(self._patience_s)
        except Late as error:
            raise HubError(
                f"{device} did not answer", f"an answer within {self._patience_s:g} s", "See whether it is there",
                is_final=False,
            ) from error  # fmt: skip
        finally:
            del self._open[number]
        if why:
            raise HubError(f"{device} refused {order} ({why})", "an order it can follow", "Correct the command")
        return "done"

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                for event in self._hub.events():
                    self.problem = ""
                    self._hears.set()
                    self._take(event)
            except (HubError, ValueError, RuntimeError) as error:  # RuntimeError: the client was closed
                self.problem = str(error)
            self._hears.clear()
            self._ends.wait(AGAIN_S)

    def _take(self, event: Mapping[str, Any]) -> None:
        if event.get("kind") != "answer":
            return
        waiting = self._open.get(str(event["body"].get("id")))
        if waiting is not None and not waiting.done():
            waiting.set_result(str(event["body"].get("why", "")))


def create_desk(commands: Commands, key: str) -> FastAPI:
    """Where an agent posts commands: PREFIX/KEY/DEVICE. An agent can send no header, so the key is in the path."""
    app = FastAPI(title="Ossicle commands", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post(f"{PREFIX}/{{given}}/{{device}}", response_model=None)
    def command(given: str, device: str, body: dict[str, JsonValue]) -> JSONResponse:
        """Carry commands out, one after the other."""
        if not hmac.compare_digest(given.encode(), key.encode()) or DEVICE.fullmatch(device) is None:
            raise HTTPException(404)
        if not body or any(KIND.fullmatch(name) is None for name in body):
            raise HTTPException(422, "no command, or a name that is none")
        told, status = {}, 200
        for name, value in body.items():
            try:
                told[name] = commands.ask(device, name, value)
            except HubError as error:
                told[name], status = error.what, 409 if error.is_final else 503
        return JSONResponse(told, status)

    return app


def _values(value: Any) -> dict[str, Any]:
    """A command's value as an order carries it."""
    match plain(value):
        case dict() as named:
            return {name: part for name, part in named.items() if name != "order"}
        case None | "" | " ":
            return {}
        case single:
            return {"value": single}
