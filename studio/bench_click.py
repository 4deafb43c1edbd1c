"""`ossicle bench editor`: from the click on Run to the start of the first node, with a real warm runner."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.bench import Row, at_most
from engine.registry import load_registry
from engine.workflow import parse, save

PAUSE_S = 3.0
"""Between two clicks; Prefect's server writes its database for a while after a run."""
WARM_S = 90.0


def click_rows(rounds: int) -> list[Row]:
    """Medians with Prefect (its server up) and without."""
    from engine import server

    server.ensure()
    return [_row("Prefect", "", rounds), _row("local", "local", rounds)]


def _row(name: str, runner: str, rounds: int) -> Row:
    seconds = statistics.median(_clicks(runner, rounds))
    return at_most(f"Run click to the first node's start, warm, {name}", round(seconds, 3), "s", 0.2)


def _clicks(runner: str, rounds: int) -> Iterator[float]:
    """Seconds from the click until the window knows that the first node runs."""
    from studio.model.document import Document
    from studio.run.session import Session
    from studio.shot import wait_until

    with tempfile.TemporaryDirectory(prefix="ossicle-bench-") as place, _chosen(runner):
        document = Document(load_registry())
        document.open(_project(Path(place)))
        session = Session(document)
        session.begin()
        _must(wait_until(lambda: session.run.runner_state == "warm" and session.is_settled, WARM_S), "get warm")
        for _ in range(rounds):
            start = time.perf_counter()
            session.rerun("ingest-1")
            _must(wait_until(lambda: session.state("ingest-1").state in ("running", "done"), WARM_S), "start the node")
            yield time.perf_counter() - start
            _must(wait_until(lambda: session.run.state == "idle", WARM_S), "end the run")
            end = time.perf_counter() + PAUSE_S
            wait_until(lambda end=end: time.perf_counter() > end, 2 * PAUSE_S)  # type: ignore[misc]
        session.close()


def _must(is_so: bool, what: str) -> None:
    if not is_so:
        raise RuntimeError(f"the runner did not {what} within {WARM_S:g} s")


@contextmanager
def _chosen(runner: str) -> Iterator[None]:
    """The runner's choice for its child process, put back afterwards."""
    before = os.environ.pop("OSSICLE_RUNNER", None)
    if runner:
        os.environ["OSSICLE_RUNNER"] = runner
    try:
        yield
    finally:
        os.environ.pop("OSSICLE_RUNNER", None)
        if before is not None:
            os.environ["OSSICLE_RUNNER"] = before


def _project(folder: Path) -> Path:
    """A workflow that reads two short recordings made here."""
    for word in ("one", "two"):
        (folder / "clips" / word).mkdir(parents=True)
        with wave.open(str(folder / "clips" / word / "a.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(b"\x00\x10" * 8_000)
    nodes = {"ingest-1": {"type": "ossicle.ingest", "params": {"source": "clips", "layout": "folder"}}}
    path = folder / "click.workflow.json"
    save(parse({"name": "click", "nodes": nodes}), path)
    return path
