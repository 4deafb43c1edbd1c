"""Residual blocks as layers: TC-ResNet, Res8 and Res15, MatchboxNet, BC-ResNet."""

from collections.abc import Iterator
from dataclasses import replace

from nodes.zoo.block import Activation, Block, Norm
from nodes.zoo.errors import ZooError
from nodes.zoo.layer import Layer, Place, by, convolve, spread


def temporal(place: Place, block: Block) -> Iterator[Layer]:
    """S1 figure 2: conv, norm, ReLU; conv, norm; plus the shortcut; ReLU."""
    first = convolve(place, f"{place.name}.conv1", replace(block, channels=block.inner or block.channels))
    straight = replace(block, stride=(1,), activation="none")
    second = convolve(place.after(first), f"{place.name}.conv2", straight)
    yield first
    yield second
    other = place.source
    if second.out_shape != place.shape:  # S1 figure 2(c): the shortcut of a strided block is conv 1x1, norm, ReLU
        short = convolve(place, f"{place.name}.short", replace(block, kernel=(1,)))
        other = short.name
        yield short
    yield _add(place, second, other, activation="relu")


def pair(place: Place, block: Block) -> Iterator[Layer]:
    """Res8 and Res15 (S1's repository): conv, ReLU, norm; conv, ReLU; plus the input; norm.

    Raises:
        ZooError: the block changes the shape, which leaves nothing to add.
    """
    inner = block.inner or block.channels
    first = convolve(place, f"{place.name}.conv1", replace(block, channels=inner, first="act"))
    plain = replace(block, norm="none", dilation=block.dilation_second)
    second = convolve(place.after(first), f"{place.name}.conv2", plain)
    if second.out_shape != place.shape:
        raise ZooError(
            f"'{place.name}' turns {by(place.shape)} into {by(second.out_shape)}.",
            "a pair that keeps the shape of what it reads",
            "Give it as many channels as the block before, and no stride.",
        )
    yield first
    yield second
    yield _add(place, second, place.source, norm=block.norm)


def separable(place: Place, block: Block) -> Iterator[Layer]:
    """Depthwise, then pointwise convolution; norm and activation only after the second."""
    return _separable(place, place.name, block)


def time_channel(place: Place, block: Block) -> Iterator[Layer]:
    """MatchboxNet, figure 1: separable convolutions, plus a 1x1 shortcut with norm; ReLU."""
    here = place
    for index in range(1, block.repeats + 1):
        is_last = index == block.repeats
        inside = replace(block, channels=block.inner or block.channels)
        step = replace(block, activation="none") if is_last else inside
        for layer in _separable(here, f"{place.name}.{index}", step):
            yield layer
            here = here.after(layer)
    short = convolve(place, f"{place.name}.short", replace(block, kernel=(1,), dilation=(1,), activation="none"))
    yield short
    yield Layer(
        f"{place.name}.add", "add", here.source, here.shape, here.shape, activation="relu", other=short.name
    )  # fmt: skip


def broadcasted(place: Place, block: Block) -> Iterator[Layer]:
    """BC-ResNet (Kim et al. 2021, section 2, figure 2): f2 over frequency, its mean through f1 over time, broadcast.

    y = ReLU(x + f2(x) + f1(mean over frequency of f2(x))); a transition block, which changes the channels, begins with
    a 1x1 convolution and has no x.

    Raises:
        ZooError: the map has not two axes.
    """
    if len(place.shape) != 3:
        raise ZooError(
            f"'{place.name}' reads {by(place.shape)}.",
            "a map of frequency x time",
            "Use bc blocks with the view frequency_time, before gap and fc.",
        )
    here, height, width = place, *spread(place.name, block.kernel, 2)
    plain = replace(block, kernel=(1,), stride=(1,), dilation=(1,))
    is_transition = place.shape[0] != block.channels
    if is_transition:
        expand = convolve(place, f"{place.name}.expand", plain)
        yield expand
        here = place.after(expand)
    down = spread(place.name, block.stride, 2)[0]
    frequency = replace(plain, kernel=(height, 1), stride=(down, 1), norm="ssn", activation="none")
    frequency_layer = convolve(here, f"{place.name}.frequency", frequency, groups=block.channels)
    yield frequency_layer
    last = frequency_layer
    for layer in _over_time(place.after(frequency_layer), block, width):
        yield layer
        last = layer
    has_input = not is_transition and frequency_layer.out_shape == place.shape
    broadcast = _add(place, last, frequency_layer.name, name="broadcast", activation="none" if has_input else "relu")
    broadcast = replace(broadcast, out_shape=frequency_layer.out_shape)
    yield broadcast
    if has_input:
        yield _add(place, broadcast, place.source, activation="relu")


def _over_time(place: Place, block: Block, width: int) -> Iterator[Layer]:
    """f1 on the mean over frequency: depthwise convolution, norm, SiLU; 1x1 convolution; dropout of channels."""
    channels, rows, frames = place.shape
    mean = Layer(
        f"{place.name}.mean", "avg", place.source, place.shape, (channels, 1, frames), (rows, 1), (rows, 1),
        ((0, 0), (0, 0)),
    )  # fmt: skip
    slow = spread(place.name, block.dilation, 2)[1]
    along = replace(block, kernel=(1, width), stride=(1,), dilation=(1, slow), activation="silu", norm="bn")
    time = convolve(place.after(mean), f"{place.name}.time", along, groups=channels)
    bare = replace(block, kernel=(1,), stride=(1,), dilation=(1,), norm="none", activation="none")
    mix = convolve(place.after(time), f"{place.name}.mix", bare)
    yield mean
    yield time
    yield mix
    if block.rate:
        name = f"{place.name}.drop"
        yield Layer(name, "drop", mix.name, mix.out_shape, mix.out_shape, rate=block.rate, drops_channels=True)


def _separable(place: Place, name: str, block: Block) -> Iterator[Layer]:
    channels = place.shape[0]
    across = replace(block, channels=channels, norm="none", activation="none")
    depthwise = convolve(place, f"{name}.dw", across, groups=channels)
    yield depthwise
    point = replace(block, kernel=(1,), stride=(1,), dilation=(1,), padding="valid")
    yield convolve(place.after(depthwise), f"{name}.pw", point)


def _add(
    place: Place, last: Layer, other: str, *, name: str = "add", activation: Activation = "none", norm: Norm = "none"
) -> Layer:
    shape = last.out_shape
    return Layer(
        f"{place.name}.{name}", "add", last.name, shape, shape, activation=activation, norm=norm, other=other
    )  # fmt: skip
