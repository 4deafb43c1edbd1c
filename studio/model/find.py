"""Finding nodes of a workflow by id, title, type and parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping

from engine.registry import Registry
from engine.workflow import Node, Workflow
from studio.model.boxes import Box


def text_of(name: str, node: Node, title: str) -> str:
    """Everything a node can be found by, in small letters."""
    params = (f"{key}={_plain(value)} {key.replace('_', ' ')}" for key, value in node.params.items())
    mode = node.mode if node.mode != "active" else ""
    return " ".join([name, title, node.type, mode, *params]).casefold()


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def find(workflow: Workflow, registry: Registry, text: str, parts: Mapping[str, Box]) -> list[str]:
    """Ids of nodes in which every word of a text occurs, as they are read: from left to right, from top to bottom."""
    words = text.casefold().split()
    if not words:
        return []
    found = []
    for name, node in workflow.nodes.items():
        spec = registry.find(node.type)
        whole = text_of(name, node, spec.title if spec is not None else "")
        if all(word in whole for word in words):
            found.append(name)
    return sorted(found, key=lambda name: (parts[name].x, parts[name].y, name))
