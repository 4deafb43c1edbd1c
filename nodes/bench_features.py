"""Bench `features`: MFCC against a loop over librosa, side by side, one BLAS thread each."""

from __future__ import annotations

import io
import os
import statistics
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.bench import BenchResult, Row, at_least, at_most, machine
from engine.errors import OssicleError
from nodes.dsp.parameters import FrontEnd
from nodes.dsp.presets import PRESETS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ARCHIVE = "speech_commands_subset.tar.gz"
LEAST_ONE_THREAD, LEAST_TWO_CORES, MOST_ERROR = 6.0, 9.0, 1e-4
WARM_UP_CLIPS = 64


@dataclass(frozen=True)
class Trial:
    """A preset and what librosa.feature.mfcc needs to do the same work."""

    label: str
    preset: str
    options: Mapping[str, Any]
    pad_samples: int = 0
    """librosa's uncentred frames span the FFT; this much at both ends gives it the papers' frames."""

    @property
    def front_end(self) -> FrontEnd:
        """The front end under test."""
        return PRESETS[self.preset]


_S1: dict[str, Any] = {"n_fft": 512, "win_length": 480, "hop_length": 160, "center": False}
_S1_BANDS: dict[str, Any] = {"n_mels": 64, "fmin": 80.0, "fmax": 7600.0, "htk": True, "norm": None}
TRIALS = (
    Trial("40x98", "s1-40x98", {**_S1, **_S1_BANDS}, pad_samples=16),
    Trial("40x32", "s4-40x32", {"n_fft": 2048, "hop_length": 512, "n_mels": 40}),
)


def features(options: Mapping[str, str]) -> BenchResult:
    """Clips per second of two presets and their largest difference from librosa.

    Options: `data` (the Speech Commands archive or a folder that holds it), `clips` (3000), `rounds` (5).
    """
    rounds = int(options.get("rounds", "5"))
    clips = _clips(_archive(options), int(options.get("clips", "3000")))
    rows = [row for trial in TRIALS for row in (*_speed(trial, clips, rounds), *_errors(trial, clips))]
    return BenchResult("features", {**machine(), "clips": len(clips), "rounds": rounds}, tuple(rows))


def _archive(options: Mapping[str, str]) -> Path:
    place = Path(options.get("data") or os.environ.get("OSSICLE_RECORDINGS") or Path("..", "shared", "data"))
    path = place / ARCHIVE if place.is_dir() else place
    if not path.is_file():
        raise OssicleError(
            f"{path} does not exist",
            f"{ARCHIVE} or a folder that holds it",
            "Give it with the option data=PATH or in OSSICLE_RECORDINGS",
        )
    return path


def _clips(archive: Path, count: int) -> NDArray[np.float32]:
    """The first clips (count, 16000) of the archive, padded to a second."""
    import numpy as np

    from nodes.dsp.frontend import fit

    front_end = TRIALS[0].front_end
    clips = [fit(front_end, samples, rate_hz) for _, (samples, rate_hz) in zip(range(count), _read(archive))]  # noqa: B905
    return np.stack(clips)


def _read(archive: Path) -> Iterator[tuple[NDArray[np.float32], int]]:
    import soundfile

    with tarfile.open(archive) as tar:
        for member in tar:
            if "_nohash_" in member.name and (file := tar.extractfile(member)) is not None:
                yield soundfile.read(io.BytesIO(file.read()), dtype="float32")


def _speed(trial: Trial, clips: NDArray[np.float32], rounds: int) -> tuple[Row, ...]:
    contestants = _contestants(trial)
    rates = _interleaved(contestants, clips, rounds)
    librosa = rates["librosa"]
    one, two = rates["one thread"], rates["two threads"]
    name = f"mfcc {trial.label}"
    return (
        Row(f"{name}, one thread", one, "clips/s", peers=rates),
        Row(f"{name}, two threads", two, "clips/s", peers=rates),
        at_least(f"{name}, one thread against librosa", one / librosa, "x", LEAST_ONE_THREAD),
        at_least(f"{name}, two threads against librosa", two / librosa, "x", LEAST_TWO_CORES),
    )


Contestant = Callable[["NDArray[np.float32]"], object]


def _contestants(trial: Trial) -> dict[str, Contestant]:
    from nodes.dsp.frontend import compute

    found: dict[str, Contestant] = {
        "librosa": lambda clips: _librosa_mfcc(trial, clips),
        "one thread": lambda clips: compute(trial.front_end, clips),
        "two threads": lambda clips: compute(trial.front_end, clips, threads=2),
    }
    try:
        import torch
    except ImportError:  # an optional part of the installation; the other figures stand without it
        return found
    from nodes.dsp.torch_frontend import TorchFrontEnd

    torch.set_num_threads(1)
    twin = TorchFrontEnd(trial.front_end)
    return {**found, "torch, one thread": lambda clips: twin(torch.from_numpy(clips))}


def _interleaved(contestants: Mapping[str, Contestant], clips: NDArray[np.float32], rounds: int) -> dict[str, float]:
    """Median clips per second of each, taking turns, with one BLAS thread for all."""
    import threadpoolctl

    times: dict[str, list[float]] = {name: [] for name in contestants}
    with threadpoolctl.threadpool_limits(1):
        for run in contestants.values():
            run(clips[:WARM_UP_CLIPS])
        for _ in range(rounds):
            for name, run in contestants.items():
                start_s = time.perf_counter()
                run(clips)
                times[name].append(time.perf_counter() - start_s)
    return {name: len(clips) / statistics.median(taken) for name, taken in times.items()}


def _librosa_mfcc(trial: Trial, clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a user of librosa writes; in decibels, whatever the trial's logarithm."""
    import librosa
    import numpy as np

    rate_hz = trial.front_end.rate_hz
    padded = np.pad(clips, ((0, 0), (trial.pad_samples,) * 2)) if trial.pad_samples else clips
    return np.stack([librosa.feature.mfcc(y=clip, sr=rate_hz, n_mfcc=40, **trial.options) for clip in padded])


def _errors(trial: Trial, clips: NDArray[np.float32]) -> Iterator[Row]:
    import numpy as np

    from nodes.dsp.frontend import compute

    if trial.front_end.log == "db":
        cases = {"": (trial.front_end, _librosa_mfcc(trial, clips))}
    else:
        over_hz = replace(trial.front_end, mel_triangles="hz")
        cases = {
            " (its mel bands)": (over_hz, _librosa_log_mfcc(trial, over_hz, clips)),
            " (mel bands as printed)": (trial.front_end, _librosa_log_mfcc(trial, trial.front_end, clips)),
        }
    for name, (front_end, expected) in cases.items():
        error = float(np.abs(compute(front_end, clips) - expected).max() / np.ptp(expected))
        yield at_most(f"mfcc {trial.label}, error against librosa{name}", error, "of range", MOST_ERROR)


def _librosa_log_mfcc(trial: Trial, front_end: FrontEnd, clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """librosa's spectra and DCT around ln(bands + offset), which librosa.feature.mfcc takes as `S`."""
    import librosa
    import numpy as np

    from nodes.dsp.mel import mel_matrix

    own = librosa.filters.mel(sr=front_end.rate_hz, n_fft=front_end.fft_samples, **_S1_BANDS)
    bands = own if front_end.mel_triangles == "hz" else mel_matrix(front_end)
    scale = np.where(np.arange(front_end.n_mfcc) == 0, np.sqrt(2.0), 1.0)[:, None]
    padded = np.pad(clips, ((0, 0), (trial.pad_samples,) * 2))

    def one(clip: NDArray[np.float32]) -> NDArray[np.float32]:
        power = np.abs(librosa.stft(clip.astype(np.float64), **_S1)) ** 2
        logs = np.log(bands @ power + front_end.log_offset)
        return np.asarray(scale * librosa.feature.mfcc(S=logs, n_mfcc=front_end.n_mfcc), np.float32)

    return np.stack([one(clip) for clip in padded])
