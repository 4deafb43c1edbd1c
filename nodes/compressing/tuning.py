"""Fine-tuning with rounded numbers: the training loop on a network that computes as its integers will."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from engine import AudioSet, Context, FeatureSet, Model
from engine.audio import read_features, table_of
from nodes.learn.checkpoint import remove
from nodes.learn.compute import Compute
from nodes.learn.fake_int8 import InInt8
from nodes.learn.loop import Learnt, Score, Session, Trial, score, train
from nodes.learn.recipe import Recipe
from nodes.learn.source import Source
from nodes.learn.threads import torch_threads
from nodes.lne.ir import Graph
from nodes.quant.prune import hold_zeros
from nodes.quant.settings import Settings
from nodes.quant.trained import Rounded
from nodes.quant.trained_objective import OwnAnswers
from nodes.quantize_params import QuantizeParams
from nodes.train import BUSY_FLOPS
from nodes.training.clips import source_of
from nodes.training.session import compute_for, session_of, tell
from nodes.training.task import Task, task_of, warn
from nodes.training.trained import check_classes, digest_of, network_of
from nodes.zoo.network import Network

Json = dict[str, Any]


@dataclass(frozen=True)
class Lesson:
    """One fine-tuning: clips, recipe and where it is computed."""

    task: Task
    recipe: Recipe
    source: Source
    session: Session
    is_busy: bool
    ctx: Context


def lesson(model: Model, features: FeatureSet, audio: AudioSet | None, params: QuantizeParams, ctx: Context) -> Lesson:
    """Everything but the network.

    Raises:
        OssicleError: there are no training clips, or the model knows other classes.
    """
    training = params.training(bool((table_of(features).subset == "validation").any()))
    task = task_of(features, training)
    warn(task, features, ctx)
    check_classes(model, task.classes, "model")
    task = _numbered(task, model.meta.classes)
    recipe = replace(training.made_recipe(), standardise=False, xavier=False)
    flops = model.meta.flops.get("true", 0.0)
    compute = compute_for(training, flops, len(task.table))
    source = source_of(features, read_features(features, task.rows), audio, task, recipe, params.seed, ctx, compute)
    facts = [params.model_dump(mode="json"), asdict(recipe), task.table.clip_id.tolist(), digest_of(model)]
    is_busy = flops > BUSY_FLOPS and not compute.is_cuda
    session = _session(facts, params, is_busy, compute, ctx)
    return Lesson(task, recipe, source, session, is_busy, ctx)


def _session(facts: list[Any], params: QuantizeParams, is_busy: bool, compute: Compute, ctx: Context) -> Session:
    workers = 1 if is_busy else max(ctx.threads - 1, 0)
    return session_of(facts, ctx, seed=params.seed, workers=workers, compute=compute)


def _numbered(task: Task, classes: tuple[str, ...]) -> Task:
    """The task with the model's numbers of the classes."""
    order = np.array([classes.index(name) for name in task.classes], np.int64)
    trial = task.trial and Trial(task.trial.features, torch.from_numpy(order)[task.trial.truth])
    return replace(task, classes=classes, truth=order[task.truth], trial=trial)


def learn_fixed(graph: Graph, settings: Settings, plan: Lesson, params: QuantizeParams) -> tuple[Graph, Json]:
    """A graph that answers better in its formats, and what is to be told of its training.

    Where nothing was won on the validation clips, the graph stays as it was.
    """
    network, before = Rounded(graph, settings), Rounded(graph, settings, rounds=False)
    first = score(network, plan.task.trial) if plan.task.trial else None
    learnt = _learn(network, before, plan, params)
    told = _told(learnt, first)
    rounded = learnt.network
    assert isinstance(rounded, Rounded)
    is_won = first is None or learnt.score is None or learnt.score.accuracy >= first.accuracy
    if not is_won:
        plan.ctx.log("fine-tuning won nothing on the validation clips: the weights stay as they were", "warning")
    return (rounded.learnt() if is_won else graph), {**told, "kept": is_won}


def learn_int8(model: Model, plan: Lesson, params: QuantizeParams) -> tuple[Network, Json]:
    """The model's network, fine-tuned in 8 bits with scales per channel."""
    network = network_of(model)
    before = copy.deepcopy(network)
    hold_zeros(network)
    learnt = _learn(InInt8(network), before, plan, params)
    assert isinstance(learnt.network, InInt8)
    inner = learnt.network.network
    assert isinstance(inner, Network)
    return inner.eval(), {**_told(learnt, None), "kept": True}


def _learn(network: nn.Module, before: nn.Module, plan: Lesson, params: QuantizeParams) -> Learnt:
    watch = partial(tell, per_epoch=plan.source.steps_per_epoch, ctx=plan.ctx)
    with torch_threads(plan.ctx.threads if plan.is_busy else 1):
        objective = OwnAnswers(before, params.own_answers)
        learnt = train(network, plan.source, plan.task.trial, plan.recipe, plan.session, watch, objective)
    remove(plan.ctx.scratch)
    return learnt


def _told(learnt: Learnt, first: Score | None) -> Json:
    return {
        "steps": learnt.steps,
        "selected_step": learnt.step,
        "validation_before": asdict(first) if first else None,
        "validation_after": asdict(learnt.score) if learnt.score else None,
        "points": [asdict(point) for point in learnt.curves],
    }
