"""The device's command line, in the standard library: the same on a bare device and under `ossicle device`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from nodes.hub.device.ear import Ear, open_ear
from nodes.hub.device.runtime import TELEMETRY, Manner, Runtime
from nodes.hub.device.source import open_source
from nodes.hub.errors import HubError
from nodes.hub.event import time_text
from nodes.hub.outbox import Said
from nodes.hub.release.slots import POINTER, Slots

FAILED: Final = 1
RELEASE: Final = "release"
ABOUT: Final = """Listen with a deployment, and tell a hub what is heard.

Without --hub detections are only printed. With it they are kept in an outbox on disk until the hub has stored them, so
that neither a crash nor a lost connection loses one. Sound never leaves the device.
"""
EXAMPLES: Final = """examples:
  ossicle device run DEPLOYMENT
  ossicle device run DEPLOYMENT --source recordings/ --speed 0 --json
  ossicle device run DEPLOYMENT --source mic --hub kitchen.ticket
"""


def parser(program: str) -> argparse.ArgumentParser:
    """What may be given."""
    made = argparse.ArgumentParser(
        program, description=ABOUT, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = made.add_argument
    add("deployment", type=Path, metavar="DEPLOYMENT", help="folder of a deployment")
    add("--source", default="mic", help="mic, an audio file or a folder of them (mic)")
    add("--repository", metavar="URL", help="on the order to update, install from there (DEPLOYMENT then holds slots)")
    add("--root", type=Path, metavar="FILE", help="its first root.json, given by hand")
    add("--channel", default="stable", help="which of its channels (stable)")
    add("--hub", type=Path, metavar="TICKET", help="ticket of `ossicle hub enrol`")
    add("--outbox", type=Path, metavar="FILE", help="where events wait (DEVICE.outbox beside the ticket)")
    add("--mqtt", choices=("5", "3.1.1"), default="3.1.1", help="version of MQTT (3.1.1: every broker speaks it)")
    add("--threshold", type=float, default=0.5, help="smoothed score a word must reach (0.5)")
    add("--smoothing", type=int, help="windows whose scores are averaged (the deployment's)")
    add("--hop", type=float, metavar="S", help="step between windows in seconds (the deployment's)")
    add("--refractory", type=float, default=1.0, metavar="S", help="pause after a detection in seconds (1)")
    add("--gate", type=float, metavar="DB", help="clips with nothing above this level are not computed (off)")
    add("--telemetry", type=float, default=60.0, metavar="S", help="seconds between reports; 0: none (60)")
    add("--speed", type=float, default=1.0, help="of files: 1 is real time, 0 as fast as possible (1)")
    add("--drain", type=float, default=15.0, metavar="S", help="at the end, wait so long for the hub (15)")
    add("--json", action="store_true", help="one JSON object per line: detections, then a summary")
    return made


@dataclass(frozen=True)
class Line:
    """The line to the hub; without one everything is only printed."""

    sender: Any = None

    def tell(self, said: list[Said]) -> None:
        """Keep for the hub."""
        if self.sender is not None:
            self.sender.put(said)

    def end(self, drain_s: float) -> dict[str, Any]:
        """Wait for the hub, hang up, and say how it went."""
        if self.sender is None:
            return {}
        is_empty = self.sender.drain(drain_s)
        found = self.sender.condition()
        self.sender.stop()
        self.sender.outbox.close()
        return {"acknowledged": found.acknowledged, "waiting": found.waiting, "hub": "" if is_empty else found.problem}


def run(arguments: Sequence[str], program: str = "device run") -> int:
    """Listen; the exit code."""
    given = parser(program).parse_args(arguments)
    try:
        _check(given)
        return _listen(given)
    except HubError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED


def _listen(given: argparse.Namespace) -> int:
    slots = _slots(given.deployment)
    ear = open_ear(given.deployment if slots is None else slots.start())
    source = open_source(given.source, ear.facts.rate_hz, given.speed, lambda error: _complain(str(error)))
    line: Line
    news = _News(slots)
    runtime = Runtime(
        ear, _manner(given, ear), lambda said: line.tell(said), {"update": lambda _order: news.ask(runtime)}
    )
    line = _line(given, runtime)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: runtime.stop())
    code = 0
    try:
        for said in runtime.run(source, news.heard):
            _show(said, given.json)
    except HubError as error:
        _complain(str(error))
        code = FAILED
    if given.telemetry:
        line.tell([Said(TELEMETRY, runtime.tally.report())])
    if news.is_asked:
        line.tell([_update(given)])
    _summarise({**runtime.tally.report(), **line.end(given.drain)}, given.json)
    if news.is_asked:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return code


@dataclass
class _News:
    """What a device with slots does beside listening: proves its model, and stops when it is told to update."""

    slots: Slots | None
    is_asked: bool = False

    def heard(self) -> None:
        """A window was heard: the model on trial has shown that it runs."""
        if self.slots is not None:
            self.slots.confirm()

    def ask(self, runtime: Runtime) -> None:
        """Stop listening, to update."""
        if self.slots is None:
            raise HubError("this device has no slots", "one that was set up by `ossicle device update`", "Set it up")
        self.is_asked = True
        runtime.stop()


def _slots(folder: Path) -> Slots | None:
    return Slots(folder) if (folder / POINTER).is_file() else None


def _update(given: argparse.Namespace) -> Said:
    """Look at the repository; what came of it, for the hub."""
    from nodes.hub.ticket import read_ticket

    try:
        name = read_ticket(given.hub).device if given.hub else given.deployment.resolve().name
        found = follow(given.deployment, name, given.repository or "", given.root, given.channel)
    except HubError as error:
        found = {"outcome": "failed", "model": "", "why": error.what}
    return Said(RELEASE, found, datetime.now(UTC))


def follow(folder: Path, device: str, url: str, root: Path | None, channel: str) -> dict[str, str]:
    """Look once at a repository and install what this device shall run.

    Raises:
        HubError: it is not to be trusted, or cannot be reached; the model that runs is as before.
    """
    try:
        from nodes.hub.release.client import Follower, update
    except ModuleNotFoundError as error:
        raise HubError(f"{error.name} is not installed", "what checks signatures", "Run `pip install tuf`") from error
    try:
        trusted = root.read_bytes() if root is not None else b""
    except OSError as error:
        raise HubError(
            f"{root} cannot be read ({error.strerror})", "the repository's root.json", "Copy it here"
        ) from error
    return asdict(update(Follower(device, url, trusted, folder, channel)))


def _manner(given: argparse.Namespace, ear: Ear) -> Manner:
    facts = ear.facts
    return Manner(
        given.hop or facts.hop_s,
        given.threshold,
        given.smoothing or facts.smoothing,
        given.refractory,
        given.gate,
        given.telemetry,
    )


def _check(given: argparse.Namespace) -> None:
    rules = (
        ("--threshold", 0.0 < given.threshold < 1.0, "a number between 0 and 1"),
        ("--hop", given.hop is None or 0.01 <= given.hop <= 60.0, "0.01 to 60 seconds"),
        ("--smoothing", given.smoothing is None or given.smoothing >= 1, "at least 1"),
        ("--refractory", given.refractory >= 0.0, "at least 0 seconds"),
        ("--speed", given.speed >= 0.0, "at least 0"),
        ("--telemetry", given.telemetry >= 0.0, "at least 0 seconds"),
    )
    for name, is_so, expected in rules:
        if not is_so:
            raise HubError(f"{name} makes no sense", expected, "Correct it")


def _line(given: argparse.Namespace, runtime: Runtime) -> Line:
    if given.hub is None:
        return Line()
    try:
        from nodes.hub.access import Access
        from nodes.hub.endpoint import Broker
        from nodes.hub.outbox import Outbox
        from nodes.hub.sender import Sender
        from nodes.hub.ticket import read_ticket
    except ModuleNotFoundError as error:
        raise HubError(f"{error.name} is not installed", "the MQTT client", "Run `pip install paho-mqtt`") from error
    ticket = read_ticket(given.hub)
    with tempfile.NamedTemporaryFile("w", suffix=".crt") as ca:
        ca.write(ticket.ca)
        ca.flush()
        access = Access(ticket.device, ticket.password, Path(ca.name), client_id=ticket.device, version=given.mqtt)
        outbox = Outbox(given.outbox or given.hub.with_name(f"{ticket.device}.outbox"))
        broker = Broker(ticket.host, ticket.port, tls=True)
        sender = Sender(outbox, broker, access, ticket.device, ordered=runtime.order)
    sender.start()
    return Line(sender)


def _show(said: Said, as_json: bool) -> None:
    assert said.time is not None
    body = said.body
    if as_json:
        _tell(json.dumps({"time": time_text(said.time), **body}, ensure_ascii=False))
    else:
        _tell(f"{body['at_s']:10.2f} s  {body['label']:<16} {body['score']:6.1%}")


def _summarise(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _tell(json.dumps({"summary": found}))
    else:
        sys.stderr.write("  ".join(f"{name} {value}" for name, value in found.items() if value != "") + "\n")


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> None:
    """`python3 device.pyz run …`"""
    words = sys.argv[1:]
    if words[:1] != ["run"]:
        sys.stderr.write(
            "usage: device.pyz run DEPLOYMENT [--source mic|FILE|FOLDER] [--hub TICKET]; run --help tells more\n"
        )
        raise SystemExit(2)
    raise SystemExit(run(words[1:], "device.pyz run"))
