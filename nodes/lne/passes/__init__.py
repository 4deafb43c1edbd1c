"""The passes between reading and planning, in their order; the graph is verified after each.

A pass is a function from a graph to a graph that computes the same. The list is run again until nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nodes.lne.ir import Graph
from nodes.lne.passes import affine, gates, moves, residual
from nodes.lne.verify import verify

ROUNDS = 8
"""Far more than any network has needed."""


@dataclass(frozen=True)
class Pass:
    """One step of the list."""

    run: Callable[[Graph], Graph]

    @property
    def name(self) -> str:
        """As in reports: fold into previous."""
        return self.run.__name__.replace("_", " ")

    @property
    def about(self) -> str:
        """The first line of its description."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


PASSES = tuple(
    Pass(run)
    for run in (
        moves.drop_unused,
        moves.merge_rearranges,
        moves.keep_last_state,
        moves.drop_neutral,
        moves.shape_ends,
        moves.fold_pads,
        affine.turn_depthwise_1x1,
        gates.recognise_gates,
        affine.merge_affines,
        affine.fold_into_previous,
        affine.sink_below_pools,
        affine.fold_into_next,
        affine.raise_activations,
        affine.fuse_activations,
        affine.join_affines,
        residual.fuse_residuals,
        affine.fuse_scales,
        moves.lay_along_rows,
        moves.drop_unused,
    )
)


def run_passes(graph: Graph, passes: tuple[Pass, ...] = PASSES) -> tuple[Graph, tuple[str, ...]]:
    """The optimised graph, and what each pass did.

    Raises:
        LneError: the graph was not legal, or a pass made it so.
    """
    verify(graph, "the graph as it was read")
    notes: list[str] = []
    for _ in range(ROUNDS):
        before = graph
        for one in passes:
            graph = _step(graph, one, notes)
        if graph is before:
            break
    return graph, tuple(notes)


def _step(graph: Graph, one: Pass, notes: list[str]) -> Graph:
    """The graph after a pass, or the same object where it found nothing to do."""
    after = one.run(graph)
    if after.ops == graph.ops and after.maps == graph.maps and after.result == graph.result:
        return graph
    verify(after, f"the graph after '{one.name}'", graph)
    notes.append(f"{one.name}: {len(graph.ops)} -> {len(after.ops)} operations")
    return after
