"""Node parameters: one frozen pydantic model per node, with units and help."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import core_schema


def Unit(symbol: str) -> Any:  # noqa: N802 - reads as a type in annotations: Annotated[float, Unit("ms")]
    """Mark a number's unit; it shows in forms, help and the JSON schema."""
    return Field(json_schema_extra={"unit": symbol})


Milliseconds = Annotated[float, Unit("ms")]
Seconds = Annotated[float, Unit("s")]
Hertz = Annotated[float, Unit("Hz")]
Decibels = Annotated[float, Unit("dB")]
Percent = Annotated[float, Unit("%")]
Bytes = Annotated[int, Unit("B")]
FilePath = Annotated[str, Field(json_schema_extra={"format": "path"})]


class Secret(str):
    """The name of a secret in the keyring or the environment; never its value."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        schema = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        schema["serialization"] = core_schema.plain_serializer_function_ser_schema(str)
        return schema

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "format": "secret"}


class Params(BaseModel):
    """Base of every node's parameters: frozen, strict about names, described by attribute docstrings."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, validate_default=True)


class NoParams(Params):
    """A node without parameters."""


def schema(params: type[Params]) -> dict[str, Any]:
    """JSON schema of a Params class with the attribute docstrings as descriptions, in declaration order."""
    raw = params.model_json_schema()
    help_texts = descriptions(params)
    for name, entry in raw.get("properties", {}).items():
        entry.setdefault("description", help_texts.get(name, ""))
    return raw


@functools.cache
def descriptions(params: type[BaseModel]) -> Mapping[str, str]:
    """Attribute docstrings of a class and its bases; read from source only when somebody asks (imports stay fast)."""
    return {name: text for base in reversed(params.__mro__) for name, text in _own_descriptions(base)}


def _own_descriptions(base: type) -> Iterator[tuple[str, str]]:
    if base in (object, BaseModel, Params):
        return
    try:
        tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(base)))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return  # a frozen bundle has no source: descriptions are lost, nothing else
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for field, doc in zip(body, body[1:], strict=False):
        match field, doc:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def canonical(params: BaseModel) -> dict[str, Any]:
    """Plain JSON values of all parameters, defaults included: what goes into a cache key."""
    return params.model_dump(mode="json")
