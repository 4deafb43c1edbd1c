"""Clips for a running firmware and what it computed, as the files that `templates/test.c` reads and writes.

Clips are codes in rows, columns, channels, one after another. A trace is records of a stage's number (32 bits), its
bytes (32 bits) and its codes; a clip ends with the record of its output. All clips have the same records.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.errors import FirmwareError
from nodes.firmware.program import Program
from nodes.quant.fixed import Fixed
from nodes.quant.integer import IntegerGraph

CLIPS_FILE: Final = "ossicle_clips.bin"
TRACE_FILE: Final = "ossicle_trace.bin"
OUTPUT_RECORD: Final = 0x7FFF_FFFF
FRONT_RECORD: Final = 0x1000_0000
HEAD_BYTES: Final = 8
Codes = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Trace:
    """What the firmware computed for some clips.

    Attributes:
        maps: output of every layer, codes (clips, rows, columns, channels), by the map's name.
        front: codes of a front end's stages by number, (clips, bytes) as they came.
        output: what the caller was given.
    """

    maps: Mapping[str, Codes] = field(repr=False)
    output: Codes = field(repr=False)
    front: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict, repr=False)


def stored_type(form: Fixed) -> np.dtype[Any]:
    """How codes lie in the firmware's memory."""
    return np.dtype(np.int8 if form.bits <= 8 else "<i2")


def write_clips(path: Path, graph: IntegerGraph, clips: Codes) -> None:
    """Write clips (clips, channels, rows, columns) in codes."""
    path.write_bytes(clips.transpose(0, 2, 3, 1).astype(stored_type(graph.forms[graph.source])).tobytes())


def trace_bytes(program: Program) -> int:
    """Of one clip of a network without a front end."""
    graph = program.graph
    names = [*(layer.output for layer in program.layers), graph.result]
    return sum(HEAD_BYTES + graph.maps[name].size * stored_type(graph.forms[name]).itemsize for name in names)


def read_trace(path: Path, program: Program, clips: int) -> Trace:
    """What the firmware computed.

    Raises:
        FirmwareError: the file is not what this firmware writes for so many clips.
    """
    data = path.read_bytes()
    records = list(_first_clip(data))
    layout = np.dtype([(f"{part}{at}", kind) for at, (_, size) in enumerate(records) for part, kind in _fields(size)])
    if not records or len(data) != clips * layout.itemsize:
        raise _foreign(f"{len(data):,} bytes for {clips} clips")
    rows = np.frombuffer(data, layout)
    if any((rows[f"stage{at}"] != stage).any() for at, (stage, _) in enumerate(records)):
        raise _foreign("records in another order")
    return _named(program, {}, rows, records)


def _first_clip(data: bytes) -> list[tuple[int, int]]:
    """(stage, bytes) of every record up to the first output."""
    found, at = [], 0
    while at + HEAD_BYTES <= len(data):
        stage, size = struct.unpack_from("<II", data, at)
        found.append((stage, size))
        at += HEAD_BYTES + size
        if stage == OUTPUT_RECORD:
            return found
    return []


def _fields(size: int) -> tuple[tuple[str, Any], ...]:
    return ("stage", "<u4"), ("bytes", "<u4"), ("data", ("u1", (size,)))


def _named(program: Program, maps: dict[str, Codes], rows: Any, records: list[tuple[int, int]]) -> Trace:
    graph, front = program.graph, dict[int, list[NDArray[np.uint8]]]()
    output: Codes | None = None
    for at, (stage, size) in enumerate(records):
        data = np.ascontiguousarray(rows[f"data{at}"])
        if FRONT_RECORD <= stage < OUTPUT_RECORD:
            front.setdefault(stage - FRONT_RECORD, []).append(data)
            continue
        if stage != OUTPUT_RECORD and stage >= len(program.layers):
            raise _foreign(f"a record of layer {stage}")
        name = graph.result if stage == OUTPUT_RECORD else program.layers[stage].output
        shape, kind = graph.maps[name], stored_type(graph.forms[name])
        if size != shape.size * kind.itemsize:
            raise _foreign(f"{size:,} bytes of {name}")
        codes = data.view(kind).reshape(len(rows), shape.h, shape.w, shape.c)
        if stage == OUTPUT_RECORD:
            output = codes
        else:
            maps[name] = codes
    if output is None or len(maps) != len(program.layers):
        raise _foreign(f"records of {len(maps)} layers")
    return Trace(maps, output, {stage: np.concatenate(parts, 1) for stage, parts in front.items()})


def _foreign(found: str) -> FirmwareError:
    return FirmwareError(
        f"The firmware's trace has {found}.",
        "every layer's codes for every clip",
        "Build the firmware again; report this.",
    )
