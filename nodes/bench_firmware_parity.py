"""Rows of `ossicle bench firmware`: every stage of firmware over a thousand real clips, in emulation."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.bench import Row, at_most
from nodes.bench_firmware_nets import CPU, NETS, Net, export

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.event import Event

DATA: Final = "../shared/data/speech_commands_subset.tar.gz"
CLIPS: Final = 1000
CALIBRATED_ON: Final = 64
PRESETS: Final = {"ds_cnn_s": ("mfcc", "dscnn-10x49"), "tc_resnet8": ("mfcc", "s1-40x98")}
"""Networks whose features are those of clips of one second, with their feature node and preset."""


def parity_rows(options: Mapping[str, str]) -> Iterator[Row]:
    """Stages that depart from the integer reference over real recordings: none.

    Options: `data` (Speech Commands, its archive or folder), `clips` (1000), `parity_nets` (ds_cnn_s, tc_resnet8).
    """
    clips = int(options.get("clips", CLIPS))
    names = [name for name in options.get("parity_nets", "").split(",") if name] or list(PRESETS)
    for net in NETS:
        if net.name in names:
            yield from _net_rows(net, Path(options.get("data", DATA)), clips)


def _net_rows(net: Net, data: Path, count: int) -> Iterator[Row]:
    from nodes.embedded.session import build
    from nodes.embedded.wish import Clips, Network, Wish

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        values = features(net, data, count, folder)
        onnx = export(net, folder / "net.onnx").read_bytes()
        step = max(1, len(values) // CALIBRATED_ON)
        network = Network(net.name, onnx, Clips(values), Clips(values[::step]))
        begun_s = time.monotonic()
        made = build(network, Wish(CPU), folder / "firmware")
        seconds = time.monotonic() - begun_s
    stages = made.parity.stages
    departing = sum(not stage.is_exact for stage in stages)
    codes = sum(stage.values for stage in stages)
    peers = {"stages": float(len(stages)), "codes compared": float(codes), "seconds": round(seconds, 1)}
    name = f"{net.title}, stages that depart over {made.parity.answers.clips:,} real clips"
    yield at_most(name, departing, "stages", 0, peers)


def features(net: Net, data: Path, count: int, folder: Path) -> NDArray[np.float32]:
    """Features (clips, *shape) of recordings, evenly over all of them."""
    import numpy as np

    from engine.artifact import FeatureSet, load
    from engine.audio import BACKGROUND, read_features, table_of
    from engine.runner import LocalRunner, Request
    from engine.workflow import parse

    kind, preset = PRESETS[net.name]
    raw = {
        "ingest-1": (
            "ingest",
            {"source": str(data.resolve()), "layout": "speech_commands", "words": [], "limit_per_class": count},
        ),
        "features-1": (kind, {"preset": preset}),
    }
    nodes = {name: {"type": f"ossicle.{type}", "version": 1, "params": params} for name, (type, params) in raw.items()}
    links = ["ingest-1.audio -> features-1.audio"]
    workflow = parse({"format": 1, "name": "bench_firmware", "nodes": nodes, "links": links})
    record = LocalRunner().run(Request(workflow, folder), _ignore, threading.Event())
    fault = next((node.error for node in record.nodes.values() if node.error is not None), None)
    if fault is not None:
        from engine.errors import OssicleError

        raise OssicleError(fault.what, fault.expected, fault.remedy)
    found = load(record.artifacts("features-1")["features"])
    assert isinstance(found, FeatureSet)
    rows = np.flatnonzero(table_of(found).subset != BACKGROUND)
    mask = np.zeros(len(table_of(found)), bool)
    mask[rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))]] = True
    return read_features(found, mask)


def _ignore(_event: Event) -> None:
    """Nobody watches."""
