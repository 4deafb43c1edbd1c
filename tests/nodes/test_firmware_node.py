"""`ossicle.firmware`: a trained network becomes firmware that ran, with everything that may go wrong on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile

from engine import AudioMeta, AudioSet, Context, FeatureSet, Model, OssicleError, Report
from engine.artifact import Firmware
from engine.audio import AudioWriter, Clip, table_of
from nodes.firmware.frontend.reference import STAGES
from nodes.firmware_node import FirmwareParams, firmware

QUICK = FirmwareParams(calibration_clips=8, parity_clips=4)


def digits_of(recordings: Path, folder: Path, names: list[str]) -> AudioSet:
    with AudioWriter(folder) as writer:
        for name in names:
            samples = soundfile.read(recordings / "fsdd" / "recordings" / f"{name}.wav", dtype="int16")[0]
            writer.add(Clip(name, name[0], subset="testing"), samples)
    return AudioSet(folder, AudioMeta(rate_hz=8000, classes=tuple("0123456789")))


@pytest.fixture(scope="module")
def audio(digit_features: FeatureSet, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> AudioSet:
    """The testing digits as they were recorded."""
    names = table_of(digit_features).of_subset("testing").clip_id.tolist()
    return digits_of(recordings, tmp_path_factory.mktemp("audio"), names)


@pytest.fixture(scope="module")
def made(
    digit_model: Model, digit_features: FeatureSet, audio: AudioSet, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """The firmware of the digits' TC-ResNet8, with its front end."""
    context = Context.for_test(tmp_path_factory.mktemp("made"))
    return firmware(digit_model, digit_features, audio, QUICK, context)


def test_a_model_becomes_firmware_that_ran(made: Any) -> None:
    assert isinstance(made.firmware, Firmware) and isinstance(made.report, Report)
    told = made.firmware.json("firmware.json")
    layers = told["layers"]
    assert sum(row["instructions"] for row in layers) == told["totals"]["instructions"] > 100_000
    assert all(row["ms_low"] < row["ms"] < row["ms_high"] for row in layers)
    assert made.report.json("report.json")["kind"] == "firmware"
    assert made.report.meta.metrics["instructions"] == told["totals"]["instructions"]
    folder = made.firmware.path
    assert {path.name for path in folder.iterdir()} == {"project", "library", "firmware.json", "parity.json"}
    assert (folder / "project" / "firmware.elf").stat().st_size > 1000
    assert str(folder) not in "".join(path.read_text() for path in folder.rglob("*.[chjm]*") if path.suffix != ".elf")


def test_every_stage_is_compared_and_the_clips_are_judged(made: Any) -> None:
    parity = made.firmware.json("parity.json")
    assert parity["is_exact"] and parity["answers"]["clips"] == 4 and "seconds" not in parity
    told = made.firmware.json("firmware.json")
    layers = [row["layer"] for row in told["layers"]]
    assert [stage["name"] for stage in parity["stages"]] == [*STAGES, *layers, "output"]
    assert all(stage["noise"]["sqnr_db"] > 30 for stage in parity["stages"][1:7]), "and near the float front end"
    assert told["judged"]["clips"] == 4 and 0 <= told["judged"]["accuracy"] <= 1
    assert made.firmware.meta.metrics["accuracy_float"] == told["judged"]["accuracy_float"]


def test_the_firmware_hears(made: Any) -> None:
    """From the samples of two clips on: frames, features, network; a window every quarter of its frames."""
    told = made.firmware.json("firmware.json")["hearing"]
    frames, every = told["frames"], told["every_frames"]
    heard = 1 + (2 * 8000 - 256) // 160
    assert (frames, told["coefficients"], every) == (49, 20, 12)
    assert told["answers_equal"] == len(range(frames, heard + 1, every)) == 5
    folder = made.firmware.path / "project"
    assert {"hearing.c", "hearing.h", "heard.h", "listen.c"} <= {path.name for path in folder.iterdir()}
    assert (made.firmware.path / "library" / "hearing.c").is_file()


def test_other_audio_is_heard_but_parity_is_from_features(
    digit_model: Model, digit_features: FeatureSet, recordings: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = digits_of(recordings, tmp_path / "other", ["3_theo_20", "7_lucas_21"])
    found = firmware(digit_model, digit_features, other, QUICK, Context.for_test(tmp_path))
    told, parity = (found.firmware.json(name) for name in ("firmware.json", "parity.json"))
    assert told["hearing"]["answers_equal"] == 5 and told["parity"]["clips"] == 4
    assert [stage["name"] for stage in parity["stages"]] == [*(row["layer"] for row in told["layers"]), "output"]


def test_a_front_end_no_microcontroller_computes_is_told_and_left_out(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    changed = {**digit_model.meta.front_end, "centred": True, "padding": "reflect"}
    shape = tuple(digit_features.meta.shape)
    model = replace(digit_model, meta=digit_model.meta.model_copy(update={"front_end": changed, "input_shape": shape}))
    features = replace(digit_features, meta=digit_features.meta.model_copy(update={"front_end": changed}))
    events: list[Any] = []
    found = firmware(model, features, None, QUICK, Context.for_test(tmp_path, sink=events.append))
    assert "hearing" not in found.firmware.json("firmware.json")
    assert any("reflected" in str(event.values.get("text")) for event in events)


def test_sizes_are_those_of_the_image(made: Any) -> None:
    told = made.firmware.json("firmware.json")
    assert sum(part["bytes"] for part in told["sections"] if part["region"] == "flash") == told["sizes"]["flash_bytes"]
    assert made.firmware.meta.flash_bytes == told["sizes"]["flash_bytes"] > told["totals"]["network_bytes"] > 60_000
    assert made.firmware.meta.ram_bytes == told["sizes"]["ram_bytes"] > told["totals"]["arena_bytes"]
    assert sum(row["cycles"] for row in told["layers"]) == told["totals"]["cycles"] > told["totals"]["instructions"]


def test_the_same_model_and_clips_give_the_same_bytes(
    made: Any, digit_model: Model, digit_features: FeatureSet, audio: AudioSet, tmp_path: Path
) -> None:
    again = firmware(digit_model, digit_features, audio, QUICK, Context.for_test(tmp_path))
    for path in sorted(made.firmware.path.rglob("*")):
        if path.is_file():
            other = again.firmware.path / path.relative_to(made.firmware.path)
            assert other.read_bytes() == path.read_bytes(), path.name


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


def test_a_board_brings_its_processor_clock_and_memories(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    params = QUICK.model_copy(update={"device": "microbit_v2"})
    found = firmware(digit_model, digit_features, None, params, Context.for_test(tmp_path))
    told = found.firmware.json("firmware.json")
    assert (told["cpu"], told["estimate"]["clock_hz"]) == ("cortex-m4", 64e6)
    assert found.firmware.meta.target == told["target"] and "micro:bit" in told["target"]
    assert told["limits"]["ram_bytes"] == 128 * 1024 and told["limits"]["flash_bytes"] == 512 * 1024


@pytest.mark.parametrize("device", ["arduino", "raspberry_pi_3b_plus"])
def test_a_board_without_kernels_is_told(device: str) -> None:
    with pytest.raises(OssicleError, match="there is no firmware for"):
        QUICK.model_copy(update={"device": device}).wish()


def test_flash_too_small_names_what_takes_most(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    params = QUICK.model_copy(update={"flash_limit_bytes": 20_001})
    with pytest.raises(OssicleError, match=r"[\d,]+ bytes too large for flash .*alone takes [\d,]+") as caught:
        firmware(digit_model, digit_features, None, params, Context.for_test(tmp_path))
    assert caught.value.expected == "at most 20,000 bytes"


def test_every_processor_and_form_can_be_chosen() -> None:
    from typing import get_args

    from nodes.firmware.cpu import CPUS
    from nodes.firmware.forms import FORMS
    from nodes.firmware_node import CpuName

    fields = FirmwareParams.model_fields
    assert set(CPUS) <= set(get_args(CpuName))
    assert set(get_args(get_args(fields["forms"].annotation)[0])) == set(FORMS) - {"project"}


def test_it_stops_when_asked(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    from engine.context import Cancelled

    asked = iter([False] * 4 + [True] * 100)
    context = Context.for_test(tmp_path, is_cancelled=lambda: next(asked))
    with pytest.raises(Cancelled):
        firmware(digit_model, digit_features, None, QUICK, context)
