"""Names from networks become C: unique, harmless, and never those of a project's own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nodes.firmware.program import RESERVED, prefix_of
from nodes.firmware.writer import LONGEST, Writer, comment
from nodes.lne.program import identifier


@pytest.mark.parametrize(
    "name", [*sorted(RESERVED), "3x3 net", "é", "", "*/ int main(", "ossicle_mark", "a" * 300, "A B"]
)
def test_a_prefix_is_an_identifier_of_its_own(name: str) -> None:
    found = prefix_of(name)
    assert found == identifier(found) and found.isascii() and not found[0].isdigit()
    assert found not in RESERVED and not found.startswith("ossicle") and len(found) <= LONGEST + len("net_")


def test_reserved_names_are_those_of_the_templates() -> None:
    """A project's own sources would be overwritten by a network of their name."""
    folder = Path("nodes/firmware/templates")
    assert {path.stem for path in folder.glob("*.[ch]")} - {"dsp"} <= RESERVED


def test_layers_whose_names_are_one_identifier_keep_their_constants_apart() -> None:
    writer = Writer("net")
    symbols = []
    for value, layer in enumerate(("conv 1", "conv-1", "conv_1", "conv")):
        writer.begin(layer)
        symbols += [writer.constant(name, np.full(3, value, np.int8)) for name in ("weight", "1_weight", "weight")]
    assert len(set(symbols)) == 8, "the third of each layer is its first again"
    for value, symbol in enumerate(symbols[::3]):
        assert (
            f" {symbol}[3] " in writer.constants[symbol] and f"{value}, {value}, {value}}}" in writer.constants[symbol]
        )


def test_a_comment_ends_where_it_should() -> None:
    assert comment("a */ int x; /* b\n c") == "a * / int x; / * b c"
