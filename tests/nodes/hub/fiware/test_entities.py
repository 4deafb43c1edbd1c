"""Events as entities: whatever a device says, a broker takes it, and it can be read back."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.hub.fiware.entities import device_entity, event_entity, name_of, place_of, plain
from nodes.hub.fiware.stub_state import refusal
from nodes.hub.store import Row, Waiting

TIME = "2026-11-21T08:00:00.123456Z"
BODY = {"label": "yes", "score": 0.97, "at_s": 1.5, "model": "ab12"}


def waiting(body: dict[str, Any], kind: str = "result", time: str = TIME) -> Waiting:
    return Waiting(1, "a" * 16, Row("kitchen", 2, 7, kind, time, TIME, body))


def test_an_event() -> None:
    assert event_entity(waiting(BODY)) == {
        "id": f"urn:ngsi-ld:AudioResult:kitchen-{'a' * 16}-7",
        "type": "AudioResult",
        "refDevice": {"type": "Relationship", "value": "urn:ngsi-ld:AudioDevice:kitchen"},
        "epoch": {"type": "Text", "value": "a" * 16},
        "label": {"type": "Text", "value": "yes"},
        "score": {"type": "Number", "value": 0.97},
        "at_s": {"type": "Number", "value": 1.5},
        "model": {"type": "Text", "value": "ab12"},
        "seq": {"type": "Number", "value": 7},
        "observedAt": {"type": "DateTime", "value": "2026-11-21T08:00:00.123Z"},
        "receivedAt": {"type": "DateTime", "value": "2026-11-21T08:00:00.123Z"},
    }


def test_a_device() -> None:
    entity = device_entity(waiting(BODY).row)
    assert entity["id"] == "urn:ngsi-ld:AudioDevice:kitchen"
    assert place_of({name: value["value"] for name, value in entity.items() if isinstance(value, dict)}) == (2, 7)


def test_the_same_number_of_another_epoch_is_another_entity() -> None:
    """A device that lost its outbox begins at 1 again; its events must not be taken for delivered."""
    first, second = waiting(BODY), Waiting(2, "b" * 16, waiting(BODY).row)
    assert event_entity(first)["id"] != event_entity(second)["id"]


@pytest.mark.parametrize("name", ["id", "type", "seq", "observedAt", "said_id", "", "dateExpires", "geo:distance"])
def test_devices_cannot_take_names_of_ours(name: str) -> None:
    entity = event_entity(waiting({name: "<evil>"}))
    assert entity["id"].startswith("urn:ngsi-ld:AudioResult:kitchen-")
    assert entity["seq"] == {"type": "Number", "value": 7}
    assert entity[f"said_{name}"]["value"] == "%3Cevil%3E"


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"])
def test_a_clock_far_off_is_text(time: str) -> None:
    assert event_entity(waiting(BODY, time=time))["observedAt"] == {"type": "Text", "value": time}


def test_whole_numbers_stay_whole() -> None:
    assert event_entity(waiting({"n": (1 << 63) - 1}))["n"] == {"type": "Text", "value": "9223372036854775807"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_whatever_a_device_says_a_broker_takes(body: dict[str, Any]) -> None:
    entity = event_entity(waiting(body))
    assert refusal(entity) == ""
    assert len(entity) == 7 + len(body), "no two names became one"


@settings(max_examples=80, deadline=None)
@given(st.text())
def test_text_comes_back(text: str) -> None:
    assert plain(event_entity(waiting({"said": text}))["said"]["value"]) == text


@given(st.text(min_size=100, max_size=400), st.text(min_size=100, max_size=400))
def test_long_names_stay_apart(first: str, second: str) -> None:
    assert len(name_of(first)) <= 256
    assert (name_of(first) == name_of(second)) == (first == second)
