"""Devices and their limits."""

from typing import get_args

import pytest

from nodes.nas.costs import costs_of
from nodes.nas.devices import DEVICES, Limit, excess, limits_of, refusal
from nodes.nas.names import DeviceName
from nodes.zoo import architecture

COSTS = {"ram_bytes": 3000.0, "flash_bytes": 40_000.0, "instructions_estimated": 1e6}


def test_the_table_is_that_of_the_names() -> None:
    assert set(DEVICES) == set(get_args(DeviceName))
    assert DEVICES["stm32l476rg"].ram_bytes == 131_072 and DEVICES["raspberry_pi_3b_plus"].flash_bytes is None


def test_limits_of_a_device() -> None:
    limits = {limit.cost: limit.most for limit in limits_of(DEVICES["arduino"], 1000.0)}
    assert limits == {"flash_bytes": 32_768, "ram_bytes": 2048, "instructions_estimated": 10e6}
    assert "flash_bytes" not in {limit.cost for limit in limits_of(DEVICES["beaglebone_black"], 1000.0)}


def test_excess_counts_every_limit() -> None:
    limits = (Limit("ram_bytes", 2000), Limit("flash_bytes", 20_000), Limit("instructions_estimated", 2e6))
    assert excess(COSTS, limits) == pytest.approx(0.5 + 1.0)
    assert excess(COSTS, limits[2:]) == 0.0


def test_a_refusal_names_what_does_not_fit() -> None:
    error = refusal(COSTS, limits_of(DEVICES["arduino"], 1000.0))
    assert "3,000 B RAM of 2,048 B RAM" in error.what and "Arduino" in error.what and "40,000 B flash" in error.what
    assert "instructions" not in error.what


@pytest.mark.parametrize(("name", "device", "fits"), [
    ("tc_resnet8", "stm32l476rg", True), ("tc_resnet8", "arduino", False), ("seed_cnn", "stm32l476rg", False),
    ("kws1", "raspberry_pi_3b_plus", True),
])  # fmt: skip
def test_models_on_devices(name: str, device: DeviceName, fits: bool) -> None:
    shape = (40, 98) if name.startswith("tc") else (40, 32)
    costs = costs_of(architecture(name, input_shape=shape, classes=12))
    assert (excess(costs, limits_of(DEVICES[device], 1000.0)) == 0) is fits
