"""The blocks of image nets as layers: bottleneck, inverted residual, fire, dense block, transition, picture.

Structures are torchvision's, so that weights trained for its models fit (nodes/zoo/torchvision_names.py).
"""

from collections.abc import Iterator
from dataclasses import replace

from nodes.zoo.block import Block
from nodes.zoo.errors import ZooError
from nodes.zoo.layer import Layer, Op, Place, by, convolve, geometry


def bottleneck(place: Place, block: Block) -> Iterator[Layer]:
    """ResNet (He et al. 2016, figure 5), the stride in the k x k convolution as torchvision has it."""
    inner = replace(block, channels=block.inner or max(1, int(block.share * block.channels)))
    first = convolve(place, f"{place.name}.conv1", _point(inner))
    second = convolve(place.after(first), f"{place.name}.conv2", inner)
    third = convolve(place.after(second), f"{place.name}.conv3", _point(block, activation="none"))
    yield from (first, second, third)
    other = place.source
    if third.out_shape != place.shape:
        short = convolve(place, f"{place.name}.short", replace(block, kernel=(1,), activation="none"))
        other = short.name
        yield short
    yield replace(_joined("add", f"{place.name}.add", third, other), activation=block.activation)


def inverted(place: Place, block: Block) -> Iterator[Layer]:
    """MobileNetV2 (Sandler et al. 2018, figure 3d); with `share`, squeeze-and-excitation as in EfficientNet."""
    here = place
    if block.expansion != 1 or block.inner:
        inner = block.inner or block.expansion * place.shape[0]
        expand = convolve(place, f"{place.name}.expand", _point(block, channels=inner))
        here = place.after(expand)
        yield expand
    channels = here.shape[0]
    depthwise = convolve(here, f"{place.name}.dw", replace(block, channels=channels), groups=channels)
    here = here.after(depthwise)
    yield depthwise
    if block.share:
        for layer in _excited(here, depthwise, replace(block, channels=max(1, int(block.share * place.shape[0])))):
            yield layer
            here = here.after(layer)
    project = convolve(here, f"{place.name}.project", _point(block, activation="none"))
    yield project
    if project.out_shape == place.shape:
        yield _joined("add", f"{place.name}.add", project, place.source)


def _excited(place: Place, depthwise: Layer, block: Block) -> Iterator[Layer]:
    """Squeeze-and-excitation (Hu et al. 2018): one weight per channel from the averages of all channels."""
    whole, channels = place.shape[1:], place.shape[0]
    unpadded = ((0, 0),) * len(whole)
    mean_shape = (channels, *(1 for _ in whole))
    mean = Layer(f"{place.name}.squeeze", "avg", place.source, place.shape, mean_shape, whole, whole, unpadded)
    plain = _point(block, norm="none", bias=True)
    reduce = convolve(place.after(mean), f"{place.name}.reduce", plain)
    back = replace(plain, channels=channels, activation="sigmoid")
    excite = convolve(place.after(reduce), f"{place.name}.excite", back)
    yield from (mean, reduce, excite)
    yield _joined("mul", f"{place.name}.scale", depthwise, excite.name)


def fire(place: Place, block: Block) -> Iterator[Layer]:
    """SqueezeNet (Iandola et al. 2016, figure 1)."""
    squeeze = _point(block, channels=block.inner or max(1, int(block.share * block.channels)))
    first = convolve(place, f"{place.name}.squeeze", squeeze)
    half, here = block.channels // 2, place.after(first)
    narrow = convolve(here, f"{place.name}.expand1", _point(block, channels=half))
    around = replace(block, padding="half", channels=block.channels - half)
    wide = convolve(here, f"{place.name}.expand2", around)
    yield from (first, narrow, wide)
    yield _concatenated(f"{place.name}.cat", here.after(narrow), wide)


def dense_block(place: Place, block: Block) -> Iterator[Layer]:
    """DenseNet-B (Huang et al. 2017, section 3): every layer adds `channels` to all that came before it."""
    here = place
    for number in range(1, block.repeats + 1):
        name = f"{place.name}.{number}"
        norm = _norm(here, f"{name}.norm1", block)
        narrow = convolve(
            here.after(norm), f"{name}.conv1", _point(block, channels=block.expansion * block.channels)
        )  # fmt: skip
        linear = replace(block, padding="half", norm="none", activation="none")
        wide = convolve(here.after(narrow), f"{name}.conv2", linear)
        joined = _concatenated(f"{name}.cat", here, wide)
        yield from (norm, narrow, wide, joined)
        here = here.after(joined)


def transition(place: Place, block: Block) -> Iterator[Layer]:
    """Between two dense blocks: norm, 1x1 convolution, average pool k x k."""
    norm = _norm(place, f"{place.name}.norm", block)
    narrow = convolve(place.after(norm), f"{place.name}.conv", _point(block, norm="none", activation="none"))
    yield from (norm, narrow)
    name, sizes = f"{place.name}.pool", narrow.out_shape[1:]
    found = geometry(name, sizes, replace(block, stride=block.kernel, padding="valid"))
    out = (block.channels, *found.out)
    yield Layer(name, "avg", narrow.name, narrow.out_shape, out, found.kernel, found.stride, found.pads)


def norm_alone(place: Place, block: Block) -> Iterator[Layer]:
    """A norm and its activation that belong to no convolution."""
    yield _norm(place, place.name, block)


def picture(place: Place, block: Block) -> Iterator[Layer]:
    """The map of the features as a square picture in colour, ready for a net trained on photographs.

    Raises:
        ZooError: the block does not read the features as one channel of coefficients x frames.
    """
    if place.source or len(place.shape) != 3 or place.shape[0] != 1:
        raise ZooError(
            f"'{place.name}' is to draw {by(place.shape)}.",
            "the features as one channel of coefficients x frames",
            "Put the image block first and choose the view frequency_time.",
        )
    shape = (3, block.pixels, block.pixels)
    yield Layer(place.name, "image", place.source, place.shape, shape, colours=block.colours)


def _point(block: Block, **changes: object) -> Block:
    """The block as a 1x1 convolution."""
    one = replace(block, kernel=(1,), stride=(1,), dilation=(1,), padding="valid")
    return replace(one, **changes)  # type: ignore[arg-type]


def _norm(place: Place, name: str, block: Block) -> Layer:
    return Layer(
        name, "norm", place.source, place.shape, place.shape, norm=block.norm, activation=block.activation
    )  # fmt: skip


def _joined(op: Op, name: str, first: Layer, other: str) -> Layer:
    return Layer(name, op, first.name, first.out_shape, first.out_shape, other=other)


def _concatenated(name: str, place: Place, added: Layer) -> Layer:
    shape = (place.shape[0] + added.out_shape[0], *place.shape[1:])
    return Layer(name, "concat", place.source, place.shape, shape, other=added.name)
