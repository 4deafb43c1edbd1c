"""What the stub context broker keeps: entities, subscriptions and registrations, in one SQLite file."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entities (
  service TEXT, path TEXT, id TEXT, type TEXT, made INTEGER, body TEXT, PRIMARY KEY (service, path, id, type));
CREATE TABLE IF NOT EXISTS kept (number TEXT PRIMARY KEY, kind TEXT, service TEXT, path TEXT, body TEXT);
"""
FORBIDDEN: Final = re.compile(r"[<>\"'=;()]")
IDENTIFIER: Final = re.compile(r"[^\s&?/#<>\"'=;()\x00-\x1f\x7f-\uffff]{1,256}")
Where = tuple[str, str]
Entity = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """A notification to send."""

    subscription: str
    url: str
    entity: Entity


class Kept:
    """The file. Each change is one transaction: a kill keeps all or nothing of it."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)

    def entity(self, where: Where, entity_id: str, type_: str) -> Entity | None:
        """An entity as it was written."""
        query = "SELECT body FROM entities WHERE service = ? AND path = ? AND id = ? AND type = ?"
        row = self._db.execute(query, (*where, entity_id, type_)).fetchone()
        return json.loads(row[0]) if row else None

    def find(self, where: Where, entity_id: str, type_: str) -> Entity | None:
        """An entity, of any type where none is named."""
        query = "SELECT body FROM entities WHERE service = ? AND path = ? AND id = ? AND (? = '' OR type = ?)"
        row = self._db.execute(query, (*where, entity_id, type_, type_)).fetchone()
        return json.loads(row[0]) if row else None

    def entities(self, where: Where, type_: str, limit: int, offset: int) -> list[Entity]:
        """Entities in the order in which they were made."""
        query = (
            "SELECT body FROM entities WHERE service = ? AND path = ? AND (? = '' OR type = ?) "
            "ORDER BY made, id LIMIT ? OFFSET ?"
        )
        return [json.loads(body) for (body,) in self._db.execute(query, (*where, type_, type_, limit, offset))]

    def put(self, where: Where, entity: Entity) -> None:
        """Write an entity."""
        self._db.execute(
            "INSERT INTO entities VALUES (?, ?, ?, ?, (SELECT COALESCE(MAX(rowid), 0) + 1 FROM entities), ?) "
            "ON CONFLICT DO UPDATE SET body = excluded.body",
            (*where, entity["id"], entity["type"], json.dumps(entity)),
        )

    def delete(self, where: Where, entity_id: str, type_: str) -> bool:
        """Remove an entity; whether there was one."""
        query = "DELETE FROM entities WHERE service = ? AND path = ? AND id = ? AND type = ?"
        return self._db.execute(query, (*where, entity_id, type_)).rowcount == 1

    def keep(self, kind: str, where: Where, body: Mapping[str, Any]) -> str:
        """Keep a subscription or registration; its id."""
        number = secrets.token_hex(12)
        self._db.execute("INSERT INTO kept VALUES (?, ?, ?, ?, ?)", (number, kind, *where, json.dumps(body)))
        return number

    def listed(self, kind: str, where: Where) -> list[Entity]:
        """Subscriptions or registrations."""
        query = "SELECT number, body FROM kept WHERE kind = ? AND service = ? AND path = ? ORDER BY rowid"
        rows = self._db.execute(query, (kind, *where)).fetchall()
        return [{"id": number, "status": "active", **json.loads(body)} for number, body in rows]

    def forget(self, where: Where, number: str) -> bool:
        """Drop one of them; whether there was one."""
        query = "DELETE FROM kept WHERE number = ? AND service = ? AND path = ?"
        return self._db.execute(query, (number, *where)).rowcount == 1

    def providers(self, where: Where, entity_id: str, type_: str) -> dict[str, list[str]]:
        """Attributes of an entity that other servers answer for, by their address."""
        found: dict[str, list[str]] = {}
        for row in self.listed("registrations", where):
            if any(_is_meant(meant, entity_id, type_) for meant in row["dataProvided"]["entities"]):
                found.setdefault(row["provider"]["http"]["url"], []).extend(row["dataProvided"].get("attrs", []))
        return found

    def told(self, where: Where, entity: Entity, changed: set[str]) -> Iterator[Told]:
        """Who is to be told of a change: those for whom a watched attribute is among the changed ones."""
        for row in self.listed("subscriptions", where):
            watched = set(row["subject"].get("condition", {}).get("attrs", [])) or changed
            is_meant = any(_is_meant(meant, entity["id"], entity["type"]) for meant in row["subject"]["entities"])
            if is_meant and watched & changed:
                wanted = row["notification"].get("attrs") or [name for name in entity if name not in ("id", "type")]
                part = {name: entity[name] for name in wanted if name in entity}
                told = {"id": entity["id"], "type": entity["type"], **part}
                yield Told(row["id"], row["notification"]["http"]["url"], told)


def merged(old: Entity | None, given: Mapping[str, Any]) -> Entity:
    """An entity with attributes made or changed, each with type and metadata."""
    attributes = {name: _whole(value) for name, value in given.items() if name not in ("id", "type")}
    return {**(old or {"id": given["id"], "type": given.get("type", "Thing")}), **attributes}


def shown(entity: Entity, given: Mapping[str, str]) -> Entity:
    """An entity as it was asked for: some attributes, or name to value."""
    wanted = {name for name in given.get("attrs", "").split(",") if name}
    part = {name: value for name, value in entity.items() if name in ("id", "type") or not wanted or name in wanted}
    if "keyValues" not in given.get("options", ""):
        return part
    return {name: value if name in ("id", "type") else value["value"] for name, value in part.items()}


def refusal(entity: Any) -> str:
    """Why a broker would not take an entity; empty if it would."""
    if not isinstance(entity, dict) or not isinstance(entity.get("id"), str):
        return "entity id"
    if not all(IDENTIFIER.fullmatch(str(text)) for text in (entity["id"], entity.get("type", "Thing"))):
        return "Invalid characters in entity id"
    for name, attribute in entity.items():
        if name in ("id", "type"):
            continue
        if IDENTIFIER.fullmatch(name) is None:
            return "Invalid characters in attribute name"
        if not isinstance(attribute, dict):
            return "attribute must be a JSON object"
        if attribute.get("type") != "TextUnrestricted" and _is_foul(attribute.get("value")):
            return "Invalid characters in attribute value"
    return ""


def _is_foul(value: Any) -> bool:
    match value:
        case str():
            return FORBIDDEN.search(value) is not None
        case list():
            return any(map(_is_foul, value))
        case dict():
            return any(_is_foul(part) for pair in value.items() for part in pair)
    return False


def _whole(attribute: Mapping[str, Any]) -> Entity:
    value = attribute.get("value")
    return {
        "type": attribute.get("type") or _type_of(value),
        "value": value,
        "metadata": attribute.get("metadata") or {},
    }


def _type_of(value: Any) -> str:
    kinds = ((bool, "Boolean"), ((int, float), "Number"), (str, "Text"), (type(None), "None"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "StructuredValue")


def _is_meant(meant: Mapping[str, Any], entity_id: str, type_: str) -> bool:
    is_id = (
        meant["id"] == entity_id if "id" in meant else re.search(meant.get("idPattern", ".*"), entity_id) is not None
    )
    return is_id and meant.get("type", type_) == type_
