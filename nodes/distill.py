"""Train a small network on what a large one answers."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Self, cast

from pydantic import ConfigDict, Field, model_validator

from engine import AudioSet, Context, FeatureSet, Model, OssicleError, node
from nodes.train_params import TrainParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from nodes.learn.distillation import Alphas, Distillation, Pupil
    from nodes.learn.loop import Learnt, Moment
    from nodes.learn.recipe import Recipe
    from nodes.training.task import Task
    from nodes.zoo import Architecture
    from nodes.zoo.network import Network

Json = dict[str, Any]
DISTILLATION_FILE = "distillation.json"


class DistillParams(TrainParams):
    """How the student learns; a value left empty comes from the recipe."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Distillation", ["alpha_hard", "alpha_soft", "alpha_embedding", "temperature", "quantize_in_loop"]],
                *cast(Json, TrainParams.model_config["json_schema_extra"])["sections"],
            ]
        }
    )

    alpha_hard: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the cross-entropy against the labels."""
    alpha_soft: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the cross-entropy against the teacher's probabilities."""
    alpha_embedding: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the squared distance between both embeddings, what reaches the last layer. If their widths differ, a
    linear map between them is learnt too and dropped in the end."""
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Softens both answers in the soft part: above 1, classes that the teacher thinks unlikely count more."""
    quantize_in_loop: bool = False
    """Learn with weights and activations rounded to 8 bits, so that quantizing loses less. The model stays float."""

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if not (self.alpha_hard or self.alpha_soft or self.alpha_embedding):
            raise ValueError("all three alphas are 0; expected at least one above 0; raise alpha_soft or alpha_hard")
        return self

    def alphas(self) -> Alphas:
        """The weights of the loss."""
        from nodes.learn.distillation import Alphas

        return Alphas(self.alpha_hard, self.alpha_soft, self.alpha_embedding, self.temperature)


@node("ossicle.distill", version=1, category="Train", isolation="process")
def distill(
    features: FeatureSet,
    teacher: Model,
    student: Model | None = None,
    audio: AudioSet | None = None,
    *,
    params: DistillParams,
    ctx: Context,
) -> Model:
    """Train a student on the labels, on a teacher's probabilities and on its embeddings (S3 section III).

    The teacher answers the very clips that the student is shown, changed and mixed. With a student wired, learning goes
    on from its weights, zeros of a sparse one staying zero, and architecture, width and blocks are its own. Two stages
    are two such nodes in a row.
    `distillation.json` tells what was weighed and how good the teacher is on the validation clips.
    """
    from nodes.learn.errors import LearnError
    from nodes.zoo import ZooError

    try:
        return _distill(features, teacher, student, audio, params, ctx)
    except (ZooError, LearnError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


def _distill(
    features: FeatureSet,
    teacher: Model,
    student: Model | None,
    audio: AudioSet | None,
    params: DistillParams,
    ctx: Context,
) -> Model:
    from engine.audio import read_features
    from nodes.learn.checkpoint import remove
    from nodes.learn.loop import train as learn
    from nodes.learn.threads import torch_threads
    from nodes.train import BUSY_FLOPS
    from nodes.training.clips import source_of
    from nodes.training.result import export
    from nodes.training.session import compute_for, session_of, tell_end
    from nodes.training.task import task_of, warn
    from nodes.training.trained import digest_of

    recipe, task = params.made_recipe(), task_of(features, params)
    warn(task, features, ctx)
    architecture = _architecture(features, teacher, student, task, params)
    flops = _flops(architecture, teacher)
    compute = compute_for(params, flops, len(task.table))
    is_busy = flops > BUSY_FLOPS and not compute.is_cuda
    plain = read_features(features, task.rows)
    source = source_of(features, plain, audio, task, recipe, params.seed, ctx, compute)
    objective = _objective(teacher, task, recipe, params)
    facts = [params.model_dump(mode="json"), asdict(recipe), task.table.clip_id.tolist()]
    facts += [digest_of(teacher), digest_of(student)]
    workers = 1 if is_busy else max(ctx.threads - 1, 0)
    session = session_of(facts, ctx, seed=params.seed, workers=workers, budget_s=params.time_budget_s, compute=compute)
    watch = partial(_tell, objective=objective, per_epoch=source.steps_per_epoch, ctx=ctx)
    with torch_threads(ctx.threads if is_busy else 1):
        pupil = _pupil(architecture, student, plain, objective, recipe, params)
        again = replace(recipe, xavier=False)  # first weights are drawn, or given
        learnt = learn(pupil, source, task.trial, again, session, watch, objective)
        tell_end(learnt, recipe, ctx)
        model = export(_alone(learnt, task), architecture, features, recipe, params.seed, task, ctx)
        found = _facts(learnt, objective, teacher, task, params)
    remove(ctx.scratch)
    return _with_facts(model, found)


def _architecture(
    features: FeatureSet, teacher: Model, student: Model | None, task: Task, params: DistillParams
) -> Architecture:
    """The student's architecture: its own, or what the parameters ask for.

    Raises:
        OssicleError: teacher or student take other features or know other classes.
    """
    from nodes.evaluate import check_fit
    from nodes.training.task import architecture_of
    from nodes.training.trained import ARCHITECTURE_FILE, check_classes

    check_classes(teacher, task.classes, "teacher")
    check_fit(teacher, features)
    if student is None:
        return architecture_of(params, features)
    check_classes(student, task.classes, "student")
    check_fit(student, features)
    found: Architecture = student.json(ARCHITECTURE_FILE)
    return found


def _flops(architecture: Architecture, teacher: Model) -> float:
    """Operations of one clip through both networks."""
    from nodes.training.trained import ARCHITECTURE_FILE
    from nodes.zoo import describe

    return sum(describe(made).flops["true"] for made in (architecture, teacher.json(ARCHITECTURE_FILE)))


def _objective(teacher: Model, task: Task, recipe: Recipe, params: DistillParams) -> Distillation:
    import torch

    from nodes.learn.distillation import Distillation, Teacher
    from nodes.learn.objective import class_weights
    from nodes.training.trained import network_of

    columns = torch.tensor([teacher.meta.classes.index(name) for name in task.classes])
    balance = class_weights(task.truth, len(task.classes)) if recipe.balance == "weights" else None
    known = Teacher(network_of(teacher), columns)
    return Distillation(known, params.alphas(), balance, is_pure=not params.quantize_in_loop)


def _pupil(
    architecture: Architecture,
    student: Model | None,
    plain: NDArray[np.float32],
    objective: Distillation,
    recipe: Recipe,
    params: DistillParams,
) -> Pupil:
    """The student with the first weights of the seed or those it comes with, in the form in which it learns."""
    import torch

    from nodes.learn.distillation import pupil
    from nodes.learn.fake_int8 import InInt8

    torch.manual_seed(params.seed)
    network = _started(architecture, student, plain, recipe)
    example = torch.from_numpy(plain[:1])
    return pupil(InInt8(network) if params.quantize_in_loop else network, objective.teacher, objective.alphas, example)


def _started(
    architecture: Architecture, student: Model | None, plain: NDArray[np.float32], recipe: Recipe
) -> nn.Module:
    import torch

    from nodes.learn.optimise import prepare
    from nodes.learn.precondition import Scaled, scale_of, unfolded
    from nodes.quant.prune import hold_zeros
    from nodes.training.trained import network_of
    from nodes.zoo import build

    if student is None:
        network: Network = build(architecture)
        prepare(network, recipe)
        return Scaled(network, scale_of(network, torch.from_numpy(plain))) if recipe.standardise else network
    given = network_of(student)
    hold_zeros(given)
    return unfolded(given, scale_of(given, torch.from_numpy(plain))) if recipe.standardise else given


def _alone(learnt: Learnt, task: Task) -> Learnt:
    """What was learnt, with the student alone, in float, and the score that it has so."""
    from nodes.learn.distillation import Pupil, student_of
    from nodes.learn.fake_int8 import InInt8
    from nodes.learn.loop import score

    network = student_of(learnt.network)
    was_rounded = isinstance(learnt.network, Pupil) and isinstance(learnt.network.student, InInt8)
    own = score(network, task.trial) if was_rounded and task.trial else learnt.score
    return replace(learnt, network=network, score=own)


def _facts(learnt: Learnt, objective: Distillation, teacher: Model, task: Task, params: DistillParams) -> Json:
    """What is to be told about the distillation, as distillation.json has it."""
    from nodes.learn.loop import score
    from nodes.training.trained import digest_of

    taught = asdict(score(objective.teacher.to("cpu"), task.trial)) if task.trial else None
    rounded = asdict(learnt.score) if learnt.score and params.quantize_in_loop else None
    return {
        "kind": "distillation",
        "alphas": asdict(objective.alphas),
        "teacher": {
            "architecture": teacher.meta.architecture,
            "parameters": teacher.meta.parameters,
            "sha256": digest_of(teacher),
            "validation": taught,
        },
        "validation_in_int8": rounded,
    }


def _with_facts(model: Model, facts: Json) -> Model:
    """The model with the facts beside it and the teacher's accuracy among its metrics."""
    (model.path / DISTILLATION_FILE).write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    found = {
        "teacher_validation_accuracy": facts["teacher"]["validation"],
        "validation_accuracy_in_int8": facts["validation_in_int8"],
    }
    shares = {name: score["accuracy"] for name, score in found.items() if score}
    return Model(model.path, model.meta.model_copy(update={"metrics": {**model.meta.metrics, **shares}}))


def _tell(moment: Moment, objective: Distillation, per_epoch: int, ctx: Context) -> None:
    """Pass a moment on to the run, with the parts of the loss beside its point."""
    from nodes.training.session import tell

    tell(moment, per_epoch, ctx)
    if moment.point is not None:
        parts = {f"loss_{name}": value for name, value in objective.means().items()}
        ctx.metric(step=moment.point.step, epoch=moment.point.epoch, **parts)
