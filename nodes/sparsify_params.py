"""Parameters of the sparsify node: what goes, how much of it, and how the rest learns to do without."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, cast

from pydantic import ConfigDict, Field, model_validator

from nodes.train_params import TrainParams

if TYPE_CHECKING:
    from nodes.learn.recipe import Recipe
    from nodes.quant.structured import Limits

Json = dict[str, Any]


class SparsifyParams(TrainParams):
    """What becomes zero or goes, and how the network learns meanwhile; a value left empty comes from the recipe."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Sparsity", ["method", "target", "dense_layers", "rate_factor", "alpha_soft"]],
                ["Single weights", ["scope", "begin", "end", "updates"]],
                ["Channels", ["spread", "saved", "criterion", "rounds", "multiple", "least_share"]],
                *cast(Json, TrainParams.model_config["json_schema_extra"])["sections"],
            ]
        }
    )

    method: Literal["weights", "channels"] = "weights"
    """Set single weights to zero, which leaves the network's shape; or take whole channels out, which makes it smaller
    and faster everywhere."""
    target: Annotated[float, Field(gt=0, lt=1)] = 0.6
    """Share of the weights of all kernels that become zero; with channels, share of the operations or parameters that
    goes."""
    dense_layers: tuple[str, ...] = ()
    """Layers left whole, by name (conv1, b1.short, fc)."""
    rate_factor: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the recipe's learning rates where a trained model is wired."""
    alpha_soft: Annotated[float, Field(ge=0)] = 1.0
    """Where a trained model is wired, weight of its answers beside the labels: it teaches what is left of it (S3 III).
    0 learns from the labels alone."""

    scope: Literal["lamp", "global", "layer"] = "lamp"
    """Which weights go: the smallest of every layer alike, the smallest of all layers together, or the smallest
    compared with those that are left in their layer (lamp)."""
    begin: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Where zeros begin to grow, as a share of the training; from scratch, 0.2 or later is better."""
    end: Annotated[float, Field(gt=0, le=1)] = 0.6
    """Where the target is reached; the rest of the training keeps the zeros."""
    updates: Annotated[int, Field(ge=1, le=10_000)] = 50
    """How often zeros are chosen anew on the way, along a cubic curve: many at first, few in the end."""

    spread: Literal["global", "layer"] = "global"
    """Take channels where they matter least for what they cost, or the same share from every layer."""
    saved: Literal["operations", "parameters"] = "operations"
    """What the target counts."""
    criterion: Literal["taylor", "magnitude"] = "taylor"
    """What a channel is worth: how much the loss on training clips would change without it, or the norm of its
    weights."""
    rounds: Annotated[int, Field(ge=1, le=100)] = 3
    """In how many steps channels go, with learning after each."""
    multiple: Annotated[int, Field(ge=1, le=64)] = 4
    """Channels that stay are a multiple of this, as fast kernels want."""
    least_share: Annotated[float, Field(gt=0, le=1)] = 0.125
    """Share of its channels that every layer keeps at least."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = 100
    """Times each training clip is shown, over all rounds; a paper's schedule is stretched to it."""

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.begin >= self.end:
            raise ValueError(f"begin is {self.begin:g} and end {self.end:g}; expected begin before end; lower begin")
        if self.selection == "best" or self.patience:
            raise ValueError(
                "the best weights on the way are not sparse yet; expected the last ones; leave selection and patience"
            )
        return self

    def made_recipe(self) -> Recipe:
        """The recipe with the changes. The last weights count: earlier ones are less sparse."""
        return replace(super().made_recipe(), selection="last", patience=0)

    def limits(self) -> Limits:
        """What every layer keeps."""
        from nodes.quant.structured import Limits

        return Limits(self.multiple, self.least_share, tuple(self.dense_layers))
