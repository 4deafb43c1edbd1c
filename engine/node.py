"""`@node`: one declaration from which ports, forms, command-line overrides, schema, checks and cache keys follow."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.artifact import Artifact
from engine.context import Context
from engine.params import NoParams, Params

Need = Literal["network", "serial", "compiler"]
Isolation = Literal["none", "process"]
Fingerprint = Callable[[Any, Path], Any]
Upgrade = Callable[[dict[str, Any], int], dict[str, Any]]
Json = dict[str, Any]


@dataclass(frozen=True)
class Port:
    """A typed end of a link. `many` takes any number of wires, `optional` may stay unwired."""

    name: str
    type: type[Artifact]
    optional: bool = False
    many: bool = False


@dataclass(frozen=True)
class NodeSpec:
    """A node type. Calling it calls the plain function.

    Attributes:
        replaces: older type ids that open as this one.
        upgrade: (raw params, version they were saved with) -> raw params of this version.
        fingerprint: (params, workflow folder) -> JSON value telling what outside the graph the result depends on.
        needs: what the node wants from the machine; shown before it runs.
        isolation: "process" runs it in a process of its own.
    """

    id: str
    version: int
    category: str
    function: Callable[..., Any]
    params: type[Params]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    title: str
    about: str
    returns_tuple: bool = False
    replaces: tuple[str, ...] = ()
    upgrade: Upgrade | None = None
    fingerprint: Fingerprint | None = None
    needs: tuple[Need, ...] = ()
    isolation: Isolation = "none"
    package: str = field(default="")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @property
    def slug(self) -> str:
        """Stem of node ids: `ossicle.mfcc` gives `mfcc` (so `mfcc-1`)."""
        return self.id.rsplit(".", 1)[-1].replace("_", "-")

    def input(self, name: str) -> Port | None:
        """The input port of that name."""
        return next((port for port in self.inputs if port.name == name), None)

    def output(self, name: str) -> Port | None:
        """The output port of that name."""
        return next((port for port in self.outputs if port.name == name), None)

    def outputs_of(self, result: Any) -> Mapping[str, Artifact]:
        """The function's return value as artifacts by port name."""
        values = tuple(result) if self.returns_tuple else (result,)
        return {port.name: value for port, value in zip(self.outputs, values, strict=True)}


def node(
    id: str,
    *,
    version: int,
    category: str,
    title: str = "",
    replaces: tuple[str, ...] = (),
    upgrade: Upgrade | None = None,
    fingerprint: Fingerprint | None = None,
    needs: tuple[Need, ...] = (),
    isolation: Isolation = "none",
) -> Callable[[Callable[..., Any]], NodeSpec]:
    """Declare a function as a node type.

    Artifact arguments become input ports (`X | None = None` optional, `list[X]` many wires), the return type the output
    port (a NamedTuple of artifacts: several), the argument `params` its parameters, `ctx` the Context.

    Raises:
        TypeError: the signature is not a node's; says which argument and why.
    """

    def declare(function: Callable[..., Any]) -> NodeSpec:
        hints = typing.get_type_hints(function)
        doc = inspect.getdoc(function) or ""
        returned = hints.get("return")
        return NodeSpec(
            id=id,
            version=version,
            category=category,
            function=function,
            params=_params_of(id, hints),
            inputs=_inputs_of(id, function, hints),
            outputs=_outputs_of(id, returned),
            title=title or title_of(id),
            about=doc,
            returns_tuple=_is_named_tuple(returned),
            replaces=replaces,
            upgrade=upgrade,
            fingerprint=fingerprint,
            needs=needs,
            isolation=isolation,
            package=function.__module__.split(".", 1)[0],
        )

    return declare


def title_of(id: str) -> str:
    """A title made from a type id: "ossicle.log_mel" gives "Log mel"."""
    words = id.rsplit(".", 1)[-1].replace("_", " ")
    return words[:1].upper() + words[1:]


def _params_of(id: str, hints: Mapping[str, Any]) -> type[Params]:
    params = hints.get("params", NoParams)
    if not (isinstance(params, type) and issubclass(params, Params)):
        raise TypeError(f"{id}: `params` is {params!r}. Expected: a subclass of engine.Params. Annotate it with yours.")
    return params


def _inputs_of(id: str, function: Callable[..., Any], hints: Mapping[str, Any]) -> tuple[Port, ...]:
    names = [name for name in inspect.signature(function).parameters if name != "params"]
    return tuple(_port_of(id, name, hints.get(name)) for name in names if hints.get(name) is not Context)


def _port_of(id: str, name: str, hint: Any) -> Port:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return Port(name, _artifact_type(id, name, args[0]), optional=True, many=True)
    if origin in (typing.Union, types.UnionType) and type(None) in args:
        inner = next(arg for arg in args if arg is not type(None))
        return Port(name, _artifact_type(id, name, inner), optional=True)
    return Port(name, _artifact_type(id, name, hint))


def _artifact_type(id: str, name: str, hint: Any) -> type[Artifact]:
    if isinstance(hint, type) and issubclass(hint, Artifact):
        return hint
    raise TypeError(
        f"{id}: argument or result `{name}` has the type {hint!r}. Expected: an Artifact type, X | None, list[X], "
        "Params or Context. Annotate it with one of these."
    )


def _outputs_of(id: str, returned: Any) -> tuple[Port, ...]:
    if _is_named_tuple(returned):
        fields = typing.get_type_hints(returned)
        return tuple(Port(name, _artifact_type(id, name, hint)) for name, hint in fields.items())
    if returned is type(None):
        return ()
    kind = _artifact_type(id, "return", returned)
    return (Port(kind.port_name, kind),)


def _is_named_tuple(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")
