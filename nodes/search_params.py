"""Parameters of the search node: those of a training, what varies, how it is judged, and what must fit."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from engine import Milliseconds, Params
from engine.params import Bytes
from nodes.learn.names import Optimizer
from nodes.nas.names import DeviceName, Keep, ObjectiveName, PruningName, SamplerName, TargetPrecision
from nodes.train_params import TrainParams

Size = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(gt=0, le=10)]
MOST_TRIALS = 100_000
_TRAINING: Any = TrainParams.model_config["json_schema_extra"]


class NasParams(TrainParams):
    """How to search. Architecture, width and blocks are the base; the rest of a training holds for every trial."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Search", [
                    "sampler", "trials", "objectives", "pruning", "warm_start", "parallel", "keep", "retrain",
                ]],
                ["Shapes", ["kernels", "channels", "most_blocks", "square_kernels"]],
                ["Settings tried first", [
                    "tuning_trials", "learning_rates", "batches", "optimizers", "weight_decays", "lengths",
                ]],
                ["What must fit", [
                    "target", "target_precision", "most_ms", "most_ram_bytes", "most_flash_bytes", "most_mflops",
                ]],
                *_TRAINING["sections"],
            ]
        }
    )  # fmt: skip

    sampler: SamplerName = "tpe"
    """Who chooses the next trial: tree-structured Parzen estimator as in the paper, NSGA-II, or chance."""
    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS)] = 32
    """Shapes to train."""
    objectives: tuple[ObjectiveName, ...] = ("accuracy", "flops")
    """What trials are judged by. Accuracy and loss are of the validation clips, latency is measured on this machine
    (onnxruntime, one thread), instructions are estimated from multiply-adds, RAM is what activations need."""
    pruning: PruningName = "median"
    """Stop trials early that cheaper ones beat: below their median, or Hyperband's rungs."""
    warm_start: bool = True
    """Begin with the papers' own nets within the space, and with shapes from the smallest to the largest."""
    parallel: Annotated[int, Field(ge=1, le=256)] = 1
    """Trials at once, each in a process and thread of its own. With 1, the same seed gives the same search."""
    keep: Keep = "best"
    """The model that comes out: the most accurate, or the knee of the front."""
    retrain: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Train that model again, so many times as long; 0 keeps it from its trial."""

    kernels: Annotated[tuple[Size, ...], Field(min_length=1)] | None = None
    """Sizes of kernels along one axis; empty takes 1, 3, 5 on maps and 3 to 11 along time."""
    channels: Annotated[tuple[Size, ...], Field(min_length=1)] | None = None
    """Channels of a layer; empty takes 20 to 50 on maps and 8 to 64 along time."""
    most_blocks: Annotated[int, Field(ge=1, le=16)] = 2
    """Residual blocks in a row, at most."""
    square_kernels: bool = False
    """One size for height and width."""

    tuning_trials: Annotated[int, Field(ge=0, le=MOST_TRIALS)] = 0
    """Trials of the base architecture before, over the settings below, judged by the loss; the best holds for all
    shapes after."""
    learning_rates: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = None
    """Lowest and highest learning rate; empty takes a tenth to three times the recipe's."""
    batches: tuple[Annotated[int, Field(ge=2, le=65_536)], ...] = (32, 64, 128)
    """Clips per step."""
    optimizers: tuple[Optimizer, ...] = ()
    """How weights decay: within the loss (adam, sgd) or apart from it (adamw); empty keeps the recipe's."""
    weight_decays: tuple[Annotated[float, Field(ge=0)], ...] = (0.0, 1e-4, 1e-3, 1e-2, 5e-2)
    """Pull of kernels towards zero."""
    lengths: tuple[Share, ...] = (0.5, 1.0)
    """Iterations, in parts of the length of a training."""

    target: DeviceName | None = None
    """A device whose flash, RAM and speed every trial must fit (S3 table IV)."""
    target_precision: TargetPrecision = "int8"
    """Numbers on the device, for flash and RAM."""
    most_ms: Annotated[Milliseconds, Field(gt=0)] | None = None
    """Time of an inference: on a device estimated from its speed (1 s if empty), else measured on this machine."""
    most_ram_bytes: Annotated[Bytes, Field(ge=1)] | None = None
    """RAM for activations."""
    most_flash_bytes: Annotated[Bytes, Field(ge=1)] | None = None
    """Flash for weights."""
    most_mflops: Annotated[float, Field(gt=0)] | None = None
    """Million operations per inference."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = 30
    """Times each training clip is shown in a trial; a paper's schedule is stretched to it."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        names = self.objectives
        if not {"accuracy", "loss"} & set(names):
            raise ValueError(f"objectives are {list(names)}, all known without training; expected accuracy or loss too")
        if len(set(names)) < len(names):
            raise ValueError(f"objectives are {list(names)}; expected each once")
        empty = [name for name in ("batches", "weight_decays", "lengths") if not getattr(self, name)]
        if empty and self.tuning_trials:
            raise ValueError(f"{empty[0]} is empty; expected at least one value, or tuning_trials 0")
        rates = self.learning_rates
        if rates is not None and rates[0] > rates[1]:
            raise ValueError(f"learning_rates are {rates[0]:g} to {rates[1]:g}; expected the lower one first")
        return self

    def training(self, changes: dict[str, Any]) -> TrainParams:
        """The parameters of one training."""
        own = {name: getattr(self, name) for name in TrainParams.model_fields}
        return TrainParams.model_validate({**own, **changes})


def checked(params: Params) -> dict[str, Any]:
    """Parameters as plain values without those that are at their default: what a file holds."""
    return params.model_dump(mode="json", exclude_defaults=True)
