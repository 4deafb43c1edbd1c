"""Parameters of the quantize node: which numbers, on which clips they are chosen and judged, how the network learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field

from engine import Params
from nodes.learn.names import AugmentationName

if TYPE_CHECKING:
    from nodes.train_params import TrainParams

Json = dict[str, Any]
FIXED_METHODS = ("sqnr", "overload")
"""Methods of fixed point; the others are of affine int8."""
FIXED_FILE = "fixed.json"
"""Formats beside the model.onnx of a network in fixed point, see `nodes.quant.formats`."""


class QuantizeParams(Params):
    """How float32 becomes integers, and on which clips that is prepared and judged."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Numbers", ["method", "clips", "calibration_subset"]],
                ["Affine int8", [
                    "percentile", "per_channel", "symmetric_activations", "reduced_range", "keep_float",
                ]],
                ["Fixed point", ["bits", "bias_bits", "overload", "weight_scales", "formats"]],
                ["Fine-tuning", [
                    "steps", "learning_rate", "batch", "own_answers", "augmentation", "seed",
                ]],
                ["Judgement", ["subset", "error_clips"]],
            ]
        }
    )  # fmt: skip

    method: Literal["minmax", "percentile", "entropy", "sqnr", "overload"] = "minmax"
    """Affine int8 for onnxruntime, its ranges by extremes, a percentile of magnitudes, or least information lost
    (minmax, percentile, entropy); or fixed point for microcontrollers, each tensor's point where the ratio of signal to
    rounding noise is largest (sqnr, rule A of S3) or where few values overflow (overload, rule B)."""
    percentile: Annotated[float, Field(gt=50, le=100)] = 99.99
    """Share of magnitudes inside the range, in percent; for the percentile method alone."""
    clips: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Calibration clips, spread evenly over the subset."""
    calibration_subset: Literal["training", "validation", "all"] = "training"
    """Clips the ranges are taken from."""
    subset: Literal["validation", "testing"] = "testing"
    """Clips for the accuracy before and after and for the error of each layer."""
    error_clips: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Clips of that subset behind the error of each layer."""
    per_channel: bool = True
    """A scale per output channel of every weight; otherwise one per layer."""
    symmetric_activations: bool = False
    """Zero point of activations fixed at zero, as some kernels want it; costs a bit on values of one sign."""
    reduced_range: bool = False
    """Weights in 7 bits, which cannot saturate on x86 processors without VNNI."""
    keep_float: tuple[str, ...] = ()
    """Layers left in float32, by name (conv1, b1.short, fc)."""
    bits: Annotated[int, Field(ge=2, le=16)] = 8
    """Of weights and activations in fixed point; S3 takes 8, S0 and S4 take 16."""
    bias_bits: Annotated[int, Field(ge=2, le=32)] = 32
    """Of stored biases: 8 as in S3; 32 keeps them at the scale of the sums they are added to."""
    overload: Annotated[float, Field(gt=0, le=1)] = 1e-4
    """Share of values that may lie outside a tensor's range; for the overload method alone."""
    weight_scales: Literal["power_of_two", "per_channel"] = "power_of_two"
    """Steps of weights: one power of two per layer (shifts alone, fastest), or one of its own per output channel."""
    formats: tuple[str, ...] = ()
    """Formats set by hand, each as NAME=BITS:FRACTION with the bits behind the point: "conv1 weight=8:6", "conv1=8:3".
    The names stand in the report of sensitivity and in fixed.json."""
    steps: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """Batches of fine-tuning with rounded numbers on the training clips, so that less is lost; 0 learns nothing."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    """First learning rate of the fine-tuning; it falls to zero along half a cosine."""
    batch: Annotated[int, Field(ge=2, le=65_536)] = 100
    """Clips per step of the fine-tuning."""
    own_answers: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the float model's answers in what is to be learnt; the rest is the labels."""
    augmentation: AugmentationName = "modern"
    """How clips are changed each time they are shown; without audio wired, only masks and mixing apply."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Order of the clips and all changes follow from it."""

    @property
    def is_fixed(self) -> bool:
        """Whether this is fixed point."""
        return self.method in FIXED_METHODS

    def training(self, has_validation: bool) -> TrainParams:
        """The fine-tuning as parameters of a training."""
        from nodes.train_params import TrainParams

        return TrainParams(
            recipe="modern",
            augmentation=self.augmentation,
            optimizer="adam",
            steps=max(self.steps, 1),
            batch=self.batch,
            learning_rate=self.learning_rate,
            weight_decay=0.0,
            average=0.0,
            label_smoothing=0.0,
            selection="best" if has_validation else "last",
            seed=self.seed,
            precision="float32",
            compiled="off",
        )
