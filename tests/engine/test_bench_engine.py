"""The engine's benchmarks run, measure what they say and keep to the printed form."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from engine.bench_engine import engine, graph, nothing, start
from engine.registry import Registry
from engine.validate import check

STAND_IN = """
from pathlib import Path
calls = []
def In(): pass
class Op:
    def __init__(self, function): self.function = function
    def __call__(self, *values):
        calls.append(self.function)
        return self.function(*values)
    def alias(self, name): return self
def op(function=None, ins=None): return Op(function) if function else Op
class Job:
    success = True
    def __init__(self, function): self.function = function
    def execute_in_process(self):
        self.function()
        Path(__file__).parent.parent.joinpath("calls").write_text(str(len(calls)))
        return self
job = Job
"""


def test_the_graph_is_valid_and_of_the_size_asked_for() -> None:
    checked = check(graph(50), Registry({nothing.id: nothing}))
    assert checked.problems == () and len(checked.steps) == 50


def test_engine_bench_with_prefect_on_a_small_graph(prefect_server: Path) -> None:
    result = engine({"nodes": "30", "rounds": "1"})
    assert [row.name for row in result.rows] == ["30 cached nodes", "executed node, local", "executed node, Prefect"]
    assert all(row.value > 0 and row.aim and row.met is not None for row in result.rows)
    assert set(result.rows[2].peers) == {"joblib miss", "bare prefect"}
    json.dumps(result.to_json())


def test_other_tools_are_measured_where_they_are_installed(tmp_path: Path) -> None:
    """An interpreter that has a tool of that name: here a stand-in, whose chain is then run by the shipped script."""
    (tmp_path / "site" / "dagster").mkdir(parents=True)
    (tmp_path / "site" / "dagster" / "__init__.py").write_text(STAND_IN)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path / "site"} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    rows = engine({"nodes": "12", "rounds": "1", "prefect": "0", "others": str(python)}).rows
    assert rows[1].peers["dagster"] > 0 and "kedro" not in rows[1].peers
    assert (tmp_path / "site" / "calls").read_text() == "12"


def test_start_bench_once(prefect_server: Path) -> None:
    result = start({"rounds": "1"})
    assert {row.name for row in result.rows} >= {"ossicle nodes", "ossicle run, all cached, server up"}
