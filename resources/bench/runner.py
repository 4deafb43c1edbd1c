"""A runner that floods: `python runner.py EVENTS`. It talks like the warm runner; to an order it says EVENTS events.

Progress and metric rows of ten nodes at a time, each of which then finishes, written as fast as they are read.
"""

import json
import os
import sys
import time

sys.path.pop(0)
EVENTS = int(sys.argv[1])
AT_ONCE = 10


def say(kind: str, **values: object) -> None:
    sys.stdout.write(json.dumps({"kind": kind, "run": "", "node": "", **values}) + "\n")
    sys.stdout.flush()


def line(kind: str, node: str = "", **values: object) -> str:
    return json.dumps({"kind": kind, "run": "bench", "node": node, "values": values, "time_s": time.time()}) + "\n"


def flood(nodes: list[str]) -> None:
    """Every event of the run between its first and its last."""
    share = max(1, EVENTS // len(nodes) * AT_ONCE)
    for first in range(0, len(nodes), AT_ONCE):
        group = nodes[first : first + AT_ONCE]
        told = [line("started", node, threads=1) for node in group]
        for step in range(max(0, share - 2 * len(group))):
            node = group[step % len(group)]
            row = {"step": step, "loss": 1 / (step + 1), "val_accuracy": step / share}
            done = {"fraction": step / share, "text": f"step {step} of {share}"}
            told.append(line("metric", node, **row) if step % 3 else line("progress", node, **done))
        told += [line("finished", node, cache_key="0", outputs={"artifact": "ab" * 32}, seconds=0.5) for node in group]
        sys.stdout.write("".join(told))


say("alive", rss_bytes=1, peak_bytes=1, cpu_s=0.1)
say("ready", pid=os.getpid())
for text in sys.stdin:
    if text.strip() == "cancel":
        continue
    order = json.loads(text)
    nodes = list(order["workflow"]["nodes"])
    say("accepted", id=order["id"])
    sys.stdout.write(line("run_started", workflow="bench", nodes=nodes, folder="/nowhere/runs/bench"))
    flood(nodes)
    sys.stdout.write(line("run_finished", state="done", seconds=1.0))
    say("answered", id=order["id"])
