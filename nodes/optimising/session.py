"""The whole optimisation: read, choose, pack, verify. Knows no workflow; the node and the command share it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from nodes.application.network import logits_of, open_network, options
from nodes.lne.cross import can_emulate, run_abroad
from nodes.lne.dispatch import best_first
from nodes.lne.errors import LneError
from nodes.lne.ir import Graph
from nodes.lne.package import Check, Library, Order, Package, make_package, open_package, write_package
from nodes.lne.package.abi import DESCRIPTION_FILE
from nodes.lne.package.description import write_description
from nodes.lne.plan import Cast, Plan, make_plan
from nodes.lne.primitive import Signature
from nodes.lne.reading import Reading, read_onnx
from nodes.lne.registry import casts
from nodes.lne.search import choose
from nodes.lne.simulate import Simulation
from nodes.lne.target import Target, can_run, find_target
from nodes.optimising.choose import Chosen, chosen, limits_of
from nodes.optimising.mixed import mixed
from nodes.optimising.wish import Floats, Network, Watch, Wish

Json = dict[str, Any]
TOLERANCE: Final = 1e-4
"""Largest error of float code, as a share of the outputs' range."""
LOUDEST: Final = 100.0
"""Spread of the loudest noise."""
EMULATED: Final = 2
"""Inputs that are run under an emulator."""
INT8_TOLERANCE: Final = 0.03
"""The same of code in 8 bits against its integer reference: a float layer may turn a rounding, one step of a map."""


@dataclass(frozen=True)
class Verification:
    """How far the finished library is from the network as written, on the network's inputs.

    Attributes:
        error: largest difference of an output.
        output_range: largest minus smallest wanted output, for scale.
        agreement: share of inputs with the same top output.
    """

    is_real: bool
    count: int
    error: float
    output_range: float
    agreement: float

    def to_json(self) -> Json:
        """In the words of deployment.json."""
        return {
            "scope": "network",
            "clips": "recordings" if self.is_real else "noise",
            "count": self.count,
            "error": self.error,
            "logit_range": self.output_range,
            "agreement": self.agreement,
        }


@dataclass(frozen=True)
class Optimised:
    """A finished folder and what is known about it."""

    folder: Path
    network: Network
    reading: Reading
    chosen: Chosen
    package: Package
    verification: Verification | None
    facts: Json

    @property
    def plan(self) -> Plan:
        """Of the library's first level."""
        return self.chosen.plan

    @property
    def latency_us(self) -> float:
        """Median of one inference; 0 where it could not be measured."""
        return self.chosen.profile.whole_median_us if self.chosen.profile is not None else 0.0


def read_network(onnx: bytes, name: str) -> Reading:
    """The network as a graph of ours.

    Raises:
        LneError: it cannot be read; names every node that cannot be generated.
    """
    reading = read_onnx(onnx)
    return replace(reading, graph=replace(reading.graph, name=name))


def wanted_outputs(network: Network, graph: Graph) -> Floats:
    """Outputs (inputs, *one output) of the network exactly as it is written, all optimisations off, by onnxruntime."""
    made = options(threads=1)
    made.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = open_network(network.onnx, network.name, made=made)
    found = [logits_of(session, one.reshape(graph.source_shape)) for one in network.inputs]
    return np.stack(found).reshape(len(found), *graph.result_shape[1:])


def noise(graph: Graph, clips: int, seed: int = 0) -> Floats:
    """Inputs for a network nobody gave any: normal, some as quiet as whitened features, some as loud as raw ones.

    Quiet inputs alone may leave an untrained network's output as it is, and then verify nothing.
    """
    rng = np.random.default_rng(seed)
    shape = (clips, *graph.source_shape[1:])
    levels = np.geomspace(1.0, LOUDEST, clips).reshape(clips, *[1] * (len(shape) - 1))
    return (rng.standard_normal(shape) * levels).astype(np.float32)


def build(
    folder: Path, network: Network, reading: Reading, choice: Chosen, wish: Wish, facts: Mapping[str, Any], watch: Watch
) -> Optimised:
    """Generate, compile, verify and write the folder.

    Raises:
        LneError: no C compiler, one that fails, or code that fails verification.
    """
    package = make_package(network.name, plans(reading, choice, wish), network.front_end, network.labels)
    wanted = wanted_outputs(network, reading.graph)
    watch.progress(0.85, "compiling and verifying")
    order = Order(dict(facts), network.onnx, checks=checks(network, choice, wanted), tolerance=tolerance(choice))
    found = None if can_run(choice.plan.target) else emulated(package, network, order)
    write_package(folder, package, order)
    if can_run(choice.plan.target):
        found = verification(open_package(folder), network, wanted)
    return Optimised(folder, network, reading, choice, package, found, dict(facts))


def emulated(package: Package, network: Network, order: Order) -> Verification | None:
    """Run code for another machine under an emulator, on a few inputs; none where there is no emulator.

    Raises:
        LneError: it is off by more than the order allows.
    """
    program = package.levels[0]
    if not can_emulate(program.plan.target):
        return None
    few = order.checks[:EMULATED]
    with tempfile.TemporaryDirectory(prefix="ossicle-abroad-") as work:
        found = np.stack([run_abroad(program, Path(work), check.values) for check in few])
    told = compared(found, np.stack([check.wanted.reshape(found.shape[1:]) for check in few]), network)
    if not told.error <= order.tolerance * (told.output_range or 1.0):
        raise LneError(
            f"{package.name}: the code for {program.plan.target.name} is off by {told.error:.3g} under the emulator.",
            f"at most {order.tolerance:g} of the outputs' range, {told.output_range:.3g}",
            "Report this network; meanwhile run it with onnxruntime.",
        )
    return told


def checks(network: Network, choice: Chosen, wanted: Floats) -> tuple[Check, ...]:
    """Inputs with what must come out: the network's outputs as it is written, or what its integers give."""
    if choice.ranges:
        wanted = Simulation(choice.plan.graph, choice.ranges, signatures(choice.plan)).outputs(network.inputs)
    shape = choice.plan.graph.source_shape
    return tuple(Check(one.reshape(shape), y) for one, y in zip(network.inputs, wanted, strict=True))


def signatures(plan: Plan) -> dict[str, Signature]:
    """In which formats every operation of a plan reads and writes."""
    return {
        step.task.op.name: step.primitive.signature(step.task)
        for step in plan.steps
        if not isinstance(step.task.op, Cast)
    }


def tolerance(choice: Chosen) -> float:
    """Largest error allowed, as a share of the outputs' range."""
    return INT8_TOLERANCE if choice.ranges else TOLERANCE


def plans(reading: Reading, choice: Chosen, wish: Wish) -> list[Plan]:
    """The chosen plan, then one by estimate for every further level, in the table's order of targets, best first."""
    first = choice.plan.target
    others = best_first(find_target(name) for name in wish.levels if name != first.name)
    return [choice.plan, *(_estimated(reading, target, wish) for target in others)]


def _estimated(reading: Reading, target: Target, wish: Wish) -> Plan:
    choices = choose(reading.graph, target, None, limits_of(wish))
    return make_plan(reading.graph, target, choices, casts(), None, shares=True)


def verification(library: Library, network: Network, wanted: Floats) -> Verification:
    """Run the finished library on every input.

    Raises:
        LneError: the library cannot run here.
    """
    return compared(np.stack([library(one[None]) for one in network.inputs]).reshape(wanted.shape), wanted, network)


def compared(found: Floats, wanted: Floats, network: Network) -> Verification:
    """How far outputs (inputs, ...) are from what is wanted."""
    flat, other = (values.reshape(len(values), -1) for values in (found, wanted))
    return Verification(
        network.is_real,
        len(wanted),
        float(np.abs(flat - other).max()),
        float(wanted.max() - wanted.min()),
        float((flat.argmax(axis=1) == other.argmax(axis=1)).mean()),
    )


def described_again(optimised: Optimised, facts: Mapping[str, Any]) -> Optimised:
    """The same with deployment.json written anew, after something was found out about the finished library."""
    told = json.loads((optimised.folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    verified = {name: told["engine"][name] for name in ("verified",) if name in told["engine"]}
    known = {**optimised.facts, **facts}
    write_description(optimised.package, optimised.folder, {**known, "engine": verified})
    return replace(optimised, facts=known)


def start(network: Network, wish: Wish, watch: Watch) -> tuple[Reading, Chosen]:
    """Read and choose.

    Raises:
        LneError: the network cannot be read, or no choice can be made.
    """
    target = find_target(wish.target)
    reading = read_network(network.onnx, network.name)
    for note in reading.notes:
        watch.log(note)
    watch.progress(0.05, f"{len(reading.graph.ops)} operations for {target.name}")
    if not len(network.inputs):
        raise LneError("there is no input to run the network on.", "at least one", "Wire features with clips.")
    if wish.precision == "mixed":
        return reading, mixed(reading.graph, target, network, wish, watch)
    return reading, chosen(reading.graph, target, network.inputs[:1], wish, watch, reading.ranges)
