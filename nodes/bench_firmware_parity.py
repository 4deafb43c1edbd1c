"""Rows of `ossicle bench firmware`: every stage of firmware over a thousand real clips, from their samples on."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.bench import Row, at_most
from nodes.bench_firmware_nets import CPU, NETS, Net, export
from nodes.firmware_node import samples_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.event import Event
    from nodes.dsp.parameters import FrontEnd
    from nodes.embedded.session import Made

DATA: Final = "../shared/data/speech_commands_subset.tar.gz"
CLIPS: Final = 1000
CALIBRATED_ON: Final = 64
PRESETS: Final = {"ds_cnn_s": ("mfcc", "dscnn-10x49"), "tc_resnet8": ("mfcc", "s1-40x98")}
"""Networks whose features are those of clips of one second, with their feature node and preset."""
PORTS: Final = (("features-1", "features"), ("ingest-1", "audio"))


def parity_rows(options: Mapping[str, str]) -> Iterator[Row]:
    """Stages that depart from the integer reference over real recordings, from samples to answers: none.

    Options: `data` (Speech Commands, its archive or folder), `clips` (1000), `parity_nets` (ds_cnn_s, tc_resnet8).
    """
    clips = int(options.get("clips", CLIPS))
    names = [name for name in options.get("parity_nets", "").split(",") if name] or list(PRESETS)
    for net in NETS:
        if net.name in names:
            yield from _net_rows(net, Path(options.get("data", DATA)), clips)


def _net_rows(net: Net, data: Path, count: int) -> Iterator[Row]:
    from nodes.dsp.presets import PRESETS as FRONT_ENDS
    from nodes.embedded.session import build
    from nodes.embedded.wish import Clips, Network, Wish

    front_end = FRONT_ENDS[PRESETS[net.name][1]]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        values, samples = heard(net, data, count, folder, front_end)
        onnx = export(net, folder / "net.onnx").read_bytes()
        step = max(1, len(values) // CALIBRATED_ON)
        network = Network(net.name, onnx, Clips(values), Clips(values[::step]), front_end=front_end, sounds=samples)
        begun_s = time.monotonic()
        made = build(network, Wish(CPU), folder / "firmware")
        seconds = time.monotonic() - begun_s
    stages = made.parity.stages
    departing = sum(not stage.is_exact for stage in stages)
    codes = sum(stage.values for stage in stages)
    peers = {"stages": float(len(stages)), "codes compared": float(codes), "seconds": round(seconds, 1), **_dft(made)}
    name = f"{net.title}, stages from samples on that depart over {made.parity.answers.clips:,} real clips"
    yield at_most(name, departing, "stages", 0, peers)


def _dft(made: Made) -> dict[str, float]:
    """Of the front end that ships, and what a shorter one was measured to change on some of the clips."""
    assert made.ear is not None
    found = {"DFT samples": float(made.ear.plan.dft_samples)}
    tried = made.ear.tried
    if tried is None:
        return found
    changed = {
        f"decisions changed, DFT of {tried.dft_samples[name]}": float(tried.changed[name]) for name in tried.changed
    }
    return {**found, **changed, "of clips": float(tried.inputs)}


def heard(
    net: Net, data: Path, count: int, folder: Path, front_end: FrontEnd
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Features (clips, *shape) and samples (clips, samples) of recordings, evenly over all of them."""
    import numpy as np

    from engine.artifact import AudioSet, FeatureSet, load
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
    found, audio = (load(record.artifacts(name)[port]) for name, port in PORTS)
    assert isinstance(found, FeatureSet) and isinstance(audio, AudioSet)
    rows = np.flatnonzero(table_of(found).subset != BACKGROUND)
    mask = np.zeros(len(table_of(found)), bool)
    mask[rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))]] = True
    names = [str(name) for name in table_of(found).clip_id[mask]]
    return read_features(found, mask), samples_of(audio, names, front_end)


def _ignore(_event: Event) -> None:
    """Nobody watches."""
