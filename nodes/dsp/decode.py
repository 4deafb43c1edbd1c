"""Audio files to mono int16 at one rate: WAV, FLAC, Ogg, MP3 and what else libsndfile reads.

Files are read in blocks, so memory follows what is really in a file, never what its header claims.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from nodes.dsp.errors import SourceError

EXTENSIONS = frozenset(
    {".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"}
)
"""File names that are read as audio."""
UNREADABLE = frozenset({".m4a", ".aac", ".wma", ".amr", ".mp4", ".3gp", ".webm", ".mka"})
"""Audio that libsndfile cannot read: reported, not silently skipped."""
MAX_CLIP_S = 3600.0

_BLOCK_SAMPLES = 1 << 18
_FULL_SCALE = 32768.0
_FLOATING = frozenset({"FLOAT", "DOUBLE"})
_MP3_FRAME = 1152
_CLAIM = re.compile(r"^\s*(?:data|SSND)\s*:\s*(\d+)\s*\(should be (\d+)\)", re.MULTILINE)
_SPARE_BYTES = 16  # sloppy writers miscount by a pad byte or a word; nothing audible is missing
_OGG_SIGNS = {
    "Last page lacks an end-of-stream bit": "it is truncated (its last page is missing)",
    "libogg reports a hole": "it is damaged (bytes in the middle are missing)",
}


def decode(path: Path, rate_hz: int, max_clip_s: float = MAX_CLIP_S) -> NDArray[np.int16]:
    """Read one file as mono int16 (samples,) at `rate_hz`: channels averaged, resampled by soxr (high quality).

    Raises:
        SourceError: the file is empty, truncated, damaged, not audio, longer than `max_clip_s`, or has NaN or infinite
            samples; the message says which.
    """
    try:
        if path.stat().st_size == 0:
            raise _bad("it is empty (0 bytes)", "a recording", "Record or copy it again, or delete it")
        # bytes: names that are no UTF-8 open too
        with soundfile.SoundFile(str(path) if os.name == "nt" else os.fsencode(path)) as file:
            return _decoded(file, rate_hz, max_clip_s)
    except SourceError:
        raise
    except (soundfile.LibsndfileError, OSError, RuntimeError, ValueError) as error:
        raise _bad(
            f"it cannot be read ({_reason(error)})",
            "intact WAV, FLAC, Ogg or MP3",
            "Copy it again from its origin, convert it, or delete it",
        ) from error


def _decoded(file: soundfile.SoundFile, rate_hz: int, max_clip_s: float) -> NDArray[np.int16]:
    _check_claim(file)
    if _is_plain(file, rate_hz):
        samples = np.asarray(file.read(dtype="int16"), np.int16)
        frames = len(samples)
    else:
        samples, frames = _converted(file, rate_hz, max_clip_s)
    _check_length(file, frames, max_clip_s)
    return samples


def _is_plain(file: soundfile.SoundFile, rate_hz: int) -> bool:
    """Nothing to mix, resample, round or guard against: most files of most keyword data sets."""
    is_pcm_16 = bool(file.subtype == "PCM_16" and file.channels == 1)
    return is_pcm_16 and bool(file.samplerate == rate_hz and file.frames <= _BLOCK_SAMPLES)


def _converted(file: soundfile.SoundFile, rate_hz: int, max_clip_s: float) -> tuple[NDArray[np.int16], int]:
    """Stream the file; only one block of its own format is in memory at a time."""
    is_same_rate = file.samplerate == rate_hz
    stream = None if is_same_rate else soxr.ResampleStream(file.samplerate, rate_hz, 1, "float32", "HQ")
    collected = bytearray()  # grows in place: no second copy of a long clip
    frames = 0
    for block in _blocks(file):
        frames += len(block)
        _check_duration(frames / file.samplerate, max_clip_s)
        mono = block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0]
        collected += _to_int16(stream.resample_chunk(mono) if stream else mono).tobytes()
    if frames and stream:
        collected += _to_int16(stream.resample_chunk(np.zeros(0, np.float32), last=True)).tobytes()
    return np.frombuffer(collected, np.int16), frames


def _blocks(file: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    """Float blocks (frames, channels) until the file really ends."""
    size = max(1, _BLOCK_SAMPLES // file.channels)
    can_be_bad = file.subtype in _FLOATING
    while len(block := file.read(size, dtype="float32", always_2d=True)):
        if can_be_bad and not np.isfinite(block).all():
            raise _bad("it has NaN or infinite samples", "finite samples", "Export it again, or delete it")
        yield block


def _to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    scaled: NDArray[np.float32] = np.rint(samples * _FULL_SCALE)
    clipped: NDArray[np.float32] = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1)
    return clipped.astype(np.int16)


def _check_claim(file: soundfile.SoundFile) -> None:
    """Compare what a WAV or AIFF header promises with what the file holds (libsndfile only notes it in its log)."""
    log = file.extra_info if file.format in ("WAV", "WAVEX", "AIFF", "RF64", "W64") else ""
    claim = _CLAIM.search(log) if "(should be" in log else None
    if claim and int(claim[1]) > int(claim[2]) + _SPARE_BYTES:
        raise _truncated(f"its header claims {int(claim[1]):,} bytes of audio, it holds {int(claim[2]):,}")


def _check_length(file: soundfile.SoundFile, frames: int, max_clip_s: float) -> None:
    log = file.extra_info if file.format == "OGG" else ""
    for sign, what in _OGG_SIGNS.items():
        if sign in log:
            raise _bad(what, "a complete Ogg file", "Copy it again from its origin, or delete it")
    if frames == 0:
        raise _bad("it has no samples", "at least one", "Record or copy it again, or delete it")
    spare = _MP3_FRAME if file.format in ("MP3", "MPEG") else 0
    if frames + spare < file.frames:
        raise _truncated(f"its header claims {file.frames:,} samples per channel, {frames:,} could be decoded")
    _check_duration(frames / file.samplerate, max_clip_s)


def _check_duration(duration_s: float, max_clip_s: float) -> None:
    if duration_s > max_clip_s:
        raise _bad(f"it is longer than {max_clip_s:g} s", "a clip within max_clip_s", "Cut it, or raise max_clip_s")


def _truncated(how: str) -> SourceError:
    return _bad(f"it is truncated: {how}", "a complete file", "Copy it again from its origin, or delete it")


def _bad(what: str, expected: str, remedy: str) -> SourceError:
    return SourceError(what, expected, remedy)


def _reason(error: Exception) -> str:
    """The library's words without the path, which would differ from machine to machine."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = getattr(error, "error_string", "") or str(error)
    return str(text).strip().rstrip(".")
