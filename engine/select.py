"""Which runner runs: the one asked for, or the best there is right now."""

from __future__ import annotations

from typing import Literal

from engine.runner import LocalRunner, Runner

Choice = Literal["auto", "local", "prefect", "dask", "ray"]


def choose(choice: Choice, address: str = "") -> Runner:
    """A runner by name."""
    return LocalRunner()
