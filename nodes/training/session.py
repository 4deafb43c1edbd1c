"""How one training runs and what it tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from engine import Context

if TYPE_CHECKING:
    from nodes.learn.compute import Compute
    from nodes.learn.loop import Learnt, Moment, Session
    from nodes.learn.recipe import Recipe
    from nodes.train_params import TrainParams


def compute_for(params: TrainParams, clip_flops: float, clips: int) -> Compute:
    """Where and in which numbers a network of these operations per clip learns from so many clips.

    Raises:
        LearnError: a GPU is asked for and there is none.
    """
    from nodes.learn.compute import compute_of

    recipe = params.made_recipe()
    shown = recipe.steps * recipe.batch or recipe.epochs * clips
    return compute_of(
        params.device, params.precision, params.compiled,
        deterministic=params.deterministic, clip_flops=clip_flops, shown_clips=shown,
    )  # fmt: skip


def session_of(
    facts: Sequence[object],
    ctx: Context,
    *,
    seed: int,
    workers: int,
    budget_s: float = 0.0,
    compute: Compute | None = None,
) -> Session:
    """A session that takes up a checkpoint only if it was made from the same facts (all that decides the weights)."""
    from nodes.learn.compute import CPU
    from nodes.learn.loop import Session

    compute = compute or CPU
    identity = hashlib.sha256(json.dumps([facts, asdict(compute)]).encode()).hexdigest()
    return Session(seed, workers, ctx.scratch, identity, budget_s=budget_s, compute=compute)


def tell(moment: Moment, per_epoch: int, ctx: Context) -> None:
    """Pass a moment of the training on to the run."""
    if moment.point is not None:
        ctx.metric(**{name: value for name, value in asdict(moment.point).items() if value is not None})
    epoch, epochs = moment.step / per_epoch, moment.steps / per_epoch
    text = f"epoch {epoch:.0f} of {epochs:.0f}, {_spoken(moment.left_s)} left"
    ctx.progress(moment.step / max(moment.steps, 1), text)


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def tell_end(learnt: Learnt, recipe: Recipe, ctx: Context) -> None:
    """Say which weights were kept, and where the training was taken up."""
    if learnt.resumed_at:
        ctx.log(f"went on from the checkpoint at step {learnt.resumed_at:,}")
    if learnt.score is not None:
        ctx.log(
            f"weights of step {learnt.step:,} of {learnt.steps:,}:"
            f" {learnt.score.accuracy:.1%} of the validation clips ({recipe.selection})"
        )
