"""The folder's example program, with the sanitizers in all of it, on WAV files of every kind."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lne_packages import (
    FRONT_END,
    LABELS,
    features,
    small_graph,
    small_plan,
    speech,
    wanted,
)

from nodes.dsp.frontend import compute
from nodes.lne import LneError
from nodes.lne.package import (
    make_package,
    open_package,
    write_package,
)


@pytest.fixture(scope="module")
def example(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder's example with the address and undefined-behaviour sanitizers in all of it."""
    away = shutil.copytree(folder, tmp_path_factory.mktemp("sanitized") / "small")
    flags = "-O1 -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror -Wno-psabi"
    done = subprocess.run(["make", f"CFLAGS={flags}", "LDFLAGS=-fsanitize=address,undefined", "example"],
                          cwd=away, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return away / "example"


def run(example: Path, *words: object) -> tuple[int, str, str]:
    done = subprocess.run([example, *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "PCM_U8", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_example_hears_wav_files_as_python_does(
    example: Path, folder: Path, recordings: Path, tmp_path: Path, subtype: str, channels: int
) -> None:
    samples = np.tile(speech(recordings)[:1900, None], channels) * np.linspace(0.5, 1, channels, dtype=np.float32)
    path = tmp_path / "clip.wav"
    soundfile.write(path, samples, 8000, subtype=subtype, format="WAVEX" if channels > 2 else "WAV")
    heard = np.zeros(2000, np.float32)
    heard[:1900] = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    logits = open_package(folder)(compute(FRONT_END, heard[None])[0]).ravel()
    code, out, _ = run(example, path)
    assert code == 0
    told = [line.rsplit(maxsplit=2) for line in out.splitlines()]
    assert [label for label, _, _ in told] == list(LABELS)
    np.testing.assert_allclose([float(value) for _, value, _ in told], logits, rtol=1e-4, atol=1e-4)
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose([float(value) for _, _, value in told], shares, atol=1e-4)


def test_the_example_hears_a_stream(example: Path, folder: Path, recordings: Path) -> None:
    code, out, _ = run(example, "--stream", recordings / "fsdd" / "recordings" / "7_theo_3.wav")
    assert code == 0
    library, samples = open_package(folder), speech(recordings)
    lines = out.splitlines()
    assert len(lines) == len(samples) // 160 - 13 + 1
    for index, line in enumerate(lines):
        logits = library(library.features(samples[index * 160 : index * 160 + 2000])).ravel()
        assert LABELS[int(logits.argmax())] in line
        assert float(line.split()[0]) == pytest.approx((index + 13) * 0.02)


def _broken(recordings: Path) -> dict[str, tuple[bytes, str]]:
    good = (recordings / "fsdd" / "recordings" / "7_theo_3.wav").read_bytes()
    return {
        "empty": (b"", "no WAV file"),
        "foreign": (b"OggS" + bytes(100), "no WAV file"),
        "header alone": (good[:12], "no samples"),
        "no format": (good[:12] + good[36:], "format is not told"),
        "A-law": (good[:20] + b"\x06" + good[21:], "neither PCM nor"),
        "no channels": (good[:22] + b"\0\0" + good[24:], "neither PCM nor"),
        "another rate": (good[:24] + (16000).to_bytes(4, "little") + good[28:], "rate is not 8000"),
    }


def test_the_example_refuses_what_is_no_wav_file(example: Path, recordings: Path, tmp_path: Path) -> None:
    for name, (content, words) in _broken(recordings).items():
        path = tmp_path / f"{name}.wav"
        path.write_bytes(content)
        code, out, err = run(example, path)
        assert (code, out) == (1, ""), name
        assert words in err, name
    assert run(example, tmp_path / "missing.wav")[::2] == (1, f"{tmp_path}/missing.wav: it cannot be opened\n")
    assert run(example)[0] == 2


def test_the_example_hears_what_there_is_of_a_file_cut_short(example: Path, recordings: Path, tmp_path: Path) -> None:
    good = (recordings / "fsdd" / "recordings" / "7_theo_3.wav").read_bytes()
    path = tmp_path / "short.wav"
    path.write_bytes(good[: 44 + 2 * 1000])
    assert run(example, path)[0] == 0


def test_a_network_without_a_front_end_has_an_example_for_raw_floats(tmp_path: Path) -> None:
    package = make_package("raw", [small_plan(small_graph(), "c")])
    folder = write_package(tmp_path / "raw", package)
    subprocess.run(["make", "example"], cwd=folder, check=True, capture_output=True)
    done = subprocess.run([folder / "example"], input=features().tobytes(), capture_output=True)
    found = [float(line) for line in done.stdout.decode().split()]
    np.testing.assert_allclose(found, wanted(features()).ravel(), rtol=1e-4, atol=1e-5)
    short = subprocess.run([folder / "example"], input=b"1234", capture_output=True)
    assert short.returncode == 1
    assert b"expected 88 floats" in short.stderr
    with pytest.raises(LneError, match="no front end"):
        open_package(folder).stream()
