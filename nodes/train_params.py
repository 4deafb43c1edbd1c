"""Parameters of the train node: the network, the recipe and what is changed in it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field

from engine import Params, Seconds
from nodes.learn.names import ModelName, RecipeName, Selection

if TYPE_CHECKING:
    from nodes.learn.recipe import Recipe

Json = dict[str, Any]


class TrainParams(Params):
    """How to train; a value left empty comes from the recipe."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Model", ["architecture", "width", "blocks", "dropout"]],
                ["Recipe", [
                    "recipe", "epochs", "steps", "time_budget_s", "batch", "learning_rate", "weight_decay",
                    "label_smoothing", "selection", "patience", "seed",
                ]],
                ["Augmentation", ["augmentation"]],
            ]
        }
    )  # fmt: skip

    architecture: ModelName = "tc_resnet8"
    """Network, by its name in `ossicle models`."""
    width: Annotated[float, Field(gt=0, le=64)] = 1.0
    """Factor on the number of channels of every layer."""
    blocks: tuple[str, ...] | None = None
    """Block strings instead of the architecture's own, for example conv_k3_c16, res_k9_s2_c24, gap, fc."""
    recipe: RecipeName = "modern"
    """How to train: modern, or as a paper did (s0: Bonseyes; s1 and s1_*: TC-ResNet and its baselines)."""
    augmentation: Literal["recipe", "none", "paper", "modern"] = "recipe"
    """How clips are changed each time they are shown. Without audio wired, only masks and mixing apply."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Times each training clip is shown; a paper's schedule is stretched to it."""
    steps: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Length in batches instead of epochs."""
    time_budget_s: Annotated[Seconds, Field(ge=0)] = 0.0
    """Shorten the training to end in about this time; 0 has no limit. The result then depends on the machine."""
    batch: Annotated[int, Field(ge=2, le=65_536)] | None = None
    """Clips per step."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """First learning rate; later ones keep their proportion."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """Pull of kernels towards zero."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of the target spread over all classes."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Rate of every dropout layer of the network."""
    selection: Selection | None = None
    """Keep the weights that are best on the validation clips, or the last ones."""
    patience: Annotated[int, Field(ge=0)] | None = None
    """Stop after so many validations without a better one; 0 trains to the end."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """First weights, order of the clips and all changes follow from it."""

    def implied(self) -> Json:
        """The value that each empty parameter takes; forms show it. A length in steps leaves the epochs open."""
        recipe = self.made_recipe()
        found = {**asdict(recipe), "learning_rate": recipe.rates[0]}
        return {name: value for name, value in found.items() if name != ("epochs" if recipe.steps else "steps")}

    def made_recipe(self) -> Recipe:
        """The recipe with the changes."""
        from nodes.learn.augmentation import AUGMENTATIONS
        from nodes.learn.recipe import RECIPES

        base = RECIPES[self.recipe]
        names = ("epochs", "steps", "batch", "weight_decay", "label_smoothing", "dropout", "selection", "patience")
        changes: Json = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.epochs is not None and self.steps is None:
            changes["steps"] = 0
        if self.learning_rate is not None:
            changes["rates"] = tuple(rate * self.learning_rate / base.rates[0] for rate in base.rates)
        if self.augmentation != "recipe":
            changes["augmentation"] = AUGMENTATIONS[self.augmentation]
        return replace(base, **changes)
