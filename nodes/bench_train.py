"""Bench `train`: samples per second against a bare PyTorch loop on the same features, in turns, on one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from engine.bench import BenchResult, Row, at_least, machine
from nodes.dsp.presets import PRESETS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nodes.learn.recipe import Recipe
    from nodes.learn.source import Labels, Source
    from nodes.zoo.network import Network

BATCH: Final = 100
CLIPS: Final = 1000
CLASSES: Final = 12
LEAST_RATIO: Final = 0.95
LEAST_AUGMENTED: Final = 2000.0


@dataclass(frozen=True)
class Contest:
    """A network, the front end it takes, and how many batches one turn has."""

    architecture: str
    preset: str
    steps: int


CONTESTS: Final = (Contest("tc_resnet8", "s1-40x98", 40), Contest("seed_cnn", "s4-40x32", 3))


def train(options: Mapping[str, str]) -> BenchResult:
    """Samples per second of our loop and of a bare one, and of ours with every change computed anew.

    Speed does not depend on what is said, so the clips are noise. Options: `rounds` (7), `steps` (a factor on the
    length of a turn, 1).
    """
    rounds, factor = int(options.get("rounds", "7")), float(options.get("steps", "1"))
    from nodes.learn.threads import torch_threads

    with torch_threads(1):
        rows = [row for contest in CONTESTS for row in _against_bare(contest, rounds, factor)]
        rows.append(_augmented(CONTESTS[0], rounds, factor))
    facts = {**machine(), "threads": 1, "batch": BATCH, "rounds": rounds}
    return BenchResult("train", facts, tuple(rows))


def _against_bare(contest: Contest, rounds: int, factor: float) -> Iterator[Row]:
    import numpy as np

    shape, steps = PRESETS[contest.preset].shape, max(1, round(contest.steps * factor))
    features = np.random.default_rng(0).standard_normal((CLIPS, *shape)).astype(np.float32)
    rates = _in_turns(
        {
            "ours": _ours(contest, _fixed(features), _recipe(steps, with_changes=False)),
            "bare PyTorch loop": _bare(contest, features, steps),
        },
        steps * BATCH,
        rounds,
    )
    ours, bare = rates["ours"], rates["bare PyTorch loop"]
    yield Row(f"{contest.architecture}, one thread", ours, "samples/s", peers={"bare PyTorch loop": bare})
    yield at_least(f"{contest.architecture} against a bare PyTorch loop", ours / bare, "x", LEAST_RATIO)


def _augmented(contest: Contest, rounds: int, factor: float) -> Row:
    steps = max(1, round(contest.steps * factor))
    recipe = _recipe(steps, with_changes=True)
    source = _waves(contest, recipe)
    rates = _in_turns({"ours": _ours(contest, source, recipe)}, steps * BATCH, rounds)
    name = f"{contest.architecture} with full augmentation, one thread"
    return at_least(name, rates["ours"], "samples/s", LEAST_AUGMENTED)


def _in_turns(contestants: Mapping[str, Callable[[], object]], samples: int, rounds: int) -> dict[str, float]:
    """Median samples per second of each; every round asks all of them, the first round does not count."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, run in contestants.items():
            start_s = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start_s)
    return {name: samples / statistics.median(taken[1:]) for name, taken in times.items()}


def _recipe(steps: int, with_changes: bool) -> Recipe:
    from nodes.learn.augmentation import Augmentation
    from nodes.learn.recipe import RECIPES

    modern = replace(RECIPES["modern"], steps=steps, batch=BATCH, selection="last")
    return modern if with_changes else replace(modern, augmentation=Augmentation())


def _labels() -> Labels:
    import numpy as np

    from nodes.learn.source import Labels

    return Labels(np.arange(CLIPS) % CLASSES, CLASSES, BATCH, smoothing=0.1)


def _fixed(features: NDArray[np.float32]) -> Source:
    from nodes.learn.augmentation import Augmentation
    from nodes.learn.source import FeatureSource

    return FeatureSource(features, _labels(), Augmentation())


def _waves(contest: Contest, recipe: Recipe) -> Source:
    import numpy as np

    from nodes.learn.augment import Waves, coloured_tracks
    from nodes.learn.source import WaveSource

    front_end = PRESETS[contest.preset]
    clips = np.random.default_rng(0).standard_normal((CLIPS, front_end.clip_samples)) * 3000
    waves = Waves(clips.astype(np.int16), coloured_tracks(front_end.rate_hz), front_end.rate_hz)
    return WaveSource(waves, front_end, _labels(), recipe.augmentation)


def _network(contest: Contest) -> Network:
    from nodes.zoo import architecture, build

    coefficients, frames = PRESETS[contest.preset].shape
    return build(architecture(contest.architecture, input_shape=(coefficients, frames), classes=CLASSES))


def _ours(contest: Contest, source: Source, recipe: Recipe) -> Callable[[], object]:
    from nodes.learn.loop import Session
    from nodes.learn.loop import train as learn

    network = _network(contest)
    return lambda: learn(network, source, None, recipe, Session())


def _bare(contest: Contest, features: NDArray[np.float32], steps: int) -> Callable[[], object]:
    """The loop of every PyTorch tutorial, without its data loader: that one would only slow it down."""
    import torch
    from torch.nn import functional as F

    network, x, y = _network(contest), torch.from_numpy(features), torch.arange(CLIPS) % CLASSES
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def run() -> None:
        network.train()
        order = torch.cat([torch.randperm(CLIPS) for _ in range(steps * BATCH // CLIPS + 1)])
        for rows in torch.split(order[: steps * BATCH], BATCH):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x[rows]), y[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return run
