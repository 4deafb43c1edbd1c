"""`ossicle bench engine` and `ossicle bench start`: what the engine itself costs, beside others in the same run."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from engine import server
from engine.artifact import Artifact, Meta
from engine.bench import BenchResult, Row, at_most, machine
from engine.context import Context
from engine.event import Event
from engine.node import node
from engine.params import Params
from engine.registry import Registry
from engine.resource import resource
from engine.runner import LocalRunner, Request, Runner
from engine.workflow import Workflow, parse

NODES, WIDTH, ROUNDS = 1000, 10, 3
OTHERS = ("kedro", "dagster")
QUIET_S, QUIET_PERCENT, QUIET_WAIT_S = 1.0, 10.0, 60.0


class NothingParams(Params):
    """What makes one no-op differ from another."""

    number: int = 0
    """Any number."""


@node("bench.nothing", version=1, category="Bench")
def nothing(before: list[Artifact], params: NothingParams, ctx: Context) -> Artifact:
    """Write one small file: the least a node can do."""
    folder = ctx.folder()
    (folder / "number.json").write_text(json.dumps(params.number), encoding="utf-8")
    return Artifact(folder, Meta())


def graph(nodes: int, start: int = 0) -> Workflow:
    """Chains side by side, each node also wired to its neighbour's chain. Another `start`, other results."""
    names = [f"n-{number}" for number in range(nodes)]
    near = [(number - back, number) for number in range(nodes) for back in (WIDTH, WIDTH + 1) if number >= back]
    return parse(
        {
            "name": "bench",
            "nodes": {name: {"type": "bench.nothing", "params": {"number": start + i}} for i, name in enumerate(names)},
            "links": [f"n-{source}.artifact -> n-{target}.before" for source, target in near],
        }
    )


def engine(options: Mapping[str, str]) -> BenchResult:
    """Cost per node: executed locally and through Prefect, and replayed from the cache.

    Options: `nodes` (1,000), `rounds` (3), `prefect` (1; 0 leaves Prefect out), `others` (an interpreter that has Kedro
    or Dagster; this one unless given). Peers run the same number of no-ops: in the same process bare Prefect tasks on
    the same server, and joblib.Memory (which also writes each result to disk); in their own, those of the others that
    are installed (chains in memory, nothing written). Each begins when the server has written down what the one before
    left it.
    """
    nodes, rounds = int(options.get("nodes", NODES)), int(options.get("rounds", ROUNDS))
    contenders: dict[str, Callable[[Path, int], float]] = {"local": _local(nodes), "cached": _cached(nodes)}
    contenders |= {"joblib miss": _joblib(nodes)} if importlib.util.find_spec("joblib") else {}
    contenders |= _others(options.get("others", sys.executable), nodes)
    if options.get("prefect", "1") == "1":
        contenders |= {"prefect": _prefect(nodes), "bare prefect": _bare_prefect(nodes)}
    with tempfile.TemporaryDirectory(prefix="ossicle-bench-") as place:
        turns = [
            {name: _after_quiet(run, Path(place), turn) for name, run in contenders.items()} for turn in range(rounds)
        ]
    median = {name: statistics.median(turn[name] for turn in turns) for name in contenders}
    each_ms = {name: round(1000 * found / nodes, 3) for name, found in median.items()}
    peers = {name: ms for name, ms in each_ms.items() if name not in ("local", "cached", "prefect")}
    rows = [
        at_most(f"{nodes} cached nodes", round(median["cached"], 3), "s", 2),
        at_most("executed node, local", each_ms["local"], "ms", 2, peers),
    ]
    if "prefect" in each_ms:
        rows.append(at_most("executed node, Prefect", each_ms["prefect"], "ms", 8, peers))
    return BenchResult("engine", machine(), tuple(rows))


def _after_quiet(run: Callable[[Path, int], float], place: Path, turn: int) -> float:
    """Let the Prefect server finish what the contender before has left it to write down, then run."""
    import psutil

    found = server.status().server
    end_s = time.monotonic() + QUIET_WAIT_S
    while found is not None and time.monotonic() < end_s:
        if psutil.Process(found.pid).cpu_percent(QUIET_S) < QUIET_PERCENT:
            break
    return run(place, turn)


def _run(runner: Runner, base: Path, workflow: Workflow) -> float:
    """Seconds of one whole run."""
    request = Request(workflow, base, registry=Registry({nothing.id: nothing}))
    start = time.perf_counter()
    record = runner.run(request, _ignore, threading.Event())
    seconds = time.perf_counter() - start
    if record.state != "done":
        raise RuntimeError(f"the benchmark's graph ended {record.state}")
    return seconds


def _ignore(_event: Event) -> None:
    """Nobody watches."""


def _local(nodes: int) -> Callable[[Path, int], float]:
    return lambda place, turn: _run(LocalRunner(), place / f"local-{turn}", graph(nodes))


def _cached(nodes: int) -> Callable[[Path, int], float]:
    def measure(place: Path, _turn: int) -> float:
        return _run(LocalRunner(), place / "local-0", graph(nodes))

    return measure


def _prefect(nodes: int) -> Callable[[Path, int], float]:
    def measure(place: Path, turn: int) -> float:
        from engine.flow import PrefectRunner, warm_up

        warm_up()
        return _run(PrefectRunner(), place / f"prefect-{turn}", graph(nodes))

    return measure


def _bare_prefect(nodes: int) -> Callable[[Path, int], float]:
    def measure(_place: Path, _turn: int) -> float:
        from engine.flow import bare_tasks

        return bare_tasks(nodes)

    return measure


def _joblib(nodes: int) -> Callable[[Path, int], float]:
    def measure(place: Path, turn: int) -> float:
        import joblib

        remember = joblib.Memory(place / f"joblib-{turn}", verbose=0).cache(_same)
        start = time.perf_counter()
        for number in range(nodes):
            remember(number)
        return time.perf_counter() - start

    return measure


def _same(number: int) -> int:
    return number


def _others(python: str, nodes: int) -> dict[str, Callable[[Path, int], float]]:
    """Other tools that an interpreter has, each in a process of its own."""
    return {name: _other(python, name, nodes) for name in OTHERS if _has(python, name)}


def _has(python: str, name: str) -> bool:
    command = [python, "-c", f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"]
    return subprocess.run(command, check=False).returncode == 0


def _other(python: str, name: str, nodes: int) -> Callable[[Path, int], float]:
    command = [python, str(resource(f"bench/{name}.py")), str(nodes)]
    environment = {**os.environ, "DO_NOT_TRACK": "1"}

    def measure(place: Path, _turn: int) -> float:
        told = subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True, text=True)
        return float(told.stdout.split()[-1])

    return measure


# ---- start-up


def start(options: Mapping[str, str]) -> BenchResult:
    """How long the command line takes until it has answered.

    Options: `rounds` (7). Whole processes, in turn: listing the nodes, running a fully cached graph of real nodes while
    the Prefect server is up, a bare interpreter, and one that imports Prefect.
    """
    from engine import server

    rounds = int(options.get("rounds", 7))
    server.ensure()
    ossicle = [sys.executable, "-P", "-m", "engine.cli"]
    run = [*ossicle, "run", "demo", "--to", "mfcc-1", "--set", 'data=["yes","no"]', "--runner", "auto"]
    commands = {
        "nodes": [*ossicle, "nodes"],
        "run": run,
        "python": [sys.executable, "-c", "pass"],
        "import prefect": [sys.executable, "-c", "import prefect"],
    }
    with tempfile.TemporaryDirectory(prefix="ossicle-bench-") as place:
        subprocess.run([*run, "--runner", "local"], cwd=place, check=True, capture_output=True)
        turns = [{name: _seconds(command, place) for name, command in commands.items()} for _ in range(rounds)]
    median = {name: round(statistics.median(turn[name] for turn in turns), 3) for name in commands}
    peers = {name: median[name] for name in ("python", "import prefect")}
    return BenchResult(
        "start",
        machine(),
        (
            at_most("ossicle nodes", median["nodes"], "s", 0.3, peers),
            at_most("ossicle run, all cached, server up", median["run"], "s", 1.5, peers),
            Row("rounds", rounds, "runs"),
        ),
    )


def _seconds(command: list[str], place: str) -> float:
    begin = time.perf_counter()
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return time.perf_counter() - begin
