"""Moves of values: the loops found for an order make exactly its moves, and merge where memory allows."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from nodes.lne import TARGETS
from nodes.lne.ir import Map
from nodes.lne.layout import F32_CHW, F32_HWC, Buffer, Format, Halo
from nodes.lne.primitives.shuffle import Loop, Move, copied, structure

TURNS = {
    "as it is": lambda x: x,
    "transposed": lambda x: x.transpose(2, 0, 1),
    "mirrored": lambda x: x[:, ::-1, ::2],
    "sliced": lambda x: x[1:3, 1:, :-1],
    "flat": lambda x: x.reshape(-1),
    "one axis to the front": lambda x: np.moveaxis(x, 1, 0),
}
SHAPES = [(1, 1, 1), (3, 4, 5), (6, 1, 7), (4, 4, 4), (20, 3, 2)]


def replayed(move: Move) -> set[tuple[int, int]]:
    """Every (source, result) a move makes."""
    turns = product(*(range(loop.count) for loop in move.loops))
    return {
        (
            move.source + sum(i * loop.source for i, loop in zip(turn, move.loops, strict=True)),
            move.result + sum(i * loop.result for i, loop in zip(turn, move.loops, strict=True)),
        )
        for turn in turns
    }


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_loops_found_make_the_moves_asked_for(shape: tuple[int, int, int], turn: object) -> None:
    places = turn(np.arange(np.prod(shape), dtype=np.int64).reshape(shape)).ravel()
    if not len(places):
        return
    results = np.arange(len(places), dtype=np.int64) * 3 + 7
    found = structure(places, results)
    assert found is not None
    assert replayed(found) == replayed(found.merged()) == set(zip(places.tolist(), results.tolist(), strict=True))


def test_an_order_without_structure_has_no_loops() -> None:
    places = np.random.default_rng(0).permutation(97)
    assert structure(places, np.arange(97)) is None


@pytest.mark.parametrize("form", [F32_HWC, F32_CHW], ids=lambda form: form.name)
def test_a_map_without_a_border_is_copied_in_one_piece(form: Format) -> None:
    held, target = Map("a", 16, 5, 7), TARGETS["avx512"]
    bare = Buffer(held, form, Halo(), form.padded(held.c, target))
    assert copied(bare, bare).merged().loops == (Loop(bare.size, 1, 1),)
    bordered = Buffer(held, form, Halo(1, 1, 1, 1), form.padded(held.c, target))
    assert len(copied(bare, bordered).merged().loops) == (2 if form is F32_HWC else 3)
    assert len(replayed(copied(bare, bordered))) == bare.size
