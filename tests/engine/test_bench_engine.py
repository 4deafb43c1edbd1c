"""The engine's benchmarks run, measure what they say and keep to the printed form."""

from __future__ import annotations

import json
from pathlib import Path

from engine.bench_engine import engine, graph, nothing, start
from engine.registry import Registry
from engine.validate import check


def test_the_graph_is_valid_and_of_the_size_asked_for() -> None:
    checked = check(graph(50), Registry({nothing.id: nothing}))
    assert checked.problems == () and len(checked.steps) == 50


def test_engine_bench_with_prefect_on_a_small_graph(prefect_server: Path) -> None:
    result = engine({"nodes": "30", "rounds": "1"})
    assert [row.name for row in result.rows] == ["30 cached nodes", "executed node, local", "executed node, Prefect"]
    assert all(row.value > 0 and row.aim and row.met is not None for row in result.rows)
    assert set(result.rows[2].peers) == {"joblib miss", "bare prefect"}
    json.dumps(result.to_json())


def test_start_bench_once(prefect_server: Path) -> None:
    result = start({"rounds": "1"})
    assert {row.name for row in result.rows} >= {"ossicle nodes", "ossicle run, all cached, server up"}
