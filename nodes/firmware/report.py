"""What a built image costs, read off the ELF: sections, symbols, flash of every layer, the stack's bound and depth.

The rows have the names that firmware.json uses for them, see `studio.views.data.firmware`.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from nodes.firmware.golden import Run
from nodes.firmware.image import Image, read_image
from nodes.firmware.memory import Memory
from nodes.firmware.program import Program
from nodes.firmware.project import constant_bytes
from nodes.firmware.stack import stack_bound

Json = dict[str, Any]
_DEFINED = re.compile(r"\b(\w+)\([^();{}]*\)\s*\{")
"""Functions where C defines them."""


def image_report(program: Program, elf: Path, memory: Memory, run: Run | None = None) -> Json:
    """Everything about a device's image; with the `run` of its test, how deep the stack was seen.

    Keys: sections, symbols (rows); limits, sizes, stack (by name); digests (sha256 by file); layer_sizes (a row per
    layer of the program, in order: constant_bytes, code_bytes, and flash_bytes, their sum).

    Raises:
        FirmwareError: the ELF is damaged.
    """
    image = read_image(elf)
    return {
        "limits": {"flash_bytes": memory.flash_bytes, "ram_bytes": memory.ram_bytes},
        "sections": [
            {"name": part.name, "region": part.region, "bytes": part.size_bytes, "address": part.address}
            for part in image.sections
        ],
        "symbols": symbol_rows(image),
        "sizes": sizes(program, image, memory),
        "stack": stack_facts(elf, memory, run),
        "layer_sizes": layer_sizes(program, image),
        "digests": {elf.name: image.sha256},
    }


def symbol_rows(image: Image) -> list[Json]:
    """Functions and variables, the largest first."""
    rows = sorted(image.symbols, key=lambda symbol: (-symbol.size_bytes, symbol.name))
    return [
        {"name": row.plain_name, "region": row.region, "section": row.section, "bytes": row.size_bytes} for row in rows
    ]


def layer_sizes(program: Program, image: Image) -> list[Json]:
    """Flash of every layer: its constants and its function. What layers share counts in none."""
    rows = []
    for layer in program.layers:
        constants, code = sum(map(image.bytes_of, layer.symbols)), image.bytes_of(layer.function)
        rows.append({"constant_bytes": constants, "code_bytes": code, "flash_bytes": constants + code})
    return rows


def sizes(program: Program, image: Image, memory: Memory) -> Json:
    """Bytes of flash and RAM in whole and by what they are for.

    `shared_bytes` are functions that layers share. `start_bytes` is what is not the network's: vectors, start-up, main,
    memcpy, a front end. `buffer_bytes` is what the program owns beside the network's block: the answer; `stack_bytes`
    are kept free.
    """
    rows = layer_sizes(program, image)
    flash, ram = image.used_bytes("flash"), image.used_bytes("ram")
    parts = Counter[str]()
    for row in rows:
        parts.update({name: row[name] for name in ("constant_bytes", "code_bytes")})
    of_layers = {name for layer in program.layers for name in (layer.function, *layer.symbols)}
    defined = set(_DEFINED.findall(program.source)) | constant_bytes(program.source).keys()
    shared = sum(map(image.bytes_of, defined - of_layers))
    network = parts["constant_bytes"] + parts["code_bytes"] + shared
    kept = image.bytes_of(f"{program.name}_arena") + program.state_bytes
    return {
        "flash_bytes": flash,
        "ram_bytes": ram,
        **parts,
        "shared_bytes": shared,
        "network_bytes": network,
        "start_bytes": flash - network,
        "arena_bytes": program.arena_bytes,
        "state_bytes": program.state_bytes,
        "buffer_bytes": ram - memory.stack_bytes - kept,
        "stack_bytes": memory.stack_bytes,
    }


def stack_facts(elf: Path, memory: Memory, run: Run | None = None) -> Json:
    """How deep the stack can get by the code, and got in the run; interrupts come on top."""
    bound = stack_bound(elf)
    return {
        "bound_bytes": bound.size_bytes,
        "bound_path": list(bound.path),
        "unbounded_because": bound.why,
        "measured_bytes": run.stack_bytes if run is not None else None,
        "reserved_bytes": memory.stack_bytes,
    }
