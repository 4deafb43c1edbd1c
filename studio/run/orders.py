"""Orders to the runner: what is sent, why an order is not even sent, and what is said about its end. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.console import count
from engine.fault import Fault
from engine.sweep_record import Over
from engine.validate import check
from engine.workflow import to_json, upto
from studio.model.document import Document
from studio.run.notice import Level, Notice

BUSY: Final = Notice("info", "A run is going on", "one run at a time", "Wait for its end, or stop it")


def order_of(
    name: str, document: Document, to: str | None, force: tuple[str, ...], over: Over | None = None
) -> dict[str, Any]:
    """The workflow as it is in the editor, saved or not, and what to do with it: a sweep if there are values for it."""
    order = {
        "id": name,
        "workflow": to_json(document.workflow),
        "base": str(document.base),
        "force": list(force),
    }
    if over is not None:
        order["sweep"] = {key: list(values) for key, values in over.items()}
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


def notice_of_failures(failures: Sequence[tuple[str, Fault]], box: str) -> Notice:
    """What is said about nodes that failed; the first in full.

    Args:
        box: where the first is shown.
    """
    (name, fault), more = failures[0], len(failures) - 1
    rest = f" (and {count(more, 'more node')} failed)" if more else ""
    return Notice("error", f"{name}: {fault.what}{rest}", fault.expected, fault.remedy, box)


def notice_of_line(line: Mapping[str, Any], level: Level = "error") -> Notice:
    """The three parts that the runner told."""
    what, expected, remedy = (str(line.get(name, "")) for name in ("what", "expected", "remedy"))
    return Notice(level, what, expected, remedy)
