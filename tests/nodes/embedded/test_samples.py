"""Which DFT ships, and parity from the samples on: one clip or one patch at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nodes.dsp.parameters import FrontEnd
from nodes.dsp.presets import PRESETS
from nodes.embedded.feed import Feed, feed
from nodes.embedded.report import told
from nodes.embedded.samples import PRESET, SHORTEST, Tried, sounds, try_dfts
from nodes.embedded.session import build, rounded
from nodes.embedded.wish import Clips, Network, Watch, Wish
from nodes.firmware.frontend import STAGES, float_stages, plan
from nodes.lne.reading import read_onnx
from nodes.quant.fixed import Fixed
from nodes.zoo import architecture, export_onnx
from nodes.zoo import build as build_network

MFCC = replace(PRESETS["dscnn-10x49"], clip_samples=4160)
"""Twelve frames of 640 samples in a DFT of 1,024."""
PATCHED = replace(PRESETS["s3-96x64"], clip_samples=2 * 96 * 160)


def samples_of(front_end: FrontEnd, count: int) -> np.ndarray:
    """Noise of many levels."""
    levels = np.geomspace(30.0, 9000.0, count)[:, None]
    noise = np.random.default_rng(0).normal(0.0, 1.0, (count, front_end.clip_samples)) * levels
    return np.clip(noise, -32768, 32767).astype(np.int16)


def network(folder: Path, front_end: FrontEnd, name: str, clips: int = 5) -> tuple[Network, Feed]:
    """With random weights, and noise as it hears it."""
    torch.manual_seed(1)
    heard = samples_of(front_end, clips)
    reference = plan(front_end, Fixed(16, 4))
    values = np.stack([float_stages(reference, clip)["dct"] for clip in heard]).astype(np.float32)
    patches = front_end.patch_frames
    shape = (-1, patches or front_end.frames, front_end.coefficients)
    values = values.reshape(clips, *shape).swapaxes(2, 3)
    values = values if patches else values[:, 0]
    made = architecture(name, input_shape=values.shape[1:], classes=4)
    export_onnx(build_network(made).eval(), folder / "net.onnx")
    data = (folder / "net.onnx").read_bytes()
    judged = Clips(values, np.arange(clips) % 4)
    return Network("net", data, judged, judged, front_end=front_end, sounds=heard), feed(read_onnx(data).graph)


@pytest.mark.parametrize(("dft", "samples"), [("preset", 1024), ("shortest", 512), ("measured", None)])
def test_parity_is_from_the_samples_on_with_the_dft_that_ships(dft: str, samples: int | None, tmp_path: Path) -> None:
    found, _ = network(tmp_path, MFCC, "tc_resnet8")
    report = told(made := build(found, Wish(dft=dft), tmp_path / "made"))  # type: ignore[arg-type]
    assert made.parity.is_exact and made.parity.answers.clips == 5
    assert [stage.name for stage in made.parity.stages][: len(STAGES)] == list(STAGES)
    tried = report["hearing"]["dft_tried"]
    assert tried["dft_samples"] == {"preset": 1024, "shortest": 512} and set(tried["accuracy"]) == {
        "float", "preset", "shortest",
    }  # fmt: skip
    assert tried["features_rms_error"]["preset"] < tried["features_rms_error"]["shortest"]
    wanted = samples or (512 if tried["is_within_rounding"] else 1024)
    assert report["hearing"]["dft_samples"] == made.ear.plan.dft_samples == wanted  # type: ignore[union-attr]


def test_patches_are_heard_one_by_one(tmp_path: Path) -> None:
    """Of every clip another patch; whole clips are judged from their features as before."""
    found, fed = network(tmp_path, PATCHED, "m20k_rnn_pad3x3")
    assert fed.pieces == 2
    made = build(found, Wish(), tmp_path / "made")
    assert made.parity.is_exact and made.parity.answers.clips == 5 and made.decisions is not None
    assert made.parity.stages[0].values == 5 * 96 * 400, "frames of a patch, their windows"


def test_patches_in_a_clip_with_silence_around_are_no_stream(tmp_path: Path) -> None:
    found, fed = network(tmp_path, PATCHED, "m20k_rnn_pad3x3")
    assert found.sounds is not None and sounds(PATCHED, fed, found.sounds) is not None
    assert sounds(replace(PATCHED, centred=True, padding="zeros"), fed, found.sounds) is None


def test_where_no_dft_is_shorter_nothing_is_tried(tmp_path: Path) -> None:
    front_end = replace(MFCC, window_samples=900, clip_samples=4420)
    found, fed = network(tmp_path, front_end, "tc_resnet8")
    graph = rounded(read_onnx(found.onnx).graph, found, fed, Wish(), Watch())
    heard = sounds(front_end, fed, found.sounds)  # type: ignore[arg-type]
    assert heard is not None and try_dfts(heard, graph, fed.graph) is None


@pytest.mark.parametrize(
    ("rms", "changed", "right", "is_within"),
    [
        ((0.1, 0.2, 0.5), (2, 3), (), True),
        ((0.1, 0.2, 0.5), (2, 5), (), False),
        ((0.1, 0.6, 0.5), (2, 2), (), False),
        ((0.1, 0.2, 0.5), (2, 9), (90, 88), True),
        ((0.1, 0.2, 0.5), (2, 9), (90, 87), False),
        ((0.1, 0.2, 0.5), (0, 0), (90, 90), True),
        ((0.1, 0.2, 0.5), (0, 1), (90, 89), False),
    ],
)
def test_within_rounding_is_less_than_rounding_errs_and_changes(
    rms: tuple[float, ...], changed: tuple[int, ...], right: tuple[int, ...], is_within: bool
) -> None:
    names = (PRESET, SHORTEST)
    found = Tried(
        100, dict(zip(names, (1024, 512), strict=True)), dict(zip((*names, "rounding"), rms, strict=True)),
        dict(zip(names, changed, strict=True)), dict(zip(names, right, strict=False)),
    )  # fmt: skip
    assert found.is_within_rounding == is_within
