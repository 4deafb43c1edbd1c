"""Destinations: the four forms, and what is refused."""

import pytest

from nodes.hub import Broker, HubError, JournalFile, parse_endpoint


@pytest.mark.parametrize(
    ("url", "wanted", "text"),
    [
        ("mqtt://hub.local", Broker("hub.local", 1883, False), "mqtt://hub.local:1883"),
        ("mqtts://hub.local", Broker("hub.local", 8883, True), "mqtts://hub.local:8883"),
        (" mqtts://10.0.0.1:9000/ ", Broker("10.0.0.1", 9000, True), "mqtts://10.0.0.1:9000"),
        ("mqtt://[::1]:1884", Broker("::1", 1884, False), "mqtt://[::1]:1884"),
        ("", JournalFile(""), "local file"),
        ("file:///tmp/a%20b.jsonl", JournalFile("/tmp/a b.jsonl"), "file:/tmp/a b.jsonl"),
        ("file:sent.jsonl", JournalFile("sent.jsonl"), "file:sent.jsonl"),
    ],
)
def test_forms(url: str, wanted: object, text: str) -> None:
    """Each form is read, with its default port, and written back."""
    endpoint = parse_endpoint(url)
    assert endpoint == wanted
    assert str(endpoint) == text


@pytest.mark.parametrize(
    "url",
    ["localhost", "http://hub", "mqtt://", "mqtt://hub:port", "mqtt://hub:70000", "mqtt://hub/topic", "file://host/a",
     "file:", "mqtt://[::1", "ws://hub"],
)  # fmt: skip
def test_refused(url: str) -> None:
    """Anything else is refused in three parts."""
    with pytest.raises(HubError) as caught:
        parse_endpoint(url)
    assert caught.value.what and caught.value.expected and caught.value.remedy


@pytest.mark.parametrize("url", ["mqtt://me:hunter2@hub", "mqtts://me:hunter2@hub:8883", "http://me:hunter2@hub"])
def test_no_password_in_addresses(url: str) -> None:
    """A password in the address would be stored in the workflow file: refused, and not repeated in the message."""
    with pytest.raises(HubError) as caught:
        parse_endpoint(url)
    assert "hunter2" not in str(caught.value)
