"""The stub context broker answers as the real one was seen to."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from nodes.hub.errors import HubError
from nodes.hub.fiware import stub as stub_module
from nodes.hub.fiware.conformance import CHECKS, Bench, Outcome, listening, run
from nodes.hub.fiware.ngsi import Api, ContextBroker, Place
from nodes.hub.fiware.stub import served
from nodes.hub.fiware.stub_state import Kept


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("stub") / "broker.db") as url:
        yield url


@pytest.fixture(scope="module")
def outcomes(stub: str) -> dict[str, Outcome]:
    return {found.name: found for found in run(Place(stub, "lab", "/audio"))}


@pytest.mark.parametrize("name", CHECKS)
def test_conformance(outcomes: dict[str, Outcome], name: str) -> None:
    assert outcomes[name].passed, outcomes[name].found


def test_checks_leave_nothing_behind(stub: str, outcomes: dict[str, Outcome]) -> None:
    assert outcomes
    for path in ("/audio", "/"):
        broker = ContextBroker(Place(stub, "lab", path))
        assert broker.entities("OssicleCheck") == () and broker.subscriptions() == ()
        broker.close()


def test_it_says_that_it_is_a_stub(stub: str) -> None:
    broker = ContextBroker(Place(stub))
    assert broker.version()["stub"]["is_orion"] is False
    broker.close()


MUTANTS = {
    "an entity is made once; again is 422": ("entity", lambda *_: None),
    "forbidden characters are refused": ("refusal", lambda _entity: ""),
    "only watched attributes that change are told": ("told", lambda *_: ()),
    "commands reach who registered": ("providers", lambda *_: {}),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_checks_can_fail(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that does one thing wrong fails the check for it."""
    what, wrong = MUTANTS[name]
    owner = stub_module if what == "refusal" else Kept
    monkeypatch.setattr(owner, what, wrong)
    with served(tmp_path / "broker.db") as url, listening() as listener:
        broker = ContextBroker(Place(url))
        with pytest.raises(HubError):
            CHECKS[name](Bench(broker, replace(listener), "mark"))
        broker.close()


def test_a_server_that_is_no_broker_is_told() -> None:
    with listening() as deaf, pytest.raises(HubError, match="answered 501"):
        run(Place(deaf.url))


@pytest.mark.parametrize(
    "place",
    [
        Place("ftp://127.0.0.1"),
        Place("http://someone:word@127.0.0.1"),
        Place("http://127.0.0.1", "Upper"),
        Place("http://127.0.0.1", "lab", "audio"),
        Place("http://127.0.0.1", "lab", "/a b"),
        Place("http://127.0.0.1", "lab", "/../etc"),
    ],
)
def test_places_that_are_none(place: Place) -> None:
    with pytest.raises(HubError) as caught:
        ContextBroker(place)
    assert "word" not in str(caught.value)


def test_a_broker_that_is_not_there_may_come_back() -> None:
    with pytest.raises(HubError, match="cannot be reached") as caught:
        ContextBroker(Place("http://127.0.0.1:9"), 1.0).probe()
    assert not caught.value.is_final


def test_what_is_no_broker_is_told(stub: str) -> None:
    api = Api(Place(stub), "context broker")
    with pytest.raises(HubError, match="answered 404") as caught:
        api.ask("GET", "/nothing", fine=[200])
    assert not caught.value.is_final
    api.close()


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"id": 7}', b'{"id": "a", "b": 1}', b"{}", b'{"id": "a b"}'])
def test_malformed_requests_are_refused(stub: str, body: bytes) -> None:
    answer = httpx.post(f"{stub}/v2/entities", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
