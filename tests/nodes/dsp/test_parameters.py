"""Front-end parameters: shapes as the papers print them, and every contradiction told at once."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import pytest

from nodes.dsp.parameters import FrontEnd, FrontEndError
from nodes.dsp.presets import PRESETS

PRINTED = {
    "s1-40x98": (40, 98),
    "res-40x98": (40, 98),
    "s4-40x32": (40, 32),
    "s0-40x44": (40, 44),
    "dscnn-10x49": (10, 49),
    "cnn-40x49": (40, 49),
    "s3-96x64": (4, 64, 96),
    "s2-paper": (128, 186),
    "s2-repo": (128, 45),
    "bc-40x101": (40, 101),  # not printed: follows from centred frames
}


@pytest.mark.parametrize("name", PRESETS)
def test_shapes_as_the_papers_print_them(name: str) -> None:
    assert PRESETS[name].shape == PRINTED[name]


def test_uncentred_s4_gives_28_frames() -> None:
    assert replace(PRESETS["s4-40x32"], centred=False).frames == 28


@pytest.mark.parametrize(
    ("name", "frames"), [("s2-paper", {1: 61, 3: 186, 4: 249}), ("s2-repo", {1: 14, 2: 30, 3: 45, 4: 61})]
)
def test_chunks_of_s2_have_the_frames_of_seeds(name: str, frames: dict[int, int]) -> None:
    made = {seconds: replace(PRESETS[name], clip_samples=16_000 * seconds).frames for seconds in frames}
    assert made == frames


def test_s3_needs_its_240_zeros() -> None:
    preset = PRESETS["s3-96x64"]
    assert preset.frames == 384
    assert replace(preset, append_samples=0).frames == 382
    assert replace(preset, append_samples=239).frames == 383


@pytest.mark.parametrize("name", PRESETS)
def test_survives_json(name: str) -> None:
    assert FrontEnd(**json.loads(json.dumps(asdict(PRESETS[name])))) == PRESETS[name]


def test_layout_names_every_axis() -> None:
    assert PRESETS["s1-40x98"].layout == "coefficients,frames"
    assert PRESETS["s3-96x64"].layout == "patches,mels,frames"
    assert replace(PRESETS["s3-96x64"], patch_frames=0).layout == "mels,frames"


BAD: dict[str, tuple[dict[str, object], str]] = {
    "more coefficients than bands": ({"n_mfcc": 65}, "n_mfcc is 65. Expected: at most n_mels (64)"),
    "band above Nyquist": ({"f_max_hz": 8001.0}, "f_max_hz is 8001"),
    "empty band": ({"f_min_hz": 7600.0}, "f_min_hz is 7600"),
    "band edge not a number": ({"f_max_hz": float("nan")}, "less than f_max_hz (nan)"),
    "odd FFT": ({"fft_samples": 513}, "fft_samples is 513. Expected: an even number"),
    "window beyond the FFT": ({"window_samples": 513}, "window_samples is 513"),
    "clip shorter than a window": ({"clip_samples": 479}, "the clip has 479 samples"),
    "patch longer than a clip": ({"patch_frames": 99}, "patch_frames is 99"),
    "nothing to reflect": ({"centred": True, "padding": "reflect", "clip_samples": 240}, "the 240 samples reflected"),
    "no offset under the logarithm": ({"log_offset": 0.0}, "log_offset is 0"),
    "hop of zero": ({"hop_samples": 0}, "hop_samples is 0"),
    "negative coefficients": ({"n_mfcc": -1}, "n_mfcc is -1"),
    "unknown word": ({"mel_scale": "bark"}, "mel_scale is 'bark'. Expected: one of htk, slaney"),
    "unknown power": ({"power": 3}, "power is 3"),
}


@pytest.mark.parametrize("case", BAD)
def test_contradictions_are_told_with_the_value(case: str) -> None:
    changes, told = BAD[case]
    with pytest.raises(FrontEndError) as caught:
        replace(FrontEnd(), **changes)  # type: ignore[arg-type]
    assert told in str(caught.value)
    assert all(problem.what and problem.expected and problem.remedy for problem in caught.value.problems)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(FrontEndError) as caught:
        FrontEnd(n_mfcc=80, f_max_hz=9000.0, window_samples=600, dct="odd")  # type: ignore[arg-type]
    whats = [problem.what for problem in caught.value.problems]
    assert whats == ["dct is 'odd'", "n_mfcc is 80", "f_max_hz is 9000", "window_samples is 600"]


def test_every_number_is_checked_for_its_sign() -> None:
    numbers = [f.name for f in fields(FrontEnd) if f.type in ("int", "float") and f.name != "f_max_hz"]
    for name in numbers:
        with pytest.raises(FrontEndError, match=f"{name} is -1"):
            replace(FrontEnd(), **{name: -1})
