"""From a checked graph to the steps of a run: muted nodes left out, bypassed ones wired through."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from engine.node import NodeSpec, Port
from engine.params import Params
from engine.workflow import Workflow

Source = tuple[str, str]


@dataclass(frozen=True)
class Step:
    """One node that can run: its type, its valid parameters, and where each input comes from."""

    node: str
    spec: NodeSpec
    params: Params
    wires: Mapping[str, tuple[Source, ...]]


def find_steps(
    workflow: Workflow,
    sequence: list[str],
    specs: Mapping[str, NodeSpec | None],
    params: Mapping[str, Params],
    wires: Mapping[str, Mapping[str, list[Source]]],
) -> tuple[list[Step], list[str]]:
    """Steps in order; bypassed nodes are wired through, muted ones and what needs them are left out."""
    steps: list[Step] = []
    skipped: dict[str, None] = {}
    through: dict[Source, tuple[Source, ...]] = {}
    for name in sequence:
        spec = specs[name]
        lead = functools.partial(_lead, through=through, skipped=skipped)
        inputs = {port: tuple(s for source in sources for s in lead(source)) for port, sources in wires[name].items()}
        if (
            spec is None
            or name not in params
            or workflow.nodes[name].mode == "muted"
            or _starved(spec, wires[name], inputs)
        ):
            skipped[name] = None
        elif workflow.nodes[name].mode == "bypassed":
            through |= {(name, port.name): _bypass(spec, port, inputs) for port in spec.outputs}
        else:
            steps.append(Step(name, spec, params[name], {port: found for port, found in inputs.items() if found}))
    return steps, list(skipped)


def _lead(
    source: Source, through: Mapping[Source, tuple[Source, ...]], skipped: Mapping[str, None]
) -> tuple[Source, ...]:
    return () if source[0] in skipped else through.get(source, (source,))


def _starved(spec: NodeSpec, wired: Mapping[str, list[Source]], inputs: Mapping[str, tuple[Source, ...]]) -> bool:
    return any(not p.optional and wired.get(p.name) and not inputs.get(p.name) for p in spec.inputs)


def _bypass(spec: NodeSpec, output: Port, inputs: Mapping[str, tuple[Source, ...]]) -> tuple[Source, ...]:
    """What flows through a bypassed node: its first wired input of a type that fits the output."""
    for port in spec.inputs:
        if issubclass(port.type, output.type) and inputs.get(port.name):
            return inputs[port.name][:1]
    return ()
