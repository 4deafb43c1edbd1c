"""`Package`: what goes into a deployment's folder, before it is text. One network, one or more levels of code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from nodes.dsp.parameters import FrontEnd
from nodes.lne.errors import LneError
from nodes.lne.plan import Plan
from nodes.lne.program import Program, generate, identifier
from nodes.lne.target import Target

LONGEST_NAME = 48
LARGEST_CONSTANTS_BYTES = 2**31 - 2**27
"""Of a library: beyond 2 GiB, code and constants no longer reach each other."""
_TAKEN = frozenset({"c", "m", "example", "dl", "pthread", "rt"})
"""Names of the system's libraries, and of a file that every folder has."""


@dataclass(frozen=True)
class Package:
    """A network as C, ready to be written.

    Attributes:
        name: C identifier; prefix of every function and file.
        levels: the same network for several processors, best first; the library takes the first that can run.
        front_end: features the network hears; none for a network of anything else.
        labels: names of the outputs; may be none.
    """

    name: str
    levels: tuple[Program, ...]
    front_end: FrontEnd | None = None
    labels: tuple[str, ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """As ONNX has it, batch axis and all."""
        return self.levels[0].plan.graph.source_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """As ONNX has it."""
        return self.levels[0].plan.graph.result_shape

    @property
    def machine(self) -> Target:
        """A target of the machine the library is for; code for other ones is left out of it."""
        targets = [level.plan.target for level in self.levels]
        return next((target for target in targets if target.machine), targets[0])

    @property
    def workspace_bytes(self) -> int:
        """Enough for any level."""
        return max(level.plan.workspace_bytes for level in self.levels)


def make_package(
    name: str, plans: Sequence[Plan], front_end: FrontEnd | None = None, labels: Sequence[str] = ()
) -> Package:
    """Generate the code of every plan (one per target, best first).

    Raises:
        LneError: no plan, two for one target, plans of different networks, or a front end or labels that do not fit.
    """
    _check(plans, front_end, labels)
    prefix = package_name(name)
    levels = tuple(generate(plan, f"{prefix}_{plan.target.name}") for plan in plans)
    _check_size([len(level.weights) for level in levels])
    return Package(prefix, levels, front_end, tuple(labels))


def _check_size(sizes: Sequence[int]) -> None:
    """Raises LneError if the levels' constants are too large for one library."""
    if sum(sizes) > LARGEST_CONSTANTS_BYTES:
        raise LneError(
            f"the constants of {len(sizes)} level{'s' if len(sizes) > 1 else ''} take {sum(sizes) / 2**20:,.0f} MiB.",
            f"at most {LARGEST_CONSTANTS_BYTES / 2**20:,.0f} MiB in one library",
            "Generate fewer levels, set a flash limit, or run the network with onnxruntime.",
        )


def package_name(name: str) -> str:
    """A C identifier that is no library's name."""
    kept = re.sub("_+", "_", identifier(name))[:LONGEST_NAME].strip("_")
    return f"{kept}_net" if kept in _TAKEN else kept


def _check(plans: Sequence[Plan], front_end: FrontEnd | None, labels: Sequence[str]) -> None:
    targets = [plan.target.name for plan in plans]
    if not plans or len(set(targets)) < len(targets):
        raise LneError(f"the plans are for the targets {targets}.", "one plan or more, one per target", "Plan again.")
    if len({(plan.graph.source_shape, plan.graph.result_shape) for plan in plans}) > 1:
        raise LneError("the plans take or give different shapes.", "plans of one network", "Plan the same graph.")
    graph = plans[0].graph
    if front_end is not None and prod(front_end.shape) != prod(graph.source_shape):
        raise LneError(
            f"the front end gives features {front_end.shape}.",
            f"the network's input {graph.source_shape}",
            "Give the front end the network was trained on.",
        )
    if labels and len(labels) != prod(graph.result_shape):
        raise LneError(
            f"there are {len(labels)} labels.", f"one per output {graph.result_shape}", "Give every output a name."
        )
