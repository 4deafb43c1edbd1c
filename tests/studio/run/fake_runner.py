"""A runner that misbehaves on purpose; the first argument says how. Talks like `engine.warm`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

FLOOD = 25_000


def say(kind: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"kind": kind, "run": "", "node": "", **values}) + "\n")
    sys.stdout.flush()


def tell(kind: str, node: str = "", **values: Any) -> None:
    line = {"kind": kind, "run": "run-1", "node": node, "values": values, "time_s": time.time()}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def begin(order: dict[str, Any], nodes: tuple[str, ...] = ("a", "z")) -> None:
    say("accepted", id=order["id"])
    tell("run_started", workflow="test", nodes=list(nodes), folder="/nowhere/runs/run-1")
    tell("queued", "a", reason="never run")
    tell("started", "a", threads=1)


def end(order: dict[str, Any], state: str = "done") -> None:
    for node in ("a", "z"):
        tell("finished", node, cache_key="0", outputs={"number": "ab" * 32}, seconds=0.5)
    tell("run_finished", state=state, seconds=1.0)
    say("answered", id=order["id"])


def flood(order: dict[str, Any]) -> None:
    begin(order)
    lines = []
    for step in range(FLOOD):
        values: dict[str, Any] = {"step": step, "loss": 1 / (step + 1)}
        if step % 1000 == 0:
            values = {"step": step, "val_accuracy": step / FLOOD}
        lines.append({"kind": "metric", "run": "run-1", "node": "a", "values": values, "time_s": 0.0})
        if step % 10 == 0:
            progress = {"fraction": step / FLOOD, "text": f"step {step}"}
            lines.append({"kind": "progress", "run": "run-1", "node": "a", "values": progress, "time_s": 0.0})
    sys.stdout.write("".join(json.dumps(line) + "\n" for line in lines))
    end(order)


def noise(order: dict[str, Any]) -> None:
    begin(order)
    whole = json.dumps({"kind": "log", "run": "run-1", "node": "a", "values": {"text": "whole"}, "time_s": 1.0})
    for part in (whole[:20], whole[20:40], whole[40:] + "\n"):
        sys.stdout.write(part)
        sys.stdout.flush()
        time.sleep(0.02)
    odd = {"kind": "progress", "run": "run-1", "node": "a", "values": {"fraction": "much"}, "time_s": 1.0}
    for bad in (
        "no json",
        '{"kind": "log", "run": "run-1"',
        "[1, 2]",
        '{"kind": "unheard of", "run": "run-1"}',
        "\0\1",
    ):
        sys.stdout.write(bad + "\n")
    sys.stdout.write(json.dumps(odd) + "\n")
    sys.stdout.flush()
    os.write(1, b"\xff\xfe not utf-8\n")
    end(order)


def crash(order: dict[str, Any]) -> None:
    begin(order)
    sys.stderr.write("free(): invalid pointer\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(order: dict[str, Any]) -> None:
    begin(order)
    sys.stdin.readline()


def deaf(order: dict[str, Any]) -> None:
    """Hears neither `cancel` nor SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begin(order)
    while True:
        time.sleep(0.05)


def refuse(order: dict[str, Any]) -> None:
    say("accepted", id=order["id"])
    say("refused", id=order["id"], what="the disk is full", expected="room", remedy="Free some", problems=[])
    say("answered", id=order["id"])


def ends_early(order: dict[str, Any]) -> None:
    """A run that does not say how it ended."""
    begin(order)
    say("answered", id=order["id"])


def main() -> None:
    how = sys.argv[1]
    if how == "no start":
        sys.stderr.write("ImportError: no module named engine\n")
        sys.exit(3)
    say("alive", rss_bytes=11_200_000_000, peak_bytes=11_200_000_000, cpu_s=1.0)
    say("server", state="healthy")
    say("ready", pid=os.getpid())
    for line in sys.stdin:
        if line.strip() != "cancel":
            globals()[how.replace(" ", "_")](json.loads(line))


if __name__ == "__main__":
    main()
