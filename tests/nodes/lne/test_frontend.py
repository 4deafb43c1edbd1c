"""The front end in C against Python's: every preset and every parameter, whole clips and streams."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from nodes.dsp.frontend import PRESETS, FrontEnd, FrontEndError, compute, fit
from nodes.lne import TARGETS
from nodes.lne.build import compiler
from nodes.lne.frontend import Sizes, features_header, features_source
from nodes.lne.target import can_run

Floats = NDArray[np.float32]
TOLERANCE = 1e-4
"""Of the largest feature: what is promised. Float32 leaves a hundred times less on recordings."""
RESOLVED_DB = 90.0
"""A few hundred roundings of 2^-24 in the spectrum of a frame, squared."""
SMALL = FrontEnd(
    rate_hz=8000, clip_samples=2000, window_samples=256, hop_samples=160, fft_samples=256,
    n_mels=20, f_min_hz=60.0, f_max_hz=3900.0, n_mfcc=13,
)  # fmt: skip
VARIANTS: Mapping[str, FrontEnd] = {
    "reflected": replace(SMALL, centred=True, padding="reflect"),
    "reflected behind zeros": replace(SMALL, centred=True, padding="reflect", append_samples=70),
    "centred, decibels": replace(SMALL, centred=True, log="db", db_range=30.0, dct="orthonormal"),
    "decibels, log-mel": replace(SMALL, log="db", db_range=20.0, n_mfcc=0),
    "magnitude": replace(SMALL, power=1, log_offset=0.01, n_mfcc=0),
    "patches": replace(SMALL, append_samples=240, patch_frames=4, n_mfcc=0),
    "patches, decibels": replace(SMALL, log="db", patch_frames=5),
    "fft of 2 x 5 x 5 x 4": replace(SMALL, fft_samples=400, centred=True),
    "fft of 2 x 3 x 7 x 11": replace(SMALL, fft_samples=462),
    "fft of a prime": replace(SMALL, fft_samples=2 * 131),
    "odd window, odd hop": replace(SMALL, window_samples=201, hop_samples=77, fft_samples=202),
    "gaps between frames": replace(SMALL, window_samples=100, hop_samples=300),
    "one frame": replace(SMALL, clip_samples=256),
    "every frame at an edge": replace(SMALL, clip_samples=300, centred=True, hop_samples=150),
    "bands narrower than a bin": replace(SMALL, n_mels=128, n_mfcc=40, mel_scale="slaney", mel_triangles="hz"),
    "slaney, by area": replace(SMALL, mel_scale="slaney", mel_triangles="hz", area_normalised=True),
}
FRONT_ENDS = {**PRESETS, **VARIANTS}


@dataclass(frozen=True)
class Compiled:
    """The C functions of one front end."""

    library: ctypes.CDLL
    name: str
    front_end: FrontEnd

    def call(self, function: str, *arrays: NDArray[np.generic] | None) -> int:
        """Call a function with addresses; its code."""
        pointers = [None if array is None else ctypes.c_void_p(array.ctypes.data) for array in arrays]
        return int(getattr(self.library, f"{self.name}_{function}")(*pointers))

    def features(self, clip: Floats) -> tuple[int, Floats]:
        """The code, and the features of a whole clip."""
        memory = np.full(Sizes(self.front_end).features_bytes, 255, np.uint8)
        out = np.full(self.front_end.shape, np.nan, np.float32)
        return self.call("features", memory, np.ascontiguousarray(clip), out), out


SANITIZED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
WIDTHS = {"four frames abreast": (), "eight frames abreast": ("-mavx2", "-mfma", *SANITIZED), "one": ("-DNO_GNU",)}


@pytest.fixture(scope="module", params=WIDTHS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """All front ends in one library; the widest stops the process at undefined behaviour."""
    if "-mavx2" in WIDTHS[request.param] and not can_run(TARGETS["avx2"]):
        pytest.skip("this machine has no AVX2")
    folder = tmp_path_factory.mktemp("front_ends")
    codes = "".join(f"#define NAME_ERROR_{what} ({code})\n" for what, code in CODES.items())
    for key, front_end in FRONT_ENDS.items():
        name = identifier(key)
        header = codes.replace("NAME", name.upper()) + features_header(name, front_end)
        (folder / f"{name}.h").write_text(header)
        (folder / f"{name}_features.h").write_text(
            features_source(name, front_end).replace("defined(__GNUC__)", "!defined(NO_GNU)")
        )
        (folder / f"{name}.c").write_text(WRAPPED.replace("NAME", name))
    flags = ["-O0", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fPIC", "-shared"]
    files = sorted(path.name for path in folder.glob("*.c"))
    command = [*compiler(), *flags, *WIDTHS[request.param], *files, "-lm", "-o", "all.so"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]
    return ctypes.CDLL(str(folder / "all.so"))


WRAPPED = """#include "NAME_features.h"
int NAME_features(void *memory, const float *samples, float *out) { return clip_features(memory, samples, out); }
int NAME_stream_start(void *memory) { return stream_start(memory); }
int NAME_stream_push(void *memory, const float *samples) { return stream_push(memory, samples); }
int NAME_stream_features(void *memory, float *out) { return stream_features(memory, out); }
"""
CODES = {"ARGUMENT": -2, "ORDER": -3, "SAMPLES": -4}


def identifier(key: str) -> str:
    return "f_" + "".join(letter if letter.isalnum() else "_" for letter in key)


@pytest.fixture(params=FRONT_ENDS)
def compiled(library: ctypes.CDLL, request: pytest.FixtureRequest) -> Compiled:
    """Each front end in turn."""
    return Compiled(library, identifier(request.param), FRONT_ENDS[request.param])


@pytest.fixture(scope="module")
def speech(recordings: Path) -> Floats:
    """Forty spoken digits in a row, 8 kHz."""
    paths = sorted((recordings / "fsdd" / "recordings").glob("*_theo_[0-3].wav"))
    return np.concatenate([soundfile.read(path, dtype="float32")[0] for path in paths])


def at_rate(speech: Floats, rate_hz: int) -> Floats:
    return speech if rate_hz == 8000 else soxr.resample(speech, 8000, rate_hz)


def error(found: Floats, wanted: Floats, front_end: FrontEnd) -> float:
    """Largest difference, as a share of the largest feature.

    Bands in decibels that lie so far below the frame's loudest that float32 cannot tell them from its own rounding are
    noise in Python's features as well: they only have to be as low.
    """
    off = np.abs(found - wanted)
    if front_end.log == "db" and not front_end.n_mfcc:
        lost = wanted.max(axis=-2, keepdims=True) - RESOLVED_DB
        off = np.where((wanted < lost) & (found < lost + 3), 0, off)
    return float(off.max() / np.abs(wanted).max())


def test_features_of_speech_noise_and_silence_are_those_of_python(compiled: Compiled, speech: Floats) -> None:
    front_end = compiled.front_end
    samples = front_end.clip_samples
    rng = np.random.default_rng(0)
    spoken = fit(front_end, at_rate(speech, front_end.rate_hz), front_end.rate_hz)
    fading = (rng.uniform(-1, 1, samples) * np.geomspace(1, 1e-4, samples)).astype(np.float32)
    half = np.concatenate([spoken[: samples // 2], np.zeros(samples - samples // 2, np.float32)])
    whole = np.round(spoken * 32767).astype(np.int16).astype(np.float32) / np.float32(32768)
    loud = np.sign(rng.uniform(-1, 1, samples)).astype(np.float32)
    for clip in (spoken, fading, half, whole, loud, np.zeros(samples, np.float32)):
        code, found = compiled.features(clip)
        assert code == 0
        assert error(found, compute(front_end, clip[None])[0], front_end) < TOLERANCE


def test_a_stream_gives_the_features_of_the_clip_it_heard_last(compiled: Compiled, speech: Floats) -> None:
    front_end, sizes = compiled.front_end, Sizes(compiled.front_end)
    hop = front_end.hop_samples
    count = sizes.hops + min(2 * front_end.frames, 40)
    heard = np.resize(at_rate(speech[8000:], front_end.rate_hz), count * hop).astype(np.float32)
    stream = np.full(sizes.stream_bytes, 255, np.uint8)
    found = np.empty(front_end.shape, np.float32)
    compiled.call("stream_start", stream)
    for number in range(count):
        ready = compiled.call("stream_push", stream, heard[number * hop :])
        start = (number + 1 - sizes.hops) * hop
        assert ready == (start >= 0)
        if ready and (number % 5 == 0 or number > count - 3):
            assert compiled.call("stream_features", stream, found) == 0
            wanted = compute(front_end, heard[None, start : start + front_end.clip_samples])[0]
            assert error(found, wanted, front_end) < TOLERANCE


def test_a_stream_can_be_started_again(library: ctypes.CDLL, speech: Floats) -> None:
    front_end = PRESETS["s4-40x32"]
    compiled, sizes = Compiled(library, identifier("s4-40x32"), front_end), Sizes(front_end)
    heard = at_rate(speech, front_end.rate_hz)
    stream, found = np.zeros(sizes.stream_bytes, np.uint8), np.empty((2, *front_end.shape), np.float32)
    for turn in range(2):
        compiled.call("stream_start", stream)
        for number in range(sizes.hops + 3 * (1 - turn)):
            ready = compiled.call("stream_push", stream, heard[number * front_end.hop_samples :])
            assert ready == (number + 1 >= sizes.hops)
        compiled.call("stream_features", stream, found[turn])
    assert error(found[1], compute(front_end, heard[None, : front_end.clip_samples])[0], front_end) < TOLERANCE
    assert error(found[0], found[1], front_end) > TOLERANCE


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_samples_are_refused_as_in_python(library: ctypes.CDLL, value: float) -> None:
    front_end = PRESETS["s1-40x98"]
    compiled = Compiled(library, identifier("s1-40x98"), front_end)
    clip = np.zeros(front_end.clip_samples, np.float32)
    clip[-1] = value
    assert compiled.features(clip)[0] == CODES["SAMPLES"]
    stream = np.zeros(Sizes(front_end).stream_bytes, np.uint8)
    compiled.call("stream_start", stream)
    assert compiled.call("stream_push", stream, clip[-160:]) == CODES["SAMPLES"]
    if not np.isfinite(value):
        with pytest.raises(FrontEndError):
            compute(front_end, clip[None])


def test_wrong_calls_are_told_by_codes(library: ctypes.CDLL) -> None:
    front_end = PRESETS["s1-40x98"]
    compiled = Compiled(library, identifier("s1-40x98"), front_end)
    clip, out = np.zeros(front_end.clip_samples, np.float32), np.empty(front_end.shape, np.float32)
    stream = np.zeros(Sizes(front_end).stream_bytes, np.uint8)
    assert compiled.call("features", None, clip, out) == CODES["ARGUMENT"]
    assert compiled.call("features", np.zeros(Sizes(front_end).features_bytes, np.uint8), clip, None) == -2
    assert compiled.call("stream_start", None) == CODES["ARGUMENT"]
    compiled.call("stream_start", stream)
    assert compiled.call("stream_push", stream, None) == CODES["ARGUMENT"]
    assert compiled.call("stream_features", stream, out) == CODES["ORDER"]


def test_a_stream_needs_less_memory_than_a_clip() -> None:
    """Frames that overlap are computed once; without padding only the newest window is kept."""
    sizes = {name: Sizes(PRESETS[name]) for name in ("s1-40x98", "dscnn-10x49")}
    assert all(found.stream_bytes < found.features_bytes / 2 for found in sizes.values())
    assert sizes["s1-40x98"].history == 480


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_front_end_gives_the_same_bytes(name: str) -> None:
    assert features_source("a", PRESETS[name]) == features_source("a", replace(PRESETS[name]))
