"""The C of front ends: bit for bit what the reference computes, in emulation and on this machine."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nodes.dsp.parameters import FrontEnd
from nodes.dsp.presets import PRESETS
from nodes.firmware.cpu import CPUS
from nodes.firmware.frontend import codes_of, frontend_source, plan
from nodes.firmware.frontend.measure import PIECES, STREAMED, measure
from nodes.firmware.toolchain import find_toolchain, toolchains
from nodes.quant.fixed import Fixed

SHORT = {"clip_samples": 6000, "patch_frames": 0}
FRONT_ENDS: dict[str, tuple[FrontEnd, Fixed, int | None]] = {
    "40x98": (replace(PRESETS["s1-40x98"], **SHORT), Fixed(8, 0), None),
    "10x49": (replace(PRESETS["dscnn-10x49"], **SHORT), Fixed(8, 0), None),
    "10x49, half the DFT": (replace(PRESETS["dscnn-10x49"], **SHORT), Fixed(8, 0), 512),
    "96x64, patches": (replace(PRESETS["s3-96x64"], clip_samples=6000, patch_frames=20), Fixed(8, 3), None),
    "decibels": (replace(PRESETS["s2-paper"], **SHORT), Fixed(16, 2), None),
    "decibels below the loudest": (replace(PRESETS["s4-40x32"], clip_samples=6000), Fixed(8, -2), None),
    "centred": (replace(PRESETS["s1-40x98"], **SHORT, centred=True, n_mfcc=6), Fixed(5, -2), None),
    "areas": (
        replace(
            PRESETS["s1-40x98"], **SHORT, mel_scale="slaney", mel_triangles="hz", area_normalised=True, n_mels=40,
            n_mfcc=20, dct="orthonormal", fft_samples=2048, window_samples=500, hop_samples=170, append_samples=64,
        ), Fixed(16, 7), None,
    ),
}  # fmt: skip


def noise(samples: int) -> np.ndarray:
    """From silence to clipping, with a tone."""
    rng, t = np.random.default_rng(3), np.arange(samples)
    wave = rng.normal(0.0, 1.0, samples) * np.geomspace(0.2, 40_000.0, samples) + 9000 * np.sin(0.02 * t) * (t > 2000)
    return np.clip(np.round(wave), -32768, 32767).astype(np.int64)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_a_cortex_m4_gives_the_references_codes(name: str, tmp_path: Path) -> None:
    front_end, form, dft_samples = FRONT_ENDS[name]
    made = plan(front_end, form, dft_samples=dft_samples)
    found = measure(made, noise(front_end.clip_samples), CPUS["cortex-m4"], find_toolchain(), tmp_path, PIECES)
    assert (found.frames, found.wrong) == (front_end.frames, 0)
    assert found.stack_bytes < 350


@pytest.mark.parametrize("cpu", ["cortex-m0plus", "cortex-m3", "rv32imac"])
def test_processors_without_simd_give_them_too(cpu: str, tmp_path: Path) -> None:
    usable = [one for one in toolchains() if one.takes(CPUS[cpu])]
    if not usable:
        pytest.skip(f"no compiler for {cpu} is installed")
    front_end, form, _ = FRONT_ENDS["40x98"]
    found = measure(plan(front_end, form), noise(front_end.clip_samples), CPUS[cpu], usable[0], tmp_path, PIECES)
    assert found.wrong == 0


def test_normalised_features(tmp_path: Path) -> None:
    front_end = FRONT_ENDS["40x98"][0]
    made = plan(front_end, Fixed(8, 4), gain=[0.1] * 39 + [0.2], offset=np.linspace(-1, 1, 40).tolist())
    found = measure(made, noise(front_end.clip_samples), CPUS["cortex-m4"], find_toolchain(), tmp_path)
    assert found.wrong == 0


@pytest.mark.parametrize(("name", "percent"), [("40x98", 6.0), ("10x49, half the DFT", 3.0)])
def test_it_takes_a_small_share_of_a_core(name: str, percent: float, tmp_path: Path) -> None:
    """Instructions are exact, so this is no timing: of 80 MHz, at the top of the stated range."""
    front_end, form, dft_samples = FRONT_ENDS[name]
    whole = replace(front_end, clip_samples=front_end.rate_hz)
    made = plan(whole, form, dft_samples=dft_samples)
    found = measure(made, noise(whole.clip_samples), CPUS["cortex-m4"], find_toolchain("gcc"), tmp_path, STREAMED)
    assert found.percent(80e6)[1] <= percent
    assert found.cycles <= 0.7 * percent / 100 * 80e6


def test_the_same_plan_gives_the_same_bytes() -> None:
    front_end, form, _ = FRONT_ENDS["40x98"]
    first, second = (frontend_source(plan(front_end, form), "hearing") for _ in range(2))
    assert first == second
    assert first.source.count("hearing_push") == 2
    assert str(Path.cwd()) not in first.source


MAIN = """#include <stdio.h>
#include <stdlib.h>
#include "frontend.h"
int main(void) {{
  int16_t *clip = malloc(2 * {samples});
  if (fread(clip, 2, {samples}, stdin) != {samples}) return 2;
  for (int turn = 0; turn < 2; turn++) {{
    frontend_start();
    for (int at = 0, piece = 1; at < {samples}; at += piece, piece = piece * 5 % 331 + 1) {{
      if (piece > {samples} - at) piece = {samples} - at;
      frontend_push(clip + at, piece);
    }}
    frontend_finish();
  }}
  fwrite(frontend_features(), sizeof({code}), FRONTEND_FRAMES * FRONTEND_COEFFICIENTS, stdout);
  free(clip);
  return 0;
}}
"""


@pytest.mark.parametrize("name", ["40x98", "96x64, patches", "10x49, half the DFT", "decibels below the loudest"])
def test_the_host_twin_is_clean_and_equal(name: str, tmp_path: Path) -> None:
    """Plain C under the sanitizers: no memory but its own, nothing that C leaves undefined."""
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no compiler for this machine is installed")
    front_end, form, dft_samples = FRONT_ENDS[name]
    made, clip = plan(front_end, form, dft_samples=dft_samples), noise(front_end.clip_samples)
    code = frontend_source(made)
    kind = np.dtype(np.int8 if form.bits <= 8 else np.int16)
    (tmp_path / "frontend.c").write_text(code.source)
    (tmp_path / "frontend.h").write_text(code.header)
    (tmp_path / "main.c").write_text(MAIN.format(samples=clip.size, code="int8_t" if form.bits <= 8 else "int16_t"))
    flags = ("-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    subprocess.run([compiler, *flags, "main.c", "frontend.c", "-o", "main"], cwd=tmp_path, check=True)
    ran = subprocess.run([tmp_path / "main"], input=clip.astype("<i2").tobytes(), capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    found = np.frombuffer(ran.stdout, kind).reshape(made.frames, -1)
    assert (found == codes_of(made, clip)[-made.frames :]).all()
