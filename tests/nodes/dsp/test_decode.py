"""Decoding: every format, rate and channel count, and every kind of broken file."""

from __future__ import annotations

import resource
import struct
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from nodes.dsp.decode import decode
from nodes.dsp.errors import SourceError


def tone(seconds: float = 1.0, rate_hz: int = 16_000) -> np.ndarray:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.round(8000 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int16)


@pytest.mark.parametrize(("suffix", "tolerance"), [("wav", 0), ("flac", 0), ("ogg", 900), ("mp3", 900), ("aiff", 0)])
def test_formats(suffix: str, tolerance: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(), 16_000)
    got = decode(path, 16_000)
    assert got.dtype == np.int16 and got.shape == (16_000,)
    assert np.abs(got.astype(int) - tone())[1000:-1000].max() <= tolerance


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"])
def test_sample_formats(subtype: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone() / 32768, 16_000, subtype=subtype)
    assert np.abs(decode(tmp_path / "a.wav", 16_000).astype(int) - tone()).max() <= 300


@pytest.mark.parametrize("channels", [2, 3, 6])
def test_channels_are_averaged(channels: int, tmp_path: Path) -> None:
    levels = np.arange(1, channels + 1)
    frames = np.outer(np.arange(-2000, 2000), levels).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", frames, 16_000)
    want = np.rint(frames.mean(axis=1))
    assert np.abs(decode(tmp_path / "a.wav", 16_000) - want).max() <= 1


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_rates_match_soxr_on_the_whole_file(rate_hz: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, rate_hz * 3).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise, rate_hz, subtype="FLOAT")
    got = decode(tmp_path / "a.wav", 16_000)
    want = soxr.resample(noise, rate_hz, 16_000, quality="HQ") * 32768
    assert len(got) == len(want) == 48_000
    assert np.abs(got - want).max() <= 1.0


def test_float_samples_beyond_full_scale_are_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([2.0, -2.0, 0.5], np.float32), 16_000, subtype="FLOAT")
    assert decode(tmp_path / "a.wav", 16_000).tolist() == [32_767, -32_768, 16_384]


def test_a_real_recording_equals_the_standard_library(recordings: Path) -> None:
    path = recordings / "fsdd" / "recordings" / "7_jackson_32.wav"
    with wave.open(str(path)) as file:
        want = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert decode(path, 8000).tolist() == want.tolist()
    assert len(decode(path, 16_000)) == 2 * len(want)


def test_real_ogg_is_resampled(recordings: Path, tmp_path: Path) -> None:
    with tarfile.open(recordings / "esc10.tar.gz") as archive:
        member = next(one for one in archive if one.name.endswith(".ogg"))
        archive.extract(member, tmp_path, filter="data")
    got = decode(tmp_path / member.name, 16_000)
    assert 3 * 16_000 < len(got) < 8 * 16_000 and np.abs(got.astype(int)).max() > 100


def damaged(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Broken files by name, with what must be said about them."""
    noise = (np.random.default_rng(0).normal(0, 3000, 16_000)).astype(np.int16)
    good = {}
    for suffix in ("wav", "flac", "ogg", "mp3"):
        soundfile.write(folder / f"good.{suffix}", np.tile(noise, 4), 16_000)
        good[suffix] = (folder / f"good.{suffix}").read_bytes()
    wav, flac, ogg, mp3 = good.values()
    half = {suffix: len(data) // 2 for suffix, data in good.items()}
    two_gb = wav[:4] + struct.pack("<I", 2**31 - 1) + wav[8:40] + struct.pack("<I", 2**31 - 100) + wav[44:]
    return {
        "empty.wav": (b"", "empty"),
        "header_only.wav": (wav[:44], "truncated"),
        "half_header.wav": (wav[:20], "cannot be read"),
        "truncated.wav": (wav[: half["wav"]], "truncated"),
        "two_gb_header.wav": (two_gb, "claims 2,147,483,548 bytes"),
        "text.wav": (b"this is a text about sounds\n" * 40, "cannot be read"),
        "picture.mp3": (b"\x89PNG\r\n\x1a\n" + bytes(2000), "cannot be read"),
        "no_channels.wav": (wav[:22] + b"\0\0" + wav[24:], "cannot be read"),
        "no_rate.wav": (wav[:24] + bytes(4) + wav[28:], "cannot be read"),
        "many_channels.wav": (wav[:22] + b"\xff\xff" + wav[24:], "cannot be read"),
        "midway.flac": (flac[: half["flac"]] + b"\x55" * 900 + flac[half["flac"] + 900 :], "cannot be read"),
        "truncated.flac": (flac[: half["flac"]], "cannot be read"),
        "truncated.ogg": (ogg[: half["ogg"]], "truncated"),
        "midway.ogg": (ogg[: half["ogg"]] + b"\x11" * 400 + ogg[half["ogg"] + 400 :], "damaged"),
        "truncated.mp3": (mp3[: half["mp3"]], "truncated"),
    }


def test_damaged_files_say_what_is_wrong(tmp_path: Path) -> None:
    for name, (content, what) in damaged(tmp_path).items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(SourceError, match=what) as caught:
            decode(path, 16_000)
        assert str(tmp_path) not in str(caught.value), f"{name}: a path would make artifacts differ between machines"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 15_999])
def test_samples_that_are_no_numbers_are_refused(value: float, place: int, tmp_path: Path) -> None:
    samples = np.zeros(16_000, np.float32)
    samples[place] = value
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(SourceError, match="NaN or infinite"):
        decode(tmp_path / "a.wav", 16_000)


def test_content_counts_not_the_extension(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(), 16_000)
    (tmp_path / "a.wav").rename(tmp_path / "a.mp3")
    assert decode(tmp_path / "a.mp3", 16_000).tolist() == tone().tolist()


@pytest.mark.parametrize("name", ["leer zeichen.wav", "größe-日本語-🎤.wav", "a'b\"c;d.wav", "-rf.wav", "\udcff.wav"])
def test_any_file_name(name: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "plain.wav", tone(0.1), 16_000)
    assert len(decode((tmp_path / "plain.wav").rename(tmp_path / name), 16_000)) == 1600


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        decode(tmp_path / "none.wav", 16_000)
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(SourceError, match="cannot be read"):
        decode(tmp_path / "folder.wav", 16_000)


def test_a_flac_header_that_lies_allocates_nothing(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", tone(), 16_000)
    raw = bytearray((tmp_path / "a.flac").read_bytes())
    raw[21] |= 0x0F  # the 36-bit number of samples in STREAMINFO
    raw[22:26] = b"\xff\xff\xff\xff"
    (tmp_path / "a.flac").write_bytes(raw)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError, match="cannot be read|truncated"):
        decode(tmp_path / "a.flac", 16_000, max_clip_s=1e9)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB


def test_45_minutes_are_streamed(tmp_path: Path) -> None:
    """As stereo floats it would be 346 MB; what stays is 86 MB of int16."""
    block = np.zeros((16_000 * 60, 2), np.int16)
    with soundfile.SoundFile(tmp_path / "long.flac", "w", 16_000, 2) as file:
        for _ in range(45):
            file.write(block)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(decode(tmp_path / "long.flac", 16_000)) == 45 * 60 * 16_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB


def test_a_clip_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(3.0), 16_000)
    with pytest.raises(SourceError, match="longer than 2 s"):
        decode(tmp_path / "a.wav", 16_000, max_clip_s=2)
    soundfile.write(tmp_path / "slow.wav", tone(2.0), 1)  # 32,000 s at 1 Hz: resampling it would be a bomb
    with pytest.raises(SourceError, match="longer than 3600 s"):
        decode(tmp_path / "slow.wav", 16_000)
