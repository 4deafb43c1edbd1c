"""Parameters of the train node: the network, the recipe and what is changed in it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field

from engine import Params, Seconds
from engine.params import Decibels, Milliseconds
from nodes.learn.names import (
    AugmentationName,
    Balance,
    Compile,
    Device,
    ModelName,
    Noise,
    Optimizer,
    Policy,
    Precision,
    RecipeName,
    Selection,
)  # fmt: skip

if TYPE_CHECKING:
    from nodes.learn.augmentation import Augmentation
    from nodes.learn.recipe import Recipe

Json = dict[str, Any]


class TrainParams(Params):
    """How to train; a value left empty comes from the recipe."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Model", ["architecture", "width", "blocks", "dropout"]],
                ["Recipe", [
                    "recipe", "epochs", "steps", "time_budget_s", "batch", "optimizer", "learning_rate", "cosine",
                    "weight_decay", "clip_norm", "average", "label_smoothing", "balance", "selection", "patience",
                    "seed",
                ]],
                ["Augmentation", [
                    "augmentation", "shift_ms", "tempo", "vocal_tract", "pitch_semitones", "gain_db", "reverb",
                    "noise", "snr_low_db", "snr_high_db",
                ]],
                ["Masks and mixing", [
                    "policy", "time_masks", "time_mask", "band_masks", "band_mask", "mixup", "cutmix_share",
                    "cutmix_side",
                ]],
                ["Machine", ["device", "precision", "compiled", "deterministic"]],
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
    """How to train: modern, or as a paper did (s0, s4 and s4_ds_kws: Bonseyes; s1 and s1_*: TC-ResNet and its
    baselines; s2: DeepSpectrumLite, first phase; s3: recurrent nets, where the paper prints little, the rest is ours).
    """
    augmentation: Literal["recipe", AugmentationName] = "recipe"
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
    optimizer: Optimizer | None = None
    """What turns gradients into steps."""
    cosine: bool | None = None
    """Let the learning rate fall along half a cosine to zero, or in the recipe's stages."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """Pull of kernels towards zero."""
    clip_norm: Annotated[float, Field(ge=0)] | None = None
    """Largest norm of all gradients together; 0 leaves them as they are."""
    average: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Decay per step of a running mean of the weights, which becomes the model; 0 keeps the weights themselves."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of the target spread over all classes."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Rate of every dropout layer of the network."""
    balance: Balance | None = None
    """Classes with fewer clips: shown again until all are as large as the largest, or counted more in the loss."""
    selection: Selection | None = None
    """Keep the weights that are best on the validation clips, or the last ones."""
    patience: Annotated[int, Field(ge=0)] | None = None
    """Stop after so many validations without a better one; 0 trains to the end."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """First weights, order of the clips and all changes follow from it."""

    shift_ms: Annotated[Milliseconds, Field(ge=0)] | None = None
    """Clips move by up to this, both ways."""
    tempo: Annotated[float, Field(ge=0, le=0.5)] | None = None
    """Speech is slower or faster by up to this share; pitch stays."""
    vocal_tract: Annotated[float, Field(ge=0, le=0.3)] | None = None
    """Formants are higher or lower by up to this share, as of shorter or longer speakers."""
    pitch_semitones: tuple[Annotated[float, Field(ge=-12, le=12)], ...] | None = None
    """Clips are moved in pitch by one of these; tempo stays. 0 among them leaves some as they are."""
    gain_db: Annotated[Decibels, Field(ge=0, le=40)] | None = None
    """Clips become louder or softer by up to this."""
    reverb: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of clips put into a synthetic room."""
    noise: Noise | None = None
    """Background noise: times a random factor (level), or at a random signal-to-noise ratio (snr)."""
    snr_low_db: Decibels | None = None
    """Lowest signal-to-noise ratio."""
    snr_high_db: Decibels | None = None
    """Highest signal-to-noise ratio."""
    policy: Policy | None = None
    """How strong masks and CutMix are: even draws, or sap: stronger for clips that the network knows well."""
    time_masks: Annotated[int, Field(ge=0, le=10)] | None = None
    """Stretches of time replaced by the mean."""
    time_mask: Annotated[float, Field(ge=0, le=1)] | None = None
    """Longest stretch as a share of the clip."""
    band_masks: Annotated[int, Field(ge=0, le=10)] | None = None
    """Ranges of bands replaced by the mean."""
    band_mask: Annotated[float, Field(ge=0, le=1)] | None = None
    """Widest range as a share of the bands."""
    mixup: Annotated[float, Field(ge=0, le=10)] | None = None
    """Mix pairs of clips and their labels: alpha of the Beta distribution of the shares; 0 mixes none."""
    cutmix_share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of clips that get a rectangle from another clip, and that part of its label."""
    cutmix_side: Annotated[float, Field(ge=0, le=1)] | None = None
    """Longest side of the rectangle as a share of bands and frames."""
    device: Device = "auto"
    """Where to train: on a GPU if there is one (auto), or always on one of them."""
    precision: Precision = "auto"
    """Numbers of products: float32, tf32 (10-bit factors, GPU), or 16 bits with weights in 32. Auto: float32 on the
    processor; on a GPU tf32 for small networks and 16 bits for large ones."""
    compiled: Compile = "auto"
    """Let torch.compile fuse the network; auto only where a training is long enough to pay that back."""
    deterministic: bool = True
    """The same bits on every run on the same kind of device; off lets a GPU choose faster kernels."""

    def implied(self) -> Json:
        """The value that each empty parameter takes; forms show it. A length in steps leaves the epochs open."""
        recipe = self.made_recipe()
        found = {**asdict(recipe.augmentation), **asdict(recipe), "learning_rate": recipe.rates[0]}
        hidden = ("augmentation", "epochs" if recipe.steps else "steps")
        return {name: value for name, value in found.items() if name not in hidden}

    def made_recipe(self) -> Recipe:
        """The recipe with the changes."""
        from nodes.learn.recipe import RECIPES, Recipe

        base = RECIPES[self.recipe]
        changes = self._given(Recipe.__dataclass_fields__.keys() - {"augmentation"})
        if self.epochs is not None and self.steps is None:
            changes["steps"] = 0
        if self.learning_rate is not None:
            changes["rates"] = tuple(rate * self.learning_rate / base.rates[0] for rate in base.rates)
        return replace(base, **changes, augmentation=self._made_augmentation(base.augmentation))

    def _made_augmentation(self, usual: Augmentation) -> Augmentation:
        from nodes.learn.augmentation import AUGMENTATIONS, Augmentation

        base = usual if self.augmentation == "recipe" else AUGMENTATIONS[self.augmentation]
        return replace(base, **self._given(Augmentation.__dataclass_fields__.keys()))

    def _given(self, names: AbstractSet[str]) -> Json:
        """Those of the names that are parameters and not empty."""
        same = (name for name in TrainParams.model_fields if name in names)
        return {name: getattr(self, name) for name in same if getattr(self, name) is not None}
