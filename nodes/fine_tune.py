"""Go on from a trained network on other clips."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, cast

from pydantic import ConfigDict, Field, model_validator

from engine import AudioSet, Context, FeatureSet, Model, OssicleError, node
from engine.params import FilePath
from nodes.learn.names import ModelName
from nodes.source import file_digest, file_outside, named_file
from nodes.train_params import TrainParams

if TYPE_CHECKING:
    from nodes.learn.compute import Compute
    from nodes.learn.frozen import Phase
    from nodes.learn.loop import Session
    from nodes.learn.recipe import Recipe
    from nodes.training.task import Task
    from nodes.zoo import Architecture
    from nodes.zoo.network import Network

Json = dict[str, Any]
HERE = ("architecture", "width", "blocks", "epochs", "steps")
"""Parameters of train that stand in other sections here."""


class FineTuneParams(TrainParams):
    """How to go on from weights; a value left empty comes from the recipe."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Weights", ["weights", "architecture", "width", "blocks"]],
                ["Phases", ["epochs", "steps", "second_epochs", "frozen_layers", "frozen_share", "second_rate"]],
                *(
                    [title, [name for name in names if name not in HERE]]
                    for title, names in cast(Json, TrainParams.model_config["json_schema_extra"])["sections"]
                ),
            ]
        }
    )

    weights: FilePath = ""
    """Safetensors file or its http(s) address to start from where no model is wired: our own or with torchvision's
    names. Architecture, width and blocks say what it holds; its last layer is made anew."""
    architecture: ModelName = "tc_resnet8"
    """Network that the weights file holds, by its name in `ossicle models`; a wired model tells its own."""
    epochs: Annotated[int, Field(ge=0, le=100_000)] = 40
    """First phase: times each training clip is shown while only the head learns; 0 begins with the second phase."""
    steps: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """First phase: length in batches instead of epochs."""
    second_epochs: Annotated[int, Field(ge=0, le=100_000)] = 40
    """Second phase: times each training clip is shown while part of the base learns too; 0 has no second phase."""
    frozen_layers: Annotated[int, Field(ge=0)] | None = None
    """Layers that stay frozen in the second phase, counted from the input; norms, activations and pools count too. S2
    prints this number as "fine-tuned layers". Empty takes the share below."""
    frozen_share: Annotated[float, Field(ge=0, le=1)] = 0.3
    """The same as a share of the layers before the head (S2: 0.1 to 0.7)."""
    second_rate: Annotated[float, Field(gt=0)] = 0.1
    """Factor on the learning rates in the second phase."""

    @model_validator(mode="after")
    def _has_a_phase(self) -> Self:
        if not (self.epochs or self.steps or self.second_epochs):
            raise ValueError("both phases have 0 epochs; expected a phase that learns; raise epochs or second_epochs")
        return self


def _fingerprint(params: FineTuneParams, base: Path) -> str | dict[str, Any]:
    """The content of the weights file, or what the server says about it."""
    return file_outside(params.weights, base)


@node("ossicle.fine_tune", version=1, category="Train", isolation="process", fingerprint=_fingerprint)
def fine_tune(
    features: FeatureSet,
    model: Model | None = None,
    audio: AudioSet | None = None,
    *,
    params: FineTuneParams,
    ctx: Context,
) -> Model:
    """Go on from a trained network in two phases (S2 2.1).

    First only the head learns, which is made anew if the classes are not the model's; then all but the first layers
    learn at a tenth of the rate. Norms of frozen layers keep their statistics. Of the two phases the better one on the
    validation clips is kept. Zeros of a sparse model stay zero.
    """
    from nodes.learn.errors import LearnError
    from nodes.zoo import ZooError

    try:
        return _fine_tune(features, model, audio, params, ctx)
    except (ZooError, LearnError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


def _fine_tune(
    features: FeatureSet, model: Model | None, audio: AudioSet | None, params: FineTuneParams, ctx: Context
) -> Model:
    from engine.audio import read_features
    from nodes.learn.frozen import forget, train_phases
    from nodes.learn.threads import torch_threads
    from nodes.train import BUSY_FLOPS, objective_of
    from nodes.training.clips import source_of
    from nodes.training.result import export
    from nodes.training.session import compute_for, tell, tell_end
    from nodes.training.task import task_of, warn
    from nodes.zoo import describe

    recipe, task = params.made_recipe(), task_of(features, params)
    warn(task, features, ctx)
    start = _start(features, model, task, params, ctx)
    flops = describe(start.architecture).flops["true"]
    compute = compute_for(params, flops, len(task.table))
    plain = read_features(features, task.rows)
    source = source_of(features, plain, audio, task, recipe, params.seed, ctx, compute)
    facts = [params.model_dump(mode="json"), asdict(recipe), task.table.clip_id.tolist(), start.digest]
    is_busy = flops > BUSY_FLOPS and not compute.is_cuda
    pace = _Pace(facts, 1 if is_busy else max(ctx.threads - 1, 0), compute)
    phases = _phases(start, recipe, params, pace, ctx)
    watch = partial(tell, per_epoch=source.steps_per_epoch, ctx=ctx)
    with torch_threads(ctx.threads if is_busy else 1):
        learnt = train_phases(start.network, source, task.trial, phases, watch, objective_of(recipe, task))
        tell_end(learnt, recipe, ctx)
        made = export(learnt, start.architecture, features, recipe, params.seed, task, ctx)
    forget(phases)
    return made


@dataclass(frozen=True)
class _Pace:
    """What all phases share: facts that decide the weights, threads that make batches, the device."""

    facts: list[Any]
    workers: int
    compute: Compute


@dataclass(frozen=True)
class _Start:
    """The network to go on from, for the classes to be learnt."""

    network: Network
    architecture: Architecture
    digest: str


def _start(features: FeatureSet, model: Model | None, task: Task, params: FineTuneParams, ctx: Context) -> _Start:
    """The network of the model or of the weights file.

    Raises:
        OssicleError: there are both or neither, or the model takes other features.
        LearnError: the file holds other layers.
    """
    if (model is None) == (not params.weights):
        raise OssicleError(
            "no model is wired and no weights file is named" if model is None else "both a model and a weights file",
            "one to start from",
            "Wire a model, or set weights to a safetensors file and architecture to what it holds",
        )
    if model is None:
        return _from_file(features, params, ctx)
    from nodes.evaluate import check_fit
    from nodes.learn.head import take_over
    from nodes.quant.prune import hold_zeros
    from nodes.training.trained import ARCHITECTURE_FILE, digest_of, network_of

    check_fit(model, features)
    given = network_of(model)
    architecture: Architecture = model.json(ARCHITECTURE_FILE)
    if model.meta.classes == task.classes:
        hold_zeros(given)
        return _Start(given, architecture, digest_of(model))
    ctx.log(f"the last layer is made anew for {', '.join(task.classes)} (the model's: {', '.join(model.meta.classes)})")
    architecture = {**architecture, "classes": len(task.classes)}
    network = _fresh(architecture, params)
    take_over(network, given.state_dict())
    hold_zeros(network)
    return _Start(network, architecture, digest_of(model))


def _from_file(features: FeatureSet, params: FineTuneParams, ctx: Context) -> _Start:
    from nodes.learn.head import take_over
    from nodes.training.task import architecture_of
    from nodes.zoo.torchvision_names import import_weights, is_torchvisions
    from nodes.zoo.weights import tensors_of

    path = named_file(params.weights, "weights file", ctx)
    architecture = architecture_of(params, features)
    network = _fresh(architecture, params)
    if is_torchvisions(network, path):
        ctx.log(f"torchvision's weights; made anew: {', '.join(import_weights(network, path).fresh)}")
    else:
        fresh = take_over(network, tensors_of(path))
        ctx.log("made anew: the last layer" + (f" and {', '.join(fresh)}" if fresh else ""))
    return _Start(network, architecture, file_digest(path))


def _fresh(architecture: Architecture, params: FineTuneParams) -> Network:
    """A network with first weights from the seed, as the recipe draws them."""
    import torch

    from nodes.learn.optimise import prepare
    from nodes.zoo import build

    torch.manual_seed(params.seed)
    network = build(architecture)
    prepare(network, params.made_recipe())
    return network


def _phases(start: _Start, recipe: Recipe, params: FineTuneParams, pace: _Pace, ctx: Context) -> list[Phase]:
    """One or two phases, by the epochs that each is given."""
    from nodes.learn.frozen import Phase, first_layers
    from nodes.learn.head import base_of

    base = base_of(start.network)
    kept = params.frozen_layers if params.frozen_layers is not None else int(params.frozen_share * len(base))
    first = replace(recipe, xavier=False, standardise=False)  # weights are there, and fit features as they are
    rates = tuple(rate * params.second_rate for rate in first.rates)
    second = replace(first, epochs=params.second_epochs, steps=0, rates=rates)
    wanted = ((tuple(base), first), (first_layers(start.network, kept), second))
    chosen = [(frozen, one) for frozen, one in wanted if one.steps or one.epochs]
    if params.second_epochs:
        ctx.log(f"{kept} of the {len(base)} layers before the head stay frozen in the second phase")
    return [
        Phase(frozen, one, _session(f"phase-{number}", 1 / len(chosen), params, pace, ctx))
        for number, (frozen, one) in enumerate(chosen, 1)
    ]


def _session(name: str, share: float, params: FineTuneParams, pace: _Pace, ctx: Context) -> Session:
    """The session of a phase, which may take its share of the time."""
    from nodes.training.session import session_of

    made = session_of(
        [*pace.facts, name],
        ctx,
        seed=params.seed,
        workers=pace.workers,
        budget_s=share * params.time_budget_s,
        compute=pace.compute,
    )
    return replace(made, folder=ctx.scratch / name)
