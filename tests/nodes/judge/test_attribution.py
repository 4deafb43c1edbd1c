"""Attributions: exact on a linear network, complete on a real one, and features of every layout."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nodes.judge.attribution import (
    OUTPUTS,
    SHAP,
    Picture,
    Task,
    blurred,
    grid,
    integrated_gradients,
    score_of,
)

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(3, 4, 6)).astype(np.float32)
CLIP, NOTHING = (RNG.normal(size=(4, 6)).astype(np.float32) for _ in range(2))


class Linear(nn.Module):
    """Three logits, each a weighted sum of the features."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nij,cij->nc", features, torch.from_numpy(WEIGHTS))


@pytest.mark.parametrize("index", range(3))
def test_integrated_gradients_of_a_linear_network_are_weight_times_change(index: int) -> None:
    found = integrated_gradients(score_of(Linear(), index, "logit"), CLIP, NOTHING, steps=4)
    np.testing.assert_allclose(found.values, WEIGHTS[index] * (CLIP - NOTHING), atol=1e-5)
    assert found.gap < 1e-4


def task(shap: str, output: str = "logit", evaluations: int = 4000) -> tuple[Task, np.ndarray]:
    made = Task(
        score_of(Linear(), 1, output), CLIP, NOTHING, NOTHING[None], Picture((4, 6), "mels,frames"), evaluations, seed=1
    )
    return made, WEIGHTS[1] * (CLIP - NOTHING)


@pytest.mark.parametrize("shap", ["partition", "gradient"])
def test_shap_of_a_linear_network_is_the_same(shap: str) -> None:
    made, wanted = task(shap)
    found = SHAP[shap](made)
    np.testing.assert_allclose(found.values, wanted, atol=1e-3)
    assert found.gap < 1e-3


def test_kernel_shap_finds_the_worth_of_cells() -> None:
    made, wanted = task("kernel", evaluations=400)
    found = SHAP["kernel"](made)
    cells = grid((4, 6), 10)
    for cell in range(cells.max() + 1):
        assert found.values[cells == cell].sum() == pytest.approx(wanted[cells == cell].sum(), abs=0.05)
    assert found.gap < 0.05


@pytest.mark.parametrize("shap", sorted(SHAP))
def test_the_seed_decides_and_common_generators_stay_as_they_were(shap: str) -> None:
    made, _ = task(shap, "log_odds", evaluations=60)
    np.random.seed(5)
    torch.manual_seed(5)
    wanted = (np.random.random(), torch.rand(1).item())
    np.random.seed(5)
    torch.manual_seed(5)
    first, second = SHAP[shap](made), SHAP[shap](made)
    assert (np.random.random(), torch.rand(1).item()) == wanted
    np.testing.assert_array_equal(first.values, second.values)


def test_log_odds_are_those_of_the_probability() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    p = float(torch.softmax(logits, 1)[0, 2])
    assert float(OUTPUTS["log_odds"](logits, 2)) == pytest.approx(np.log(p / (1 - p)))
    assert float(OUTPUTS["probability"](logits, 2)) == pytest.approx(p)


def test_patches_follow_each_other_and_channels_are_added() -> None:
    values = np.arange(24.0).reshape(2, 3, 4)
    patches, channels = Picture((2, 3, 4), "patches,mels,frames"), Picture((2, 3, 4), "channels,height,width")
    assert patches.size == (3, 8) and channels.size == (3, 4)
    np.testing.assert_array_equal(patches.flat(values)[0], [0, 1, 2, 3, 12, 13, 14, 15])
    np.testing.assert_array_equal(channels.flat(values)[0], [12, 14, 16, 18])
    mask = np.zeros((1, 3, 8), bool)
    mask[0, 1, 5] = True
    assert np.argwhere(patches.unfold(mask)[0]).tolist() == [[1, 1, 1]]
    assert np.argwhere(channels.unfold(mask[:, :, 4:])[0]).tolist() == [[0, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("layout", ["patches,mels,frames", "channels,height,width"])
@pytest.mark.parametrize("shap", sorted(SHAP))
def test_three_axes_are_explained_as_one_picture(layout: str, shap: str) -> None:
    weights = RNG.normal(size=(2, 3, 4)).astype(np.float32)
    clip, picture = RNG.normal(size=(2, 3, 4)).astype(np.float32), Picture((2, 3, 4), layout)

    def score(features: torch.Tensor) -> torch.Tensor:
        return (features * torch.from_numpy(weights)).sum(dim=(1, 2, 3))

    nothing = np.zeros_like(clip)
    found = SHAP[shap](Task(score, clip, nothing, nothing[None], picture, 400, 0))
    assert found.values.shape == picture.size
    assert found.values.sum() == pytest.approx(float((weights * clip).sum()), abs=0.05)


def test_a_blur_leaves_no_detail_and_keeps_channels_apart() -> None:
    clip = np.zeros((2, 16, 16), np.float32)
    clip[0, ::2] = 1.0
    found = blurred(clip)
    assert found[0].std() < 0.05 * clip[0].std() + 0.05 and (found[1] == 0).all()


def test_cells_cover_the_picture_evenly() -> None:
    cells = grid((10, 7), 3)
    assert sorted(set(cells.ravel().tolist())) == list(range(9))
    assert np.bincount(cells.ravel()).min() >= 6 and grid((2, 2), 5).max() == 3
