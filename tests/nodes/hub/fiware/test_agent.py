"""Devices at the real IoT agent library: provisioned, measured, commanded, and there again after it forgot them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fiware_home import Agent, Obedient, agent_modules, agent_program, client
from hub_home import until

from nodes.hub.access import Access
from nodes.hub.api import create_app
from nodes.hub.errors import HubError
from nodes.hub.fiware import commands as desk_module
from nodes.hub.fiware.agent import COMMANDS, Desk, IotAgent, Registrar, ensure
from nodes.hub.fiware.commands import PREFIX, Commands, create_desk
from nodes.hub.fiware.entities import DEVICE_TYPE, device_id
from nodes.hub.fiware.forward import Forwarder
from nodes.hub.fiware.ngsi import ContextBroker, Place
from nodes.hub.fiware.served import Served
from nodes.hub.fiware.stub import served
from nodes.hub.home import HubHome
from nodes.hub.hub import Hub
from nodes.hub.outbox import Outbox, Said
from nodes.hub.sender import Sender
from nodes.hub.window import Pace

KEY, DESK_KEY, TOKEN = "a key for the agent", "a-key-for-the-desk", "a word for tests"
SERVICE = {"service": "lab", "path": "/audio"}
LIMIT_MS = 50.0
TRIES = 25


@dataclass
class Town:
    """A stub broker, the real agent, a hub with a device that answers, and the desk between them."""

    broker: ContextBroker
    agent: Agent
    admin: IotAgent
    hub: Hub
    commands: Commands
    heard: list[bytes]
    times: list[float]
    desk: str
    sender: Sender

    def entity(self, device: str = "kitchen") -> dict[str, Any]:
        """A device's entity as the broker shows it."""
        return dict(self.broker.get(device_id(device), DEVICE_TYPE) or {})

    def outcome(self, name: str) -> tuple[str, str]:
        """Wait until a command has an outcome."""
        assert until(lambda: self.entity().get(f"{name}_status") in ("OK", "ERROR"), 10.0), self.entity()
        found = self.entity()
        return found[f"{name}_status"], found[f"{name}_info"]

    def command(self, name: str, value: Any) -> tuple[str, str]:
        """Command the device and wait for the outcome; what the last one left is wiped away first."""
        wiped = {"id": device_id("kitchen"), "type": DEVICE_TYPE, f"{name}_status": {"type": "Text", "value": "no"}}
        self.broker.update([wiped])
        assert self.broker.command(device_id("kitchen"), DEVICE_TYPE, name, value)
        return self.outcome(name)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    modules = agent_modules()
    assert modules is not None, "the npm package iotagent-node-lib is not installed: run `make setup-test`"
    folder = tmp_path_factory.mktemp("town")
    hub = Hub(HubHome(folder / "hub"))
    hub.start()
    answers = Obedient()
    sender = _device(hub, folder, answers)
    app = create_app(hub, TOKEN, ("127.0.0.1", "localhost"))
    with served(folder / "stub.db") as broker_url, Served(app) as hub_url:
        commands = Commands(desk_module.Hub.at(hub_url, TOKEN), patience_s=2.0)
        commands.start()
        with Served(create_desk(commands, DESK_KEY)) as desk_url:
            agent = agent_program(broker_url, modules)
            agent.program.start()
            desk = f"{desk_url}{PREFIX}/{DESK_KEY}"
            admin = IotAgent(Place(agent.program.url, **SERVICE), Desk(KEY, desk))
            broker = client(broker_url)
            yield Town(broker, agent, admin, hub, commands, answers.heard, answers.times, desk, sender)
            agent.program.kill()
            admin.close()
            broker.close()
        hub.feed.close()
        commands.stop()
    sender.stop()
    hub.stop()


def _device(hub: Hub, folder: Path, answers: Obedient) -> Sender:
    """A device whose runtime does as a real one: it listens to nothing, but takes orders."""
    ticket = hub.enrol("kitchen")
    (folder / "kitchen.crt").write_text(ticket.ca)
    access = Access("kitchen", ticket.password, folder / "kitchen.crt", client_id="kitchen")
    sender = Sender(
        Outbox(folder / "kitchen.db"), hub.address, access, "kitchen", Pace(resend_s=0.3), ordered=answers.take
    )
    answers.put = sender.put
    sender.start()
    assert until(lambda: sender.condition().is_connected)
    return sender


def test_the_library_is_the_real_one(town: Town) -> None:
    assert town.admin.about()["libVersion"] == "4.14.0"


def test_devices_are_provisioned_once(town: Town) -> None:
    assert ensure(town.admin, town.broker, ["kitchen", "hall"]) == ("kitchen", "hall")
    assert ensure(town.admin, town.broker, ["kitchen", "hall"]) == ()
    assert sorted(town.admin.devices()) == ["hall", "kitchen"]
    assert not town.admin.provision("hall") and not town.admin.serve()
    assert ensure(town.admin, town.broker, ["kitchen"]) == ("hall",)
    assert list(town.admin.devices()) == ["kitchen"]
    assert len(town.broker.registrations()) == 1


def test_object_ids_become_attributes(town: Town) -> None:
    ensure(town.admin, town.broker, ["kitchen"])
    answer = httpx.post(town.agent.south, params={"k": KEY, "i": "kitchen"}, json={"l": "yes", "s": 0.97, "n": 7})
    assert answer.status_code == 200, answer.text
    found = town.entity()
    assert (found["label"], found["score"], found["seq"]) == ("yes", 0.97, 7)
    foreign = httpx.post(town.agent.south, params={"k": "another", "i": "kitchen"}, json={"l": "no"})
    assert foreign.status_code >= 400 and town.entity()["label"] == "yes"


def test_a_command_goes_there_and_back(town: Town) -> None:
    ensure(town.admin, town.broker, ["kitchen"])
    assert town.command("threshold", 0.7) == ("OK", "done")
    assert b'"order": "threshold"' in town.heard[-1] and b'"value": 0.7' in town.heard[-1]
    assert town.command("report", "") == ("OK", "done")
    assert town.command("update", {"channel": "stable"}) == ("OK", "done")
    assert b'"channel": "stable"' in town.heard[-1]


def test_what_a_device_refuses_is_told(town: Town) -> None:
    ensure(town.admin, town.broker, ["kitchen"])
    status, info = town.command("threshold", 7)
    assert status == "ERROR" and "kitchen refused threshold" in info


def test_a_command_for_nobody_is_refused(town: Town) -> None:
    assert not town.broker.command(device_id("cellar"), DEVICE_TYPE, "threshold", 0.7)


def test_every_command_reaches_the_device_soon(town: Town) -> None:
    """From the broker's PATCH to the device; the way back waits for two disks, the device's and the hub's."""
    ensure(town.admin, town.broker, ["kitchen"])
    taken_ms = []
    for number in range(TRIES):
        heard, begun = len(town.heard), time.perf_counter()
        town.broker.command(device_id("kitchen"), DEVICE_TYPE, "threshold", 0.3 + 0.01 * number)
        assert until(lambda heard=heard: len(town.heard) > heard), "a command was lost"  # type: ignore[misc]
        taken_ms.append(1e3 * (town.times[-1] - begun))
    assert len(taken_ms) == TRIES and min(taken_ms) < LIMIT_MS, taken_ms
    assert until(lambda: sum(row.kind == "answer" for row in town.hub.store.history("kitchen")) >= TRIES)


def test_an_agent_that_forgot_everything_learns_it_again(town: Town) -> None:
    """Killed: its registry was in memory. Nothing that was forwarded is lost, and commands work again."""
    ensure(town.admin, town.broker, ["kitchen"])
    registrar = Registrar(town.admin, town.broker, lambda: ["kitchen"], every_s=0.2)
    registrar.start()
    try:
        town.agent.program.kill()
        assert until(lambda: "cannot be reached" in registrar.problem)
        assert not town.broker.command(device_id("kitchen"), DEVICE_TYPE, "threshold", 0.7)
        town.agent.program.start()
        assert until(lambda: registrar.changes == 1 and not registrar.problem)
        assert len(town.broker.registrations()) == 1
        assert town.command("threshold", 0.4) == ("OK", "done")
    finally:
        registrar.stop()


def test_a_desk_that_moved_is_told(town: Town) -> None:
    ensure(town.admin, town.broker, ["kitchen"])
    moved = IotAgent(Place(town.agent.program.url, **SERVICE), Desk(KEY, f"{town.desk}x"))
    assert ensure(moved, town.broker, ["kitchen"]) == ("kitchen",)
    status, _ = town.command("threshold", 0.7)
    assert status == "ERROR"
    assert ensure(town.admin, town.broker, ["kitchen"]) == ("kitchen",)
    assert town.command("threshold", 0.7) == ("OK", "done")
    moved.close()


def test_results_reach_the_same_entity(town: Town) -> None:
    """One entity per device: its newest result from the hub, its commands from the agent."""
    ensure(town.admin, town.broker, ["kitchen"])
    town.hub.store.follow()
    forwarder = Forwarder(town.hub.store, town.broker)
    answers = [row.seq for row in town.hub.store.history("kitchen") if row.kind == "answer"]
    assert answers, "the device's answers are events like any other"
    town.sender.put([Said("result", {"label": "stop", "score": 0.9, "at_s": 1.0, "model": "ab"})])
    assert until(lambda: any(row.body.get("label") == "stop" for row in town.hub.store.latest()))
    forwarder.drain()
    found = town.entity()
    assert found["label"] == "stop" and found["threshold_status"] == "OK" and found["name"] == "kitchen"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("wrong/kitchen", {"threshold": 0.7}, 404),
        (f"{DESK_KEY}/kit chen", {"threshold": 0.7}, 404),
        (f"{DESK_KEY}/..%2f..%2fapi", {"threshold": 0.7}, 404),
        (f"{DESK_KEY}/kitchen", {}, 422),
        (f"{DESK_KEY}/kitchen", {"Drop Table": 1}, 422),
        (f"{DESK_KEY}/kitchen", {"jump": 1}, 409),
        (f"{DESK_KEY}/nobody", {"threshold": 0.7}, 503),
    ],
)
def test_what_the_desk_takes(town: Town, path: str, body: dict[str, Any], status: int) -> None:
    address = town.desk.removesuffix(DESK_KEY)
    assert httpx.post(f"{address}{path}", json=body, timeout=10.0).status_code == status


def test_an_agent_needs_a_service() -> None:
    with pytest.raises(HubError, match="no service"):
        IotAgent(Place("http://127.0.0.1:9"), Desk(KEY, "http://127.0.0.1:9"))


def test_every_order_of_a_device_is_a_command() -> None:
    assert {"threshold", "report", "update"} <= set(COMMANDS)


def test_keys_are_shown_nowhere() -> None:
    shown = repr(Desk("secret", "http://desk/secret")) + repr(Place("http://broker", token="secret"))
    assert "secret" not in shown


def test_a_hub_that_is_not_there_is_told() -> None:
    commands = Commands(desk_module.Hub.at("http://127.0.0.1:9", TOKEN), patience_s=0.3)
    commands.start()
    assert until(lambda: "cannot be reached" in commands.problem)
    with pytest.raises(HubError, match="cannot be heard") as caught:
        commands.ask("kitchen", "threshold", 0.7)
    assert not caught.value.is_final
    commands.stop()
