"""Bench `train`: samples per second against a bare PyTorch loop on the same features; whole runs on a GPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from engine.bench import BenchResult, Row, at_least, at_most, machine
from nodes.dsp.presets import PRESETS
from nodes.learn.names import RecipeName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nodes.learn.recipe import Recipe
    from nodes.learn.source import Labels, Source, WaveSource
    from nodes.zoo.network import Network

BATCH: Final = 100
CLIPS: Final = 1000
CLASSES: Final = 12
LEAST_RATIO: Final = 0.95
LEAST_AUGMENTED: Final = 2000.0
LEAST_AUGMENTED_RATIO: Final = 0.8


@dataclass(frozen=True)
class Contest:
    """A network, the front end it takes, and how many batches one turn has."""

    architecture: str
    preset: str
    steps: int


CONTESTS: Final = (Contest("tc_resnet8", "s1-40x98", 40), Contest("seed_cnn", "s4-40x32", 3))


@dataclass(frozen=True)
class Course:
    """A training of a paper in full, and the seconds it may take on an H200-class GPU."""

    contest: Contest
    recipe: RecipeName
    most_s: float


COURSES: Final = (Course(CONTESTS[1], "s0", 60.0), Course(CONTESTS[0], "s1", 30.0))


def train(options: Mapping[str, str]) -> BenchResult:
    """Samples per second of our loop and of a bare one, and of ours with every change computed anew.

    Where there is a GPU, also the papers' trainings in full on it. Speed does not depend on what is said, so the clips
    are noise. Options: `rounds` (7), `steps` (a factor on the length of a turn and of a GPU's course, 1).
    """
    rounds, factor = int(options.get("rounds", "7")), float(options.get("steps", "1"))
    from nodes.learn.threads import torch_threads

    with torch_threads(1):
        rows = [row for contest in CONTESTS for row in _against_bare(contest, rounds, factor)]
        rows.append(_augmented(CONTESTS[0], rounds, factor))
    rows.append(_augmented_against_bare(CONTESTS[0], rounds, factor))
    rows.extend(_on_gpu(factor))
    facts = {**machine(), "threads": 1, "batch": BATCH, "rounds": rounds, **_gpu()}
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


def _augmented_against_bare(contest: Contest, rounds: int, factor: float) -> Row:
    """All cores for both: ours learns on one and makes batches on the others, the bare loop splits its operations."""
    import numpy as np

    steps, cores = max(1, round(contest.steps * factor)), int(machine()["cores"])
    features = np.random.default_rng(0).standard_normal((CLIPS, *PRESETS[contest.preset].shape)).astype(np.float32)
    recipe = _recipe(steps, with_changes=True)
    bare = _bare(contest, features, steps)
    rates = _in_turns(
        {
            "ours": _on_threads(1, _ours(contest, _waves(contest, recipe), recipe, workers=cores - 1)),
            "bare PyTorch loop, one thread": _on_threads(1, bare),
            "bare PyTorch loop, all cores": _on_threads(cores, bare),
        },
        steps * BATCH,
        rounds,
    )
    ours = rates.pop("ours")
    name = f"{contest.architecture} with full augmentation against a bare PyTorch loop on ready features, all cores"
    return at_least(name, ours / max(rates.values()), "x", LEAST_AUGMENTED_RATIO, {"ours, samples/s": ours, **rates})


def _on_threads(threads: int, run: Callable[[], object]) -> Callable[[], object]:
    from nodes.learn.threads import torch_threads

    def on_threads() -> None:
        with torch_threads(threads):
            run()

    return on_threads


def _gpu() -> dict[str, str]:
    import torch

    return {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}


def _on_gpu(factor: float) -> Iterator[Row]:
    """Every course in full, from the network on the processor to the trained one there; nothing without a GPU."""
    import torch

    for course in COURSES if torch.cuda.is_available() else ():
        from nodes.learn.augmentation import Augmentation
        from nodes.learn.recipe import RECIPES

        recipe = RECIPES[course.recipe]
        recipe = replace(recipe, steps=max(1, round(recipe.steps * factor)), selection="last")
        name = f"{course.contest.architecture} on the GPU, recipe {course.recipe}, {recipe.steps:,} steps of {BATCH}"
        ready = replace(recipe, augmentation=Augmentation())
        seconds = _course_s(course.contest, ready, is_changed=False)
        yield at_most(f"{name}, features ready", seconds, "s", course.most_s * factor)
        if recipe.augmentation.changes_waveforms:
            yield Row(f"{name}, waveforms changed on the fly", _course_s(course.contest, recipe, is_changed=True), "s")


def _course_s(contest: Contest, recipe: Recipe, is_changed: bool) -> float:
    """Seconds of a whole training on the GPU."""
    import numpy as np

    from nodes.learn.compute import compute_of
    from nodes.learn.device_waves import DeviceWaveSource
    from nodes.learn.loop import Session
    from nodes.learn.loop import train as learn
    from nodes.learn.source import FeatureSource
    from nodes.zoo import describe

    network = _network(contest)
    flops = describe(network.architecture).flops["true"]
    compute = compute_of("cuda", clip_flops=flops, shown_clips=recipe.steps * BATCH)
    source: Source
    if is_changed:
        host = _waves(contest, recipe)
        waves, front_end = host.augmenter.waves, host.renderer.front_end
        source = DeviceWaveSource(waves, front_end, _labels(), recipe.augmentation, compute.device)
    else:
        features = np.random.default_rng(0).standard_normal((CLIPS, *PRESETS[contest.preset].shape)).astype(np.float32)
        source = FeatureSource(features, _labels(), recipe.augmentation, compute.device)
    start_s = time.perf_counter()
    learn(network, source, None, recipe, Session(compute=compute))
    return time.perf_counter() - start_s


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


def _waves(contest: Contest, recipe: Recipe) -> WaveSource:
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


def _ours(contest: Contest, source: Source, recipe: Recipe, workers: int = 0) -> Callable[[], object]:
    from nodes.learn.loop import Session
    from nodes.learn.loop import train as learn

    network = _network(contest)
    return lambda: learn(network, source, None, recipe, Session(workers=workers))


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
