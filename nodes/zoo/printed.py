"""What the papers print beside what is counted here: every closed-form figure, with the slip where they differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nodes.zoo.catalogue import Entry, Printed, architecture
from nodes.zoo.count import Description, describe

_PREFIXES: Final = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}


@dataclass(frozen=True)
class Figure:
    """One printed number and ours."""

    name: str
    """params, flops, buffer_bytes or size_kb."""
    rule: str
    """How it is counted."""
    printed: float
    unit: float
    """One step of the last printed digit."""
    computed: float

    @property
    def agrees(self) -> bool:
        """Whether rounding or cutting the computed number gives the printed one."""
        beyond = (self.computed - self.printed) / self.unit
        return -0.5 - _TOLERANCE <= beyond < 1.0


_TOLERANCE: Final = 1e-6


def figures(entry: Entry, width: float = 1.0) -> tuple[Figure, ...]:
    """The printed figures of a model at one width that can be counted, at the paper's input and classes."""
    printed = entry.printed.get(width)
    if printed is None:
        return ()
    found = describe(architecture(entry.name, width=width, input_shape=entry.input_shape, classes=entry.classes))
    return tuple(_figures(printed, found))


def _figures(printed: Printed, found: Description) -> Iterator[Figure]:
    if printed.flops is not None:
        yield Figure("flops", printed.rule, printed.flops, printed.flops_unit, found.flops[printed.rule])
    if printed.params:
        count = {"all": found.params, "trainable": found.params_trainable}[printed.params_rule]
        yield Figure("params", printed.params_rule, *parse(printed.params), count)
    if printed.buffer_bytes and "s3" in found.buffer_bytes:
        yield Figure("buffer_bytes", "s3", *parse(printed.buffer_bytes), found.buffer_bytes["s3"])
    if printed.size_kb is not None and found.file_bytes_s4 is not None:
        unit = 1.0 if printed.size_kb.is_integer() else 0.1
        yield Figure("size_kb", "s4 file", printed.size_kb, unit, found.file_bytes_s4 / 1000)


def parse(text: str) -> tuple[float, float]:
    """A number as printed, "72.1M" or "66K": its value and one step of its last digit."""
    digits = text.rstrip("kKmMgG")
    factor = _PREFIXES[text[len(digits) :].lower()]
    return float(digits) * factor, factor * 10.0 ** -len(digits.partition(".")[2])
