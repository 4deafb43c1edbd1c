"""Arithmetic in words: "424 / tc8_ms", "m20k.params / vggish.params". Only numbers, names and the functions below.

A formula is read with Python's grammar and walked here; nothing in it can be called, imported or assigned.
"""

import ast
import difflib
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from nodes.counting.errors import CountingError

BINARY: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARE: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "min": min,
    "max": max,
    "sum": math.fsum,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "log2": math.log2,
}
MOST_LETTERS: Final = 2000
REMEDY: Final = "Correct the formula"


def evaluate(formula: str, names: Mapping[str, Any]) -> float:
    """The value of a formula; a comparison gives 1 or 0.

    Args:
        names: numbers by name; a mapping or a list is reached into by `name.part` or `name["part"]`, `name[0]`.

    Raises:
        CountingError: it cannot be read, uses an unknown name or anything but arithmetic, or has no finite value.
    """
    if len(formula) > MOST_LETTERS:
        raise CountingError(f"a formula has {len(formula):,} letters", f"at most {MOST_LETTERS:,}", "Split it")
    try:
        tree = ast.parse(formula.strip(), mode="eval")
        value = _value(tree.body, names)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, CountingError):
            raise
        raise CountingError(f"{formula!r} cannot be read ({error})", "arithmetic like '424 / 1.1'", REMEDY) from error
    except (ArithmeticError, TypeError) as error:
        raise CountingError(f"{formula!r} has no value ({error})", "a number", REMEDY) from error
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise CountingError(f"{formula!r} gives {_short(value)}", "one finite number", REMEDY)
    return float(value)


def _value(part: ast.expr, names: Mapping[str, Any]) -> Any:
    reader = READERS.get(type(part))
    if reader is None:
        raise CountingError(
            f"a formula holds {ast.unparse(part)!r}",
            f"numbers, names, + - * / // % **, comparisons, and {', '.join(FUNCTIONS)}",
            REMEDY,
        )
    return reader(part, names)


def _constant(part: ast.Constant, _names: Mapping[str, Any]) -> Any:
    if isinstance(part.value, (int, float)) and not isinstance(part.value, bool):
        return part.value
    raise CountingError(f"a formula holds {part.value!r}", "numbers", REMEDY)


def _name(part: ast.Name, names: Mapping[str, Any]) -> Any:
    return _inside(names, part.id, "a formula")


def _attribute(part: ast.Attribute, names: Mapping[str, Any]) -> Any:
    return _inside(_value(part.value, names), part.attr, ast.unparse(part.value))


def _subscript(part: ast.Subscript, names: Mapping[str, Any]) -> Any:
    key = part.slice
    if not isinstance(key, ast.Constant) or not isinstance(key.value, (str, int)):
        raise CountingError(f"a formula holds {ast.unparse(part)!r}", "a quoted name or a number in brackets", REMEDY)
    return _inside(_value(part.value, names), key.value, ast.unparse(part.value))


def _inside(whole: Any, key: str | int, where: str) -> Any:
    if isinstance(whole, (list, tuple)) and isinstance(key, int) and 0 <= key < len(whole):
        return whole[key]
    if isinstance(whole, Mapping) and key in whole:
        return whole[key]
    known = [str(name) for name in whole] if isinstance(whole, Mapping) else []
    near = difflib.get_close_matches(str(key), known, n=5) or known[:8]
    raise CountingError(f"{where} has no {key!r}", f"one of {', '.join(near) or 'nothing'}", REMEDY)


def _binary(part: ast.BinOp, names: Mapping[str, Any]) -> Any:
    left, right = _value(part.left, names), _value(part.right, names)
    if isinstance(part.op, ast.Pow):  # of floats, which overflow with an error instead of growing without end
        return float(left) ** float(right)
    if type(part.op) not in BINARY:
        raise CountingError(f"a formula holds {ast.unparse(part)!r}", "+ - * / // % **", REMEDY)
    return BINARY[type(part.op)](left, right)


def _unary(part: ast.UnaryOp, names: Mapping[str, Any]) -> Any:
    if not isinstance(part.op, ast.USub):
        raise CountingError(f"a formula holds {ast.unparse(part)!r}", "a minus sign at most", REMEDY)
    return -_value(part.operand, names)


def _compare(part: ast.Compare, names: Mapping[str, Any]) -> Any:
    values = [_value(each, names) for each in (part.left, *part.comparators)]
    pairs = zip(part.ops, values, values[1:], strict=False)
    if any(type(sign) not in COMPARE for sign in part.ops):
        raise CountingError(f"a formula holds {ast.unparse(part)!r}", "< <= > >= == !=", REMEDY)
    return int(all(COMPARE[type(sign)](left, right) for sign, left, right in pairs))


def _boolean(part: ast.BoolOp, names: Mapping[str, Any]) -> Any:
    values = [bool(_value(each, names)) for each in part.values]
    return int(all(values) if isinstance(part.op, ast.And) else any(values))


def _call(part: ast.Call, names: Mapping[str, Any]) -> Any:
    if not isinstance(part.func, ast.Name) or part.func.id not in FUNCTIONS or part.keywords:
        raise CountingError(f"a formula calls {ast.unparse(part.func)}", f"one of {', '.join(FUNCTIONS)}", REMEDY)
    return FUNCTIONS[part.func.id](*(_value(each, names) for each in part.args))


def _list(part: ast.List, names: Mapping[str, Any]) -> Any:
    return [_value(each, names) for each in part.elts]


READERS: Final[Mapping[type[ast.expr], Callable[[Any, Mapping[str, Any]], Any]]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.Call: _call,
    ast.List: _list,
}


def _short(value: object) -> str:
    return str(value) if isinstance(value, float) else f"a {type(value).__name__}"
