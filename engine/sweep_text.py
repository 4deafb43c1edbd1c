"""Values of a sweep as a person writes them: "1..15", "1, 2, 3", "none, cutmix", or a JSON list; and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import JsonValue

from engine.errors import OssicleError

RANGE: Final = re.compile(r"(-?\d+)\s*\.\.\s*(-?\d+)")
MOST_VALUES: Final = 1_000_000


def read_list(text: str) -> list[JsonValue]:
    """The values of a text: a JSON list, or parts between commas, each a range, JSON, or else the text itself.

    Raises:
        OssicleError: a range that is empty or enormous.
    """
    if not text.strip():
        return []
    whole = _value(text)
    if isinstance(whole, list):
        return whole
    return [value for part in text.split(",") for value in _part(part.strip())]


def _part(text: str) -> Iterator[JsonValue]:
    found = RANGE.fullmatch(text)
    if found is None:
        yield _value(text)
        return
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < MOST_VALUES:
        raise OssicleError(f"the range {text} has no values, or too many", "first..last, such as 1..15", "Correct it")
    yield from range(first, last + 1)


def _value(text: str) -> JsonValue:
    """JSON where it parses, else the text itself (NaN and Infinity stay words)."""
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text
    return value


def _refuse(word: str) -> JsonValue:
    raise ValueError(word)


def list_text(values: Sequence[JsonValue]) -> str:
    """The shortest text that `read_list` makes these values of."""
    whole = [value for value in values if type(value) is int]
    if len(whole) == len(values) > 2 and whole == list(range(whole[0], whole[-1] + 1)):
        return f"{whole[0]}..{whole[-1]}"
    parts = ", ".join(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values)
    try:
        is_same = read_list(parts) == list(values)
    except OssicleError:
        is_same = False
    return parts if is_same else json.dumps(list(values), ensure_ascii=False)
