"""What this client relies on, as checks that any context broker can be put to: our stub, or a user's own Orion.

Every check works in a service path of its own and removes what it made.
"""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from nodes.hub.errors import HubError
from nodes.hub.fiware.ngsi import ContextBroker, Place, Watch

TYPE: Final = "OssicleCheck"
NOTICE_S: Final = 3.0
SILENCE_S: Final = 1.0
WHEN: Final = "2026-11-21T08:00:00.123Z"


@dataclass(frozen=True)
class Outcome:
    """What came of a check; `found` is empty where it passed."""

    name: str
    passed: bool
    found: str = ""
    ms: float = 0.0


@dataclass(frozen=True)
class Listener:
    """Where this process listens for what a broker sends, and what came."""

    url: str
    heard: queue.Queue[tuple[str, dict[str, str], Any]] = field(default_factory=queue.Queue)

    def next(self, wait_s: float) -> tuple[str, dict[str, str], Any]:
        """The next request: path, headers (small letters), body.

        Raises:
            HubError: none came in time.
        """
        try:
            return self.heard.get(timeout=wait_s)
        except queue.Empty:
            raise _wrong("nothing was sent to this process") from None

    def is_silent(self) -> bool:
        """Whether nothing comes."""
        try:
            self.heard.get(timeout=SILENCE_S)
        except queue.Empty:
            return True
        return False


@dataclass(frozen=True)
class Bench:
    """What a check has at hand."""

    broker: ContextBroker
    listener: Listener
    mark: str

    def id(self, name: str = "a") -> str:
        """An entity of this run."""
        return f"urn:ngsi-ld:{TYPE}:{self.mark}-{name}"

    def entity(self, name: str = "a", seq: int = 1, **attributes: Any) -> dict[str, Any]:
        """An entity as the forwarder makes them."""
        return {
            "id": self.id(name),
            "type": TYPE,
            "label": {"type": "Text", "value": "yes"},
            "score": {"type": "Number", "value": 0.97},
            "seq": {"type": "Number", "value": seq},
            "observedAt": {"type": "DateTime", "value": WHEN},
            **attributes,
        }


def run(place: Place, host: str = "127.0.0.1", announced: str = "") -> tuple[Outcome, ...]:
    """Put a broker to every check.

    Args:
        host: where this process listens for notifications.
        announced: name or address by which the broker reaches this process; empty for the same.

    Raises:
        HubError: the broker does not answer at all.
    """
    mark = secrets.token_hex(4)
    own = replace(place, path=f"{place.path.rstrip('/')}/ossicle_check_{mark}")
    broker = ContextBroker(own)
    try:
        broker.version()
        with listening(host, announced) as listener:
            bench = Bench(broker, listener, mark)
            return tuple(_outcome(name, check, bench) for name, check in CHECKS.items())
    finally:
        _clean(broker)
        broker.close()


@contextmanager
def listening(host: str = "127.0.0.1", announced: str = "", status: int = 204) -> Iterator[Listener]:
    """Take whatever is sent by POST."""
    made: list[Listener] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - its name
            data = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made[0].heard.put((self.path, headers, json.loads(data or b"null")))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((host, 0), Answers)
    made.append(Listener(f"http://{announced or host}:{server.server_address[1]}"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _outcome(name: str, check: Callable[[Bench], None], bench: Bench) -> Outcome:
    begun = time.perf_counter()
    try:
        check(bench)
    except HubError as error:
        return Outcome(name, False, f"{error.what}; expected {error.expected}", _ms(begun))
    return Outcome(name, True, "", _ms(begun))


def _ms(begun: float) -> float:
    return round(1e3 * (time.perf_counter() - begun), 1)


def _clean(broker: ContextBroker) -> None:
    try:
        for entity in broker.entities(TYPE):
            broker.delete(str(entity["id"]), TYPE)
        for subscription in broker.subscriptions():
            broker.unsubscribe(str(subscription["id"]))
        for registration in broker.registrations():
            broker.unregister(str(registration["id"]))
    except HubError:
        pass  # what a check found is worth more than tidiness


def _same(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise _wrong(f"{found!r} instead of {wanted!r}")


def _wrong(found: str) -> HubError:
    return HubError(found, "what Orion 3.10 was seen to do", "This broker cannot be relied on for it")


# ---- the checks


def _once(bench: Bench) -> None:
    """201, then 422: already delivered."""
    _same(bench.broker.create(bench.entity("once")), True)
    _same(bench.broker.create(bench.entity("once", seq=2)), False)
    found = bench.broker.get(bench.id("once"), TYPE) or {}
    _same((found.get("seq"), found.get("label"), found.get("score")), (1, "yes", 0.97))


def _date(bench: Bench) -> None:
    bench.broker.create(bench.entity("date"))
    found = (bench.broker.get(bench.id("date"), TYPE) or {}).get("observedAt")
    _same(found, WHEN)


def _upsert(bench: Bench) -> None:
    bench.broker.upsert(bench.entity("upsert"))
    bench.broker.upsert(bench.entity("upsert", seq=2))
    _same((bench.broker.get(bench.id("upsert"), TYPE) or {}).get("seq"), 2)


def _batch(bench: Bench) -> None:
    """Sent twice, each is there once."""
    entities = [bench.entity(f"batch{number}", number) for number in range(50)]
    bench.broker.update(entities)
    bench.broker.update(entities)
    found = [row for row in bench.broker.entities(TYPE) if f"{bench.mark}-batch" in str(row["id"])]
    _same(sorted(row["seq"] for row in found), list(range(50)))


def _append_keeps(bench: Bench) -> None:
    """Attributes that a batch does not name stay."""
    bench.broker.create(bench.entity("keeps"))
    bench.broker.update([{"id": bench.id("keeps"), "type": TYPE, "more": {"type": "Text", "value": "new"}}])
    found = bench.broker.get(bench.id("keeps"), TYPE) or {}
    _same((found.get("label"), found.get("more")), ("yes", "new"))


def _full(bench: Bench) -> None:
    bench.broker.create(bench.entity("full"))
    found = bench.broker.get(bench.id("full"), TYPE, is_plain=False) or {}
    label = found.get("label", {})
    _same((label.get("type"), label.get("value"), label.get("metadata")), ("Text", "yes", {}))


def _structured(bench: Bench) -> None:
    value = {"rates": [16000, 8000], "is_on": True, "none": None}
    bench.broker.create(bench.entity("structured", facts={"type": "StructuredValue", "value": value}))
    _same((bench.broker.get(bench.id("structured"), TYPE) or {}).get("facts"), value)


def _forbidden(bench: Bench) -> None:
    """400 for characters a broker does not take: why text is escaped."""
    for text in ("<b>", "it's", "a=b", "a;b", "f(x)", 'say "yes"'):
        try:
            bench.broker.create(bench.entity("foul", label={"type": "Text", "value": text}))
        except HubError as error:
            _same(error.is_final, True)
        else:
            raise _wrong(f"{text!r} was taken")


def _other_path(bench: Bench) -> None:
    """Another service path sees nothing of ours."""
    bench.broker.create(bench.entity("path"))
    other = ContextBroker(replace(bench.broker.place, path="/ossicle_elsewhere"))
    found = other.get(bench.id("path"), TYPE)
    other.close()
    _same(found, None)


def _absent(bench: Bench) -> None:
    _same(bench.broker.get(bench.id("nobody"), TYPE), None)
    _same(bench.broker.change(bench.id("nobody"), TYPE, {"seq": {"type": "Number", "value": 1}}), False)
    _same(bench.broker.delete(bench.id("nobody"), TYPE), False)


def _pages(bench: Bench) -> None:
    bench.broker.update([bench.entity(f"page{number}", number) for number in range(30)])
    found = [row for row in bench.broker.entities(TYPE, ("seq",)) if f"{bench.mark}-page" in str(row["id"])]
    _same((len(found), sorted(found[0])), (30, ["id", "seq", "type"]))


def _notices(bench: Bench) -> None:
    """A watched attribute that changes is told; another one, or the same value, is not; a forced update is."""
    listener = bench.listener
    bench.broker.create(bench.entity("told"))
    subscription = bench.broker.subscribe(
        Watch(TYPE, f"{listener.url}/told", ("seq",), ("seq", "label"), f"{bench.mark}-told$")
    )
    time.sleep(SILENCE_S)  # a broker may look for new subscriptions but once a second
    while not listener.heard.empty():
        listener.heard.get()
    bench.broker.change(bench.id("told"), TYPE, {"seq": {"type": "Number", "value": 2}})
    path, headers, body = listener.next(NOTICE_S)
    _same((path, headers.get("ngsiv2-attrsformat")), ("/told", "normalized"))
    _same((body["subscriptionId"], body["data"][0]["id"]), (subscription, bench.id("told")))
    _same((body["data"][0]["seq"]["value"], sorted(body["data"][0])), (2, ["id", "label", "seq", "type"]))
    bench.broker.change(bench.id("told"), TYPE, {"score": {"type": "Number", "value": 0.5}})
    bench.broker.change(bench.id("told"), TYPE, {"seq": {"type": "Number", "value": 2}})
    _same(listener.is_silent(), True)
    bench.broker.change(bench.id("told"), TYPE, {"seq": {"type": "Number", "value": 2}}, is_forced=True)
    _same(listener.next(NOTICE_S)[2]["data"][0]["seq"]["value"], 2)
    _same(bench.broker.unsubscribe(subscription), True)
    _same([row["id"] for row in bench.broker.subscriptions()], [])


def _command(bench: Bench) -> None:
    """A command goes to whoever registered for it, and is not kept."""
    bench.broker.create(bench.entity("ear"))
    registration = bench.broker.register(bench.id("ear"), TYPE, ["threshold"], f"{bench.listener.url}/v2")
    _same([row["id"] for row in bench.broker.registrations()], [registration])
    time.sleep(SILENCE_S)
    _same(bench.broker.command(bench.id("ear"), TYPE, "threshold", 0.7), True)
    path, headers, body = bench.listener.next(NOTICE_S)
    sent = body["entities"][0]
    _same((path, body["actionType"], sent["id"], sent["threshold"]["value"]),
          ("/v2/op/update", "update", bench.id("ear"), 0.7))  # fmt: skip
    _same(headers.get("fiware-servicepath"), bench.broker.place.path)
    _same(bench.broker.unregister(registration), True)


CHECKS: Final[dict[str, Callable[[Bench], None]]] = {
    "an entity is made once; again is 422": _once,
    "a time comes back as it was": _date,
    "upsert makes and changes": _upsert,
    "a batch may be sent again": _batch,
    "append keeps what it does not name": _append_keeps,
    "the full form has type and metadata": _full,
    "nested values come back": _structured,
    "forbidden characters are refused": _forbidden,
    "service paths are apart": _other_path,
    "what is not there is 404": _absent,
    "lists come in pages": _pages,
    "only watched attributes that change are told": _notices,
    "commands reach who registered": _command,
}
