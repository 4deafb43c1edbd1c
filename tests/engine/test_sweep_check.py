"""What is wrong with a sweep: every problem, in three parts, all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import OssicleError
from engine.problem import InvalidError
from engine.registry import Registry
from engine.sweep_check import MOST_POINTS, all_problems
from engine.validate import check
from engine.workflow import Workflow, parse

Build = Callable[..., Workflow]


GOOD = {"seed": [1, 2]}
BAD: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "unknown": ({"sed": [1]}, "sweep-variable", ("'sed' does not exist", "Did you mean seed?")),
    "unused": ({"spare": [1]}, "sweep-unused", ("no node uses the variable 'spare'", "Link a parameter")),
    "empty": ({"seed": []}, "sweep-empty", ("seed has no values", "--over seed=1..5")),
    "nothing": ({}, "sweep-empty", ("no variable to sweep over", "--over")),
    "twice": ({"seed": [1, 2, 1, 1]}, "sweep-duplicate", ("seed has the value 1 more than once", "count double")),
    "many": ({"seed": [*range(101)], "fold": [*range(100)]}, "sweep-size", ("10,100 points", "at most 10,000")),
    "refused": ({"fold": [1, 11, 0]}, "parameter", ("fold=11: score-1.fold: the value is 11", "less than or equal")),
    "first refused": ({"fold": [0, 1]}, "parameter", ("fold=0: score-1.fold: the value is 0", "greater than")),
    "no node": ({"train-1.epochs": [1]}, "sweep-variable", ("there is no node 'train-1'", "score-1")),
    "no parameter": ({"score-1.sead": [1]}, "sweep-variable", ("no parameter 'sead'", "Did you mean score-1.seed?")),
    "parameter refused": ({"score-1.seed": [1, 101]}, "parameter", ("score-1.seed=101", "less than or equal")),
}


@pytest.mark.parametrize("name", BAD)
def test_a_faulty_sweep_is_told_in_three_parts_and_runs_nothing(
    name: str, project: Any, sweep: Any, scored: Build
) -> None:
    over, code, parts = BAD[name]
    with pytest.raises(InvalidError) as told:
        sweep(scored(), over)
    text = " ".join(map(str, told.value.problems))
    assert {problem.code for problem in told.value.problems} == {code}
    assert all(part in text for part in parts), text
    assert all(problem.what and problem.expected and problem.remedy for problem in told.value.problems)
    assert not (project.home / "runs").exists() and not (project.home / "sweeps").exists()


def test_all_problems_are_told_at_once_also_those_of_the_graph(fakes: Registry, scored: Build) -> None:
    broken = scored().model_copy(
        update={"nodes": {**scored().nodes, "x-1": parse({"nodes": {"x-1": {"type": "no.such"}}}).nodes["x-1"]}}
    )
    over = {"sed": [], "seed": [1, 1], "fold": [*range(MOST_POINTS + 1)]}
    codes = Counter(problem.code for problem in all_problems(broken, fakes, over))
    assert codes == {"sweep-variable": 1, "sweep-empty": 1, "sweep-duplicate": 1, "unknown-type": 1}
    several = {"seed": [1, 101, 102], "fold": [1, 0]}
    told = [problem.what for problem in all_problems(broken, fakes, several)]
    assert [text.partition(":")[0] for text in told[1:]] == ["seed=101", "seed=102", "fold=0"] and len(told) == 4


def test_a_file_with_a_faulty_sweep_is_warned_of_and_can_still_be_run(
    project: Any, fakes: Registry, scored: Build
) -> None:
    work = scored().model_copy(update={"sweep": {"sed": [1], "seed": [1, 1]}})
    checked = check(work, fakes)
    assert [(p.code, p.severity) for p in checked.problems] == [
        ("sweep-variable", "warning"), ("sweep-duplicate", "warning"),
    ]  # fmt: skip
    assert project.run(work).state == "done"
    assert check(scored().model_copy(update={"sweep": GOOD}), fakes).problems == ()


def test_there_must_be_a_node_to_stop_at(sweep: Any, scored: Build) -> None:
    with pytest.raises(OssicleError, match="there is no node 'score-9'"):
        sweep(scored(), GOOD, to="score-9")
