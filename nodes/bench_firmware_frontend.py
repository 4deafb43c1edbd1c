"""Rows of `ossicle bench firmware`: what hearing costs on the device, and how near features are to the float ones."""

from __future__ import annotations

import tarfile
import tempfile
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from engine.bench import Row, at_most
from engine.errors import OssicleError

if TYPE_CHECKING:
    from nodes.firmware.frontend import Plan
    from nodes.firmware.frontend.dft import Codes
    from nodes.firmware.frontend.measure import Measured

DATA: Final = "../shared/data/speech_commands_subset.tar.gz"
CPU: Final = "cortex-m4"
CLOCK_HZ: Final = 80e6
CLIPS: Final = 20
EVERY: Final = 97
"""Of the recordings, one in so many is taken, so that there are many words."""


@dataclass(frozen=True)
class Case:
    """A front end and what it may cost.

    Attributes:
        fraction: bits behind the point of its 8-bit features.
        is_short: with the shortest DFT that nearly gives the preset's bands.
        most_percent: of a core, 0 where nothing is asked.
    """

    title: str
    preset: str
    fraction: int
    is_short: bool = False
    most_percent: float = 0.0


CASES: Final = (
    Case("MFCC 10x49 as it ships", "dscnn-10x49", -1, True, 2.0),
    Case("MFCC 10x49 with the preset's DFT", "dscnn-10x49", -1),
    Case("MFCC 40x98", "s1-40x98", -1, False, 6.0),
    Case("log-mel 96x64", "s3-96x64", 3),
)


def frontend_rows(options: Mapping[str, str]) -> Iterator[Row]:
    """A core's share for every front end by every compiler, and how far features are from the float ones.

    The share is of the cycles that the model of FIRMWARE says for memory that never waits; the ends of the stated range
    of cycles per instruction stand beside it. All three are estimates; instructions are exact.

    Options: `data` (Speech Commands, its archive or folder), `frontend_clips` (20).
    """
    from nodes.firmware.toolchain import toolchains

    recorded = recordings(Path(options.get("data", DATA)), int(options.get("frontend_clips", CLIPS)))
    for case in CASES:
        plan = plan_of(case)
        clips = [_fitted(clip, plan) for clip in recorded]
        for compiler in toolchains():
            with tempfile.TemporaryDirectory() as folder:
                yield from _cost(case, compiler.name, _measured(plan, clips[0], compiler.name, Path(folder)))
        yield from _distance(case, plan, clips)


def plan_of(case: Case) -> Plan:
    """The front end in integers."""
    from nodes.dsp.presets import PRESETS
    from nodes.firmware.frontend import plan, shortest_dft
    from nodes.quant.fixed import Fixed

    front_end = PRESETS[case.preset]
    samples = shortest_dft(front_end) if case.is_short else None
    return plan(front_end, Fixed(8, case.fraction), dft_samples=samples)


def _title(case: Case) -> str:
    """The node takes the shorter DFT if it errs less than rounding and loses no decisions beyond it."""
    return f"{case.title}, DFT of {plan_of(case).dft_samples:,}"


def _measured(plan: Plan, clip: Codes, compiler: str, folder: Path) -> Measured:
    from nodes.firmware.cpu import find_cpu
    from nodes.firmware.frontend.measure import measure
    from nodes.firmware.toolchain import find_toolchain

    return measure(plan, clip, find_cpu(CPU), find_toolchain(compiler), folder)  # type: ignore[arg-type]


def _cost(case: Case, compiler: str, found: Measured) -> Iterator[Row]:
    name, share = f"{_title(case)}, {compiler}", 100.0 * found.cycles / CLOCK_HZ
    least, most = found.percent(CLOCK_HZ)
    peers = {
        "at 1.3 cycles per instruction": round(least, 2),
        "at 2.0": round(most, 2),
        "instructions per second": round(found.instructions),
        "RAM": float(found.ram_bytes),
        "tables": float(found.constant_bytes),
        "code": float(found.code_bytes),
        "stack": float(found.stack_bytes),
    }
    title = f"{name}, estimated share of an 80 MHz core"
    if case.most_percent and compiler == "gcc":
        yield at_most(title, round(share, 2), "%", case.most_percent, peers)
    else:
        yield Row(title, round(share, 2), "%", peers=peers)
    yield at_most(f"{name}, codes that are not the reference's", found.wrong, "codes", 0)


def _distance(case: Case, plan: Plan, clips: list[Codes]) -> Iterator[Row]:
    import numpy as np

    from nodes.firmware.frontend import float_stages, stages

    found, exact = (
        {name: np.concatenate(parts) for name, parts in zip(("dct", "codes"), zip(*rows, strict=True), strict=True)}
        for rows in (
            [[stages(plan, clip)[name].reals for name in ("dct", "codes")] for clip in clips],
            [[float_stages(plan, clip)[name] for name in ("dct", "codes")] for clip in clips],
        )
    )
    off = found["dct"] - exact["dct"]
    rounding = exact["codes"] - exact["dct"]
    peers = {
        "largest": round(float(np.abs(off).max()), 3),
        "signal to error, dB": round(10 * float(np.log10(np.square(exact["dct"]).mean() / np.square(off).mean())), 1),
        "of rounding to 8 bits": round(float(np.sqrt(np.square(rounding).mean())), 4),
        "% of codes that differ": round(100 * float((found["codes"] != exact["codes"]).mean()), 2),
        "clips": float(len(clips)),
    }
    yield Row(f"{_title(case)}, features' error, rms", round(float(np.sqrt(np.square(off).mean())), 4), "", peers=peers)


def recordings(data: Path, count: int) -> list[Codes]:
    """Some clips of Speech Commands (samples,) of 16 bits, in the order of their names or of the archive.

    Raises:
        OssicleError: there are none.
    """
    found = list(_from_folder(data, count) if data.is_dir() else _from_archive(data, count))
    if not found:
        raise OssicleError(f"{data} holds no recordings", "Speech Commands as WAV of 16 bits", "Correct `data`")
    return found


def _from_archive(data: Path, count: int) -> Iterator[Codes]:
    if not data.is_file():
        return
    with tarfile.open(data) as archive:
        waves = (member for member in archive if _is_clip(member.name))
        for index, member in enumerate(waves):
            file = archive.extractfile(member) if index % EVERY == 0 else None
            if file is not None:
                yield _samples(file)
                count -= 1
            if not count:
                return


def _from_folder(data: Path, count: int) -> Iterator[Codes]:
    for path in sorted(path for path in data.rglob("*.wav") if _is_clip(path.as_posix()))[::EVERY][:count]:
        with path.open("rb") as file:
            yield _samples(file)


def _is_clip(name: str) -> bool:
    return name.endswith(".wav") and "_background_noise_" not in name


def _samples(file: IO[bytes]) -> Codes:
    import numpy as np

    with wave.open(file) as read:
        return np.frombuffer(read.readframes(read.getnframes()), "<i2").astype(np.int64)


def _fitted(clip: Codes, plan: Plan) -> Codes:
    """As long as the front end's clips: repeated or cut."""
    import numpy as np

    return np.resize(clip, plan.front_end.clip_samples)
