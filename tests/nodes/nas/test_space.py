"""Spaces: every shape can be built, and the papers' nets are where they should be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.nas.errors import NasError
from nodes.nas.space import ShapeSpace, Value, shape_space, zoo_variants
from nodes.zoo import Architecture, architecture, build, describe
from nodes.zoo.block import decode

BASES = ("seed_cnn", "kws9", "ds_kws3", "tc_resnet8", "tc_resnet14", "resnet8_2d", "bc_resnet", "ds_cnn_s")


def made(name: str, shape: tuple[int, int] = (40, 49)) -> Architecture:
    return architecture(name, input_shape=shape, classes=12)


def drawn(space: ShapeSpace, data: st.DataObject) -> dict[str, Value]:
    return {d.name: data.draw(st.sampled_from(d.values)) for d in space.dimensions}


@pytest.mark.parametrize("name", BASES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_point_is_an_architecture_and_is_found_again(name: str, data: st.DataObject) -> None:
    space = shape_space(made(name), most_blocks=3)
    point = drawn(space, data)
    shape = space.architecture(point)
    assert describe(shape).params > 0
    assert space.architecture(space.locate(shape["blocks"]) or {}) == shape


def test_the_papers_nets_are_points_of_the_space_around_the_seed() -> None:
    space = shape_space(made("seed_cnn", (40, 32)))
    assert space.size == (3 * 3 * 4) ** 6
    for name in ("kws1", "kws3", "kws9"):
        blocks = made(name, (40, 32))["blocks"]
        point = space.locate(blocks)
        assert point is not None
        assert [decode(text) for text in space.architecture(point)["blocks"]] == [decode(text) for text in blocks]
    assert len(zoo_variants(space)) == 3
    assert space.locate(space.base["blocks"]) is None, "the seed has 100 channels"
    assert space.nearest["conv1.kernel_height"] in (3, 5) and space.nearest["conv1.kernel_width"] == 5


def test_blocks_in_a_row_make_the_deeper_net_of_the_shallow_one() -> None:
    space = shape_space(made("tc_resnet8", (40, 98)))
    deep = space.locate(made("tc_resnet14", (40, 98))["blocks"])
    assert deep is not None and [deep[f"res{n}.blocks"] for n in (1, 2, 3)] == [2, 2, 2]
    assert shape_space(made("tc_resnet8"), most_blocks=1).locate(made("tc_resnet14")["blocks"]) is None
    assert build(space.architecture(deep))


def test_square_kernels_are_one_number() -> None:
    space = shape_space(made("seed_cnn"), square=True, kernels=(5, 1, 3, 3), channels=(8,))
    assert [d.name for d in space.dimensions][:2] == ["conv1.kernel", "conv1.channels"]
    assert space.dimensions[0].values == (1, 3, 5)
    assert space.architecture(space.largest)["blocks"][0] == "conv_k5_s1x2_phalf_c8"


@pytest.mark.parametrize("name", BASES)
def test_a_ladder_rises_in_cost(name: str) -> None:
    space = shape_space(made(name))
    costs = [describe(space.architecture(point)).flops["true"] for point in space.ladder(4)]
    assert costs == sorted(costs) and costs[0] < costs[-1]
    assert space.ladder(2) == [space.smallest, space.largest]


def test_what_cannot_be_searched() -> None:
    with pytest.raises(NasError, match="no convolution to search"):
        shape_space({**made("tc_resnet8"), "blocks": ["gap", "fc"]})
    with pytest.raises(NasError, match=r"kernels are \[0, 3\].*above 0"):
        shape_space(made("tc_resnet8"), kernels=(0, 3))
