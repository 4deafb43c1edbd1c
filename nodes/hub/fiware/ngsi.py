"""A small NGSI-v2 client: entities, batches, subscriptions, registrations and commands of a context broker.

It follows what Orion 3.10 was seen to answer; `nodes.hub.fiware.conformance` is that table as checks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

import httpx

from nodes.hub.errors import HubError

TIMEOUT_S: Final = 10.0
PAGE: Final = 1000
REFUSALS: Final = frozenset({400, 409, 413, 415, 422})
"""Answers that say "not like this": sending the same again cannot help. Everything else may pass."""
SERVICE: Final = re.compile(r"[a-z0-9_]{0,50}")
SERVICE_PATH: Final = re.compile(r"/|(/[A-Za-z0-9_]{1,50}){1,10}")
Entity = Mapping[str, Any]
Action = Literal["append", "appendStrict", "update", "replace", "delete"]


@dataclass(frozen=True)
class Place:
    """A context broker and the part of it that is ours.

    Attributes:
        service: tenant (`fiware-service`); empty for the default one.
        path: `fiware-servicepath` within it.
        token: sent as `X-Auth-Token` where a proxy asks for one.
    """

    url: str
    service: str = ""
    path: str = "/"
    token: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """What every request carries."""
        given = {"fiware-service": self.service, "fiware-servicepath": self.path, "x-auth-token": self.token}
        return {name: value for name, value in given.items() if value}


def check_place(place: Place) -> Place:
    """The place, if a broker could take it: a wrong one would have every event refused.

    Raises:
        HubError: what is wrong with it.
    """
    parts = urlsplit(place.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.query:
        raise HubError(
            f"{parts.hostname or place.url!r} is no address", "http://HOST:PORT without a login", "Correct it"
        )
    if SERVICE.fullmatch(place.service) is None:
        raise HubError(f"{place.service!r} is no service", "at most 50 of a-z, 0-9 and _", "Rename it")
    if SERVICE_PATH.fullmatch(place.path) is None:
        raise HubError(
            f"{place.path!r} is no service path", "/NAME or /NAME/NAME with letters, digits and _", "Rename it"
        )
    return place


class Api:
    """HTTP with errors in three parts; safe to use from several threads."""

    def __init__(
        self, place: Place, what: str, timeout_s: float = TIMEOUT_S, headers: Mapping[str, str] | None = None
    ) -> None:
        self.place, self._what = check_place(place), what
        carried = {**place.headers(), **(headers or {})}
        self._http = httpx.Client(base_url=place.url.rstrip("/"), headers=carried, timeout=timeout_s)

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    @contextmanager
    def listen(self, path: str, patience_s: float) -> Iterator[Iterator[str]]:
        """Lines of an answer that goes on and on; the connection is given up after so long a silence.

        Raises:
            HubError: it broke, or was refused.
        """
        try:
            with self._http.stream("GET", path, timeout=httpx.Timeout(TIMEOUT_S, read=patience_s)) as answer:
                if answer.status_code != 200:
                    raise self._other(answer, "GET", path, [200])
                yield answer.iter_lines()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def ask(
        self, method: str, path: str, body: Any = None, *, params: Mapping[str, str] | None = None, fine: Sequence[int]
    ) -> httpx.Response:
        """One request.

        Args:
            fine: statuses that are no error.

        Raises:
            HubError: it could not be asked, or answered otherwise; final where it refused this very content.
        """
        try:
            content = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
            headers = {} if content is None else {"content-type": "application/json"}
            answer = self._http.request(method, path, content=content, params=params, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        if answer.status_code not in fine:
            raise self._other(answer, method, path, fine)
        return answer

    def _unreachable(self, error: Exception) -> HubError:
        return HubError(
            f"the {self._what} {self.place.url} cannot be reached ({str(error) or type(error).__name__})",
            "one that answers",
            "Nothing is lost; it is tried again",
            is_final=False,
        )

    def _other(self, answer: httpx.Response, method: str, path: str, fine: Sequence[int]) -> HubError:
        return HubError(
            f"the {self._what} answered {answer.status_code} to {method} {path} ({_said(answer)})",
            " or ".join(map(str, fine)),
            "Look at its log",
            is_final=answer.status_code in REFUSALS,
        )


class ContextBroker:
    """What a context broker is asked."""

    def __init__(self, place: Place, timeout_s: float = TIMEOUT_S) -> None:
        """Nothing is sent yet.

        Raises:
            HubError: the place cannot be one.
        """
        self.place, self._api = place, Api(place, "context broker", timeout_s)

    def close(self) -> None:
        """Let go of connections."""
        self._api.close()

    def version(self) -> Mapping[str, Any]:
        """What it says it is."""
        return _object(self._api.ask("GET", "/version", fine=[200]))

    def probe(self) -> None:
        """Whether it takes requests for our service and path.

        Raises:
            HubError: it does not; never final, since nothing was refused but the question.
        """
        try:
            self._api.ask("GET", "/v2/entities", params={"limit": "1"}, fine=[200])
        except HubError as error:
            raise HubError(error.what, error.expected, error.remedy, is_final=False) from error

    def create(self, entity: Entity) -> bool:
        """Make an entity that is never changed again; False if it is there already (422), so was delivered before."""
        answer = self._api.ask("POST", "/v2/entities", entity, fine=[201, 422])
        if answer.status_code == 422 and "already exists" not in _said(answer).lower():
            raise HubError(f"the context broker refused {entity.get('id')!r} ({_said(answer)})", "201", "Look at it")
        return answer.status_code == 201

    def upsert(self, entity: Entity) -> None:
        """Make an entity or change the attributes named."""
        self._api.ask("POST", "/v2/entities", entity, params={"options": "upsert"}, fine=[201, 204])

    def update(self, entities: Sequence[Entity], action: Action = "append") -> None:
        """Many entities at once. "append" makes or changes, so it may be sent again."""
        self._api.ask("POST", "/v2/op/update", {"actionType": action, "entities": list(entities)}, fine=[204])

    def change(self, entity_id: str, type_: str, attributes: Mapping[str, Any], *, is_forced: bool = False) -> bool:
        """Change attributes that are there; False if there is no such entity.

        Args:
            is_forced: tell subscribers even where the value is the one it had.
        """
        params = {"type": type_, **({"options": "forcedUpdate"} if is_forced else {})}
        answer = self._api.ask("PATCH", f"{_entity(entity_id)}/attrs", attributes, params=params, fine=[204, 404])
        return answer.status_code == 204

    def command(self, entity_id: str, type_: str, name: str, value: Any) -> bool:
        """Command a device by its IoT agent; False if it has none. `NAME_status` and `NAME_info` tell the outcome."""
        return self.change(entity_id, type_, {name: {"type": "command", "value": value}})

    def get(self, entity_id: str, type_: str, *, is_plain: bool = True) -> Mapping[str, Any] | None:
        """An entity, as name to value or in full; None if there is none."""
        params = {"type": type_, **({"options": "keyValues"} if is_plain else {})}
        answer = self._api.ask("GET", _entity(entity_id), params=params, fine=[200, 404])
        return _object(answer) if answer.status_code == 200 else None

    def entities(self, type_: str, attributes: Sequence[str] = ()) -> tuple[Mapping[str, Any], ...]:
        """All entities of a type, as name to value."""
        params = {"type": type_, "options": "keyValues", **({"attrs": ",".join(attributes)} if attributes else {})}
        return self._pages("/v2/entities", params)

    def delete(self, entity_id: str, type_: str) -> bool:
        """Remove an entity; False if there was none."""
        answer = self._api.ask("DELETE", _entity(entity_id), params={"type": type_}, fine=[204, 404])
        return answer.status_code == 204

    def subscribe(self, watch: Watch) -> str:
        """Have changes told; the subscription's id."""
        answer = self._api.ask("POST", "/v2/subscriptions", watch.document(), fine=[201])
        return _last_part(answer)

    def subscriptions(self) -> tuple[Mapping[str, Any], ...]:
        """Every subscription."""
        return self._pages("/v2/subscriptions", {})

    def unsubscribe(self, subscription: str) -> bool:
        """End a subscription; False if there was none."""
        path = f"/v2/subscriptions/{quote(subscription, safe='')}"
        return self._api.ask("DELETE", path, fine=[204, 404]).status_code == 204

    def registrations(self) -> tuple[Mapping[str, Any], ...]:
        """Who answers for which attributes, such as IoT agents for commands."""
        return self._pages("/v2/registrations", {})

    def register(self, entity_id: str, type_: str, attributes: Sequence[str], url: str) -> str:
        """Have updates of attributes sent on to another server; the registration's id."""
        body = {
            "dataProvided": {"entities": [{"id": entity_id, "type": type_}], "attrs": list(attributes)},
            "provider": {"http": {"url": url}},
        }
        return _last_part(self._api.ask("POST", "/v2/registrations", body, fine=[201]))

    def unregister(self, registration: str) -> bool:
        """Forget a registration; False if there was none."""
        path = f"/v2/registrations/{quote(registration, safe='')}"
        return self._api.ask("DELETE", path, fine=[204, 404]).status_code == 204

    def _pages(self, path: str, params: Mapping[str, str]) -> tuple[Mapping[str, Any], ...]:
        found: list[Mapping[str, Any]] = []
        while True:
            asked = {**params, "limit": str(PAGE), "offset": str(len(found))}
            page = _list(self._api.ask("GET", path, params=asked, fine=[200]))
            found.extend(page)
            if len(page) < PAGE:
                return tuple(found)


@dataclass(frozen=True)
class Watch:
    """A subscription: tell `url` when one of `attributes` of such entities changes.

    A broker tells nothing when another attribute changes or a value stays the same: watch what grows, such as seq.
    """

    type_: str
    url: str
    attributes: tuple[str, ...] = ("seq",)
    told: tuple[str, ...] = ()
    """Attributes in the notification; all where there are none."""
    id_pattern: str = ".*"

    def document(self) -> dict[str, Any]:
        """As NGSI-v2 says it."""
        notification: dict[str, Any] = {"http": {"url": self.url}}
        if self.told:
            notification["attrs"] = list(self.told)
        subject = {
            "entities": [{"idPattern": self.id_pattern, "type": self.type_}],
            "condition": {"attrs": list(self.attributes)},
        }
        return {"description": "Ossicle", "subject": subject, "notification": notification}


def _entity(entity_id: str) -> str:
    return f"/v2/entities/{quote(entity_id, safe=':')}"


def _last_part(answer: httpx.Response) -> str:
    found = answer.headers.get("location", "").rpartition("/")[2]
    if not found:
        raise HubError("the context broker gave no Location", "the address of what was made", "Look at its log")
    return str(found)


def _said(answer: httpx.Response) -> str:
    """Its own words, short and on one line."""
    try:
        answer.read()
        body = answer.json()
        text = f"{body.get('error', '')}: {body.get('description', '')}" if isinstance(body, dict) else str(body)
    except ValueError:
        text = answer.text
    return " ".join(text.split())[:200]


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    found = _json(answer)
    if isinstance(found, dict):
        return found
    raise _strange(answer)


def _list(answer: httpx.Response) -> list[Mapping[str, Any]]:
    found = _json(answer)
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        return found
    raise _strange(answer)


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise _strange(answer) from error


def _strange(answer: httpx.Response) -> HubError:
    return HubError(
        f"{answer.request.url.copy_with(query=None)} gave no NGSI-v2", "a context broker", "Correct the address",
        is_final=False,
    )  # fmt: skip
