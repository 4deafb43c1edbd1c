"""The hub over HTTP: devices, results, orders, live events, metrics. Nothing without the token but the page itself.

The page holds no data: it asks for the token and talks to the API like any other client. Host names are checked, so
that a foreign page cannot reach a hub on loopback through its visitor's browser.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, FastAPI, HTTPException, Path, Query, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.middleware.trustedhost import TrustedHostMiddleware

from nodes.hub.errors import HubError
from nodes.hub.event import DEVICE, KIND, LARGEST_SEQ, time_text
from nodes.hub.hub import Hub
from nodes.hub.metrics import exposition
from nodes.hub.store import Question

MOST_ROWS: Final = 10_000
LARGEST_BODY_BYTES: Final = 64 * 1024
PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
DeviceName = Annotated[str, Path(pattern=f"^{DEVICE.pattern}$", max_length=64)]


class Row(BaseModel):
    """A stored event. (number, seq) is its place among those of its device; `number` counts the device's epochs."""

    device: str
    number: int
    seq: int
    kind: str
    time: str
    received: str
    body: dict[str, JsonValue]


class Latest(BaseModel):
    """The newest result of a device."""

    time: str
    body: dict[str, JsonValue]


class Device(BaseModel):
    """A device and what is known of it."""

    device: str
    is_enrolled: bool
    state: Literal["here", "away", "lost", "unknown"]
    since: str
    events: int
    latest: Latest | None


class NewDevice(BaseModel):
    """A device to let in."""

    model_config = ConfigDict(extra="forbid")
    device: str = Field(pattern=f"^{DEVICE.pattern}$", max_length=64)


class TicketBody(BaseModel):
    """What a device needs to connect. Shown once; keep it secret."""

    format: int
    device: str
    password: str
    host: str
    port: int
    ca: str


class Order(BaseModel):
    """What a device shall do."""

    model_config = ConfigDict(extra="forbid")
    order: str = Field(pattern=f"^{KIND.pattern}$")
    values: dict[str, JsonValue] = {}


class Problem(BaseModel):
    """What went wrong, in three parts."""

    what: str
    expected: str = ""
    remedy: str = ""


class Taken(BaseModel):
    """An order was handed to the broker."""

    device: str
    order: str


@dataclass(frozen=True)
class Extras:
    """What is served beside the hub itself.

    Attributes:
        page: HTML of the page at /.
        routers: more of the API, behind the same token.
        public: more of the API for devices, which need no token: signed files alone.
        mounts: whole applications by path, which ask for the token themselves.
    """

    page: str = ""
    routers: Sequence[APIRouter] = ()
    public: Sequence[APIRouter] = ()
    mounts: Mapping[str, Any] = field(default_factory=dict)


def create_app(
    hub: Hub, token: str, hosts: Sequence[str] = ("127.0.0.1", "localhost"), extras: Extras | None = None
) -> FastAPI:
    """The API of a hub.

    Args:
        token: every request must carry it as "Authorization: Bearer TOKEN".
        hosts: names this server is called by.
    """
    extras = extras or Extras()
    app = FastAPI(
        title="Ossicle hub",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        exception_handlers={HubError: _tell, RequestValidationError: _misunderstood},
        responses={401: {"model": Problem}},
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    guard = [Security(_guard(token))]
    app.include_router(_devices(hub), dependencies=guard)
    app.include_router(_events(hub), dependencies=guard)
    for router in extras.routers:
        app.include_router(router, dependencies=guard)
    for router in extras.public:
        app.include_router(router)
    for path, mounted in extras.mounts.items():
        app.mount(path, mounted)
    app.middleware("http")(_limit)
    app.add_api_route(
        "/", lambda: HTMLResponse(extras.page, headers=PAGE_HEADERS), include_in_schema=False, response_model=None
    )
    return app


def _guard(token: str) -> Callable[..., None]:
    bearer = HTTPBearer(auto_error=False)

    def authorise(given: HTTPAuthorizationCredentials | None = Security(bearer)) -> None:  # noqa: B008 - its way
        word = given.credentials if given is not None else ""
        if not hmac.compare_digest(word.encode(), token.encode()):
            raise HTTPException(401, "no or wrong token", {"WWW-Authenticate": "Bearer"})

    return authorise


async def _tell(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HubError)
    body = {"what": error.what, "expected": error.expected, "remedy": error.remedy}
    return JSONResponse(body, 409 if error.is_final else 503)


async def _misunderstood(_request: Request, error: Exception) -> JSONResponse:
    """What is wrong with a request, without echoing it: what came may be no text at all."""
    assert isinstance(error, RequestValidationError)
    rows = [{"loc": list(row["loc"]), "msg": row["msg"], "type": row["type"]} for row in error.errors()]
    return JSONResponse({"detail": rows}, 422)


async def _limit(request: Request, call_next: Any) -> Any:
    """Bodies are small here; a large one, or one of unsaid length, is refused before it is read."""
    if request.headers.get("transfer-encoding"):
        return JSONResponse({"what": "a body of unsaid length"}, 411)
    size = request.headers.get("content-length", "0")
    if not size.isdigit() or int(size) > LARGEST_BODY_BYTES:
        return JSONResponse({"what": f"a body of more than {LARGEST_BODY_BYTES} bytes"}, 413)
    return await call_next(request)


def _devices(hub: Hub) -> APIRouter:
    api = APIRouter(prefix="/api/devices", tags=["devices"])
    refused: dict[int | str, dict[str, Any]] = {409: {"model": Problem}}

    @api.get("", response_model=list[Device])
    def devices() -> Any:
        """Every device that is enrolled or has spoken."""
        return hub.devices()

    @api.post("", response_model=TicketBody, status_code=201, responses=refused)
    def enrol(new: NewDevice) -> Any:
        """Let a device in. The answer is its ticket; enrolling again shuts the old one out."""
        return hub.enrol(new.device).document()

    @api.delete("/{device}", status_code=204, responses=refused)
    def dismiss(device: DeviceName) -> None:
        """Let a device in no more; what it said stays."""
        hub.dismiss(device)

    @api.get("/{device}/history", response_model=list[Row])
    def history(
        device: DeviceName,
        number: Annotated[int, Query(ge=0, le=LARGEST_SEQ)] = 0,
        seq: Annotated[int, Query(ge=0, le=LARGEST_SEQ)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 1000,
    ) -> Any:
        """Events of a device in its own order, behind (number, seq)."""
        return [asdict(row) for row in hub.store.history(device, (number, seq), limit)]

    @api.post("/{device}/orders", response_model=Taken, status_code=202, responses={503: {"model": Problem}})
    def order(device: DeviceName, given: Order) -> Any:
        """Tell a device what to do; it is heard only by a device that is there."""
        if not hub.order(device, {**given.values, "order": given.order}):
            raise HubError("the broker cannot be reached", "a connection", "Try again", is_final=False)
        return Taken(device=device, order=given.order)

    return api


def _events(hub: Hub) -> APIRouter:
    api = APIRouter(prefix="/api", tags=["events"])

    @api.get("/events", response_model=list[Row])
    def events(
        device: Annotated[str, Query(max_length=64)] = "",
        kind: Annotated[str, Query(max_length=32)] = "",
        since: datetime | None = None,
        until: datetime | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
    ) -> Any:
        """Stored events, the newest first; times are of arrival."""
        question = Question(device, kind, _moment(since), _moment(until), limit)
        return [asdict(row) for row in hub.store.events(question)]

    @api.get("/latest", response_model=list[Row])
    def latest() -> Any:
        """The newest result of every device."""
        return [asdict(row) for row in hub.store.latest()]

    streamed: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}, 503: {"model": Problem}}

    @api.get("/live", response_class=StreamingResponse, responses=streamed)
    async def live() -> StreamingResponse:
        """Server-sent events: event, presence, missed, problem."""
        if hub.feed.is_crowded:
            raise HubError("too many listen already", "fewer listeners", "Close one", is_final=False)
        return StreamingResponse(_lines(hub), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    @api.get("/status")
    def status() -> dict[str, JsonValue]:
        """How the hub fares."""
        return hub.status()

    @api.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> str:
        """The same for Prometheus."""
        return exposition(hub.status(), hub.devices())

    return api


async def _lines(hub: Hub) -> AsyncIterator[str]:
    async for line in hub.feed.listen():
        yield line


def _moment(time: datetime | None) -> str:
    """A time as the store orders it; one without a zone is taken as UTC."""
    if time is None:
        return ""
    try:
        return time_text(time if time.tzinfo is not None else time.replace(tzinfo=UTC))
    except (OverflowError, ValueError):
        raise HTTPException(422, "a time that UTC cannot say") from None
