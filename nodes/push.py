"""Node `ossicle.push`: results and model metadata to an IoT hub over MQTT, or to a local file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from engine import Context, Deployment, Model, OssicleError, Params, Receipt, Report, Seconds, Secret, node
from engine.artifact import ReceiptMeta
from engine.params import FilePath

if TYPE_CHECKING:
    from pathlib import Path

    from nodes.hub import Endpoint, Item, Message
    from nodes.hub.access import Access
    from nodes.hub.mqtt import Patience

JOURNAL_FILE, RECEIPT_FILE = "messages.jsonl", "receipt.json"
TICK_S = 0.1


class PushParams(Params):
    """Where results go, and how."""

    broker: str = ""
    """mqtt://HOST[:PORT], mqtts://HOST[:PORT] (TLS), or file:PATH for a file of JSON lines. Empty: a file beside the
    receipt, where there is no broker."""
    user: str = ""
    """User known to the broker; empty for none."""
    password: Secret = Secret("")
    """Name of the secret that holds the password; never the password itself."""
    ca_file: FilePath = ""
    """PEM file of the authority that signed the broker's certificate; empty trusts the system's authorities."""
    device: Annotated[str, Field(min_length=1, max_length=64)] = "ossicle"
    """Name of this device: the second level of every topic."""
    topic_prefix: Annotated[str, Field(min_length=1, max_length=256)] = "evt"
    """First levels of every topic: PREFIX/DEVICE/model, /deployment, /report, /result."""
    client_id: Annotated[str, Field(max_length=64)] = ""
    """MQTT client id; empty makes one from device and run. Two clients of one id throw each other out."""
    mqtt_version: Literal["5", "3.1.1"] = "5"
    """Version of the protocol; with 5 the broker also says why it refuses a message."""
    results: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Send label and score of this many clips of the report as single messages, too."""
    timeout_s: Annotated[Seconds, Field(gt=0, le=3600)] = 30.0
    """Give up after this long in all."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 5
    """Connections tried before giving up; the pause between them doubles."""


@node("ossicle.push", version=1, category="Deployment", needs=("network",))
def push(
    deployment: Deployment | None, report: Report | None, model: Model | None, params: PushParams, ctx: Context
) -> Receipt:
    """Send results and model metadata to an IoT hub over MQTT at QoS 1; never audio.

    Metadata of model and deployment is retained by the broker, figures of the report are not. Every message is
    acknowledged by the broker (PUBACK) before the node ends; `receipt.json` lists ids, topics and digests. Ids depend
    on the content only, so what is sent again can be told from what is new.
    """
    from nodes.hub import HubError, make_messages, parse_endpoint

    folder = ctx.folder("receipt")
    try:
        endpoint = parse_endpoint(params.broker)
        items = list(_items(deployment, report, model, params.results))
        if not items:
            raise OssicleError("nothing is wired to push", "a deployment, a report or a model", "Wire one of them")
        messages = make_messages(items, prefix=params.topic_prefix, device=params.device)
        _deliver(messages, endpoint, params, ctx, folder)
    except HubError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    _write_receipt(folder, messages, str(endpoint))
    about = f"{len(messages)} messages acknowledged by {endpoint}"
    return Receipt(folder, ReceiptMeta(about=about, destination=str(endpoint), acknowledged=len(messages)))


def _deliver(messages: tuple[Message, ...], endpoint: Endpoint, params: PushParams, ctx: Context, folder: Path) -> None:
    from nodes.hub import Broker
    from nodes.hub.journal import append

    ctx.progress(0.0, f"{len(messages)} messages to {endpoint}")
    if not isinstance(endpoint, Broker):
        path = ctx.resolve(endpoint.path) if endpoint.path else folder / JOURNAL_FILE
        ctx.log(f"{append(messages, path)} of {len(messages)} messages are new in {endpoint}")
        return
    try:
        from nodes.hub.mqtt import deliver
    except ModuleNotFoundError as error:
        raise OssicleError(
            "paho-mqtt is not installed", "the MQTT client", "Run `pip install 'ossicle[iot]'`, or leave broker empty"
        ) from error
    done = deliver(messages, endpoint, _access(params, ctx), _patience(params), _pause(ctx))
    ctx.log(f"{len(done)} messages acknowledged by {endpoint}")


def _access(params: PushParams, ctx: Context) -> Access:
    from nodes.hub.access import Access

    return Access(
        user=params.user,
        password=ctx.secret(params.password) if params.password else "",
        ca_file=ctx.resolve(params.ca_file) if params.ca_file else None,
        client_id=params.client_id or f"ossicle-{params.device}-{ctx.key[:8]}",
        version=params.mqtt_version,
    )


def _patience(params: PushParams) -> Patience:
    from nodes.hub.mqtt import Patience

    return Patience(attempts=params.attempts, timeout_s=params.timeout_s)


def _pause(ctx: Context) -> Callable[[float], None]:
    """Wait, in short steps, so that a cancelled run stops at once."""

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        ctx.check()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, TICK_S))
            ctx.check()

    return pause


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


def _write_receipt(folder: Path, messages: tuple[Message, ...], destination: str) -> None:
    rows = [
        {
            "id": message.id,
            "seq": message.seq,
            "topic": message.topic,
            "qos": 1,
            "retained": message.retain,
            "sha256": message.digest(),
            "acknowledged": True,
        }
        for message in messages
    ]
    text = json.dumps({"destination": destination, "messages": rows}, indent=1, ensure_ascii=False)
    (folder / RECEIPT_FILE).write_text(text + "\n", encoding="utf-8")
