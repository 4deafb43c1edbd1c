"""Texts of generated files with places to fill: `@word@`."""

from __future__ import annotations

import re
from importlib.resources import files

_PLACE = re.compile(r"@(\w+)@")


def filled(package: str, template: str, /, **values: object) -> str:
    """A template of a package, every `@word@` replaced by its value; KeyError where one is not given."""
    text = (files(package) / "templates" / template).read_text(encoding="utf-8")
    return _PLACE.sub(lambda place: str(values[place[1]]), text)


def c_string(text: str) -> str:
    """A C string literal of any text, in UTF-8."""
    kept = (chr(byte) if _is_plain(byte) else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(kept)}"'


def c_comment(text: str) -> str:
    """Text that may stand in a C comment, on one line."""
    return " ".join(text.split()).replace("*/", "* /").replace("/*", "/ *")


def _is_plain(byte: int) -> bool:
    return 32 <= byte < 127 and chr(byte) not in '"\\?'
