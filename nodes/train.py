"""Train a network on features, with waveforms changed on the fly where the audio is wired."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from engine import AudioSet, Context, FeatureSet, Model, OssicleError, node
from nodes.train_params import TrainParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nodes.learn.objective import Objective
    from nodes.learn.precondition import Scaled
    from nodes.learn.recipe import Recipe
    from nodes.training.task import Task
    from nodes.zoo import Architecture
    from nodes.zoo.network import Network

BUSY_FLOPS = 20e6
"""Networks above this many operations per clip gain more from several threads than from batches made ahead."""


@node("ossicle.train", version=1, category="Train", isolation="process")
def train(features: FeatureSet, audio: AudioSet | None = None, *, params: TrainParams, ctx: Context) -> Model:
    """Train a network of the zoo on the training clips and choose its weights on the validation clips.

    With audio wired, waveforms are shifted, stretched, put into rooms and noise, and their features computed anew each
    time they are shown. The same clips, parameters and seed give the same bytes (on a GPU: on GPUs of one kind). A
    training that was stopped or killed goes on where it was.
    """
    from nodes.learn.errors import LearnError
    from nodes.zoo import ZooError

    try:
        return _train(features, audio, params, ctx)
    except (ZooError, LearnError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


def _train(features: FeatureSet, audio: AudioSet | None, params: TrainParams, ctx: Context) -> Model:
    from engine.audio import read_features
    from nodes.learn.checkpoint import remove
    from nodes.learn.loop import train as learn
    from nodes.learn.threads import torch_threads
    from nodes.training.clips import source_of
    from nodes.training.result import export
    from nodes.training.session import compute_for, session_of, tell, tell_end
    from nodes.training.task import architecture_of, task_of, warn
    from nodes.zoo import describe

    recipe, task = params.made_recipe(), task_of(features, params)
    warn(task, features, ctx)
    architecture = architecture_of(params, features)
    flops = describe(architecture).flops["true"]
    compute = compute_for(params, flops, len(task.table))
    plain = read_features(features, task.rows)
    source = source_of(features, plain, audio, task, recipe, params.seed, ctx, compute)
    facts = [params.model_dump(mode="json"), asdict(recipe), task.table.clip_id.tolist()]
    is_busy = flops > BUSY_FLOPS and not compute.is_cuda
    workers = 1 if is_busy else max(ctx.threads - 1, 0)
    session = session_of(facts, ctx, seed=params.seed, workers=workers, budget_s=params.time_budget_s, compute=compute)
    watch = partial(tell, per_epoch=source.steps_per_epoch, ctx=ctx)
    with torch_threads(ctx.threads if is_busy else 1):
        network = _fresh(architecture, plain, recipe, params.seed)
        learnt = learn(network, source, task.trial, recipe, session, watch, objective_of(recipe, task))
        tell_end(learnt, recipe, ctx)
        model = export(learnt, architecture, features, recipe, params.seed, task, ctx)
    remove(ctx.scratch)
    return model


def objective_of(recipe: Recipe, task: Task) -> Objective:
    """Cross-entropy, weighted by class where the recipe balances so."""
    from nodes.learn.objective import CrossEntropy, class_weights, cross_entropy

    is_weighted = recipe.balance == "weights"
    return CrossEntropy(class_weights(task.truth, len(task.classes))) if is_weighted else cross_entropy


def _fresh(architecture: Architecture, plain: NDArray[np.float32], recipe: Recipe, seed: int) -> Network | Scaled:
    """A network with first weights from the seed."""
    import torch

    from nodes.learn.precondition import Scaled, scale_of
    from nodes.zoo import build

    torch.manual_seed(seed)
    network = build(architecture)
    return Scaled(network, scale_of(network, torch.from_numpy(plain))) if recipe.standardise else network
