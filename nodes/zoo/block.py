"""Block strings: an architecture as a readable list, in the manner of timm.

A block string is a kind followed by options, joined by ``_``; every option is one letter and a value.

====== ============================================= ===========================================
kind   what it stands for                            options (default)
====== ============================================= ===========================================
conv   convolution, norm, activation                 k kernel, s stride (1), p padding (same),
                                                     c channels, n norm (bn), a activation (relu),
                                                     b bias (0)
ds     depthwise k x k, then pointwise 1x1 to c      as conv; norm and activation after both
res    residual pair of TC-ResNet (S1, figure 2)     k, s, p, c
avg    average pool                                  k, s (k), p (valid)
max    maximum pool                                  k, s (k), p (valid)
gap    average over the whole map                    none
drop   dropout                                       r rate
fc     dense layer; the last one is the output and   c units (number of classes), n (none),
       takes the number of classes                   a (none), b (0)
====== ============================================= ===========================================

Kernel and stride are ``9`` (every axis) or ``4x10`` (height x width of the map). Padding is ``same``
(TensorFlow's rule, possibly asymmetric), ``valid``, ``half`` (k div 2 on both sides) or ``2x5``.
Norm is ``bn``, ``beta`` (batch norm with offset but no scale) or ``none``.
Example: ``conv_k4x10_s1x2_phalf_c100``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal, cast, get_args

from nodes.zoo.errors import ZooError

Kind = Literal["conv", "ds", "res", "avg", "max", "gap", "drop", "fc"]
Norm = Literal["bn", "beta", "none"]
Activation = Literal["relu", "none"]
Padding = Literal["same", "valid", "half"] | tuple[int, ...]

KINDS: Final = get_args(Kind)


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
    missing = [name for name in _NEEDED[cast(Kind, kind)] if name not in values]
    if missing:
        raise _problem(text, f"{missing[0]} is missing", f"the option '{_LETTER[missing[0]]}'")
    defaults = _defaults(cast(Kind, kind), values)
    return Block(kind=cast(Kind, kind), **{**defaults, **values})  # type: ignore[arg-type]


def encode(block: Block) -> str:
    """Write a block as its shortest string; ``decode(encode(block)) == block``."""
    given = {field.name: getattr(block, field.name) for field in fields(Block)}
    kind = given.pop("kind")
    needed = {name: given[name] for name in _NEEDED[block.kind]}
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
    if text in ("same", "valid", "half"):
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


def _one_of(choices: tuple[str, ...]) -> Callable[[str], object]:
    return lambda text: choices[choices.index(text)]


_OPTIONS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "k": ("kernel", _size),
    "s": ("stride", _size),
    "p": ("padding", _padding),
    "c": ("channels", _count),
    "n": ("norm", _one_of(get_args(Norm))),
    "a": ("activation", _one_of(get_args(Activation))),
    "b": ("bias", lambda text: bool(("0", "1").index(text))),
    "r": ("rate", _rate),
}
_LETTER: Final = {name: letter for letter, (name, _) in _OPTIONS.items()}
_NEEDED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "conv": ("kernel", "channels"),
    "ds": ("kernel", "channels"),
    "res": ("kernel", "channels"),
    "avg": ("kernel",),
    "max": ("kernel",),
    "gap": (),
    "drop": ("rate",),
    "fc": (),
}


def _defaults(kind: Kind, values: Mapping[str, object]) -> dict[str, object]:
    if kind in ("avg", "max"):
        return {"padding": "valid", "stride": values["kernel"]}
    return {"norm": "none", "activation": "none"} if kind == "fc" else {}


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
