"""Orders to the runner: what is sent, and why an order is not even sent. Pure."""

from __future__ import annotations

from typing import Any

from engine.console import count
from engine.validate import check
from engine.workflow import to_json, upto
from studio.model.document import Document
from studio.run.notice import Notice


def order_of(name: str, document: Document, to: str | None, force: tuple[str, ...]) -> dict[str, Any]:
    """The workflow as it is in the editor, saved or not, and what to do with it."""
    order = {
        "id": name,
        "workflow": to_json(document.workflow),
        "base": str(document.base),
        "force": list(force),
    }
    return order if to is None else {**order, "to": to}


def why_not(document: Document, to: str | None) -> Notice | None:
    """Why a workflow cannot be run up to a node (or as a whole); None if it can."""
    workflow = document.workflow
    if to is not None and to not in workflow.nodes:
        return Notice("info", "No node is selected", "one node", "Click the node up to which to run")
    if not workflow.nodes:
        return Notice("info", "There is nothing to run", "a graph with nodes", "Press Space to add one")
    checked = document.checked if to is None else check(upto(workflow, to), document.registry)
    if not checked.errors:
        return None
    first, more = checked.errors[0], len(checked.errors) - 1
    rest = f" ({count(more, 'more problem')}, see Problems)" if more else ""
    place = f"{first.node}: " if first.node else ""
    return Notice("error", f"{place}{first.what}{rest}", first.expected, first.remedy, first.node)
