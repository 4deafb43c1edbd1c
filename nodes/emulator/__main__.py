"""The command: run an ELF, print what it did."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from nodes.emulator.core import CPU_MODELS
from nodes.emulator.machine import run
from nodes.emulator.outcome import Options


def main() -> None:
    """Print the outcome as JSON."""
    parser = argparse.ArgumentParser(prog="python -m nodes.emulator", description=__doc__)
    parser.add_argument("elf", type=Path)
    parser.add_argument("limit_s", type=float, nargs="?", default=60.0)
    parser.add_argument("--still", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--cpu", default="", choices=("", *CPU_MODELS))
    parser.add_argument("--uncounted", action="store_true")
    parser.add_argument("--blocks", action="store_true")
    parser.add_argument("--file", action="append", default=[], metavar="NAME=PATH")
    given = parser.parse_args()
    files = {name: Path(path) for name, _, path in (text.partition("=") for text in given.file)}
    options = Options(given.limit_s, given.still, given.cpu, not given.uncounted, given.blocks, files)
    json.dump(asdict(run(given.elf, options)), sys.stdout)


if __name__ == "__main__":
    main()
