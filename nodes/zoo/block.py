"""Block strings: an architecture as a readable list, in the manner of timm.

A block string is a kind followed by options, joined by ``_``; every option is one letter and a value. Blocks with
channels inside (res, pair, tcs, bneck, ir, fire) also take ``i``: how many, instead of what follows from the rest.

====== ============================================= ===========================================
kind   what it stands for                            options (default)
====== ============================================= ===========================================
conv   convolution, norm, activation                 k kernel, s stride (1), d dilation (1),
                                                     p padding (same), c channels, n norm (bn),
                                                     a activation (relu), b bias (0),
                                                     f first of norm and activation (norm)
ds     depthwise k x k, then pointwise 1x1 to c      as conv; norm and activation after both
sep    the same, norm and activation only at the end as conv
res    residual pair of TC-ResNet (S1, figure 2)     k, s, p, c
pair   residual pair of Res8 and Res15: twice        k, c, d dilation (1) of the first, e of the
       convolution and ReLU, norm between, add, norm second convolution (1), n norm (stats)
tcs    residual block of MatchboxNet: m times sep,   k, d, c, m repeats (1)
       a 1x1 shortcut
bc     broadcasted residual block of BC-ResNet       k (3), s over frequency, d over time, c,
                                                     r rate of the channel dropout (0.1)
bneck  bottleneck of ResNet: 1x1, k x k at the       k, s, p, c, q channels inside as a share of c
       stride, 1x1, plus the shortcut
ir     inverted residual of MobileNetV2: 1x1 to x    k, s, p, c, a, x (1), q squeeze-and-excitation
       times the channels, depthwise, 1x1            as a share of the channels coming in (none)
fire   fire module of SqueezeNet: 1x1 down, then     k (3), c, q channels inside as a share of c
       1x1 and k x k side by side, half of c each
dense  dense block of DenseNet: m layers of norm,    m, k (3), c channels that each layer adds,
       1x1, k x k, each joined to what it read       x channels inside as a multiple of c
trans  transition of DenseNet: norm, 1x1, average    k (2), c
norm   norm and activation alone                     n, a
image  the features as a square picture in colour    v colour map, o side in pixels
avg    average pool                                  k, s (k), p (valid)
max    maximum pool                                  k, s (k), p (valid, same, half, ceil or odd3)
gap    average over the whole map                    none
drop   dropout                                       r rate
gru    the last state of a gated recurrent unit      c units, n norm of what it reads (none),
lstm   of a long short-term memory                   b bias (1)
rnn    of a vanilla recurrent unit with tanh
fc     dense layer; the last one is the output and   c units (number of classes), n (none),
       takes the number of classes                   a (none), b (0)
====== ============================================= ===========================================

Kernel, stride and dilation are ``9`` (every axis) or ``4x10`` (height x width of the map). Padding is ``same``
(TensorFlow's rule, possibly asymmetric), ``valid``, ``half`` (k div 2 on both sides), ``ceil`` (at the end, what makes
the last window whole) or ``2x5``; ``odd3`` makes a pool 3x3 with half padding where a side of the map is odd (S3's
firmware).
Norm is ``bn``, ``beta`` (batch norm with offset but no scale), ``stats`` (with neither), ``ssn`` (sub-spectral: a
batch norm for each of five bands of the first axis) or ``none``; activation is ``relu``, ``relu6``, ``silu``,
``sigmoid``, ``arelu`` (S2 2.1: a learnt slope on either side of zero; as an option ``aarelu``), ``arelufixed`` (with
the slopes it starts from) or ``none``. Colour maps are ``viridis``, ``cividis``, ``inferno``, ``magma``, ``plasma``.
Example: ``conv_k4x10_s1x2_phalf_c100``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal, cast, get_args

from nodes.zoo.errors import ZooError

Kind = Literal[
    "conv", "ds", "sep", "res", "pair", "tcs", "bc", "bneck", "ir", "fire", "dense", "trans", "norm", "image",
    "avg", "max", "gap", "drop", "gru", "lstm", "rnn", "fc",
]  # fmt: skip
Norm = Literal["bn", "beta", "stats", "ssn", "none"]
Activation = Literal["relu", "relu6", "silu", "sigmoid", "arelu", "arelufixed", "none"]
Padding = Literal["same", "valid", "half", "ceil", "odd3"] | tuple[int, ...]
Colours = Literal["viridis", "cividis", "inferno", "magma", "plasma"]
First = Literal["norm", "act"]

KINDS: Final = get_args(Kind)
RECURRENT: Final[tuple[Kind, ...]] = ("gru", "lstm", "rnn")


@dataclass(frozen=True)
class Block:
    """One decoded block string; sizes hold one number for all axes or one for each."""

    kind: Kind
    kernel: tuple[int, ...] = (1,)
    stride: tuple[int, ...] = (1,)
    padding: Padding = "same"
    channels: int = 0
    norm: Norm = "bn"
    activation: Activation = "relu"
    bias: bool = False
    rate: float = 0.0
    dilation: tuple[int, ...] = (1,)
    dilation_second: tuple[int, ...] = (1,)
    repeats: int = 1
    first: First = "norm"
    """What comes first after the convolution, norm or activation."""
    expansion: int = 1
    share: float = 0.0
    """Channels inside the block over channels outside; 0 leaves squeeze-and-excitation out."""
    colours: Colours = "viridis"
    pixels: int = 0
    inner: int = 0
    """Channels inside the block; 0 follows from the other options."""


def decode(text: str) -> Block:
    """Read one block string.

    Raises:
        ZooError: unknown kind, unknown option, an option without a readable value, or one the kind needs
            that is absent.
    """
    kind, *options = text.split("_")
    if kind not in KINDS:
        raise _problem(text, f"the kind '{kind}' is unknown", f"one of {', '.join(KINDS)}")
    values = dict(_option(text, option) for option in options)
    missing = [name for name in _NEEDED.get(cast(Kind, kind), ()) if name not in values]
    if missing:
        raise _problem(text, f"{missing[0]} is missing", f"the option '{_LETTER[missing[0]]}'")
    defaults = _defaults(cast(Kind, kind), values)
    return Block(kind=cast(Kind, kind), **{**defaults, **values})  # type: ignore[arg-type]


def encode(block: Block) -> str:
    """Write a block as its shortest string; ``decode(encode(block)) == block``."""
    given = {field.name: getattr(block, field.name) for field in fields(Block)}
    kind = given.pop("kind")
    needed = {name: given[name] for name in _NEEDED.get(block.kind, ())}
    default = {field.name: field.default for field in fields(Block)} | _defaults(block.kind, needed)
    parts = [
        letter + _text(given[name])
        for letter, (name, _) in _OPTIONS.items()
        if name in needed or given[name] != default[name]
    ]
    return "_".join([kind, *parts])


def _size(text: str) -> tuple[int, ...]:
    size = tuple(int(part) for part in text.split("x"))
    if not 1 <= len(size) <= 2 or min(size) < 1:
        raise ValueError
    return size


def _padding(text: str) -> object:
    if text in ("same", "valid", "half", "ceil", "odd3"):
        return text
    pads = tuple(int(part) for part in text.split("x"))
    if not 1 <= len(pads) <= 2 or min(pads) < 0:
        raise ValueError
    return pads


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise ValueError
    return count


def _rate(text: str) -> float:
    if not 0 <= (rate := float(text)) < 1:
        raise ValueError
    return rate


def _share(text: str) -> float:
    if not 0 < (share := float(text)) <= 1:
        raise ValueError
    return share


def _one_of(choices: tuple[str, ...]) -> Callable[[str], object]:
    return lambda text: choices[choices.index(text)]


_OPTIONS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "k": ("kernel", _size),
    "s": ("stride", _size),
    "d": ("dilation", _size),
    "e": ("dilation_second", _size),
    "p": ("padding", _padding),
    "c": ("channels", _count),
    "m": ("repeats", _count),
    "n": ("norm", _one_of(get_args(Norm))),
    "a": ("activation", _one_of(get_args(Activation))),
    "f": ("first", _one_of(get_args(First))),
    "b": ("bias", lambda text: bool(("0", "1").index(text))),
    "r": ("rate", _rate),
    "x": ("expansion", _count),
    "q": ("share", _share),
    "v": ("colours", _one_of(get_args(Colours))),
    "o": ("pixels", _count),
    "i": ("inner", _count),
}
_LETTER: Final = {name: letter for letter, (name, _) in _OPTIONS.items()}
_SIZED: Final = ("kernel", "channels")
_NEEDED: Final[Mapping[Kind, tuple[str, ...]]] = {
    **dict.fromkeys(("conv", "ds", "sep", "res", "pair", "tcs", "ir"), _SIZED),
    **dict.fromkeys(("bc", "trans", *RECURRENT), ("channels",)),
    **dict.fromkeys(("avg", "max"), ("kernel",)),
    "drop": ("rate",),
    "bneck": (*_SIZED, "share"),
    "fire": ("channels", "share"),
    "dense": ("channels", "repeats", "expansion"),
    "image": ("colours", "pixels"),
}
_DEFAULTS: Final[Mapping[Kind, Mapping[str, object]]] = {
    **dict.fromkeys(("avg", "max"), {"padding": "valid"}),
    **dict.fromkeys(RECURRENT, {"norm": "none", "activation": "none", "bias": True}),
    "pair": {"norm": "stats"},
    "bc": {"kernel": (3,), "padding": "half", "rate": 0.1},
    "fire": {"kernel": (3,), "norm": "none", "bias": True},
    "dense": {"kernel": (3,)},
    "trans": {"kernel": (2,)},
    "fc": {"norm": "none", "activation": "none"},
}


def _defaults(kind: Kind, values: Mapping[str, object]) -> dict[str, object]:
    """Defaults of a kind where they differ from the fields' own; a pool's stride is its kernel."""
    stride = {"stride": values["kernel"]} if kind in ("avg", "max") else {}
    return {**_DEFAULTS.get(kind, {}), **stride}


def _option(text: str, option: str) -> tuple[str, object]:
    name, parse = _OPTIONS.get(option[:1], ("", None))
    if parse is None:
        raise _problem(text, f"the option '{option}' is unknown", f"one of {', '.join(_OPTIONS)}")
    try:
        return name, parse(option[1:])
    except ValueError:
        raise _problem(text, f"{name} cannot be '{option[1:]}'", f"a {name} as in the guide") from None


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "x".join(str(part) for part in value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def _problem(text: str, what: str, expected: str) -> ZooError:
    return ZooError(
        f"In the block string '{text}' {what}.",
        expected,
        "Correct the block; nodes/zoo/block.py lists kinds and options.",
    )
