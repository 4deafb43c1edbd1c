"""Measuring in a process of its own."""

from pathlib import Path

import numpy as np
import pytest

from nodes.application import ApplicationError, memory
from nodes.application.bundle import Bundle
from nodes.application.measure import measure
from nodes.application.protocol import Protocol

QUICK = Protocol("quick", "a test", runs=7, warmups=2, threads=1)


def test_everything_is_measured(digit_folder: Path, digit_bundle: Bundle) -> None:
    """Latency, preprocessing, layers and memory, under the protocol that was asked for."""
    clip = np.random.default_rng(0).uniform(-1, 1, digit_bundle.front_end.clip_samples).astype(np.float32)
    found = measure(digit_folder, clip, QUICK)
    assert found["protocol"] == QUICK.to_json()
    for part in ("inference", "preprocessing"):
        times = found[part]
        assert times["count"] == 7
        assert 0 < times["min_us"] <= times["median_us"] <= times["max_us"]
    assert {layer["layer"] for layer in found["profile"]["layers"]} >= {"conv1", "b3.conv2", "fc"}
    assert 0 < found["memory"]["inference_bytes"] < found["memory"]["process_bytes"]


def test_a_bundle_that_does_not_run(tmp_path: Path) -> None:
    """The other process' last words are passed on."""
    with pytest.raises(ApplicationError, match="measuring failed .*holds no deployment"):
        measure(tmp_path, np.zeros(10, np.float32), QUICK)


def test_cancelled_midway(digit_folder: Path, digit_bundle: Bundle) -> None:
    """Hours of runs end as soon as somebody asks."""

    def check() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        measure(digit_folder, np.zeros(8000, np.float32), Protocol("long", "", 10**9, 0, 1), check)


def test_memory_grows_by_what_is_touched() -> None:
    """64 MB that are written and given back are seen in the peak."""
    start = memory.mark()
    block = np.ones(64 << 20, np.uint8)
    assert block.sum() == 64 << 20
    del block
    assert (56 << 20) < memory.growth_bytes(start) < (160 << 20)
    assert memory.growth_bytes(memory.mark()) < (16 << 20)
