"""Workflow variables: "{name}" in a parameter stands for the value of a variable."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def fill(value: JsonValue, variables: Mapping[str, JsonValue]) -> JsonValue:
    """Replace "{name}" by a variable's value; a text that is only "{name}" takes the value's own type."""
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, variables) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    whole = VARIABLE.fullmatch(value)
    if whole and whole[1] in variables:
        return variables[whole[1]]
    return VARIABLE.sub(lambda found: str(variables.get(found[1], found[0])), value)


def variables_in(value: JsonValue) -> list[str]:
    """Variables that texts of a value consist of; braces within longer texts may mean something else."""
    if isinstance(value, str):
        whole = VARIABLE.fullmatch(value)
        return [whole[1]] if whole else []
    children = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    return [name for child in children for name in variables_in(child)]


def variables_in_text(value: JsonValue) -> list[str]:
    """Names in braces anywhere in the texts of a value: all that `fill` would replace if there are such variables."""
    if isinstance(value, str):
        return VARIABLE.findall(value)
    children = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    return [name for child in children for name in variables_in_text(child)]
