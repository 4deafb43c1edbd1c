"""Every recomputed figure of SEEDS 6.2 to 6.5 for the models of the zoo."""

from dataclasses import asdict

import pytest

from nodes.zoo import Description, architecture, describe, models
from nodes.zoo.catalogue import Rule
from nodes.zoo.count import RULES

BONSEYES = ["seed_cnn", "kws1", "kws3", "kws9", "ds_cnn", "ds_kws1", "ds_kws3", "ds_kws9"]


def counted(name: str, *, width: float = 1.0, shape: tuple[int, int] | None = None, same: bool = False) -> Description:
    entry = models()[name]
    made = architecture(name, width=width, input_shape=shape or entry.input_shape, classes=entry.classes)
    if same:  # SEEDS' column "true, SAME s2": every net with the whole-map pool
        made["blocks"] = [block.replace("phalf", "psame").replace("avg_k3_s1", "gap") for block in made["blocks"]]
    return describe(made)


def convolution_weights(description: Description) -> list[int]:
    return [row.weights for row in description.layers if row.op in ("conv", "depthwise")]


def mega(value: int) -> float:
    return round(value / 1e6, 2)


@pytest.mark.parametrize(
    ("name", "width", "params", "trainable", "mflop", "mflop_49"),
    [
        ("tc_resnet8", 1.0, 65_824, 65_168, 3.045, 1.59),
        ("tc_resnet8", 1.5, 145_248, 144_264, 6.568, 3.42),
        ("tc_resnet14", 1.0, 136_928, 135_856, 6.061, 3.16),
        ("tc_resnet14", 1.5, 304_608, 303_000, 13.354, 6.98),
    ],
)
def test_tc_resnet_counts(name: str, width: float, params: int, trainable: int, mflop: float, mflop_49: float) -> None:
    found = counted(name, width=width)
    assert (found.params, found.params_trainable) == (params, trainable)
    assert round(found.flops["true"] / 1e6, 3) == mflop
    assert 0 < found.flops["tf"] - found.flops["true"] < 10_000
    assert mega(counted(name, width=width, shape=(40, 49)).flops["true"]) == mflop_49


def test_operations_per_stage_of_tc_resnet8() -> None:
    stages: dict[str, int] = {}
    for row in counted("tc_resnet8").layers:
        stage = row.name.split(".")[0]
        stages[stage] = stages.get(stage, 0) + row.flops
    wanted = {"conv1": 376_320, "b1": 884_352, "b2": 844_800, "b3": 938_496, "fc": 1_152}
    assert {name: stages[name] for name in wanted} == wanted
    assert sum(stages.values()) == sum(wanted.values())


@pytest.mark.parametrize(
    ("name", "params", "tf", "true"),
    [
        ("resnet8_2d", 65_819, 35.78, 35.74),
        ("resnet8_2d_pool", 65_819, 4.04, 3.95),
        ("cnn_1", 523_776, 76.09, 76.02),
        ("cnn_2", 148_496, 1.46, 1.46),
        ("ds_cnn_s", 24_332, 5.39, 5.31),
        ("ds_cnn_m", 139_676, 19.78, 19.63),
        ("ds_cnn_l", 419_808, 56.92, 56.66),
    ],
)
def test_baseline_counts_of_s1(name: str, params: int, tf: float, true: float) -> None:
    found = counted(name)
    assert found.params == params
    assert (mega(found.flops["tf"]), mega(found.flops["true"])) == (tf, true)


@pytest.mark.parametrize(
    ("name", "kernels", "sum_of_weights", "rule", "same_s2", "kilobytes"),
    [
        ("seed_cnn", [4_000] + [90_000] * 5, 454_000, 581.12, 149.12, 1832.3),
        ("kws1", [360, 10_800, 900, 37_500, 62_500, 62_500], 174_560, 223.44, 56.21, 707.0),
        ("kws3", [1_250, 1_500, 30_000, 7_200, 15_000, 13_500], 68_450, 87.62, 23.11, 282.1),
        ("kws9", [1_250, 1_000, 1_000, 9_000, 10_000, 7_200], 29_450, 37.70, 10.62, 125.3),
    ],
)
def test_bonseyes_counts(
    name: str, kernels: list[int], sum_of_weights: int, rule: float, same_s2: float, kilobytes: float
) -> None:
    found = counted(name)
    assert convolution_weights(found) == kernels
    assert sum(kernels) == sum_of_weights
    assert mega(found.flops["kws"]) == rule
    assert found.file_bytes_s4 is not None and round(found.file_bytes_s4 / 1000, 1) == kilobytes
    assert counted(name, same=True).flops["true"] == pytest.approx(same_s2 * 1e6, abs=0.0051e6)


@pytest.mark.parametrize("suffix", ["", "_unstrided"])
@pytest.mark.parametrize("name", BONSEYES)
def test_the_printed_rule_is_the_cost_of_stride_one_under_same_padding(name: str, suffix: str) -> None:
    found = counted(name + suffix, same=True)
    convolutions = sum(row.flops for row in found.layers if row.op in ("conv", "depthwise"))
    assert (convolutions == found.flops["kws"]) == (suffix == "_unstrided")


def test_the_seed_cnn_with_its_printed_padding() -> None:
    assert mega(counted("seed_cnn", shape=(40, 32)).flops["true"]) == 175.68
    assert mega(counted("seed_cnn", shape=(40, 44)).flops["true"]) == 234.35


@pytest.mark.parametrize(
    ("name", "shape", "weights", "rule", "conv1_in_full", "same_s2", "kilobytes"),
    [
        ("ds_cnn", (40, 44), 58_500, 69.89, 74.88, 22.56, 1016.6),
        ("ds_kws1", (40, 32), 12_600, 15.73, 16.13, 4.38, 64.6),
        ("ds_kws3", (40, 32), 8_780, 9.70, 11.24, 4.01, 48.4),
        ("ds_kws9", (40, 32), 6_650, 6.96, 8.51, 3.33, 39.0),
    ],
)
def test_separable_bonseyes_counts(
    name: str, shape: tuple[int, int], weights: int, rule: float, conv1_in_full: float, same_s2: float, kilobytes: float
) -> None:
    found, file_bytes = counted(name), counted(name, shape=shape).file_bytes_s4
    assert sum(convolution_weights(found)) == weights
    assert (mega(found.flops["kws-ds"]), mega(found.flops["kws"])) == (rule, conv1_in_full)
    assert file_bytes is not None and round(file_bytes / 1000, 1) == kilobytes
    assert counted(name, same=True).flops["true"] == pytest.approx(same_s2 * 1e6, abs=0.0051e6)


def test_the_seed_ds_cnn_has_190_000_output_weights_at_40x44() -> None:
    assert counted("ds_cnn", shape=(40, 44)).layers[-1].weights == 190_000


def test_figure_1_of_s1_at_equal_parameters() -> None:
    made = architecture("tc_resnet8", input_shape=(40, 98), classes=12)
    square = describe({**made, "view": "time_frequency", "blocks": ["conv_k3_c160", "gap", "fc"]}).layers[0]
    temporal = describe({**made, "blocks": ["conv_k3_c12", "gap", "fc"]}).layers[0]
    assert (square.weights, temporal.weights) == (1_440, 1_440)
    assert (square.flops, temporal.flops) == (2 * 5_644_800, 2 * 141_120)
    assert square.flops == 40 * temporal.flops


@pytest.mark.parametrize("name", models())
def test_bytes_are_four_per_variable_and_rules_are_known(name: str) -> None:
    found = counted(name)
    assert found.bytes == 4 * found.params == 4 * sum(row.params for row in found.layers)
    rules: set[Rule] = set(found.flops)
    assert {"true", "tf"} <= rules <= set(RULES)
    assert found.flops["true"] == sum(row.flops for row in found.layers)
    assert asdict(found)["layers"][0]["name"] == "conv1"
