"""What a Run would do, found out in a thread after every edit: per node whether its result is there, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from engine.console import count
from engine.errors import OssicleError
from engine.library import with_subgraphs
from engine.params import canonical
from engine.plan import LOST, Forecast, forecast, sources_of
from engine.registry import Registry
from engine.runs import home_of, store_of
from engine.steps import Step
from engine.subgraph import outer_of
from engine.validate import Checked, check
from engine.workflow import Workflow
from studio.run.estimate import Timing, expected_s, timings
from studio.run.state import NEVER, NodeState
from studio.run.view import about

MODES: Final[Mapping[str, str]] = {
    "muted": "M makes it active again",
    "bypassed": "what comes in goes through; B makes it active again",
}


@dataclass(frozen=True)
class Plan:
    """What is known before a run.

    Attributes:
        workflow: what was looked at.
        forecasts: per runnable node, in running order.
        waits: nodes before it whose results are not there.
        notes: nodes that do not run, as they are shown: muted, bypassed, or in need of attention.
        expected: seconds that each node to be run will probably take; those that nobody knows are left out.
        root: folder of the store.
        errors: how many problems forbid a run.
        trouble: why nothing could be forecast, or "".
    """

    workflow: Workflow = field(default_factory=Workflow)
    forecasts: Mapping[str, Forecast] = field(default_factory=dict)
    waits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: Mapping[str, NodeState] = field(default_factory=dict)
    expected: Mapping[str, float] = field(default_factory=dict)
    root: Path = Path()
    errors: int = 0
    trouble: str = ""

    @property
    def todo(self) -> tuple[str, ...]:
        """Nodes that a run would execute, as far as is known."""
        return tuple(name for name, found in self.forecasts.items() if found.state != "cached")

    @property
    def text(self) -> str:
        """ "2 of 8 nodes to run · about 3 min 40 s"."""
        if self.errors:
            return f"{count(self.errors, 'problem')} to correct before a run"
        if self.trouble:
            return self.trouble
        if not self.forecasts:
            return "nothing to run" if self.workflow.nodes else ""
        if not self.todo:
            return f"all {count(len(self.forecasts), 'node')} done" if len(self.forecasts) > 1 else "done"
        head = f"{len(self.todo)} of {count(len(self.forecasts), 'node')} to run"
        known = [self.expected[name] for name in self.todo if name in self.expected]
        if not known:
            return head
        return f"{head} · {about(sum(known), is_all=len(known) == len(self.todo))}"


def make_plan(workflow: Workflow, registry: Registry, base: Path) -> Plan:
    """Look at the whole workflow; parts with problems do not hide the rest. Reads files: call it in a thread."""
    registry = with_subgraphs(registry, base)
    checked = check(workflow, registry)
    home = home_of(base)
    root = store_of(home).root
    bad = {problem.node: str(problem.what) for problem in reversed(checked.errors) if problem.node}
    notes = _notes(workflow, checked, bad)
    if any(problem.code == "cycle" for problem in checked.errors):
        return Plan(workflow, notes=notes, root=root, errors=len(checked.errors))
    part = _without(workflow, _with_followers(workflow, bad))
    try:
        found = forecast(part, registry, base, home)
    except OssicleError as error:
        return Plan(workflow, notes=notes, root=root, errors=len(checked.errors), trouble=error.what)
    steps = {step.node: step for step in check(part, registry).steps}
    waits = {
        name: tuple(sorted(n for n in sources_of(step) if found[n].state != "cached")) for name, step in steps.items()
    }
    expected = _expected(steps, found, timings(home))
    return Plan(workflow, found, waits, notes, expected, root, len(checked.errors))


def _notes(workflow: Workflow, checked: Checked, bad: Mapping[str, str]) -> dict[str, NodeState]:
    """Nodes that do not run, and why."""
    found: dict[str, NodeState] = {}
    quiet = {name: node.mode for name, node in workflow.nodes.items() if node.mode != "active"}
    waiting = _with_followers(workflow, bad)
    starved = {outer_of(name, workflow.nodes) for name in checked.skipped}
    for name in workflow.nodes:
        if name in quiet:
            found[name] = NodeState(quiet[name], why=MODES[quiet[name]])
        elif name in bad:
            found[name] = NodeState("attention", why=bad[name])
        elif name in waiting:
            found[name] = NodeState("never", why=f"waits for {_near(workflow, name, bad)}")
        elif name in starved:
            found[name] = NodeState("skipped", why=f"needs {_near(workflow, name, quiet)}")
    return found


def _near(workflow: Workflow, node: str, causes: Mapping[str, str]) -> str:
    """The nodes right before one that explain why it cannot run."""
    before = sorted({link.source for link in workflow.links if link.target == node})
    told = [f"{name} ({causes[name]})" if causes[name] in MODES else name for name in before if name in causes]
    return ", ".join(told or before) or "an input"


def _with_followers(workflow: Workflow, nodes: Iterable[str]) -> set[str]:
    """Nodes and everything that depends on them."""
    followers: dict[str, list[str]] = {}
    for link in workflow.links:
        followers.setdefault(link.source, []).append(link.target)
    found = {name for name in nodes if name in workflow.nodes}
    todo = list(found)
    while todo:
        fresh = [name for name in followers.get(todo.pop(), []) if name not in found]
        found.update(fresh)
        todo.extend(fresh)
    return found


def _without(workflow: Workflow, gone: set[str]) -> Workflow:
    """The part that can be forecast: nodes without problems, links between them."""
    nodes = {name: node for name, node in workflow.nodes.items() if name not in gone}
    links = tuple(link for link in workflow.links if link.source in nodes and link.target in nodes)
    return workflow.model_copy(update={"nodes": nodes, "links": links})


def _expected(steps: Mapping[str, Step], found: Mapping[str, Forecast], known: tuple[Timing, ...]) -> dict[str, float]:
    guesses = {
        name: expected_s(known, step.spec.id, name, canonical(step.params))
        for name, step in steps.items()
        if found[name].state != "cached"
    }
    return {name: guess for name, guess in guesses.items() if guess is not None}


# ---- together with the last run


def overlay(plan: Plan, last: Mapping[str, NodeState], ran: Workflow | None = None) -> dict[str, NodeState]:
    """How each node is shown while nothing runs: what the last run left, as far as it still holds.

    Args:
        ran: the workflow of the last run, if it is known.
    """
    shown: dict[str, NodeState] = {}
    for name, found in plan.forecasts.items():
        old = last.get(name, NEVER)
        is_same = ran is None or _is_same(ran, plan.workflow, outer_of(name, plan.workflow.nodes))
        shown[name] = _shown(found, old if is_same else replace(old, state="never", error=None), plan, shown)
    for name in plan.workflow.nodes:
        if name in plan.notes:
            note, old = plan.notes[name], last.get(name, NEVER)
            shown[name] = NodeState(note.state, why=note.why, outputs=old.outputs)
        elif name not in shown and name in last:
            shown[name] = last[name]
    return shown


def _is_same(ran: Workflow, now: Workflow, box: str) -> bool:
    """Whether a node's own parameters are still those of the run; `_still_holds` looks at what comes before it."""
    return ran.nodes.get(box) == now.nodes.get(box) and ran.variables == now.variables


def _shown(found: Forecast, old: NodeState, plan: Plan, before: Mapping[str, NodeState]) -> NodeState:
    if found.state == "cached":
        outputs = {port: plan.root / "objects" / key[:2] / key for port, key in found.outputs.items()}
        is_same = old.state in ("done", "cached") and dict(old.outputs) == outputs
        return old if is_same else NodeState("cached", 1.0, outputs=outputs)
    if _still_holds(found, old, plan.waits.get(found.node, ()), before):
        return old
    if found.state == "failing":
        return NodeState("attention", why=found.why, outputs=old.outputs)
    waits = plan.waits.get(found.node, ())
    why = f"waits for {', '.join(waits)}" if waits else found.why
    had_result = bool(old.outputs) or found.state in ("stale", "unknown")
    return NodeState("stale" if had_result else "never", 0.0, "", old.seconds, None, why, outputs=old.outputs)


def _still_holds(found: Forecast, old: NodeState, waits: tuple[str, ...], before: Mapping[str, NodeState]) -> bool:
    """Whether what ended the node last time would still do so: nothing it depends on has changed since."""
    if old.state not in ("failed", "cancelled", "interrupted", "skipped"):
        return False
    if found.state == "failing":
        return old.error is not None and old.error.what in found.why
    if waits:
        return any(before[name].state in ("failed", "cancelled", "interrupted", "skipped") for name in waits)
    return found.why in (*LOST.values(), "never run")
