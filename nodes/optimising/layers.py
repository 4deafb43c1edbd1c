"""The account of a plan, layer by layer: what was chosen, what it takes, what else there was, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nodes.lne.ir import macs
from nodes.lne.plan import Cast, Plan, Step
from nodes.lne.registry import primitives
from nodes.lne.writer import Writer
from nodes.optimising.words import Rival, operator_words, why

if TYPE_CHECKING:
    from nodes.lne.search import CostTable, Space
    from nodes.lne.search.space import Action

Json = dict[str, Any]
INT8, FP32 = "int8", "fp32"


@dataclass(frozen=True)
class Measured:
    """What is known about a plan beside the plan itself.

    Attributes:
        step_us: time of every step in place, in microseconds.
        space, costs: what could have been chosen and its measured costs; none if nothing was searched.
    """

    step_us: Sequence[float]
    space: Space | None = None
    costs: CostTable | None = None

    def rivals(self, step: Step) -> list[Rival]:
        """All candidates of a step, the chosen one among them."""
        layer = next((one for one in self.space.layers if one.name == step.task.op.name), None) if self.space else None
        if layer is None:
            return []
        times = self.costs.layer_us if self.costs is not None else {}
        return [_rival(action, times.get((layer.name, action.primitive.name))) for action in layer.actions]


def _rival(action: Action, us: float | None) -> Rival:
    form = action.signature
    return Rival(action.primitive.name, form.output.name, us, tuple(one.name for one in form.inputs))


def layer_rows(plan: Plan, measured: Measured) -> list[Json]:
    """Every step of a plan; keys as `studio.views.data.optimisation` says."""
    total = sum(measured.step_us) or 1.0
    return [
        _row(step, us, us / total, measured.rivals(step)) for step, us in zip(plan.steps, measured.step_us, strict=True)
    ]


def _row(step: Step, us: float, share: float, rivals: Sequence[Rival]) -> Json:
    op, graph = step.task.op, step.task.graph
    flops = 2.0 * macs(op, graph)
    form = step.output.format.name
    reads = tuple(buffer.format.name for buffer in step.inputs)
    chosen = Rival(step.primitive.name, form, _time_of(step.primitive.name, rivals), reads)
    refused = list(_refused(step))
    others = [one for one in rivals if one.primitive != chosen.primitive]
    return {
        "layer": op.name,
        "operator": operator_words(op),
        "in_shape": list(graph.maps[op.inputs[0]].shape),
        "out_shape": list(graph.maps[op.output].shape),
        "flops": flops,
        "us": us,
        "share": share,
        "gflops": flops / us / 1e3 if us else 0.0,
        "primitive": chosen.primitive,
        "format": form,
        "precision": precision_of(step),
        "weight_bytes": weight_bytes(step),
        "why": _reason(step, chosen, others, len(refused)),
        "candidates": [{"primitive": one.primitive, "format": one.form, "us": one.us} for one in rivals],
        "refused": [{"primitive": name, "reason": reason} for name, reason in refused],
    }


def _time_of(primitive: str, rivals: Sequence[Rival]) -> float | None:
    return next((one.us for one in rivals if one.primitive == primitive), None)


def _reason(step: Step, chosen: Rival, others: Sequence[Rival], refused: int) -> str:
    op = step.task.op
    if isinstance(op, Cast):
        outside = {"input": "the caller's input", "output": "the caller's output"}
        ends = (outside.get(step.inputs[0].place, op.before.name), outside.get(step.output.place, op.after.name))
        return f"from {ends[0]} to {ends[1]}"
    return why(chosen, others, refused)


def precision_of(step: Step) -> str:
    """ "int8" where a step reads or writes 8-bit maps, except for conversions."""
    formats = {buffer.format.dtype for buffer in (*step.inputs, step.output)}
    return INT8 if "u8" in formats and not isinstance(step.task.op, Cast) else FP32


def _refused(step: Step) -> Iterator[tuple[str, str]]:
    """Primitives of this kind of operation that cannot compute it, with their reasons."""
    for one in primitives():
        if isinstance(step.task.op, one.ops):
            reason = one.refuse(step.task)
            if reason:
                yield one.name, reason


def weight_bytes(step: Step) -> int:
    """Constants of a step in the generated code, if it were alone."""
    writer = Writer("alone")
    writer.begin("alone")
    step.primitive.emit(step.place, writer)
    return len(writer.weights)
