"""Ranges from clips, and the bytes they give."""

from __future__ import annotations

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import Graph, LneError, Range
from nodes.lne.ir import Activation, Pool, Rearrange
from nodes.lne.primitives.int8_numbers import to_bytes, to_real
from nodes.lne.ranges import METHODS, calibrate, spreads
from nodes.lne.simulate import Simulation


@pytest.fixture(scope="module")
def graph() -> Graph:
    build = Builder(2, 6, 8)
    build.conv(8)
    build.add(Pool("pool", (build.last,), "pooled", kernel=(2, 2), stride=(2, 2)), (8, 3, 4))
    turned = np.arange(96, dtype=np.int32)[::-1].copy()
    build.add(Rearrange("turn", ("pooled",), "turned", table=turned), (8, 3, 4))
    build.conv(5, (1, 1), activation=Activation.NONE)
    return build.graph()


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((40, 2, 6, 8)).astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
def test_every_map_has_a_range_with_an_exact_zero(graph: Graph, clips: np.ndarray, method: str) -> None:
    found = calibrate(graph, clips, method)
    assert found.keys() == graph.maps.keys()
    for given in found.values():
        assert given.scale == np.float32(given.scale)
        assert to_real(to_bytes(np.zeros(1), given), given)[0] == 0.0


def test_extremes_are_the_ends_of_what_was_seen(graph: Graph, clips: np.ndarray) -> None:
    found = calibrate(graph, clips, "extremes")["input"]
    ends = [found.scale * (end - found.zero) for end in (0, 255)]
    assert np.allclose(ends, (clips.min(), clips.max()), atol=found.scale)
    error = np.abs(to_real(to_bytes(clips, found), found) - clips)
    assert error.max() <= found.scale * 0.501 + 1e-6


def test_rectified_maps_waste_no_byte_on_negative_values(graph: Graph, clips: np.ndarray) -> None:
    assert calibrate(graph, clips)["conv0_out"].zero == 0


def test_maps_that_only_move_values_share_a_range(graph: Graph, clips: np.ndarray) -> None:
    found = calibrate(graph, clips)
    assert found["conv0_out"] == found["pooled"] == found["turned"] != found[graph.result]


def _errors(graph: Graph, clips: np.ndarray, method: str) -> list[np.ndarray]:
    """Squared errors of the clips with the range of the extremes, and with a method's."""
    both = (calibrate(graph, clips, name)["input"] for name in ("extremes", method))
    return [np.square(to_real(to_bytes(clips, given), given) - clips) for given in both]


def test_tails_let_go_of_an_outlier(graph: Graph) -> None:
    clips = np.random.default_rng(1).standard_normal((300, 2, 6, 8)).astype(np.float32)
    clips[3, 1, 2, 2] = 50.0
    wide, narrow = _errors(graph, clips, "tails")
    assert narrow[np.abs(clips) < 3.0].mean() < 0.2 * wide[np.abs(clips) < 3.0].mean()


def test_squares_weigh_rounding_against_clipping(graph: Graph) -> None:
    clips = np.random.default_rng(1).laplace(0.0, 1.0, (800, 2, 6, 8)).astype(np.float32)
    wide, narrow = _errors(graph, clips, "squares")
    assert narrow.mean() < 0.95 * wide.mean()


def test_counts_are_those_of_numpy(graph: Graph, clips: np.ndarray) -> None:
    found = spreads(graph, clips)["input"]
    assert found.counts.sum() == clips.size
    counts, _ = np.histogram(clips, len(found.counts), (found.low, found.high))
    assert np.abs(np.cumsum(counts - found.counts)).max() <= 2  # a value on an edge may fall to either side


def test_a_map_of_zeros_has_a_range(graph: Graph) -> None:
    found = calibrate(graph, np.zeros((2, 2, 6, 8), np.float32))
    assert found["input"] == Range(pytest.approx(1.0 / 255.0, rel=1.0), 0)
    assert np.isfinite(Simulation(graph).outputs(np.zeros((1, 2, 6, 8), np.float32))).all()


@pytest.mark.parametrize(
    ("clips", "method", "words"),
    [
        (np.empty((0, 2, 6, 8), np.float32), "squares", "there are none"),
        (np.full((1, 2, 6, 8), np.nan, np.float32), "squares", "not finite"),
        (np.zeros((1, 2, 6, 8), np.float32), "guess", "there is no way 'guess'"),
    ],
)
def test_what_cannot_be_calibrated_is_told(graph: Graph, clips: np.ndarray, method: str, words: str) -> None:
    with pytest.raises(LneError, match=words):
        calibrate(graph, clips, method)
