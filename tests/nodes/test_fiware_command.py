"""`ossicle hub fiware`, as a user meets it: a hub's results in a (stub) broker, commands from it to a device."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fiware_home import Obedient, agent_modules, agent_program, client
from hub_home import until
from typer.testing import CliRunner

from engine.errors import OssicleError
from engine.resource import resource
from nodes.hub.access import Access
from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError
from nodes.hub.event import Event, Key
from nodes.hub.fiware.entities import DEVICE_TYPE, device_id
from nodes.hub.fiware.ngsi import ContextBroker, Place
from nodes.hub.fiware.service import keys_of
from nodes.hub.fiware.stub import served
from nodes.hub.home import HubHome
from nodes.hub.outbox import Outbox
from nodes.hub.sender import Sender
from nodes.hub.store import SqliteStore
from nodes.hub.ticket import Ticket, read_ticket
from nodes.hub.window import Pace
from nodes.hub_command import app

TIME = datetime(2026, 11, 21, tzinfo=UTC)
WHERE = ("--service", "lab", "--service-path", "/audio")


def ossicle(*words: str | Path) -> Result:
    """The command in this process: starting many costs more than what they do."""
    return CliRunner().invoke(app, [str(word) for word in words])


@contextmanager
def running(*words: str | Path) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """A command that serves, and the line it prints; it ends in order when told to."""
    command = [sys.executable, "-m", "engine.cli", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@contextmanager
def connected(found: Ticket, folder: Path, device: Obedient) -> Iterator[None]:
    """A device at its hub, through TLS."""
    (folder / "ca.crt").write_text(found.ca)
    access = Access(found.device, found.password, folder / "ca.crt", client_id=found.device)
    place = Broker(found.host, found.port, tls=True)
    sender = Sender(Outbox(folder / "o.db"), place, access, found.device, Pace(resend_s=0.3), ordered=device.take)
    device.put = sender.put
    sender.start()
    assert until(lambda: sender.condition().is_connected)
    yield
    sender.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ContextBroker]:
    with served(tmp_path / "stub.db") as url:
        made = client(url)
        yield made
        made.close()


def store(folder: Path, *seqs: int) -> None:
    made = SqliteStore(HubHome(folder).store_file)
    made.commit([Event("kitchen", Key("a" * 16, seq), "result", TIME, {"label": "it's"}) for seq in seqs], TIME)
    made.close()


def test_a_hubs_results_reach_the_broker(tmp_path: Path, broker: ContextBroker) -> None:
    hub = tmp_path / "hub"
    store(hub, 1, 2)
    words = ("fiware", "forward", broker.place.url, *WHERE, "--folder", hub)
    done = ossicle(*words, "--once", "--json")
    assert (json.loads(done.stdout)["sent"], done.exit_code) == (2, 0), done.output
    assert [row["label"] for row in broker.entities("AudioResult")] == ["it%27s", "it%27s"]
    store(hub, 3)
    with running("hub", *words):
        assert until(lambda: len(broker.entities("AudioResult")) == 3)
        store(hub, 4)
        assert until(lambda: len(broker.entities("AudioResult")) == 4)
    assert ossicle("fiware", "forget", "--folder", hub).exit_code == 0
    store(hub, 5)
    assert json.loads(ossicle(*words, "--once", "--json").stdout)["sent"] == 5, "all of it again, harmlessly"
    assert len(broker.entities("AudioResult")) == 5


def test_a_broker_can_be_checked(broker: ContextBroker) -> None:
    done = ossicle("fiware", "check", broker.place.url, *WHERE)
    assert done.exit_code == 0 and "stub" in done.stdout and "FAIL" not in done.stdout
    assert done.stdout.count("ok  ") == 13


def test_the_stub_says_what_it_is(tmp_path: Path) -> None:
    with running("hub", "fiware", "stub", tmp_path / "s.db") as (_, said):
        assert said["stub"] is True
        found = ContextBroker(Place(said["url"]))
        assert "stub" in found.version()
        found.close()


def test_a_command_reaches_a_device_through_agent_hub_and_broker(tmp_path: Path, broker: ContextBroker) -> None:
    """Everything real but the context broker: agent library, hub, MQTT broker with TLS, forwarder."""
    modules = agent_modules()
    assert modules is not None, "the npm package iotagent-node-lib is not installed: run `make setup-test`"
    folder = tmp_path / "hub"
    agent = agent_program(broker.place.url, modules)
    agent.program.start()
    try:
        with running("hub", "serve", "--folder", folder) as (_, hub):
            assert ossicle("enrol", "kitchen", "-o", tmp_path / "t", "--folder", folder).exit_code == 0
            kitchen, device = (device_id("kitchen"), DEVICE_TYPE), Obedient()
            words = ("--folder", folder, "--agent", agent.program.url, "--hub", hub["api"])
            with (
                running("hub", "fiware", "forward", broker.place.url, *WHERE, *words),
                connected(read_ticket(tmp_path / "t"), tmp_path, device),
            ):
                assert until(lambda: broker.command(*kitchen, "threshold", 0.7))
                assert until(lambda: (broker.get(*kitchen) or {}).get("threshold_status") == "OK")
                assert (broker.get(*kitchen) or {})["threshold_info"] == "done"
                assert device.runtime._rule.threshold == 0.7
    finally:
        agent.program.kill()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("forward", "http://127.0.0.1:9", "--once"), "cannot be reached"),
        (("forward", "nonsense", "--once"), "no address"),
        (("forward", "http://someone:word@127.0.0.1:9"), "no address"),
        (("forward", "http://127.0.0.1:9", "--agent", "http://127.0.0.1:9"), "without --hub"),
        (("forward", "http://127.0.0.1:9", "--service", "No Such"), "no service"),
        (("forward", "http://127.0.0.1:9", "--token-file", "nowhere"), "cannot be read"),
        (("check", "http://127.0.0.1:9"), "cannot be reached"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    folder = ("--folder", tmp_path) if words[0] == "forward" else ()
    if words[-1] == "--once" and words[1].startswith("http"):
        store(tmp_path, 1)
    done = ossicle("fiware", *words, *folder)
    assert isinstance(done.exception, OssicleError), done.output
    assert said in str(done.exception) and "word@" not in str(done.exception)


def test_keys_are_kept_private(tmp_path: Path) -> None:
    first = keys_of(tmp_path)
    assert keys_of(tmp_path) == first and (tmp_path / "fiware.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"agent": "", "desk": "x"}', '{"agent": 7, "desk": "x"}', "\0"])
def test_damaged_keys_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "fiware.json").write_text(text)
    with pytest.raises(HubError, match="holds no keys"):
        keys_of(tmp_path)


def test_the_agent_library_is_pinned_and_names_no_host() -> None:
    lock = json.loads(resource("fiware/package-lock.json").read_text())
    packages = lock["packages"]
    assert packages["node_modules/iotagent-node-lib"]["version"] == "4.14.0"
    assert packages[""]["dependencies"] == {"iotagent-node-lib": "4.14.0"}
    assert not any("resolved" in found for found in packages.values())
    assert all("integrity" in found for name, found in packages.items() if name)
