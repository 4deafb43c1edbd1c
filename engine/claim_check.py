"""What is wrong with where claims point, as far as the graph tells."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from engine.claim import Claim
from engine.errors import OssicleError
from engine.problem import Problem
from engine.registry import Registry
from engine.workflow import Workflow


def claim_problems(workflow: Workflow, registry: Registry) -> Iterator[Problem]:
    """Claims whose `at` names no output of the graph."""
    for number, claim in enumerate(workflow.claims):
        if (error := wrong_place(claim, workflow, registry)) is not None:
            what = f"{claim.what!r} points at {claim.at!r}: {error.what}"
            yield Problem("claim", "", f"claims.{number}", what, error.expected, error.remedy)


def wrong_place(claim: Claim, workflow: Workflow, registry: Registry) -> OssicleError | None:
    """What is wrong with where a claim points, as far as the graph tells; None if nothing is."""
    place = claim.place
    if place is None:
        form = "node.port:metric, such as benchmark-1.report:accuracy"
        return OssicleError("that is no place", form, "Correct it") if claim.at else None
    if place.node not in workflow.nodes:
        near = difflib.get_close_matches(place.node, workflow.nodes, n=3) or sorted(workflow.nodes)[:5]
        return OssicleError(f"there is no node {place.node!r}", f"a node, such as {', '.join(near)}", "Correct it")
    spec = registry.find(workflow.nodes[place.node].type)
    if spec is not None and spec.output(place.port) is None:
        known = ", ".join(port.name for port in spec.outputs) or "none"
        return OssicleError(f"{place.node} has no output {place.port!r}", f"one of: {known}", "Correct it")
    return None


def unchecked(claim: Claim) -> str:
    """Why a claim that points nowhere cannot be checked."""
    if claim.at:
        return f"the claim points at {claim.at!r}, which is no place"
    return f"needs {claim.needs}" if claim.needs else claim.note or "nothing here measures it"
