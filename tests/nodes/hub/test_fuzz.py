"""Whatever is sent to the HTTP API: it answers as its own OpenAPI says, and never with an error of its own."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nodes.hub.api import create_app
from nodes.hub.hub import Hub

TOKEN = "a word for tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
STREAMS = ("/api/live",)


@pytest.fixture(scope="module")
def api(hub: Hub) -> Any:
    found = schemathesis.openapi.from_asgi("/openapi.json", create_app(hub, TOKEN, ["*"]), headers=HEADERS)
    return found.exclude(path=list(STREAMS))


@pytest.fixture(scope="module")
def client(hub: Hub) -> TestClient:
    return TestClient(create_app(hub, TOKEN, ["*"]), headers=HEADERS, raise_server_exceptions=False)


def test_the_api_keeps_its_word(api: Any) -> None:
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) >= 9
    for operation in operations:
        check(operation)


def check(operation: Any) -> None:
    """Well-formed and malformed requests to one operation."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def fuzz(case: Any) -> None:
        case.call_and_validate(headers=HEADERS)

    fuzz()


@given(
    path=st.text(max_size=40),
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT", "PATCH"]),
    content=st.binary(max_size=200),
)
@settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_any_request_is_answered_and_none_breaks_the_hub(
    client: TestClient, path: str, method: str, content: bytes
) -> None:
    answer = client.request(method, "/api/devices/" + quote(path, safe=""), content=content)
    assert answer.status_code < 500
