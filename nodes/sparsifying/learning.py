"""One training of a network that becomes sparse, and what it minimises."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nodes.learn import checkpoint
from nodes.learn.distillation import Alphas, Distillation, Pupil, Teacher, pupil
from nodes.learn.frozen import Later
from nodes.learn.loop import Learnt, Moment, Point, Score, score, train
from nodes.learn.objective import Objective, class_weights
from nodes.learn.recipe import Recipe
from nodes.sparsifying.ground import Ground
from nodes.train import objective_of
from nodes.training.session import session_of, tell
from nodes.training.trained import network_of

Json = dict[str, Any]


def learn(ground: Ground, network: nn.Module, number: int, recipe: Recipe, behind: int) -> Learnt:
    """One training of the network; the result is the network alone. One that is done is not learnt again."""
    params, ctx = ground.params, ground.ctx
    session = session_of(
        [*ground.facts, number], ctx, seed=params.seed, workers=ground.workers,
        budget_s=params.time_budget_s * recipe.length(ground.source.steps_per_epoch) / ground.steps,
        compute=ground.compute,
    )  # fmt: skip
    folder, done = (ctx.scratch / f"round-{number}{end}" for end in ("", "-done"))
    for place in (folder, done):
        place.mkdir(parents=True, exist_ok=True)
    if (found := checkpoint.load(done, session.identity)) is not None:
        network.load_state_dict(found.part("network."))
        return _remembered(network.eval(), found.facts)
    learner, objective = _taught(ground, network)
    source, session = Later(ground.source, behind), replace(session, folder=folder)
    watch = partial(_tell, ground=ground, behind=behind)
    learnt = train(learner, source, ground.task.trial, replace(recipe, xavier=False), session, watch, objective)
    curves = tuple(_moved(point, behind, ground) for point in learnt.curves)
    learnt = replace(learnt, network=_alone(learnt.network), curves=curves)
    _remember(learnt, done, session.identity)
    checkpoint.remove(folder)
    return learnt


def _remember(learnt: Learnt, folder: Path, identity: str) -> None:
    facts = {
        "identity": identity,
        "score": asdict(learnt.score) if learnt.score else None,
        "step": learnt.step,
        "steps": learnt.steps,
        "curves": [asdict(point) for point in learnt.curves],
    }
    checkpoint.save(folder, checkpoint.named("network.", learnt.network), facts)


def _remembered(network: nn.Module, facts: Json) -> Learnt:
    score = Score(**facts["score"]) if facts["score"] else None
    curves = tuple(Point(**point) for point in facts["curves"])
    return Learnt(network, score, facts["step"], facts["steps"], curves, resumed_at=facts["steps"])


def _taught(ground: Ground, network: nn.Module) -> tuple[nn.Module, Objective]:
    """The network and what it minimises: labels, and the answers of the model as it came.

    Neither is recorded on a GPU: how many weights are zero is decided anew while it learns.
    """
    if ground.model is None or not ground.params.alpha_soft:
        plain = objective_of(ground.recipe, ground.task)
        return network, lambda learner, batch: plain(learner, batch)
    classes = ground.task.classes
    columns = torch.tensor([ground.model.meta.classes.index(name) for name in classes])
    balance = class_weights(ground.task.truth, len(classes)) if ground.recipe.balance == "weights" else None
    alphas = Alphas(1.0, ground.params.alpha_soft)
    objective = Distillation(Teacher(network_of(ground.model), columns), alphas, balance, is_pure=False)
    return pupil(network, objective.teacher, alphas, torch.from_numpy(ground.plain[:1])), objective


def _alone(network: nn.Module) -> nn.Module:
    """The network without what only the loss needs."""
    return network.student if isinstance(network, Pupil) else network


def score_of(ground: Ground, network: nn.Module) -> Json | None:
    """Loss and accuracy on the validation clips, if there are any."""
    found = full_score(ground, network)
    return asdict(found) if found is not None else None


def full_score(ground: Ground, network: nn.Module) -> Score | None:
    """The same as it is known to the loop."""
    return score(network, ground.task.trial) if ground.task.trial else None


def _moved(point: Point, behind: int, ground: Ground) -> Point:
    """A point of a round as one of the whole training."""
    epochs = behind / ground.source.steps_per_epoch
    return replace(point, step=point.step + behind, epoch=round(point.epoch + epochs, 3))


def _tell(moment: Moment, ground: Ground, behind: int) -> None:
    """Tell of a round as of a part of the whole training."""
    pace_s = moment.left_s / max(moment.steps - moment.step, 1)
    later = max(ground.steps - behind - moment.steps, 0)
    point = _moved(moment.point, behind, ground) if moment.point else None
    whole = replace(
        moment, step=behind + moment.step, steps=behind + moment.steps + later,
        left_s=moment.left_s + later * pace_s, point=point,
    )  # fmt: skip
    tell(whole, ground.source.steps_per_epoch, ground.ctx)
