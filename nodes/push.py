"""Node `ossicle.push`: results and model metadata to an IoT hub over MQTT, or to a local file."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from engine import Context, Deployment, Model, OssicleError, Params, Receipt, Report, Seconds, Secret, node
from engine.artifact import ReceiptMeta
from engine.params import FilePath

if TYPE_CHECKING:
    from nodes.hub import Endpoint, Item, Message
    from nodes.hub.access import Access

    Messages = tuple[Message, ...]

JOURNAL_FILE, RECEIPT_FILE = "messages.jsonl", "receipt.json"
TICK_S = 0.1


class PushParams(Params):
    """Where results go, and who must acknowledge them."""

    ticket: FilePath = ""
    """Ticket of `ossicle hub enrol`: address, device, password and certificate in one file; replaces the fields below
    that say the same."""
    broker: str = ""
    """mqtt://HOST[:PORT], mqtts://HOST[:PORT] (TLS), or file:PATH for a file of JSON lines. Empty, and without a
    ticket: a file beside the receipt, where there is no hub."""
    acknowledged_by: Literal["hub", "broker"] = "hub"
    """Who must say that it has a message. A hub says so when its row is on disk; a broker (PUBACK) when it lies in its
    memory, where it may be lost: for brokers behind which no Ossicle hub listens."""
    user: str = ""
    """User known to the broker; empty for none."""
    password: Secret = Secret("")
    """Name of the secret that holds the password; never the password itself."""
    ca_file: FilePath = ""
    """PEM file of the authority that signed the broker's certificate; empty trusts the system's authorities."""
    device: Annotated[str, Field(min_length=1, max_length=64)] = "ossicle"
    """Name of this device: the second level of every topic."""
    topic_prefix: Annotated[str, Field(min_length=1, max_length=256)] = "evt"
    """First levels of the topics PREFIX/DEVICE/KIND, for a broker alone; a hub hears evt/DEVICE/events."""
    client_id: Annotated[str, Field(max_length=64)] = ""
    """MQTT client id; empty makes one from device and run. Two clients of one id throw each other out."""
    mqtt_version: Literal["5", "3.1.1"] = "5"
    """Version of the protocol; with 5 the broker also says why it refuses a message. A ticket uses 3.1.1, which every
    broker of a hub speaks."""
    results: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Send label and score of this many clips of the report as single messages, too."""
    timeout_s: Annotated[Seconds, Field(gt=0, le=3600)] = 30.0
    """Give up after this long in all."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 5
    """Connections tried before giving up where a broker acknowledges; the pause between them doubles."""


@dataclass(frozen=True)
class _Way:
    """Where messages go. `by` names who acknowledged them: "hub", "broker" or "file"."""

    endpoint: Endpoint
    by: str
    device: str
    prefix: str
    access: Access | None = None

    def topic(self, message: Message) -> str:
        """The topic it travels on."""
        return f"evt/{self.device}/events" if self.by == "hub" else message.topic


def _upgrade(params: dict[str, Any], version: int) -> dict[str, Any]:
    """Version 1 knew a broker's word only."""
    return {**params, "acknowledged_by": "broker"} if version < 2 and params.get("broker") else params


@node("ossicle.push", version=2, category="Deployment", needs=("network",), upgrade=_upgrade)
def push(
    deployment: Deployment | None, report: Report | None, model: Model | None, params: PushParams, ctx: Context
) -> Receipt:
    """Send results and model metadata to an IoT hub over MQTT; never audio.

    The node ends when the hub has stored every message and said so after its own commit; `receipt.json` lists ids,
    topics, digests and who acknowledged them. Ids depend on the content only, so what is sent again is stored once.
    Where no Ossicle hub listens, a broker's PUBACK can be enough (`acknowledged_by`), and the receipt says so; the
    broker then also retains the metadata of model and deployment.
    """
    from nodes.hub import HubError, make_messages

    folder = ctx.folder("receipt")
    try:
        items = list(_items(deployment, report, model, params.results))
        if not items:
            raise OssicleError("nothing is wired to push", "a deployment, a report or a model", "Wire one of them")
        with tempfile.TemporaryDirectory(prefix="ossicle-push-") as place:
            way = _way(params, ctx, Path(place))
            messages = make_messages(items, prefix=way.prefix, device=way.device)
            ctx.progress(0.0, f"{len(messages)} messages to {way.endpoint}")
            _SENDERS[way.by](messages, way, params, ctx, folder if way.by == "file" else Path(place))
    except HubError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    except ModuleNotFoundError as error:
        raise OssicleError(
            f"{error.name} is not installed", "the MQTT client", "Run `pip install 'ossicle[iot]'`, or set no broker"
        ) from error
    _write_receipt(folder, messages, way)
    about = f"{len(messages)} messages {_SAID[way.by]} {way.endpoint}"
    ctx.log(about)
    return Receipt(folder, ReceiptMeta(about=about, destination=str(way.endpoint), acknowledged=len(messages)))


def _way(params: PushParams, ctx: Context, place: Path) -> _Way:
    from nodes.hub import Broker, HubError, parse_endpoint

    if params.ticket:
        if params.broker:
            raise HubError("a ticket and a broker are given", "one of them", "Clear one of the two")
        return _way_of_ticket(params, ctx, place)
    endpoint = parse_endpoint(params.broker)
    if not isinstance(endpoint, Broker):
        return _Way(endpoint, "file", params.device, params.topic_prefix)
    return _Way(endpoint, params.acknowledged_by, params.device, params.topic_prefix, _access(params, ctx))


def _way_of_ticket(params: PushParams, ctx: Context, place: Path) -> _Way:
    from nodes.hub import Broker
    from nodes.hub.access import Access
    from nodes.hub.ticket import read_ticket

    ticket = read_ticket(ctx.resolve(params.ticket))
    authority = place / "ca.crt"
    authority.write_text(ticket.ca, encoding="ascii")
    name = params.client_id or f"ossicle-{ticket.device}-{ctx.key[:8]}"
    access = Access(ticket.device, ticket.password, authority, client_id=name, version="3.1.1")
    broker = Broker(ticket.host, ticket.port, tls=True)
    return _Way(broker, params.acknowledged_by, ticket.device, "evt", access)


def _to_hub(messages: Messages, way: _Way, params: PushParams, ctx: Context, place: Path) -> None:
    from nodes.hub.handover import hand_over

    assert way.access is not None
    hand_over(messages, way.endpoint, way.access, place, params.timeout_s, _pause(ctx))  # type: ignore[arg-type]


def _to_broker(messages: Messages, way: _Way, params: PushParams, ctx: Context, _place: Path) -> None:
    from nodes.hub.mqtt import Patience, deliver

    assert way.access is not None
    patience = Patience(attempts=params.attempts, timeout_s=params.timeout_s)
    deliver(messages, way.endpoint, way.access, patience, _pause(ctx))  # type: ignore[arg-type]


def _to_file(messages: Messages, way: _Way, _params: PushParams, ctx: Context, folder: Path) -> None:
    from nodes.hub.journal import append

    name = way.endpoint.path  # type: ignore[union-attr]
    ctx.log(f"{append(messages, ctx.resolve(name) if name else folder / JOURNAL_FILE)} messages are new")


def _access(params: PushParams, ctx: Context) -> Access:
    from nodes.hub.access import Access

    return Access(
        user=params.user,
        password=ctx.secret(params.password) if params.password else "",
        ca_file=ctx.resolve(params.ca_file) if params.ca_file else None,
        client_id=params.client_id or f"ossicle-{params.device}-{ctx.key[:8]}",
        version=params.mqtt_version,
    )


def _pause(ctx: Context) -> Callable[[float], None]:
    """Wait, in short steps, so that a cancelled run stops at once."""

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        ctx.check()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, TICK_S))
            ctx.check()

    return pause


_SENDERS: Final[Mapping[str, Callable[[Messages, _Way, PushParams, Context, Path], None]]] = MappingProxyType(
    {"hub": _to_hub, "broker": _to_broker, "file": _to_file}
)
_SAID: Final[Mapping[str, str]] = MappingProxyType(
    {"hub": "stored by the hub at", "broker": "taken by the broker", "file": "written to a"}
)


# ---- what is said


def _items(deployment: Deployment | None, report: Report | None, model: Model | None, results: int) -> Iterator[Item]:
    from nodes.hub import Item

    digest = _model_digest(deployment, model)
    if model is not None:
        yield Item("model", _model_body(model, digest), retain=True)
    if deployment is not None:
        yield Item("deployment", _deployment_body(deployment, digest), retain=True)
    if report is not None:
        yield Item("report", {"model": digest, "title": report.meta.title, "metrics": report.meta.metrics})
        for row in _predictions(report, results):
            yield Item("result", {"model": digest, **row})


def _model_digest(deployment: Deployment | None, model: Model | None) -> str:
    """sha256 of the network that the results come from; "" where neither model nor deployment is wired."""
    source = deployment or model
    if source is None:
        return ""
    import hashlib

    return hashlib.sha256(source.file("model.onnx").read_bytes()).hexdigest()


def _model_body(model: Model, digest: str) -> dict[str, Any]:
    meta = model.meta
    return {
        "model": digest,
        "name": meta.architecture,
        "precision": meta.precision,
        "labels": list(meta.classes),
        "input_shape": list(meta.input_shape),
        "parameters": meta.parameters,
        "flops": meta.flops,
        "size_bytes": meta.size_bytes,
        "sparsity": meta.sparsity,
        "metrics": meta.metrics,
    }


def _deployment_body(deployment: Deployment, digest: str) -> dict[str, Any]:
    meta = deployment.meta
    return {
        "model": digest,
        "target": meta.target,
        "labels": list(meta.classes),
        "front_end": meta.front_end,
        "latency_us": meta.latency_us,
        "memory_bytes": meta.memory_bytes,
        "verified_error": meta.verified_error,
        "metrics": meta.metrics,
    }


def _predictions(report: Report, count: int) -> Iterator[dict[str, Any]]:
    if not count:
        return
    rows = report.json("report.json").get("predictions")
    if not isinstance(rows, list):
        raise OssicleError(
            f"the report {report.meta.title!r} holds no single results",
            "the report of a benchmark node",
            "Wire that, or set results to 0",
        )
    for row in rows[:count]:
        yield {"clip": row["clip_id"], "label": row["prediction"], "score": row["score"]}


def _write_receipt(folder: Path, messages: Messages, way: _Way) -> None:
    rows = [
        {
            "id": message.id,
            "seq": message.seq,
            "topic": way.topic(message),
            "kind": message.kind,
            "qos": 1,
            "retained": message.retain and way.by != "hub",
            "sha256": message.digest(),
            "acknowledged": True,
        }
        for message in messages
    ]
    told = {"destination": str(way.endpoint), "acknowledged_by": way.by, "messages": rows}
    (folder / RECEIPT_FILE).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
