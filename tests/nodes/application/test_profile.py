"""Profiles: averaged over the timed runs only, summed by layer."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nodes.application.bundle import Bundle
from nodes.application.layers import LayerMap
from nodes.application.profile import profile, summarise
from nodes.application.protocol import PROTOCOLS, Protocol, summary

LAYERS = LayerMap(("conv1", "fc"), {"conv1": "Conv", "fc": "Gemm"}, {}, {}, {})
OWNERS = {"a": "conv1", "b": "conv1", "c": "fc"}


def _run(start: int, times: dict[str, int], total: int) -> list[dict[str, Any]]:
    kernels = [
        {"cat": "Node", "name": f"{name}_kernel_time", "ts": start + 1, "dur": us, "args": {"op_name": "Op"}}
        for name, us in times.items()
    ]
    fence = {"cat": "Node", "name": "a_fence_before", "ts": start, "dur": 99, "args": {"op_name": "Op"}}
    return [fence, *kernels, {"cat": "Session", "name": "model_run", "ts": start, "dur": total, "args": {}}]


def test_warm_ups_are_thrown_away() -> None:
    """The mean is over the timed runs; nodes add up to layers, layers to one."""
    events = [
        {"cat": "Session", "name": "session_initialization", "ts": 0, "dur": 5000, "args": {}},
        *_run(1000, {"a": 900, "b": 900, "c": 900}, 3000),
        *_run(5000, {"a": 10, "b": 20, "c": 30}, 70),
        *_run(6000, {"a": 20, "b": 30, "c": 40}, 110),
    ]
    found = summarise(events, Protocol("x", "", runs=2, warmups=1, threads=1), LAYERS, OWNERS)
    assert [(layer.layer, layer.mean_us, layer.nodes) for layer in found.layers] == [
        ("conv1", 40.0, ("a", "b")), ("fc", 35.0, ("c",)),
    ]  # fmt: skip
    assert sum(layer.share for layer in found.layers) == pytest.approx(1)
    assert found.run_us == 90.0


def test_a_node_of_no_layer_is_shown() -> None:
    """Time that belongs to no layer stays visible, in a row without a name."""
    events = _run(10, {"a": 10, "stray": 30}, 50)
    found = summarise(events, Protocol("x", "", 1, 0, 1), LAYERS, OWNERS)
    assert [(layer.layer, layer.mean_us) for layer in found.layers] == [("conv1", 10.0), ("", 30.0)]


def test_a_real_network(digit_bundle: Bundle, tmp_path: Path) -> None:
    """Layers come in the order of the architecture, and their sum stays within a profiled run."""
    features = np.zeros((1, *digit_bundle.input_shape), np.float32)
    found = profile(digit_bundle.network, features, Protocol("x", "", 5, 2, 1), tmp_path)
    names = [layer.layer for layer in found.layers]
    assert names[0] == "conv1" and names[-1] == "fc" and {"b1.conv1", "b1.short", "pool"} < set(names)
    assert 0 < sum(layer.mean_us for layer in found.layers) <= found.run_us
    assert sum(layer.mean_us for layer in found.layers) == pytest.approx(sum(node.mean_us for node in found.nodes))
    assert json.loads(json.dumps(found.to_json())) == json.loads(json.dumps(asdict(found)))


def test_protocols_of_the_papers() -> None:
    """SEEDS 11 and 13: S1 50 runs after 10 warm-ups on one thread, S4 10 after 1, S2 50 on 4 threads."""
    found = {name: (p.runs, p.warmups, p.threads) for name, p in PROTOCOLS.items()}
    assert found["s1"] == (50, 10, 1) and found["s4"] == (10, 1, 1)
    assert (found["s2"][0], found["s2"][2]) == (50, 4)


def test_summary() -> None:
    """What S1's tool prints, and the median."""
    assert summary([3.0, 1.0, 2.0, 10.0]) == {
        "count": 4, "first_us": 3.0, "last_us": 10.0, "min_us": 1.0, "max_us": 10.0, "mean_us": 4.0,
        "std_us": pytest.approx(3.5355339), "median_us": 2.5,
    }  # fmt: skip
