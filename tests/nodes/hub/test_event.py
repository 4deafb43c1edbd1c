"""Batches and acknowledgements: what is written is read, and nothing malformed gets through."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.hub.errors import HubError
from nodes.hub.event import (
    LARGEST_BATCH_BYTES,
    LARGEST_EVENT_BYTES,
    Ack,
    Entry,
    Key,
    Refusal,
    body_text,
    check_device,
    decode,
    decode_ack,
    encode,
    encode_ack,
    ranges,
)

EPOCH = "0123456789abcdef"
TIME = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
GOOD = '{"label":"yes","kind":"result","time":"2026-11-21T12:00:00Z"}'
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "label"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def batch(*rows: str) -> bytes:
    return f'{{"format":1,"epoch":"{EPOCH}","events":[{",".join(rows)}]}}'.encode()


@given(st.lists(st.dictionaries(st.sampled_from(["label", "score", "extra"]), plain), min_size=1, max_size=5))
def test_what_is_written_is_read(bodies: list[dict[str, object]]) -> None:
    entries = [Entry(Key(EPOCH, seq), body_text("result", TIME, body)) for seq, body in enumerate(bodies, 1)]
    events, refused = decode("kitchen", encode(entries))
    assert refused == ()
    assert [event.body for event in events] == bodies
    assert [event.key.seq for event in events] == list(range(1, len(bodies) + 1))
    assert {event.time for event in events} == {TIME}
    assert events[0].id == f"kitchen-{EPOCH}-1"


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\xff\xfe", b"null", b"[]", b"{}", b'{"format":2}', b"[" * 100_000, b"x" * (LARGEST_BATCH_BYTES + 1),
        b'{"format":1,"epoch":"x","events":[]}', b'{"format":1,"epoch":"0123456789abcdef","events":{}}',
        batch("[0,{}]"), batch("[-1,{}]"), batch('["1",{}]'), batch("[true,{}]"), batch("[1]"), batch("7"),
        batch(f"[{1 << 63},{{}}]"), batch('[1,{"x":NaN}]'), batch(*["[1,{}]"] * 1001),
        b'{"format":1,"epoch":"0123456789abcdef; DROP","events":[]}',
    ],
)  # fmt: skip
def test_what_is_no_batch_is_told(payload: bytes) -> None:
    with pytest.raises(HubError, match="no batch of events"):
        decode("kitchen", payload)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("7", "no object"),
        ("{}", "no kind"),
        ('{"kind":"Result; --"}', "no kind"),
        ('{"kind":"result"}', "no time"),
        ('{"kind":"result","time":"yesterday"}', "no time"),
        ('{"kind":"result","time":"2026-11-21T12:00:00"}', "no time"),
        ('{"kind":"result","time":"0001-01-01T00:00:00+23:59"}', "no time"),
        (GOOD[:-1] + ',"x":"\\u0000"}', "NUL"),
        (GOOD[:-1] + ',"\\u0000":1}', "NUL"),
        (GOOD[:-1] + ',"x":"\\ud800"}', "half a character"),
        (GOOD[:-1] + ',"x":1e999}', "not finite"),
        (GOOD[:-1] + ',"x":' + "9" * 30 + "}", "64 bits"),
        (GOOD[:-1] + ',"x":' + "[" * 12 + "]" * 12 + "}", "nested"),
    ],
)
def test_a_bad_event_is_refused_and_its_neighbours_are_not(body: str, why: str) -> None:
    events, refused = decode("kitchen", batch(f"[1,{GOOD}]", f"[2,{body}]", f"[3,{GOOD}]"))
    assert [event.key.seq for event in events] == [1, 3]
    assert [item.key.seq for item in refused] == [2]
    assert why in refused[0].reason


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_an_error(payload: bytes) -> None:
    try:
        decode("kitchen", payload)
    except HubError:
        pass


@given(st.lists(st.integers(1, 60), max_size=40))
def test_ranges_hold_every_number_once(numbers: list[int]) -> None:
    found = ranges(numbers)
    assert [n for first, last in found for n in range(first, last + 1)] == sorted(set(numbers))
    assert all(left[1] + 1 < right[0] for left, right in zip(found, found[1:], strict=False))


def test_an_acknowledgement_is_read_as_it_was_written() -> None:
    ack = Ack(EPOCH, ((1, 5), (9, 9)), (Refusal(Key(EPOCH, 7), "no kind"),))
    assert decode_ack(encode_ack(ack)) == ack


@pytest.mark.parametrize("field", ["epoch", "done", "refused"])
def test_a_damaged_acknowledgement_is_told(field: str) -> None:
    raw = json.loads(encode_ack(Ack(EPOCH, ((1, 5),))))
    raw[field] = [[5, 1]]
    with pytest.raises(HubError):
        decode_ack(json.dumps(raw).encode())


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a.b", "../x", "x" * 65, "-a", "a b", "ä", "a\0", "a\n"])
def test_names_that_no_topic_holds_are_refused(name: str) -> None:
    with pytest.raises(HubError, match="no name of a device"):
        check_device(name)


def test_bodies_that_cannot_travel_are_refused() -> None:
    with pytest.raises(HubError, match="cannot be written as JSON"):
        body_text("result", TIME, {"score": float("nan")})
    with pytest.raises(HubError, match="at most"):
        body_text("result", TIME, {"audio": "x" * LARGEST_EVENT_BYTES})
    with pytest.raises(HubError, match="no kind"):
        body_text("Result", TIME, {})
