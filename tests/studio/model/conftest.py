"""For tests of the model: a small graph of real node types, and a random edit."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from engine.registry import Registry
from engine.workflow import Link, Workflow, parse
from studio.model import edit, marks
from studio.model.boxes import boxes

TYPES = ("ingest", "partition", "mfcc", "log_mel", "train", "quantize", "benchmark", "deploy")
RandomEdit = Callable[[Workflow, random.Random], Workflow]


@pytest.fixture
def small() -> Workflow:
    """From audio to a benchmark, with a variable, positions, a note and a frame."""
    return parse(
        {
            "name": "small",
            "variables": {"seed": 3},
            "nodes": {
                "ingest-1": {"type": "ossicle.ingest", "params": {"source": "clips"}},
                "mfcc-1": {"type": "ossicle.mfcc", "params": {"n_mels": 48}},
                "train-1": {"type": "ossicle.train", "params": {"seed": "{seed}", "epochs": 2}},
                "benchmark-1": {"type": "ossicle.benchmark"},
            },
            "links": [
                "ingest-1.audio -> mfcc-1.audio",
                "mfcc-1.features -> benchmark-1.features",
                "mfcc-1.features -> train-1.features",
                "train-1.model -> benchmark-1.model",
            ],
            "layout": {
                "positions": {"ingest-1": [0, 0], "mfcc-1": [252, 0], "train-1": [504, 0], "benchmark-1": [756, 0]},
                "notes": {"note:1": {"text": "here", "x": 10, "y": 200, "width": 220, "height": 110}},
                "frames": {"frame:1": {"text": "front", "x": -22, "y": -52, "width": 500, "height": 200}},
            },
        }
    )


@pytest.fixture
def random_edit(registry: Registry) -> RandomEdit:
    """One edit such as a person makes, chosen at random; what cannot be done leaves the workflow as it is."""

    def change(workflow: Workflow, dice: random.Random) -> Workflow:
        return dice.choice(EDITS)(workflow, dice, registry)

    return change


def _add(workflow: Workflow, dice: random.Random, registry: Registry) -> Workflow:
    if len(workflow.nodes) > 40:
        return _remove(workflow, dice, registry)
    spec = registry.specs[f"ossicle.{dice.choice(TYPES)}"]
    return edit.add_node(workflow, spec, (dice.uniform(-900, 900), dice.uniform(-900, 900)))[0]


def _remove(workflow: Workflow, dice: random.Random, registry: Registry) -> Workflow:
    names = dice.sample(sorted(workflow.nodes), min(len(workflow.nodes), dice.randrange(3)))
    links = dice.sample(workflow.links, min(len(workflow.links), dice.randrange(2)))
    found = dice.sample(sorted(marks.marks(workflow)), min(len(marks.marks(workflow)), dice.randrange(2)))
    return edit.remove(workflow, names, links, found)


def _link(workflow: Workflow, dice: random.Random, registry: Registry) -> Workflow:
    ends = [
        Link(a, out.name, b, into.name)
        for a in dice.sample(sorted(workflow.nodes), min(6, len(workflow.nodes)))
        for b in dice.sample(sorted(workflow.nodes), min(6, len(workflow.nodes)))
        for out in registry.specs[workflow.nodes[a].type].outputs
        for into in registry.specs[workflow.nodes[b].type].inputs
    ]
    for new in dice.sample(ends, min(8, len(ends))):
        if edit.why_not(workflow, registry, new) is None:
            return edit.link(workflow, registry, new)
    return workflow


def _params(workflow: Workflow, dice: random.Random, registry: Registry) -> Workflow:
    if not workflow.nodes:
        return workflow
    name = dice.choice(sorted(workflow.nodes))
    if dice.random() < 0.3:
        return edit.reset_params(workflow, name, list(workflow.nodes[name].params)[:1])
    return edit.set_params(workflow, name, {dice.choice("abc"): dice.choice([1, 2.5, "{seed}", [1, 2], None])})


def _mode(workflow: Workflow, dice: random.Random, registry: Registry) -> Workflow:
    names = dice.sample(sorted(workflow.nodes), min(2, len(workflow.nodes)))
    return edit.toggle_mode(workflow, names, dice.choice(["muted", "bypassed"])) if names else workflow


def _move(workflow: Workflow, dice: random.Random, registry: Registry) -> Workflow:
    names = dice.sample(sorted(workflow.nodes), min(3, len(workflow.nodes)))
    return edit.move(workflow, {name: (dice.uniform(-999, 999), dice.uniform(-999, 999)) for name in names})


def _rename(workflow: Workflow, dice: random.Random, registry: Registry) -> Workflow:
    if not workflow.nodes:
        return workflow
    return edit.rename(workflow, dice.choice(sorted(workflow.nodes)), edit.new_id(workflow, dice.choice(["x", "y"])))


def _variable(workflow: Workflow, dice: random.Random, registry: Registry) -> Workflow:
    if workflow.variables and dice.random() < 0.5:
        return edit.remove_variable(workflow, dice.choice(sorted(workflow.variables)))
    return edit.set_variable(workflow, dice.choice(["seed", "rate"]), dice.randrange(9))


def _mark(workflow: Workflow, dice: random.Random, registry: Registry) -> Workflow:
    if dice.random() < 0.5 and len(marks.marks(workflow)) < 20:
        return marks.add_note(workflow, (dice.uniform(-99, 99), 5), "text")[0]
    areas = list(boxes(workflow, registry).values())[:3]
    return marks.add_frame(workflow, areas)[0] if areas and len(marks.marks(workflow)) < 20 else workflow


EDITS: tuple[Callable[[Workflow, random.Random, Registry], Workflow], ...] = (
    _add, _add, _remove, _link, _link, _params, _mode, _move, _rename, _variable, _mark,
)  # fmt: skip
