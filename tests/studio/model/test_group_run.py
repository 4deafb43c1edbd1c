"""A real trained graph collapsed: every stored result is found again, nothing is computed twice."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

from engine.library import file_of, with_subgraphs
from engine.registry import Registry
from engine.runner import LocalRunner, Request
from engine.runs import home_of
from engine.subgraph import inner_output, leaf_of
from engine.workflow import save
from studio.model.collapse import collapse


def test_a_collapsed_graph_finds_the_results_of_the_drawn_out_one(
    small_run: Any, registry: Registry, tmp_path: Path
) -> None:
    base = small_run.file.parent
    shutil.copytree(home_of(base), tmp_path / ".ossicle", symlinks=True)
    chosen = {name for name in small_run.workflow.nodes if name.startswith(("mfcc", "train", "partition"))}
    assert len(chosen) == 3
    done = collapse(small_run.workflow, registry, chosen, "front-end")
    save(done.inside, file_of(tmp_path, "front-end"))
    request = Request(done.workflow, tmp_path, registry=registry)
    record = LocalRunner().run(request, lambda _event: None, threading.Event())
    assert {node.state for node in record.nodes.values()} == {"cached"}
    before = {name: dict(node.outputs) for name, node in small_run.record.nodes.items()}
    assert {leaf_of(name): dict(node.outputs) for name, node in record.nodes.items()} == before
    found = with_subgraphs(registry, tmp_path)
    end = inner_output(found.specs["subgraph.front-end"], "model", found)
    assert f"{done.box}--{end.partition('.')[0]}" in record.nodes
