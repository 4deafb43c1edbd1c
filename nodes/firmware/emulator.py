"""Firmware run by the emulator, a process of its own, and what went wrong in words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nodes.emulator import Options, Outcome
from nodes.firmware.errors import FirmwareError

SPARE_S = 30.0
"""For the process to start and to count."""


def run_elf(elf: Path, options: Options) -> Outcome:
    """What an ELF did in emulation, its faults included.

    Raises:
        FirmwareError: the emulator itself failed.
    """
    command = [sys.executable, "-m", "nodes.emulator", str(elf), *_arguments(options)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.limit_s + SPARE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise broken(f"the emulator did not end within {options.limit_s + SPARE_S:g} s") from error
    if done.returncode:
        raise broken((done.stderr.strip().splitlines() or ["the emulator ended"])[-1])
    return Outcome(**json.loads(done.stdout))


def _arguments(options: Options) -> Iterator[str]:
    yield f"{options.limit_s:g}"
    yield f"--still={options.still_s:g}"
    if options.cpu:
        yield f"--cpu={options.cpu}"
    if not options.counts:
        yield "--uncounted"
    if options.keeps_blocks:
        yield "--blocks"
    for name, path in options.files.items():
        yield f"--file={name}={path}"


def where(outcome: Outcome, layers: Sequence[str]) -> str:
    """Why a run was stopped, at which clip and layer, and the registers of that moment."""
    region = len(outcome.regions) - 1
    clip, layer = divmod(region // 2, max(len(layers), 1))
    place = f"in layer {layers[layer]} of clip {clip}" if region % 2 and layers else "outside the layers"
    registers = " ".join(f"{name}={value:#x}" for name, value in outcome.registers.items())
    return f"{outcome.fault or f'exit code {outcome.code}'} {place}; {registers}".strip("; ")


def broken(why: str) -> FirmwareError:
    """Of firmware that did not come to its end."""
    return FirmwareError(
        f"The firmware does not run: {why}.", "a run to its end", "Generate and build it again; report this."
    )
