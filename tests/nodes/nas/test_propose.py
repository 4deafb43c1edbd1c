"""Proposals: new, within the limits, until there are no more."""

from pathlib import Path

import pytest

from nodes.nas.costs import costs_of
from nodes.nas.devices import Limit
from nodes.nas.names import SamplerName
from nodes.nas.propose import Judge, key_of, propose, starts
from nodes.nas.space import Params, ShapeSpace, shape_space, zoo_variants
from nodes.nas.study import Study
from nodes.zoo import architecture

BASE = architecture("tc_resnet8", input_shape=(20, 49), classes=10)


def space_of(**changes: object) -> ShapeSpace:
    return shape_space(BASE, **{"kernels": (3, 5, 9), "channels": (8, 16, 32), **changes})  # type: ignore[arg-type]


def judge_of(space: ShapeSpace, most_flops: float) -> Judge:
    return Judge(lambda point: costs_of(space.architecture(point)), [Limit("flops", most_flops)])


def tried(folder: Path, space: ShapeSpace, judge: Judge, count: int, sampler: SamplerName) -> list[Params]:
    study = Study(folder / "journal.log", "study", space.dimensions, 2, sampler, 5)
    for _ in range(count):
        known = {key_of(space, record.params) for record in study.records()}
        asked = propose(study, space, judge, known, seed=5)
        if asked is None:
            break
        study.finish(asked, [1.0, judge.price(asked.params)["flops"]], {})
    return [record.params for record in study.records()]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_all_that_is_proposed_fits_and_is_new(tmp_path: Path, sampler: SamplerName) -> None:
    space = space_of()
    least = costs_of(space.architecture(space.smallest))["flops"]
    judge = judge_of(space, 1.4 * least)  # a narrow corner of the space
    found = tried(tmp_path, space, judge, 8, sampler)
    assert len(found) == 8 and len({key_of(space, point) for point in found}) == 8
    assert all(judge.excess(point) == 0 for point in found)


def test_a_small_space_is_tried_out_and_then_it_ends(tmp_path: Path) -> None:
    space = space_of(kernels=(3, 5), channels=(8,), most_blocks=1)
    assert space.size == 16
    found = tried(tmp_path, space, judge_of(space, 1e9), 30, "tpe")
    assert len({key_of(space, point) for point in found}) == len(found) == 16


def test_only_one_shape_fits(tmp_path: Path) -> None:
    space = space_of()
    least = costs_of(space.architecture(space.smallest))["flops"]
    assert tried(tmp_path, space, judge_of(space, least), 3, "random") == [space.smallest]


def test_starts_are_the_base_the_ends_and_the_papers_nets() -> None:
    space = shape_space(BASE)
    found = starts(space, zoo_variants(space), trials=40)
    base = space.locate(BASE["blocks"])
    assert found[0] == base and found[1:3] == [space.smallest, space.largest]
    assert len({key_of(space, point) for point in found}) == len(found) <= 13
    deep = space.locate(architecture("tc_resnet14", input_shape=(20, 49), classes=10)["blocks"])
    assert deep in found
    assert len(starts(space, [], trials=3)) == 2
