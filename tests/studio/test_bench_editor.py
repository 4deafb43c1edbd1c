"""The editor's benchmark runs, measures what it says and keeps to the printed form."""

from __future__ import annotations

import json

import pytest

from engine.bench import BenchResult
from engine.registry import Registry
from engine.validate import check
from studio.bench_editor import editor, graph, pairs, step

SMALL = {"nodes": "20", "many": "30", "events": "400", "edits": "10", "rounds": "1", "frames": "3"}


def test_the_graph_is_valid_and_has_three_links_for_two_nodes() -> None:
    checked = check(graph(200), Registry({step.id: step}))
    assert checked.problems == () and len(checked.steps) == 200
    assert 1.4 <= len(pairs(1000)) / 1000 <= 1.5


@pytest.fixture(scope="module")
def result() -> BenchResult:
    return editor({**SMALL, "plain": "1", "window": "0", "clicks": "0"})


def test_it_measures_ours_and_the_plain_one(qapp: object, result: BenchResult) -> None:
    rows = {(row.name, row.unit): row for row in result.rows}
    opened = rows[f"open 20 nodes, {len(pairs(20))} links: first full frame", "s"]
    assert opened.value > 0 and opened.met is not None and opened.peers["NodeGraphQt 0.6.44"] > 0
    for name in ("pan", "zoom", "drag one node"):
        assert rows[f"{name}, all 20 nodes visible", "fps"].peers["NodeGraphQt 0.6.44"] > 0
    assert all(row.value > 0 for row in result.rows)
    json.dumps(result.to_json())
