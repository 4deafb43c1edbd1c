"""A program that runs a workflow file with the fake nodes: `python run_fakes.py FILE`, events on standard output."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import ossicle_fakes

from engine.event import to_stream
from engine.registry import Registry, specs_of
from engine.runner import LocalRunner, Request
from engine.workflow import load


def main(path: Path) -> int:
    registry = Registry({spec.id: spec for spec in specs_of(ossicle_fakes)})
    request = Request(load(path), path.parent, registry=registry, workers=2)
    record = LocalRunner().run(request, to_stream(sys.stdout), threading.Event())
    return 0 if record.state == "done" else 1


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
