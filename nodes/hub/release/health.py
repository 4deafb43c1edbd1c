"""Trying a deployment on golden clips: the same answers as where it was made, and fast enough."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nodes.hub.device.ear import Ear, open_ear
from nodes.hub.errors import HubError
from nodes.hub.release.bundle import GOLDEN, decode_clip, encode_clip

Floats = NDArray[np.float32]
TOLERANCE: Final = 0.02
"""Largest difference of a score; processors round differently, a wrong network is far off."""
SLOWEST: Final = 0.5
"""Share of a clip's own length that hearing it may take."""
MADE_CLIPS: Final = 4


def golden_of(deployment: Path, clips: Sequence[NDArray[np.int16]] = ()) -> dict[str, Any]:
    """Clips and a deployment's scores of them. Without clips, sounds made here (chirps in noise) are taken.

    Raises:
        HubError: the deployment cannot be run, or no clip is as long as it hears.
    """
    ear = open_ear(deployment)
    size = ear.facts.clip_samples
    heard = [clip[:size] for clip in clips if len(clip) >= size] or ([] if clips else made_clips(size))
    if not heard:
        raise HubError("no golden clip is long enough", f"clips of at least {size} samples", "Give longer ones")
    rows = [
        {"samples": encode_clip(clip.astype("<i2").tobytes()), "scores": _scores(open_ear(deployment), clip)}
        for clip in heard
    ]
    return {"format": 1, "labels": list(ear.facts.labels), "clips": rows}


def made_clips(samples: int) -> list[NDArray[np.int16]]:
    """Sounds that every machine makes alike."""
    time_axis, random = np.arange(samples) / samples, np.random.default_rng(0)
    found = []
    for index in range(MADE_CLIPS):
        sweep = np.sin(2 * np.pi * samples * (0.01 + 0.03 * index) * time_axis * (1 + time_axis))
        found.append(np.round(6000 * sweep + random.normal(0, 300, samples)).astype(np.int16))
    return found


def check_health(deployment: Path) -> None:
    """Try a deployment on its golden clips.

    Raises:
        HubError: it cannot be run, answers otherwise than where it was made, or is too slow.
    """
    times_s = []
    for number, row in enumerate(_golden(deployment)):
        clip, ear = np.frombuffer(decode_clip(row["samples"]), "<i2"), open_ear(deployment)
        begun = time.monotonic()
        scores = np.array(_scores(ear, clip))
        times_s.append((time.monotonic() - begun) / (len(clip) / ear.facts.rate_hz))
        wanted = np.array(row["scores"], np.float64)
        if scores.shape != wanted.shape or not np.abs(scores - wanted).max(initial=0.0) <= TOLERANCE:
            raise _ill(f"it hears golden clip {number} otherwise than where it was made")
    if min(times_s) > SLOWEST:  # the fastest clip: the others may have waited for something else
        raise _ill(f"it takes {min(times_s):.1f} times as long to hear a clip as the clip lasts")


def _scores(ear: Ear, clip: NDArray[np.int16]) -> list[float]:
    found = ear.push(clip.astype(np.float32) / np.float32(32768), is_wanted=True)
    if found is None:
        raise _ill("it hears nothing in a whole clip")
    return [float(score) for score in found]


def _golden(deployment: Path) -> list[dict[str, Any]]:
    try:
        raw = json.loads((deployment / GOLDEN).read_text(encoding="utf-8"))
        rows = raw["clips"]
        if raw["format"] == 1 and rows and all({"samples", "scores"} <= set(row) for row in rows):
            return list(rows)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _ill(f"its golden clips cannot be read ({error})") from error
    raise _ill("it has no golden clips")


def _ill(why: str) -> HubError:
    return HubError(
        f"the model fails its health check: {why}", "the answers of where it was made", "Keep the one before"
    )
