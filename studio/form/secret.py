"""Whether a named secret has a value on this machine. The value is looked at here and goes nowhere."""

from __future__ import annotations

from pathlib import Path

from engine.context import Context
from engine.errors import OssicleError


def is_set(name: str) -> bool:
    """Whether the environment or the keyring knows a secret; asks the way a running node does. May take a moment."""
    context = Context(Path(), Path(), Path())
    try:
        return bool(context.secret(name))
    except OssicleError:
        return False


def how_to_set(name: str) -> str:
    """What to do to give a secret its value."""
    return f"Run `keyring set ossicle {name}`, or set OSSICLE_SECRET_{name.upper().replace('-', '_')} before the start"
