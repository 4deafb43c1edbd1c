"""Which runner runs: the one asked for, or the best there is at this moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine import server
from engine.errors import OssicleError
from engine.event import Event, Sink
from engine.record import RunRecord
from engine.runner import LocalRunner, Request, Runner, Stage, drive, in_threads
from engine.schedule import Submit

Choice = Literal["auto", "local", "prefect", "dask", "ray"]
CLUSTERS = ("dask", "ray")


@dataclass(frozen=True)
class AutoRunner:
    """Prefect if its server is healthy; else threads of this process, while the server starts for the next run.

    Nothing of Prefect is imported, and the server is not even looked for, unless something must be executed.
    """

    name: str = "auto"

    def run(self, request: Request, sink: Sink, cancel: threading.Event) -> RunRecord:
        """See `Runner.run`."""
        return drive(request, sink, cancel, self.name, self._around)

    def _around(self, stage: Stage, loop: Callable[[Submit], None]) -> None:
        if server.status().state == "healthy":
            from engine.flow import PrefectRunner

            PrefectRunner().around(stage, loop)
            return
        stage.sink(Event("log", stage.setting.run, "", {"text": _start(), "level": "info"}))
        in_threads(stage, loop)


def _start() -> str:
    try:
        server.start_in_background()
    except OssicleError as error:
        return f"this run is local: {error}"
    return "this run is local; the Prefect server is starting for the next one"


def choose(choice: Choice, address: str = "") -> Runner:
    """A runner by name.

    Raises:
        OssicleError: an address for a runner that has none, or Prefect is not installed.
    """
    if address and choice not in CLUSTERS:
        raise OssicleError(
            f"--address {address} with --runner {choice}",
            f"--runner {' or '.join(CLUSTERS)}",
            "Name the cluster's kind",
        )
    if choice == "auto":
        return AutoRunner()
    return LocalRunner() if choice == "local" else _prefect(choice, address)


def _prefect(choice: Literal["prefect", "dask", "ray"], address: str) -> Runner:
    try:
        from engine.flow import PrefectRunner
    except ImportError as error:
        raise OssicleError(
            f"Prefect cannot be imported ({error})", "the package prefect", "Install it, or use --runner local"
        ) from error
    return PrefectRunner(choice, address)
