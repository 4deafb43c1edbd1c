"""Random networks: the same for a seed, read rightly, and unchanged in what they compute by any pass."""

from __future__ import annotations

import onnx
import pytest
from onnx_checks import difference

from nodes.lne.reading.random_cnn import random_cnn


@pytest.mark.parametrize("seed", range(20))
def test_a_random_network_is_valid_repeatable_and_read_rightly(seed: int) -> None:
    model = random_cnn(seed)
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    assert content == random_cnn(seed).SerializeToString()
    assert difference(content) < 2e-5


def test_other_seeds_give_other_networks() -> None:
    assert len({random_cnn(seed).SerializeToString() for seed in range(20)}) == 20
