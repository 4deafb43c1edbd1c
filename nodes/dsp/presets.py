"""Front ends of the source papers by name. Standard library only.

Names say the paper (s0 Bonseyes conference, s1 TC-ResNet and the baselines it measures, s2 DeepSpectrumLite, s3
compact recurrent networks, s4 Bonseyes journal version) and the shape that it prints, or for s2, whose pictures have
the same shape whatever the front end, whether the text or the repository says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from nodes.dsp.parameters import FrontEnd

MfccPreset = Literal["s1-40x98", "res-40x98", "s4-40x32", "s0-40x44", "dscnn-10x49", "cnn-40x49"]
LogMelPreset = Literal["s3-96x64", "s2-paper", "s2-repo", "bc-40x101"]

# TC-ResNet, section 3.1 and its repository: HTK mel, triangles over mel, ln(power + 1e-6), even DCT scale.
_S1 = FrontEnd()

# librosa's defaults: Slaney mel of unit area, decibels with an 80 dB floor, orthonormal DCT, centred frames.
_LIBROSA = FrontEnd(
    window_samples=2048,
    hop_samples=512,
    fft_samples=2048,
    centred=True,
    n_mels=40,
    f_min_hz=0.0,
    f_max_hz=8_000.0,
    mel_scale="slaney",
    mel_triangles="hz",
    area_normalised=True,
    log="db",
    dct="orthonormal",
)

_LONG = replace(_S1, window_samples=640, hop_samples=320, fft_samples=1024)

# VGGish: magnitude, ln(mel + 0.01); 3.84 s hold 382 frames, 240 zeros make them four patches of 96.
_S3 = replace(
    _S1,
    clip_samples=61_440,
    append_samples=240,
    window_samples=400,
    f_min_hz=125.0,
    f_max_hz=7_500.0,
    power=1,
    log_offset=0.01,
    n_mfcc=0,
    patch_frames=96,
)

# DeepSpectrumLite: 128 HTK bands in decibels, floor 1e-16 and no top limit (300 dB are never reached above the floor).
# Windows 32/16 ms in the text, 128/64 ms in the repository (slip 24). The text prints no FFT length: the window's. Its
# lowest bands are narrower than a bin and stay at the floor.
_S2_REPO = replace(
    _S1,
    clip_samples=48_000,
    window_samples=2048,
    hop_samples=1024,
    fft_samples=2048,
    n_mels=128,
    f_min_hz=0.0,
    f_max_hz=8_000.0,
    log="db",
    db_floor=1e-16,
    db_range=300.0,
    n_mfcc=0,
)

# BC-ResNet (B. Kim et al., Interspeech 2021): 40 bands, windows of 30 ms every 10 ms; the rest is ours: centred frames.
_BC = replace(_S1, centred=True, n_mels=40, f_min_hz=0.0, f_max_hz=8_000.0, mel_triangles="hz", n_mfcc=0)

PRESETS: Mapping[str, FrontEnd] = MappingProxyType(
    {
        "s1-40x98": _S1,
        "res-40x98": _S1,
        "s4-40x32": _LIBROSA,
        "s0-40x44": replace(_LIBROSA, rate_hz=22_050, clip_samples=22_050, n_mels=128, f_max_hz=11_025.0),
        "dscnn-10x49": replace(_LONG, n_mfcc=10),
        "cnn-40x49": _LONG,
        "s3-96x64": _S3,
        "s2-paper": replace(_S2_REPO, window_samples=512, hop_samples=256, fft_samples=512),
        "s2-repo": _S2_REPO,
        "bc-40x101": _BC,
    }
)
"""Every preset by name; the shapes are those the papers print (as coefficients x frames), s2's for chunks of 3 s."""
