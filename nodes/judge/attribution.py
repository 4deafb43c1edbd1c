"""Which parts of a clip's features raise or lower a class: integrated gradients and SHAP values (torch, captum).

Every method shares out the difference between the class score of the clip and that of a baseline ("nothing to hear")
over the features; how far the parts miss the whole is measured (`gap`), not assumed.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from captum.attr import GradientShap, IntegratedGradients, KernelShap
from numpy.typing import NDArray
from torch import Tensor, nn

from nodes.judge.partition import Masks, partition_shap
from nodes.learn.metrics import Floats

Features = NDArray[np.float32]
Score = Callable[[Tensor], Tensor]
"""Scores (clips,) of one class from features (clips, *shape)."""
Output = Callable[[Tensor, int], Tensor]


def _log_odds(logits: Tensor, index: int) -> Tensor:
    others = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1)
    return logits[:, index] - torch.logsumexp(others, dim=1)


OUTPUTS: Final[Mapping[str, Output]] = MappingProxyType(
    {
        "log_odds": _log_odds,
        "probability": lambda logits, index: torch.softmax(logits, dim=1)[:, index],
        "logit": lambda logits, index: logits[:, index],
    }
)
"""What is explained. What raises the log odds ln(p / (1 - p)) raises the class against all others, at any level."""


def score_of(network: nn.Module, index: int, output: str) -> Score:
    """The score of a class as a function of features."""
    made = OUTPUTS[output]
    return lambda features: made(network(features), index)


@dataclass(frozen=True)
class Picture:
    """How features (*shape) lie as one picture (rows, columns): patches in a row, channels on top of each other."""

    shape: tuple[int, ...]
    layout: str

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.shape[-2:]
        return rows, columns * (self.shape[0] if self._has_patches else 1)

    @property
    def _has_patches(self) -> bool:
        return len(self.shape) == 3 and not self.layout.startswith("channels")

    def flat(self, values: NDArray[np.floating]) -> Floats:
        """Features or attributions (*shape) as a picture; channels are added up."""
        found = values.astype(np.float64)
        if len(self.shape) == 2:
            return found
        joined: Floats = np.concatenate(list(found), axis=-1) if self._has_patches else found.sum(axis=0)
        return joined

    def unfold(self, masks: Masks) -> Masks:
        """Masks (pictures, rows, columns) as masks of features (pictures, *shape)."""
        if len(self.shape) == 2:
            return masks
        if self._has_patches:
            return np.stack(np.split(masks, self.shape[0], axis=2), axis=1)
        return np.repeat(masks[:, None], self.shape[0], axis=1)


@dataclass(frozen=True)
class Attribution:
    """Shares (*shape or picture) of the difference between a clip's score and its baseline's."""

    values: Floats
    score: float
    baseline_score: float
    evaluations: int

    @property
    def gap(self) -> float:
        """How far the shares' sum misses the difference: zero for a complete attribution."""
        return abs(float(self.values.sum()) - (self.score - self.baseline_score))


def integrated_gradients(score: Score, features: Features, baseline: Features, steps: int) -> Attribution:
    """Gradients along the straight way from the baseline to the clip (Sundararajan et al., 2017), Gauss-Legendre."""
    clip, nothing = _tensor(features), _tensor(baseline)
    found = IntegratedGradients(score).attribute(clip, nothing, n_steps=steps, internal_batch_size=64)
    return _attribution(found, score, clip, nothing, steps)


@dataclass(frozen=True)
class Task:
    """One clip to explain by SHAP values.

    Attributes:
        baseline: what hidden features are replaced by (*shape).
        others: other baselines to draw from (clips, *shape), for gradient SHAP.
    """

    score: Score
    features: Features
    baseline: Features
    others: Features
    picture: Picture
    evaluations: int
    seed: int


def _partition(task: Task) -> Attribution:
    def value(masks: Masks) -> Floats:
        shown = np.where(task.picture.unfold(masks), task.features, task.baseline).astype(np.float32)
        with torch.no_grad():
            found: Floats = task.score(torch.from_numpy(shown)).double().numpy()
        return found

    shares = partition_shap(value, task.picture.size, task.evaluations)
    return Attribution(shares.values, shares.whole, shares.empty, shares.evaluations)


def _gradient(task: Task) -> Attribution:
    """Expected gradients over baselines drawn from the clips (S. Lundberg's gradient explainer)."""
    clip, others = _tensor(task.features), torch.from_numpy(task.others)
    with _drawn(task.seed):
        found = GradientShap(task.score).attribute(clip, others, n_samples=task.evaluations, stdevs=0.0)
    with torch.no_grad():
        empty = float(task.score(others).mean())
        whole = float(task.score(clip)[0])
    return Attribution(task.picture.flat(found[0].detach().numpy()), whole, empty, task.evaluations)


@contextmanager
def _drawn(seed: int) -> Iterator[None]:
    """Captum draws from numpy's and torch's common generators: seed both, and leave them as they were."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)


def _kernel(task: Task) -> Attribution:
    """Weighted regression over hidden cells (Lundberg and Lee, 2017): four evaluations per cell."""
    clip, nothing = _tensor(task.features), _tensor(task.baseline)
    cells = grid(task.picture.size, max(2, int((task.evaluations / 4) ** 0.5)))
    areas = np.bincount(cells.ravel())[cells]
    mask = np.stack([task.picture.unfold((cells == cell)[None])[0] for cell in range(int(cells.max()) + 1)]).argmax(
        axis=0
    )
    with _drawn(task.seed):
        found = KernelShap(task.score).attribute(
            clip, nothing, feature_mask=torch.from_numpy(mask)[None], n_samples=task.evaluations
        )
    values = _representative(task.picture, found[0].detach().numpy()) / areas
    with torch.no_grad():
        return Attribution(values, float(task.score(clip)[0]), float(task.score(nothing)[0]), task.evaluations)


def _representative(picture: Picture, values: Features) -> Floats:
    """A cell's value stands on every feature of the cell: of channels one is taken, not the sum."""
    flat = picture.flat(values)
    return flat / picture.shape[0] if len(picture.shape) == 3 and picture.layout.startswith("channels") else flat


def grid(size: tuple[int, int], side: int) -> NDArray[np.int64]:
    """Numbers of about side x side equal cells of a picture (rows, columns)."""
    rows, columns = (np.arange(length) * min(side, length) // length for length in size)
    return rows[:, None] * (int(columns.max()) + 1) + columns[None, :]


SHAP: Final[Mapping[str, Callable[[Task], Attribution]]] = MappingProxyType(
    {"partition": _partition, "gradient": _gradient, "kernel": _kernel}
)


def blurred(features: Features) -> Features:
    """The clip without its detail: a Gaussian blur over an eighth of each axis, as a picture is painted over."""
    from scipy.ndimage import gaussian_filter

    sigma = [0.0] * (features.ndim - 2) + [max(length / 8, 1.0) for length in features.shape[-2:]]
    result: Features = gaussian_filter(features, sigma).astype(np.float32)
    return result


def _tensor(features: Features) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(features, np.float32))[None]


def _attribution(found: Tensor, score: Score, clip: Tensor, nothing: Tensor, evaluations: int) -> Attribution:
    with torch.no_grad():
        whole, empty = (float(score(one)[0]) for one in (clip, nothing))
    return Attribution(found[0].detach().double().numpy(), whole, empty, evaluations)
