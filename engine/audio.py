"""Reading and writing of audio and feature sets: HDF5 with one clip table.

An AudioSet is `dataset.h5` (group `clips`: the table, and an external link to the samples, so that one file shows all)
and `waveforms.h5` (`samples`: int16, every clip one after another). Partitioning writes a new table and hard-links the
waveforms. A FeatureSet is `features.h5`: `features` float32 (clips, *shape) and the same table; the features may lie in
`frames.h5` beside it, so that partitions of the same clips share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from engine.artifact import AudioMeta, AudioSet, FeatureSet
from engine.context import Context
from engine.errors import OssicleError

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

TABLE_FILE, WAVEFORM_FILE, FEATURE_FILE, FRAME_FILE = "dataset.h5", "waveforms.h5", "features.h5", "frames.h5"
SUBSETS = ("training", "validation", "testing")
BACKGROUND = "background"
CHUNK_SAMPLES = 1 << 18
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Clip:
    """One row of the table before its waveform is placed."""

    clip_id: str
    label: str
    speaker: str = ""
    source: str = ""
    """Original recording: clips cut from one recording share it."""
    subset: str = ""
    fold: int = 0
    start_s: float = 0.0
    """Where the clip begins in its source."""


@dataclass(frozen=True)
class ClipTable:
    """Columns of equal length, one row per clip; text columns are object-free numpy str arrays."""

    clip_id: NDArray[np.str_]
    label: NDArray[np.str_]
    speaker: NDArray[np.str_]
    source: NDArray[np.str_]
    subset: NDArray[np.str_]
    fold: NDArray[np.int32]
    offset: NDArray[np.int64]
    samples: NDArray[np.int64]
    start_s: NDArray[np.float64]
    sha256: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.clip_id)

    def take(self, rows: NDArray[Any]) -> ClipTable:
        """The rows chosen by a boolean mask or an index array."""
        return ClipTable(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def row(self, index: int) -> Clip:
        """One row without the place of its waveform."""
        return Clip(
            clip_id=str(self.clip_id[index]),
            label=str(self.label[index]),
            speaker=str(self.speaker[index]),
            source=str(self.source[index]),
            subset=str(self.subset[index]),
            fold=int(self.fold[index]),
            start_s=float(self.start_s[index]),
        )

    def with_columns(self, **columns: NDArray[Any]) -> ClipTable:
        """The same rows with some columns replaced."""
        return replace(self, **columns)

    def of_subset(self, subset: str) -> ClipTable:
        """The rows of one subset."""
        return self.take(self.subset == subset)

    def clips(self) -> ClipTable:
        """The rows that carry a class: all but background tracks."""
        return self.take(self.subset != BACKGROUND)

    def subset_counts(self) -> dict[str, int]:
        """Clips per non-empty subset name, in stable order."""
        names = [*SUBSETS, BACKGROUND, *sorted(set(self.subset.tolist()) - {*SUBSETS, BACKGROUND, ""})]
        counts = {name: int((self.subset == name).sum()) for name in names}
        return {name: count for name, count in counts.items() if count}


def write_table(parent: h5py.Group, table: ClipTable) -> None:
    """Write the table as group `clips` of an open HDF5 file."""
    group = parent.create_group("clips")
    for column in fields(table):
        values = getattr(table, column.name)
        group.create_dataset(column.name, data=_to_bytes(values) if values.dtype.kind == "U" else values)


def _to_bytes(values: NDArray[np.str_]) -> NDArray[Any]:
    import h5py
    import numpy as np

    encoded: NDArray[Any] = np.char.encode(values, "utf-8") if len(values) else np.zeros(0, "S1")
    width = max(encoded.dtype.itemsize, 1)
    return encoded.astype(h5py.string_dtype("utf-8", width))


def read_table(path: Path) -> ClipTable:
    """Read the clip table of `dataset.h5` or `features.h5`."""
    import numpy as np

    with open_h5(path) as file:
        raw: dict[str, Any] = {column.name: file["clips"][column.name][()] for column in fields(ClipTable)}
    columns: dict[str, Any] = {
        name: np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values for name, values in raw.items()
    }
    return ClipTable(**columns)


def open_h5(path: Path) -> h5py.File:
    """Open an HDF5 file for reading.

    Raises:
        OssicleError: the file is missing or not HDF5.
    """
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise OssicleError(
            f"{path.name} cannot be opened ({error})",
            "an HDF5 file that Ossicle wrote",
            "Run `ossicle store verify --repair`, then run the workflow again",
        ) from error


def table_of(data: AudioSet | FeatureSet) -> ClipTable:
    """The clip table of an audio or feature set."""
    return read_table(data.file(TABLE_FILE if isinstance(data, AudioSet) else FEATURE_FILE))


def waveforms(audio: AudioSet, table: ClipTable | None = None) -> Iterator[NDArray[np.int16]]:
    """Waveforms (samples,) of the table's clips, one at a time, in the table's order."""
    rows = table_of(audio) if table is None else table
    with open_h5(audio.file(WAVEFORM_FILE)) as file:
        samples = file["samples"]
        for start, count in zip(rows.offset.tolist(), rows.samples.tolist(), strict=True):
            yield samples[start : start + count]


def batches(
    audio: AudioSet, table: ClipTable, clip_samples: int, batch_clips: int = 512
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Blocks (clips, clip_samples) of float32 in [-1, 1): zero-padded at the end or cut, with their row slice."""
    import numpy as np

    with open_h5(audio.file(WAVEFORM_FILE)) as file:
        samples = file["samples"]
        for first in range(0, len(table), batch_clips):
            rows = slice(first, min(first + batch_clips, len(table)))
            block = np.zeros((rows.stop - rows.start, clip_samples), np.float32)
            places = zip(table.offset[rows].tolist(), table.samples[rows].tolist(), strict=True)
            for row, (start, count) in enumerate(places):
                kept = min(count, clip_samples)
                block[row, :kept] = samples[start : start + kept]
            block /= 32768.0
            yield rows, block


@dataclass
class AudioWriter:
    """Append clips to a new AudioSet folder; memory stays at a few megabytes whatever the size.

    Use as a context manager; `table` is complete after it closes.
    """

    folder: Path
    table: ClipTable | None = None
    _clips: list[Clip] = field(default_factory=list)
    _lengths: list[int] = field(default_factory=list)
    _digests: list[str] = field(default_factory=list)
    _pending: list[NDArray[np.int16]] = field(default_factory=list)
    _pending_samples: int = 0
    _written: int = 0
    _file: h5py.File | None = None

    def __enter__(self) -> Self:
        import h5py

        self._file = h5py.File(self.folder / WAVEFORM_FILE, "w", libver="latest")
        self._file.create_dataset("samples", (0,), "int16", maxshape=(None,), chunks=(CHUNK_SAMPLES,))
        return self

    def add(self, clip: Clip, samples: NDArray[np.int16], sha256: str | None = None) -> None:
        """Append one clip of int16 samples (samples,); its digest is computed unless given."""
        import hashlib

        self._clips.append(clip)
        self._lengths.append(len(samples))
        self._digests.append(sha256 or hashlib.sha256(samples.tobytes()).hexdigest())
        self._pending.append(samples)
        self._pending_samples += len(samples)
        if self._pending_samples >= 8 * CHUNK_SAMPLES:
            self._flush()

    def _flush(self) -> None:
        import numpy as np

        if self._file is None or not self._pending_samples:
            return
        data = self._file["samples"]
        data.resize((self._written + self._pending_samples,))
        data[self._written :] = np.concatenate(self._pending)
        self._written += self._pending_samples
        self._pending, self._pending_samples = [], 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        try:
            if kind is None:
                self._flush()
        finally:
            self._file.close()
        if kind is None:
            self.table = make_table(self._clips, self._lengths, self._digests)
            write_audio_table(self.folder, self.table)


def write_audio(folder: Path, clips: Iterable[tuple[Clip, NDArray[np.int16]]], rate_hz: int) -> AudioSet:
    """A new AudioSet from clips and their int16 samples (samples,); classes are the labels in order of appearance."""
    classes: dict[str, None] = {}
    with AudioWriter(folder) as writer:
        for clip, samples in clips:
            writer.add(clip, samples)
            if clip.subset != BACKGROUND:
                classes[clip.label] = None
    table = writer.table if writer.table is not None else make_table([], [], [])
    minutes = float(table.samples.sum()) / rate_hz / 60
    counts = {"clips": len(table.clips()), **table.subset_counts()}
    return AudioSet(folder, AudioMeta(rate_hz=rate_hz, classes=tuple(classes), counts=counts, minutes=minutes))


def map_clips(
    audio: AudioSet, ctx: Context, function: Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]], about: str = ""
) -> AudioSet:
    """A new AudioSet with `function` applied to every clip, background tracks included; the table stays.

    Args:
        function: from samples (samples,) float32 in [-1, 1) to samples of any length at the same rate; what lies
            beyond full scale is clipped.
        about: what was done, for the line on the node.

    Raises:
        OssicleError: the function gave NaN, infinity or another shape for a clip; names it.
    """
    import numpy as np

    table, folder = table_of(audio), ctx.folder("audio")
    with AudioWriter(folder) as writer:
        for row, samples in enumerate(waveforms(audio, table)):
            clip = table.row(row)
            writer.add(clip, _to_int16(function(samples.astype(np.float32) / np.float32(32768)), clip.clip_id))
            if row % 256 == 0:
                ctx.progress(row / len(table), f"{row:,} of {len(table):,} clips")
    minutes = 0.0 if writer.table is None else float(writer.table.samples.sum()) / audio.meta.rate_hz / 60
    words = " · ".join(part for part in (audio.meta.about, about) if part)
    return AudioSet(folder, audio.meta.model_copy(update={"about": words, "minutes": minutes, "problems": ()}))


def _to_int16(samples: NDArray[np.floating[Any]], name: str) -> NDArray[np.int16]:
    import numpy as np

    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise OssicleError(
            f"the function gave samples of shape {samples.shape} or NaN for clip {name}",
            "finite samples of shape (samples,)",
            "Correct the node's function",
        )
    result: NDArray[np.int16] = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
    return result


def make_table(clips: Iterable[Clip], lengths: Iterable[int], digests: Iterable[str]) -> ClipTable:
    """Columns from rows; offsets follow from the lengths."""
    import numpy as np

    rows = list(clips)
    samples = np.array(list(lengths), np.int64)
    offset = np.concatenate([[0], np.cumsum(samples)[:-1]]).astype(np.int64) if len(samples) else samples
    text: Mapping[str, NDArray[np.str_]] = {
        name: np.array([getattr(row, name) for row in rows], str) if rows else np.zeros(0, "U1")
        for name in ("clip_id", "label", "speaker", "source", "subset")
    }
    return ClipTable(
        **text,
        fold=np.array([row.fold for row in rows], np.int32),
        offset=offset,
        samples=samples,
        start_s=np.array([row.start_s for row in rows], np.float64),
        sha256=np.array(list(digests), str) if rows else np.zeros(0, "U1"),
    )


def write_audio_table(folder: Path, table: ClipTable) -> None:
    """Write `dataset.h5`: the table and a link to the waveforms beside it."""
    import h5py

    with h5py.File(folder / TABLE_FILE, "w", libver="latest") as file:
        write_table(file, table)
        file["samples"] = h5py.ExternalLink(WAVEFORM_FILE, "/samples")


def write_features(
    folder: Path, table: ClipTable, shape: tuple[int, ...], blocks: Iterable[tuple[slice, NDArray[np.float32]]]
) -> None:
    """Write `features.h5` from row blocks (clips, *shape); only one block is in memory at a time."""
    import h5py

    with h5py.File(folder / FEATURE_FILE, "w", libver="latest") as file:
        _fill(file, len(table), shape, blocks)
        write_table(file, table)


def _fill(file: Any, clips: int, shape: tuple[int, ...], blocks: Iterable[tuple[slice, NDArray[np.float32]]]) -> None:
    clip_bytes = 4
    for size in shape:
        clip_bytes *= size
    chunk = (max(1, min(clips or 1, CHUNK_BYTES // clip_bytes)), *shape)
    data = file.create_dataset("features", (clips, *shape), "float32", chunks=chunk if clips else None)
    for rows, block in blocks:
        data[rows] = block


def write_frames(
    folder: Path, clips: int, shape: tuple[int, ...], blocks: Iterable[tuple[slice, NDArray[np.float32]]]
) -> None:
    """Write `frames.h5`, features without a table, from row blocks (clips, *shape)."""
    import h5py

    with h5py.File(folder / FRAME_FILE, "w", libver="latest") as file:
        _fill(file, clips, shape, blocks)


def write_feature_table(folder: Path, table: ClipTable) -> None:
    """Write `features.h5` whose features lie in `frames.h5` beside it: only the table is its own."""
    import h5py

    with h5py.File(folder / FEATURE_FILE, "w", libver="latest") as file:
        write_table(file, table)
        file["features"] = h5py.ExternalLink(FRAME_FILE, "/features")


def read_features(features: FeatureSet, rows: NDArray[Any] | None = None) -> NDArray[np.float32]:
    """Features (clips, *shape) of all clips, or of the rows of a boolean mask or index array."""
    with open_h5(features.file(FEATURE_FILE)) as file:
        data: NDArray[np.float32] = file["features"][()]
    return data if rows is None else data[rows]
