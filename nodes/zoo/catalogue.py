"""The models by name: what each is, where it comes from, and what its paper prints about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from nodes.zoo.errors import ZooError
from nodes.zoo.plan import Architecture, View

Rule = Literal["true", "tf", "kws", "kws-ds", "s3", "s3-table-3", "kim"]
Blocks = Callable[[float, tuple[int, ...]], list[str]]
"""From width and input shape to block strings."""


@dataclass(frozen=True)
class Printed:
    """What a paper prints about one model: words and rounding as there."""

    flops: float | None = None
    """Floating-point operations, as printed (3.0e6 for "3.0M"); None where the paper gives none."""
    rule: Rule = "true"
    """The counting convention that reproduces the print."""
    params: str = ""
    """As printed, "66K"; empty where the paper gives none."""
    params_rule: Literal["all", "trainable"] = "all"
    """Whether the moving statistics of norms are among them."""
    size_kb: float | None = None
    """File size in units of 1000 bytes (S0, S4)."""
    accuracy_percent: float | None = None
    note: str = ""
    flops_unit: float = 1e5
    """One step of the last digit of `flops`."""
    buffer_bytes: str = ""
    """Memory for activations, as printed: "34.3k" (S3)."""
    slips: tuple[int, ...] = ()
    """Numbers of the papers' known slips (rows of the project's list) that concern these figures."""


@dataclass(frozen=True)
class Entry:
    """One model family member: a function from width and input shape to block strings."""

    name: str
    about: str
    source: str
    view: View
    input_shape: tuple[int, ...]
    """(coefficients, frames) in the paper; (patches, bands, frames) of nets that read patches."""
    classes: int
    """Number of classes in the paper."""
    blocks: Blocks = field(repr=False)
    printed: Mapping[float, Printed] = field(default_factory=dict)
    """By width multiplier."""
    is_large: bool = False
    """Too large to train on a small machine: tens of megabytes of weights or a billion operations."""


def models() -> Mapping[str, Entry]:
    """Every model of the zoo by name."""
    from nodes.zoo import bc_resnet, bonseyes, ds_cnn, kws_lstm, matchboxnet, res, tc_resnet, vggish, vision

    families = (tc_resnet, bonseyes, ds_cnn, bc_resnet, res, matchboxnet, kws_lstm, vggish, vision)
    return MappingProxyType({entry.name: entry for family in families for entry in family.ENTRIES})


def find(name: str) -> Entry:
    """The model of that name.

    Raises:
        ZooError: there is none.
    """
    if (entry := models().get(name)) is None:
        raise ZooError(f"There is no model '{name}'.", f"one of {', '.join(models())}", "See `ossicle models`.")
    return entry


def architecture(name: str, *, width: float = 1.0, input_shape: tuple[int, ...], classes: int) -> Architecture:
    """The named model for an input of (coefficients, frames) or (patches, bands, frames), as JSON-able data.

    Every channel count c of the paper becomes int(width * c) (S1 2.2); the blocks may then be edited freely.

    Raises:
        ZooError: no such model, a width that leaves a layer without channels, or an input too small for it.
    """
    from nodes.zoo.plan import check_shape, plan

    entry = find(name)
    if not 0 < width <= 64:
        raise ZooError(f"The width is {width}.", "a factor above 0, at most 64", "Use 1.0 for the paper's model.")
    check_shape(entry.view, input_shape)
    shape = tuple(int(size) for size in input_shape)
    made: Architecture = {
        "name": name,
        "width": float(width),
        "view": entry.view,
        "input_shape": list(shape),
        "classes": int(classes),
        "blocks": entry.blocks(width, shape),
    }
    plan(made)
    return made


def scaled(channels: int, width: float) -> int:
    """S1 2.2: int(k * c).

    Raises:
        ZooError: nothing is left.
    """
    if (result := int(width * channels)) < 1:
        raise ZooError(f"The width {width} leaves none of {channels} channels.", "at least one", "Raise the width.")
    return result
