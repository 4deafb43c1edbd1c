"""Times of the single layers, from onnxruntime's own profiler.

The profiler counts whole microseconds per kernel and slows the run a little, so the sum of the layers is set beside the
time measured without it and never instead of it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from nodes.application.layers import LayerMap, map_layers, map_optimised, with_names
from nodes.application.network import logits_of, open_network, options
from nodes.application.protocol import Protocol


@dataclass(frozen=True)
class NodeTime:
    """One node of the optimised graph. `layer` is "" where it belongs to none."""

    node: str
    operator: str
    layer: str
    mean_us: float


@dataclass(frozen=True)
class LayerTime:
    """One layer: the mean of its nodes' sum over the timed runs, and its share of all layers."""

    layer: str
    operator: str
    mean_us: float
    share: float
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """Layers in the order of the architecture, the nodes behind them, and a profiled run as a whole."""

    layers: tuple[LayerTime, ...]
    nodes: tuple[NodeTime, ...]
    run_us: float
    """Mean of a whole profiled run; more than the layers' sum by what the engine does between kernels."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def profile(network: bytes, features: NDArray[np.float32], protocol: Protocol, folder: Path) -> Profile:
    """Time every layer of a network on one clip's features (1, *input_shape).

    `folder` takes the profiler's files.
    """
    model = with_names(onnx.load_model_from_string(network))
    optimised = folder / "optimised.onnx"
    made = options(protocol.threads)
    made.optimized_model_filepath = str(optimised)
    made.enable_profiling, made.profile_file_prefix = True, str(folder / "profile")
    session = open_network(model.SerializeToString(), "the network", made=made)
    for _ in range(protocol.warmups + protocol.runs):
        logits_of(session, features)
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    layers = map_layers(model)
    return summarise(events, protocol, layers, map_optimised(onnx.load(str(optimised)), layers))


def summarise(
    events: Iterable[Mapping[str, Any]], protocol: Protocol, layers: LayerMap, owners: Mapping[str, str]
) -> Profile:
    """Average the profiler's events over the runs after the warm-ups, by node and by layer."""
    kept = [event for event in events if event.get("cat") in ("Node", "Session")]
    runs = sorted((e for e in kept if e["name"] == "model_run"), key=lambda e: int(e["ts"]))[protocol.warmups :]
    begin = int(runs[0]["ts"])
    times: dict[tuple[str, str], float] = {}
    for event in kept:
        name, ending, _ = str(event["name"]).partition("_kernel_time")
        if ending and int(event["ts"]) >= begin:
            key = name, str(event["args"]["op_name"])
            times[key] = times.get(key, 0.0) + float(event["dur"]) / len(runs)
    nodes = tuple(NodeTime(name, operator, owners.get(name, ""), us) for (name, operator), us in times.items())
    return Profile(_by_layer(nodes, layers), nodes, fmean(float(run["dur"]) for run in runs))


def _by_layer(nodes: tuple[NodeTime, ...], layers: LayerMap) -> tuple[LayerTime, ...]:
    total = sum(node.mean_us for node in nodes)
    known = [layer for layer in layers.order if any(node.layer == layer for node in nodes)]
    others = sorted({node.layer for node in nodes} - set(known))
    return tuple(_layer(layer, [n for n in nodes if n.layer == layer], layers, total) for layer in [*known, *others])


def _layer(layer: str, nodes: list[NodeTime], layers: LayerMap, total_us: float) -> LayerTime:
    mean_us = sum(node.mean_us for node in nodes)
    share = mean_us / total_us if total_us else 0.0
    return LayerTime(layer, layers.operators.get(layer, ""), mean_us, share, tuple(node.node for node in nodes))
