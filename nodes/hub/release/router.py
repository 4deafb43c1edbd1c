"""Releases over the hub's HTTP API: roles, channels, models, and what devices said of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from nodes.hub.release.repository import Repository
from nodes.hub.store import Question, Store

MOST_WORDS = 100_000


def router(repository: Repository, store: Store) -> APIRouter:
    """Routes of a repository; publishing needs keys, which stay off line."""
    api = APIRouter(prefix="/api/releases", tags=["releases"])

    @api.get("", responses={409: {"description": "There is no repository."}})
    def releases() -> dict[str, Any]:
        """Roles and when their word ends, channels, models, and the fleet."""
        return {**repository.status(), "devices": fleet(store)}

    return api


def fleet(store: Store) -> Mapping[str, dict[str, str]]:
    """The newest word of every device on its model: outcome, model, why."""
    rows = store.events(Question(kind="release", limit=MOST_WORDS))
    newest = {row.device: row.body for row in reversed(rows)}
    return {name: {key: str(body.get(key, "")) for key in ("outcome", "model", "why")} for name, body in newest.items()}
