"""Older files: raw values in, raw values out, one function per format version with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from engine.errors import OssicleError

if TYPE_CHECKING:
    from engine.node import NodeSpec

FORMAT: Final = 1
Raw = dict[str, Any]
# From format n to n + 1. Raise FORMAT and add a function here, its docstring giving the reason, whenever the meaning of
# a file changes.
STEPS: Mapping[int, Callable[[Raw], Raw]] = {}


def migrate(raw: Raw, origin: str, steps: Mapping[int, Callable[[Raw], Raw]] = STEPS, newest: int = FORMAT) -> Raw:
    """Bring a raw workflow to the newest format, step by step.

    Raises:
        OssicleError: the file comes from a newer Ossicle, or its format is not a number.
    """
    version = raw.get("format", 1)
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= newest:
        raise OssicleError(
            f"{origin} has the format {version!r}",
            f"a whole number from 1 to {newest}",
            "Open it with a newer Ossicle, or restore the file if it is damaged",
        )
    for current in range(version, newest):
        raw = steps[current](raw)
    return {**raw, "format": newest}


def upgrade_params(spec: NodeSpec, params: Mapping[str, Any], version: int) -> Raw:
    """Parameters saved by an older version of a node type, brought to the present one."""
    if version < spec.version and spec.upgrade is not None:
        return dict(spec.upgrade(dict(params), version))
    return dict(params)
