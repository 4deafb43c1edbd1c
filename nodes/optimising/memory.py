"""The memory plan of a program: which map lies where in the workspace, and during which steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodes.lne.layout import Buffer
from nodes.lne.plan import Plan, Step, make_plan
from nodes.lne.registry import casts

Json = dict[str, Any]
SCRATCH = "scratch"


def memory_facts(plan: Plan, weight_bytes: int) -> Json:
    """Blocks of the workspace over the steps, and what they would take without sharing.

    `blocks` name the map, its format, place and size in bytes, and the first and last step in which it is in use;
    scratch is a block of every step that uses some. See `studio.views.data.optimisation`.
    """
    alive = _alive(plan)
    blocks = [_block(buffer, *alive[_key(buffer)]) for buffer in plan.buffers if _key(buffer) in alive]
    return {
        "workspace_bytes": plan.workspace_bytes,
        "separate_bytes": separate_bytes(plan),
        "weight_bytes": weight_bytes,
        "steps": [step.task.op.name for step in plan.steps],
        "blocks": [*blocks, *_scratch(plan)],
    }


def separate_bytes(plan: Plan) -> int:
    """The workspace if every map had memory of its own."""
    choices = {step.task.op.name: step.primitive for step in plan.steps}
    ranges = plan.steps[0].task.ranges if plan.steps else {}
    return make_plan(plan.graph, plan.target, choices, casts(), ranges).workspace_bytes


def _key(buffer: Buffer) -> tuple[str, str]:
    return buffer.map.name, buffer.format.name


def _alive(plan: Plan) -> Mapping[tuple[str, str], tuple[int, int]]:
    """First and last step that reads or writes a map in a format.

    Of a step that works in place, its input's memory counts as the output's already.
    """
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for number, step in enumerate(plan.steps):
        for buffer in (*step.inputs, step.output):
            if buffer.place == "workspace" and not _gives_way(buffer, step):
                found[_key(buffer)] = (found.get(_key(buffer), (number, number))[0], number)
    return found


def _gives_way(buffer: Buffer, step: Step) -> bool:
    is_other = _key(buffer) != _key(step.output)
    return step.in_place and is_other and buffer.offset == step.output.offset


def _block(buffer: Buffer, first: int, last: int) -> Json:
    place = {"name": buffer.map.name, "format": buffer.format.name, "offset": buffer.offset, "bytes": buffer.bytes}
    return {**place, "first": first, "last": last}


def _scratch(plan: Plan) -> list[Json]:
    sizes = [scratch_bytes(step) for step in plan.steps]
    return [
        {
            "name": SCRATCH,
            "format": SCRATCH,
            "offset": plan.scratch_offset,
            "bytes": size,
            "first": number,
            "last": number,
        }
        for number, size in enumerate(sizes)
        if size
    ]


def scratch_bytes(step: Step) -> int:
    """What a step uses while it runs."""
    return step.primitive.scratch_bytes(step.task)
