"""Shipped files are found in a checkout."""

from __future__ import annotations

import json

import pytest

from engine.errors import OssicleError
from engine.resource import resource


def test_schema_is_found() -> None:
    assert json.loads(resource("schemas/workflow.schema.json").read_text())["title"] == "Ossicle workflow"


def test_missing_resource_is_told() -> None:
    with pytest.raises(OssicleError, match="resources/nothing.txt"):
        resource("nothing.txt")
