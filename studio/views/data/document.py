"""Any JSON document as headline figures and tidy tables: what every report has, whoever wrote it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.evidence import metric_text, words

MOST_ROWS: Final = 5000
_INDENTED: Final = b'{\n "'
"""How `json.dumps(indent=1)` begins: there a top-level key stands after a line end and one space."""


@dataclass(frozen=True)
class Tile:
    """A headline figure: name, value in words, its 95 % interval in words ("" if there is none)."""

    name: str
    value: str
    interval: str = ""
    short: str = ""
    """The interval with fewer digits."""


@dataclass(frozen=True)
class Sheet:
    """One table of a document; `name` is where it stands ("per_class")."""

    name: str
    headers: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def tiles(metrics: Mapping[str, float]) -> list[Tile]:
    """Headline figures; those with `_low` and `_high` beside them come first, with the interval."""
    ends = {f"{name}{end}" for name in metrics for end in ("_low", "_high")}
    names = [name for name in metrics if name not in ends]
    names.sort(key=lambda name: f"{name}_low" not in metrics)
    return [_tile(name, metrics) for name in names]


def _tile(name: str, metrics: Mapping[str, float]) -> Tile:
    value, low, high = metrics[name], metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    told = metric_text(name, value)
    if low is None or high is None:
        return Tile(words(name), told)
    if told.endswith("%"):
        return Tile(words(name), told, f"{100 * low:.1f}–{100 * high:.1f}", f"{100 * low:.0f}–{100 * high:.0f}")
    return Tile(words(name), told, f"{low:.4g}–{high:.4g}", f"{low:.2g}–{high:.2g}")


def sheets(raw: Any, name: str = "") -> list[Sheet]:
    """Tables of a document: single values first, then one per list of objects, then matrices."""
    if isinstance(raw, list):
        found = _list_sheet(name or "rows", raw)
        return [found] if found is not None else []
    if not isinstance(raw, Mapping):
        return [Sheet(name or "value", ("value",), ((raw,),))]
    facts = tuple((key, value) for key, value in _leaves(raw))
    lists = [found for key, value in _lists(raw) if (found := _list_sheet(key, value)) is not None]
    return [*([Sheet(name or "facts", ("name", "value"), facts)] if facts else []), *lists]


def _leaves(raw: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in raw.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            yield f"{prefix}{key}", value
        elif all(not isinstance(item, (list, Mapping)) for item in value):
            yield f"{prefix}{key}", ", ".join(str(item) for item in value[:40]) + (", …" if len(value) > 40 else "")


def _lists(raw: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
    for key, value in raw.items():
        if isinstance(value, Mapping):
            yield from _lists(value, f"{prefix}{key}.")
        elif isinstance(value, list) and any(isinstance(item, (list, Mapping)) for item in value):
            yield f"{prefix}{key}", value


def _list_sheet(name: str, items: Sequence[Any]) -> Sheet | None:
    if not items:
        return None
    if all(isinstance(item, Mapping) for item in items):
        flat = [dict(_leaves(item)) for item in items[:MOST_ROWS]]
        headers = tuple(dict.fromkeys(key for row in flat for key in row))
        return Sheet(name, headers, tuple(tuple(row.get(key) for key in headers) for row in flat))
    if all(isinstance(item, list) for item in items):
        wide = max(len(item) for item in items)
        rows = tuple(tuple(_cell(v) for v in item) + (None,) * (wide - len(item)) for item in items[:MOST_ROWS])
        return Sheet(name, tuple(str(column) for column in range(wide)), rows)
    return Sheet(name, ("value",), tuple((_cell(item),) for item in items[:MOST_ROWS]))


def _cell(value: object) -> object:
    return value if not isinstance(value, (list, Mapping)) else str(value)


def top_level(path: Path, *keys: str) -> bool:
    """Whether a JSON file has all these keys; asked often, so it looks before it parses. False if unreadable."""
    return all(_holds(path, f'"{key}":') for key in keys)


def is_of_kind(path: Path, kind: str) -> bool:
    """Whether the top-level "kind" of a JSON file is this one."""
    return _holds(path, f'"kind": "{kind}"')


def _holds(path: Path, entry: str) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return False
    return _found(path, stat.st_mtime_ns, stat.st_size, entry)


@functools.lru_cache(maxsize=512)
def _found(path: Path, _changed_ns: int, _size_bytes: int, entry: str) -> bool:
    try:
        data = path.read_bytes()
        if data.startswith(_INDENTED):
            return data.find(b"\n " + entry.encode()) >= 0
        raw = json.loads(data)
    except (OSError, ValueError):
        return False
    if not isinstance(raw, dict):
        return False
    entries = (f'"{key}": {json.dumps(value) if isinstance(value, str) else ""}' for key, value in raw.items())
    return any(text.startswith(entry) for text in entries)
