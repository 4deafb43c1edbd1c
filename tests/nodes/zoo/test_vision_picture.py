"""The picture of a spectrogram: equal to a plain numpy drawing of real features, and its colours to matplotlib's."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from nodes.dsp.frontend import PRESETS, compute, fit
from nodes.zoo import architecture, build, export_onnx
from nodes.zoo.block import Colours
from nodes.zoo.colours import colour_table
from nodes.zoo.inference import logits, open_session
from nodes.zoo.picture import Picture

Floats = NDArray[np.float64]
MEAN, SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def drawn(features: NDArray[np.float32], name: str, pixels: int) -> Floats:
    """One matrix (bands, frames) as a picture (3, pixels, pixels), step by step as S2 says."""
    rows = features[::-1].astype(np.float64)
    span = rows.max() - rows.min()
    levels = (rows - rows.min()) / (span or 1.0) * 255
    table = colour_table(name).astype(np.float64)
    colours = np.stack([np.interp(levels, np.arange(256), table[:, channel]) for channel in range(3)], -1)
    picture = resized(resized(colours, pixels, 0), pixels, 1)
    return ((picture - MEAN) / SPREAD).transpose(2, 0, 1)


def resized(values: Floats, pixels: int, axis: int) -> Floats:
    """Linear interpolation between the centres of cells; beyond the outer centres their value."""
    size = values.shape[axis]
    places = (np.arange(pixels) + 0.5) * size / pixels - 0.5
    below = np.clip(np.floor(places), 0, size - 1).astype(int)
    above = np.minimum(below + 1, size - 1)
    share = np.clip(places - below, 0, 1).reshape([-1 if index == axis else 1 for index in range(values.ndim)])
    return (1 - share) * values.take(below, axis) + share * values.take(above, axis)


@pytest.fixture(scope="module", params=["s2-paper", "s2-repo"])
def features(request: pytest.FixtureRequest, recordings: Path) -> NDArray[np.float32]:
    """Three real recordings as log-mel features (3, 128, frames)."""
    front_end = PRESETS[request.param]
    paths = sorted((recordings / "fsdd" / "recordings").glob("7_*_1.wav"))[:3]
    clips = []
    for path in paths:
        samples, rate_hz = soundfile.read(path, dtype="float32")
        clips.append(fit(front_end, np.tile(samples, 12), rate_hz))
    return compute(front_end, np.stack(clips))


@pytest.mark.parametrize("name", get_args(Colours))
def test_equal_to_a_plain_drawing(features: NDArray[np.float32], name: Colours) -> None:
    found = Picture(name, 224)(torch.from_numpy(features)[:, None]).numpy()
    wanted = np.stack([drawn(one, name, 224) for one in features])
    assert found.shape == (3, 3, 224, 224)
    np.testing.assert_allclose(found, wanted, atol=2e-4)


@pytest.mark.parametrize("shape", [(128, 61), (128, 249), (128, 224), (40, 98), (1, 1), (3, 500)])
def test_onnx_draws_features_of_any_size(shape: tuple[int, int], tmp_path: Path) -> None:
    """One class per channel of the mean colour, and a layer that keeps a pixel's neighbours."""
    made = architecture("deepspectrum_squeezenet1_1", input_shape=shape, classes=5)
    network = build({**made, "blocks": ["image_vplasma_o224", "max_k32", "fc"]}).eval()
    export_onnx(network, tmp_path / "model.onnx")
    maps = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    maps[1] = 3.0  # all equal
    with torch.no_grad():
        wanted = network(torch.from_numpy(maps)).numpy()
    np.testing.assert_allclose(logits(open_session(tmp_path / "model.onnx"), maps), wanted, atol=1e-4)


def test_silence_is_a_picture_of_the_darkest_colour() -> None:
    found = Picture("viridis", 8)(torch.full((1, 1, 128, 186), -160.0))[0].numpy()
    dark = (colour_table("viridis")[0] - MEAN) / SPREAD
    np.testing.assert_allclose(found, np.broadcast_to(dark[:, None, None], found.shape), atol=1e-6)


def test_frequency_points_upward_and_time_to_the_right() -> None:
    maps = torch.zeros(1, 1, 16, 16)
    maps[0, 0, 12:, :4] = 1.0  # high bands at the beginning
    bright = Picture("magma", 16)(maps)[0].mean(0)
    assert bright[:4, :4].min() > bright[4:].max() and bright[:4, :4].min() > bright[:, 4:].max()


def test_gradients_reach_the_features() -> None:
    maps = torch.randn(2, 1, 20, 30, requires_grad=True)
    Picture("inferno", 24)(maps).square().sum().backward()
    assert maps.grad is not None and bool((maps.grad != 0).float().mean() > 0.9)


@pytest.mark.parametrize("name", get_args(Colours))
def test_colours_are_the_published_ones(name: str) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    published = matplotlib.colormaps[name](np.arange(256))[:, :3]
    assert np.abs(colour_table(name) - published).max() <= 0.5 / 255 + 1e-6
