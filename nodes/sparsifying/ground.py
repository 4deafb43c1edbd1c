"""What all rounds of a sparsification share, and the network they begin with."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engine import AudioSet, Context, FeatureSet, Model
from engine.audio import read_features
from nodes.evaluate import check_fit
from nodes.learn.compute import Compute
from nodes.learn.optimise import prepare
from nodes.learn.precondition import Scaled, scale_of, unfolded
from nodes.learn.recipe import Recipe
from nodes.learn.source import Source
from nodes.quant.prune import check_finite, kernels_of
from nodes.sparsify_params import SparsifyParams
from nodes.train import BUSY_FLOPS
from nodes.training.clips import source_of
from nodes.training.session import compute_for
from nodes.training.task import Task, architecture_of, task_of, warn
from nodes.training.trained import ARCHITECTURE_FILE, check_classes, digest_of, network_of
from nodes.zoo import Architecture, build, describe
from nodes.zoo.network import Network


@dataclass(frozen=True)
class Ground:
    """What all rounds of one sparsification share.

    Attributes:
        plain: features of the training clips as they are.
        facts: all that decides the weights.
    """

    features: FeatureSet
    model: Model | None
    architecture: Architecture
    task: Task
    recipe: Recipe
    params: SparsifyParams
    plain: NDArray[np.float32]
    source: Source
    compute: Compute
    workers: int
    facts: list[Any]
    ctx: Context

    @property
    def steps(self) -> int:
        """Batches of the whole training."""
        return self.recipe.length(self.source.steps_per_epoch)


def ground_of(
    features: FeatureSet, model: Model | None, audio: AudioSet | None, params: SparsifyParams, ctx: Context
) -> Ground:
    """Read everything and choose where to compute.

    Raises:
        OssicleError: the model takes other features or knows other classes.
    """
    recipe, task = params.made_recipe(), task_of(features, params)
    warn(task, features, ctx)
    if model is not None:
        check_fit(model, features)
        check_classes(model, task.classes, "model")
        rates = tuple(rate * params.rate_factor for rate in recipe.rates)
        recipe = replace(recipe, rates=rates, xavier=False)
    architecture = architecture_of(params, features) if model is None else model.json(ARCHITECTURE_FILE)
    flops = describe(architecture).flops["true"]
    compute = compute_for(params, flops, len(task.table))
    plain = read_features(features, task.rows)
    source = source_of(features, plain, audio, task, recipe, params.seed, ctx, compute)
    facts = [params.model_dump(mode="json"), asdict(recipe), task.table.clip_id.tolist(), digest_of(model)]
    is_busy = flops > BUSY_FLOPS and not compute.is_cuda
    workers = 1 if is_busy else max(ctx.threads - 1, 0)
    return Ground(
        features, model, architecture, task, recipe, params, plain, source, compute, workers, facts, ctx
    )  # fmt: skip


def started(ground: Ground) -> nn.Module:
    """The network with the weights it comes with, or first ones from the seed, in the form in which it learns."""
    torch.manual_seed(ground.params.seed)
    examples = torch.from_numpy(ground.plain)
    if ground.model is not None:
        given = _in_order(network_of(ground.model), ground.model.meta.classes, ground.task.classes)
        check_finite(kernels_of(given))
        return unfolded(given, scale_of(given, examples)) if ground.recipe.standardise else given
    network = build(ground.architecture)
    prepare(network, ground.recipe)
    return Scaled(network, scale_of(network, examples)) if ground.recipe.standardise else network


def _in_order(network: Network, given: tuple[str, ...], wanted: tuple[str, ...]) -> Network:
    """The network with its outputs in the order of the features' classes."""
    order = torch.tensor([given.index(name) for name in wanted])
    with torch.no_grad():
        for value in network.get_submodule("fc").parameters():
            value.copy_(value[order].clone())
    return network
