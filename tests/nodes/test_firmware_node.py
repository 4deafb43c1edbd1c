"""`ossicle.firmware`: a trained network becomes firmware that ran, with everything that may go wrong on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import Context, FeatureSet, Model, OssicleError, Report
from engine.artifact import Firmware
from nodes.firmware_node import FirmwareParams, firmware

QUICK = FirmwareParams(calibration_clips=8, parity_clips=4)


@pytest.fixture(scope="module")
def made(digit_model: Model, digit_features: FeatureSet, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The firmware of the digits' TC-ResNet8."""
    context = Context.for_test(tmp_path_factory.mktemp("made"))
    return firmware(digit_model, digit_features, None, QUICK, context)


def test_a_model_becomes_firmware_that_ran(made: Any) -> None:
    assert isinstance(made.firmware, Firmware) and isinstance(made.report, Report)
    told = made.firmware.json("firmware.json")
    layers = told["layers"]
    assert sum(row["instructions"] for row in layers) == told["totals"]["instructions"] > 100_000
    assert all(row["ms_low"] < row["ms"] < row["ms_high"] for row in layers)
    assert made.report.json("report.json")["kind"] == "firmware"
    assert made.firmware.meta.metrics["instructions"] == told["totals"]["instructions"]
    assert (made.firmware.path / "project" / "firmware.elf").stat().st_size > 1000


def test_without_clips_and_formats_it_says_what_to_wire(digit_model: Model, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="formats are chosen on clips"):
        firmware(digit_model, None, None, QUICK, Context.for_test(tmp_path))


def test_an_affine_model_is_refused(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    model = replace(digit_model, meta=digit_model.meta.model_copy(update={"precision": "int8"}))
    with pytest.raises(OssicleError, match="affine int8"):
        firmware(model, digit_features, None, QUICK, Context.for_test(tmp_path))


def test_a_target_too_small_is_told(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    params = QUICK.model_copy(update={"ram_limit_bytes": 1000})
    with pytest.raises(OssicleError, match=r"need [\d,]+ bytes of RAM; at .*"):
        firmware(digit_model, digit_features, None, params, Context.for_test(tmp_path))


def test_it_stops_when_asked(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    from engine.context import Cancelled

    asked = iter([False] * 4 + [True] * 100)
    context = Context.for_test(tmp_path, is_cancelled=lambda: next(asked))
    with pytest.raises(Cancelled):
        firmware(digit_model, digit_features, None, QUICK, context)
