"""From an architecture (data) to its layers with real sizes, without torch: what building and counting both read."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypedDict, cast

from nodes.zoo.block import RECURRENT, Block, Kind, decode
from nodes.zoo.errors import ZooError
from nodes.zoo.kinds import LAY
from nodes.zoo.layer import Layer, Place, Size, Stage

__all__ = ["Architecture", "Layer", "Plan", "Size", "Stage", "View", "axes_of", "check_shape", "plan"]

View = Literal["temporal", "time_frequency", "frequency_time", "patches"]


class Architecture(TypedDict):
    """A network as JSON-able data: all that is needed to build it again.

    `view` says how the feature map (coefficients, frames) is read: `temporal` takes the coefficients as channels of a
    one-dimensional map (S1 2.1); `time_frequency` as a one-channel map of frames x coefficients (S1's two-dimensional
    nets); `frequency_time` as a one-channel map of coefficients x frames (S0, S4). `patches` reads a sequence of maps
    (patches, bands, frames), each as a one-channel map of frames x bands (S3), joined by a recurrent block.
    """

    name: str
    width: float
    view: View
    input_shape: list[int]
    classes: int
    blocks: list[str]


@dataclass(frozen=True)
class Plan:
    """All stages of a network, in order."""

    view: View
    input_shape: Size
    """(coefficients, frames) or (patches, bands, frames)"""
    map_shape: Size
    """The input as the first layer sees it: (channels, *map); of one patch."""
    classes: int
    stages: tuple[Stage, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer of every stage."""
        return tuple(layer for stage in self.stages for layer in stage.layers)

    @property
    def patches(self) -> int:
        """Maps per clip: 1 unless the view is patches."""
        return self.input_shape[0] if self.view == "patches" else 1

    @property
    def embedding(self) -> str:
        """The stage whose output is the clip's embedding: before the recurrent block, or before the last dense one.

        Of nets that look at pictures: the mean over the picture (S2 2.1), whatever follows.
        """
        kinds = [stage.kind for stage in self.stages]
        if "image" in kinds and "gap" in kinds:
            return self.stages[kinds.index("gap")].name
        head = next((index for index, kind in enumerate(kinds) if kind in RECURRENT), len(kinds) - 1)
        if self.view != "patches":
            head = len(kinds) - 1
        before = [stage for stage in self.stages[:head] if stage.kind != "drop"]
        return before[-1].name if before else ""


VIEWS: Final[Mapping[View, Callable[[Size], Size]]] = {
    "temporal": lambda shape: shape,
    "time_frequency": lambda shape: (1, shape[1], shape[0]),
    "frequency_time": lambda shape: (1, *shape),
    "patches": lambda shape: (1, shape[2], shape[1]),
}


def axes_of(view: View) -> tuple[str, ...]:
    """Names of the axes of the features that a view reads."""
    return ("patches", "bands", "frames") if view == "patches" else ("coefficients", "frames")


def plan(architecture: Mapping[str, Any]) -> Plan:
    """Lay out every layer of an architecture for its input shape.

    Raises:
        ZooError: the data are incomplete, a block string is wrong, or the map becomes too small for a kernel.
    """
    checked = _checked(architecture)
    shape: Size = tuple(checked["input_shape"])
    map_shape = VIEWS[checked["view"]](shape)
    place = Place("", "", map_shape, shape[0] if checked["view"] == "patches" else 0)
    blocks = [decode(text) for text in checked["blocks"]]
    stages: list[Stage] = []
    for name, block in zip(_names(blocks), blocks, strict=True):
        made = replace(block, channels=checked["classes"]) if name == "fc" else block
        stages.append(_stage(replace(place, name=name), made))
        place = place.after(stages[-1].layers[-1])
        place = replace(place, patches=0) if block.kind in RECURRENT else place
    _check_joined(place)
    return Plan(checked["view"], shape, map_shape, checked["classes"], tuple(stages))


def _stage(place: Place, block: Block) -> Stage:
    """The layers of one block; before the patches are joined each layer runs once for every patch."""
    layers = tuple(LAY[block.kind](place, block))
    if place.patches:
        layers = tuple(replace(layer, steps=place.patches) for layer in layers)
    return Stage(place.name, block.kind, layers)


def _check_joined(place: Place) -> None:
    if place.patches:
        raise ZooError(
            "No recurrent block joins the patches of a clip.",
            f"one of {', '.join(RECURRENT)} before the last fc",
            "Add a block such as gru_c20_nbn.",
        )


def _checked(architecture: Mapping[str, Any]) -> Architecture:
    missing = sorted(Architecture.__required_keys__ - architecture.keys())
    if missing:
        raise _bad(f"The architecture has no '{missing[0]}'.", ", ".join(sorted(Architecture.__required_keys__)))
    if architecture["view"] not in VIEWS:
        raise _bad(f"The view is '{architecture['view']}'.", f"one of {', '.join(VIEWS)}")
    check_shape(architecture["view"], architecture["input_shape"])
    classes, blocks = architecture["classes"], architecture["blocks"]
    if not _positive(classes):
        raise _bad(f"The number of classes is {classes!r}.", "a whole number above 0")
    if not blocks or str(blocks[-1]).split("_")[0] != "fc":
        raise _bad(f"The blocks are {blocks!r}.", "a list of block strings that ends with an fc block")
    return cast(Architecture, architecture)


def check_shape(view: View, shape: object) -> None:
    """Refuse an input shape that is not the view's.

    Raises:
        ZooError: other axes, or sizes that are no whole numbers above 0.
    """
    if not (isinstance(shape, list | tuple) and shape and all(_positive(size) for size in shape)):
        given = list(shape) if isinstance(shape, tuple) else shape
        raise _bad(f"The input shape is {given!r}.", f"[{', '.join(axes_of(view))}], whole numbers above 0")
    if len(shape) != len(axes_of(view)):
        raise ZooError(
            f"The input shape is {list(shape)!r}.",
            " x ".join(axes_of(view)),
            "Use MFCC, or set patch_frames to 0 in the feature node."
            if view != "patches"
            else "Use a feature node with the preset s3-96x64, or set patch_frames.",
        )


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _bad(what: str, expected: str) -> ZooError:
    return ZooError(what, expected, "Correct architecture.json or make it with nodes.zoo.architecture().")


def _names(blocks: list[Block]) -> Iterator[str]:
    """conv1, conv2, b1, pool1, drop1, gru1, fc1 ...; the whole-map pool is `pool`, the picture `image`, the last dense
    layer `fc`.
    """
    seen: Counter[str] = Counter()
    for block in blocks[:-1]:
        stem = _STEMS[block.kind]
        seen[stem] += 1
        yield _SOLE.get(block.kind) or f"{stem}{seen[stem]}"
    yield "fc"


_SOLE: Final[Mapping[Kind, str]] = {"gap": "pool", "image": "image"}
_STEMS: Final[Mapping[Kind, str]] = {
    "conv": "conv", "ds": "b", "sep": "b", "res": "b", "pair": "b", "tcs": "b", "bc": "b",
    "bneck": "b", "ir": "b", "fire": "fire", "dense": "dense", "trans": "trans", "norm": "norm", "image": "image",
    "avg": "pool", "max": "pool", "gap": "pool", "drop": "drop", "gru": "gru", "lstm": "lstm", "rnn": "rnn", "fc": "fc",
}  # fmt: skip
