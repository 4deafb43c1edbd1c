"""Values as text and back, steps of numbers, and when two values are the same. No Qt."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Final

from pydantic import JsonValue

from engine.errors import OssicleError
from engine.variables import VARIABLE
from studio.form.fields import Field, range_text

DIGITS: Final = 12


def same(a: object, b: object) -> bool:
    """Whether two JSON values are equal; unlike in Python, true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def variable_in(value: object) -> str:
    """The variable that a value stands for ("{seed}" gives "seed"), or ""."""
    found = VARIABLE.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else ""


def text_of(value: JsonValue) -> str:
    """A value as people read it: numbers as the file writes them, "on" and "off", lists with commas."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None:
        return "auto"
    if isinstance(value, list | tuple):  # what parameters imply may come as a tuple
        return ", ".join(text_of(item) for item in value) or "empty"
    if isinstance(value, dict):
        return ", ".join(f"{key} {text_of(item)}" for key, item in value.items()) or "empty"
    return number_text(value) if isinstance(value, int | float) else value or "empty"


def number_text(value: float) -> str:
    """A number without noise: 0.1, 1.0, 420, 1e-05."""
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    short = f"{value:.{DIGITS}g}"
    return f"{short}.0" if abs(value) < 10 and short.lstrip("-").isdigit() else short


def size_text(bytes_: float) -> str:
    """Bytes as people say them: 40000000000 gives "40 GB"."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(bytes_) >= size:
            return f"{bytes_ / size:.3g} {unit}"
    return f"{bytes_:g} B"


def parse_number(field: Field, text: str) -> JsonValue:
    """Read a number; sums ("16000 / 2") and the unit ("10 ms") may be typed. Empty is None where that is a value.

    A number out of range is read as well: the engine tells what is wrong with it.

    Raises:
        OssicleError: no number at all.
    """
    words = text.strip()
    if not words and field.is_nullable:
        return None
    if variable_in(words):
        return words
    if field.unit and words.lower().endswith(field.unit.lower()):
        words = words[: -len(field.unit)].strip()
    try:
        value = _calculate(ast.parse(words.replace(" ", "") or "?", mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError):
        raise unreadable(field, text) from None
    if field.kind == "integer" and isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return float(value) if field.kind == "number" else value


def unreadable(field: Field, text: str) -> OssicleError:
    """The error for text that is no number."""
    kind = "a whole number" if field.kind == "integer" else "a number"
    expected = " ".join(part for part in (kind, range_text(field), field.unit) if part)
    return OssicleError(f"{text.strip()!r} is no number", expected, "Correct it, or press Esc for the last value")


_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def _calculate(part: ast.expr) -> int | float:
    match part:
        case ast.Constant(value=bool()):
            raise ValueError(part)
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_calculate(inner)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _calculate(inner)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_calculate(left), _calculate(right))
    raise ValueError(part)


def parse_numbers(field: Field, text: str) -> JsonValue:
    """Read numbers between commas or spaces.

    Raises:
        OssicleError: one of them is no number.
    """
    if not text.strip() and field.is_nullable:
        return None
    item = field.item or field
    return [parse_number(item, part) for part in text.replace(",", " ").replace(";", " ").split()]


def step_of(field: Field, value: float) -> float:
    """How far one step of the wheel goes: a tenth of the number's own size, 1 for small whole numbers."""
    if field.step:
        return field.step
    if value == 0:
        width = (field.high - field.low) if field.low is not None and field.high is not None else 0.0
        return 1.0 if field.kind == "integer" else 0.01 if 0 < width <= 1 else 0.1 if 0 < width <= 10 else 1.0
    size = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return max(1.0, size) if field.kind == "integer" else size


def stepped(field: Field, value: float, steps: float) -> JsonValue:
    """A number some steps further, kept within its range; the value itself where it cannot move."""
    step = step_of(field, value)
    if steps < 0 and field.kind == "number" and not field.step and value > 0:
        step = step_of(field, value * 0.999999)  # down from 1.0 goes to 0.99, as up from 0.99 goes to 1.0
    new = round(value + step * steps, 12)
    if field.low is not None and (new < field.low or (field.is_low_open and new <= field.low)):
        new = value if field.is_low_open else field.low
    if field.high is not None and (new > field.high or (field.is_high_open and new >= field.high)):
        new = value if field.is_high_open else field.high
    return round(new) if field.kind == "integer" else float(new)


def in_range(field: Field, value: float) -> bool:
    """Whether a number lies in its field's range."""
    above = field.low is None or value > field.low or (value == field.low and not field.is_low_open)
    return above and (field.high is None or value < field.high or (value == field.high and not field.is_high_open))


def split_tags(text: str) -> list[str]:
    """Words typed or pasted at once: between commas, semicolons, tabs or line ends."""
    for mark in ";\t\n\r":
        text = text.replace(mark, ",")
    return [word.strip() for word in text.split(",") if word.strip()]
