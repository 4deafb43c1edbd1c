"""Studies: every sampler, what survives a kill, and that the same seed asks for the same."""

from pathlib import Path
from typing import get_args

import pytest

from nodes.nas.names import SamplerName
from nodes.nas.space import Choice, Range
from nodes.nas.study import SAMPLERS, Asked, Study

DIMENSIONS = (Choice("kernel", (1, 3, 5)), Choice("channels", (8, 16, 32, 64)), Choice("how", ("a", "b")))


def costs(asked: Asked) -> list[float]:
    """The front lies at kernel 3: more channels cost more and err less."""
    kernel, channels = float(asked.params["kernel"]), float(asked.params["channels"])
    return [1.0 / channels + abs(kernel - 3.0), channels]


def opened(folder: Path, sampler: SamplerName = "tpe", seed: int = 0, axes: int = 2) -> Study:
    return Study(folder / "journal.log", "study", DIMENSIONS, axes, sampler, seed)


def go(study: Study, count: int) -> None:
    for _ in range(count):
        asked = study.ask()
        study.finish(asked, costs(asked), {"number": asked.number})


@pytest.mark.parametrize("sampler", get_args(SamplerName))
def test_every_sampler_repeats_itself_and_goes_on_after_a_break(tmp_path: Path, sampler: SamplerName) -> None:
    assert set(SAMPLERS) == set(get_args(SamplerName))
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole = opened(tmp_path / "whole", sampler)
    go(whole, 20)
    for count in (3, 11, 6):
        go(opened(tmp_path / "broken", sampler), count)
    broken = opened(tmp_path / "broken", sampler)
    assert [record.params for record in broken.records()] == [record.params for record in whole.records()]
    assert [record.number for record in whole.records()] == list(range(20))
    assert {record.state for record in whole.records()} == {"complete"}
    assert whole.records()[7].facts == {"number": 7}


def test_another_seed_asks_for_something_else(tmp_path: Path) -> None:
    found = []
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        study = opened(tmp_path / str(seed), seed=seed)
        go(study, 6)
        found.append([record.params for record in study.records()])
    assert found[0] != found[1]


def test_the_parzen_estimator_learns_where_it_is_good(tmp_path: Path) -> None:
    study = opened(tmp_path)
    go(study, 50)
    late = [record.params["kernel"] for record in study.records()[25:]]
    assert late.count(3) > 0.6 * len(late), "chance gives a third"


def test_a_running_trial_is_taken_up_with_its_number_and_parameters(tmp_path: Path) -> None:
    study = opened(tmp_path)
    go(study, 2)
    first, second = study.ask(), study.ask()
    again = opened(tmp_path)
    taken = again.interrupted()
    assert [(asked.number, asked.params) for asked in taken] == [
        (asked.number, asked.params) for asked in (first, second)
    ]
    assert [asked.number for asked in taken] == [2, 3]
    again.finish(taken[1], [1.0, 1.0], {})
    again.prune(taken[0], {})
    assert [record.state for record in again.records()] == ["complete", "complete", "pruned", "complete"]


def test_a_line_torn_by_a_kill_is_cut_off(tmp_path: Path) -> None:
    go(opened(tmp_path), 3)
    journal = tmp_path / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-5])
    torn = opened(tmp_path)
    assert len(torn.records()) == 3
    for asked in torn.interrupted():
        torn.finish(asked, costs(asked), {})
    go(torn, 1)
    assert [record.state for record in opened(tmp_path).records()] == ["complete"] * 4


def test_queued_points_come_first_and_only_once(tmp_path: Path) -> None:
    points = [{"kernel": 5, "channels": 64, "how": "b"}, {"kernel": 1, "channels": 8, "how": "a"}]
    study = opened(tmp_path)
    study.start(points)
    go(study, 1)
    again = opened(tmp_path)
    again.start(points)
    go(again, 2)
    assert [record.params for record in again.records()][:2] == points
    assert again.records()[2].params not in points or len(again.records()) == 3


def test_rejected_points_do_not_count_and_are_learnt_from(tmp_path: Path) -> None:
    study, seen = opened(tmp_path), list[float]()
    while len(study.records()) < 25:
        asked = study.ask()
        seen.append(float(asked.params["channels"]))
        if asked.params["channels"] == 64:
            study.reject(asked, 3.0)
        else:
            study.finish(asked, costs(asked), {})
    assert [record.number for record in study.records()] == list(range(25))
    assert study.rejected == seen.count(64.0) > 0
    assert seen[-12:].count(64.0) <= 4, "the sampler keeps away from what is turned down"
    repeated = study.ask()
    study.reject(repeated, 0.0)
    assert study.rejected == seen.count(64.0)


def test_one_cost_and_a_range(tmp_path: Path) -> None:
    study = Study(tmp_path / "journal.log", "one", (Range("rate", 1e-4, 1e-1), DIMENSIONS[2]), 1, "tpe", 3)
    study.start([{"rate": 1e-2, "how": "b"}])
    for _ in range(8):
        asked = study.ask()
        assert 1e-4 <= float(asked.params["rate"]) <= 1e-1
        study.finish(asked, [abs(float(asked.params["rate"]) - 1e-2)], {})
    assert study.records()[0].params == {"rate": 1e-2, "how": "b"}
    failed = study.ask()
    study.fail(failed, {"error": "broke"})
    assert study.records()[-1].state == "failed"
