"""Messages: ids from content, time on the wire only, nothing that is no result."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from nodes.hub import HubError, Item, make_messages

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
ITEMS = (Item("model", {"name": "tc_resnet8"}, retain=True), Item("report", {"metrics": {"accuracy": 0.94}}))


def test_ids_and_topics() -> None:
    """Ids are DEVICE-DIGEST-SEQ, topics PREFIX/DEVICE/KIND."""
    first, second = make_messages(ITEMS, prefix="evt", device="kitchen")
    assert first.topic == "evt/kitchen/model" and second.topic == "evt/kitchen/report"
    assert (first.retain, second.retain) == (True, False)
    epoch = first.id.split("-")[1]
    assert [first.id, second.id] == [f"kitchen-{epoch}-1", f"kitchen-{epoch}-2"]


def test_equal_content_has_equal_ids_whenever_it_is_sent() -> None:
    """Ids and digests depend on content only; the payload alone carries the time."""
    one, two = make_messages(ITEMS, prefix="evt", device="d"), make_messages(ITEMS, prefix="evt", device="d")
    assert [m.id for m in one] == [m.id for m in two]
    assert one[0].digest() == two[0].digest()
    payload = json.loads(one[1].payload(NOW))
    assert payload.pop("time") == "2026-11-21T11:00:00.123Z"
    assert payload == one[1].content() == {
        "id": one[1].id, "seq": 2, "device": "d", "kind": "report", "metrics": {"accuracy": 0.94},
    }  # fmt: skip
    assert one[1].payload(NOW) != one[1].payload(datetime.now(UTC))


def test_other_content_has_other_ids() -> None:
    """A hub that keeps one row per id must not drop new results."""
    other = (ITEMS[0], Item("report", {"metrics": {"accuracy": 0.95}}))
    assert make_messages(ITEMS, prefix="evt", device="d")[1].id != make_messages(other, prefix="evt", device="d")[1].id


@pytest.mark.parametrize(
    ("prefix", "device"),
    [("evt", "a/b"), ("evt", "a+"), ("evt/#", "a"), ("$SYS", "a"), ("/evt", "a"), ("evt/", "a"), ("evt", ""),
     ("evt", "a\0b")],
)  # fmt: skip
def test_topics_that_cannot_be(prefix: str, device: str) -> None:
    """Wildcards, system topics and empty levels are refused."""
    with pytest.raises(HubError, match="topic|slash"):
        make_messages(ITEMS, prefix=prefix, device=device)


@pytest.mark.parametrize("body", [{"x": float("nan")}, {"x": float("inf")}, {"x": b"audio"}, {"x": "y" * 300_000}])
def test_bodies_that_are_no_results(body: dict[str, object]) -> None:
    """Numbers that JSON lacks, bytes, and anything as large as audio are refused."""
    with pytest.raises(HubError) as caught:
        make_messages([Item("report", body)], prefix="evt", device="d")
    assert caught.value.remedy
