"""The chunk node on real sounds: what chunks inherit, what becomes of short recordings, votes per recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from engine import AudioMeta, AudioSet, Context, Event, OssicleError
from engine.audio import AudioWriter, Clip, table_of, waveforms
from nodes.chunk import ChunkParams, chunk
from nodes.ingest import IngestParams, ingest


@pytest.fixture(scope="module")
def sounds(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> AudioSet:
    """Forty sounds of 5 s."""
    params = IngestParams(source=str(recordings / "esc10.tar.gz"), layout="esc50", limit_per_class=4)
    return ingest(params, Context.for_test(tmp_path_factory.mktemp("sounds")))


def run(folder: Path, audio: AudioSet, *, events: list[Event] | None = None, **params: Any) -> AudioSet:
    """The node with some parameters."""
    sink = (lambda _event: None) if events is None else events.append
    return chunk(audio, ChunkParams(**params), Context.for_test(folder / "chunk", sink=sink))


def made(folder: Path, lengths: dict[str, int]) -> AudioSet:
    """Recordings of some lengths at 1,000 Hz; those named background are noise."""
    folder.mkdir()
    with AudioWriter(folder) as writer:
        for number, (name, length) in enumerate(lengths.items()):
            subset = "background" if name.startswith("background") else ""
            writer.add(Clip(name, f"class {number % 2}", "ann", "", subset), np.full(length, 100 + number, np.int16))
    return AudioSet(folder, AudioMeta(rate_hz=1000, classes=("class 0", "class 1")))


def test_chunks_of_real_sounds_inherit_what_is_known(sounds: AudioSet, tmp_path: Path) -> None:
    cut = run(tmp_path, sounds, chunk_s=2.0, hop_s=1.0)
    before, after = table_of(sounds), table_of(cut)
    counts = (before.samples - 32_000) // 16_000 + 1
    assert counts[0] == 4 and len(after) == counts.sum() and set(after.samples.tolist()) == {32_000}
    assert len(set(after.clip_id.tolist())) == len(after)
    for column in ("label", "speaker", "source", "subset", "fold"):
        assert getattr(after, column).tolist() == np.repeat(getattr(before, column), counts).tolist()
    assert after.start_s[:4].tolist() == [before.start_s[0] + step for step in range(4)]
    whole, parts = next(waveforms(sounds)), list(waveforms(cut))[:4]
    assert all(part.tolist() == whole[first * 16_000 :][:32_000].tolist() for first, part in enumerate(parts))
    assert cut.meta.classes == sounds.meta.classes and cut.meta.counts["clips"] == len(after)


def test_the_hop_is_half_a_chunk_unless_told(tmp_path: Path) -> None:
    cut = run(tmp_path, made(tmp_path / "audio", {"a": 1000, "b": 700}), chunk_s=0.4)
    assert table_of(cut).clip_id.tolist() == [
        "a@0.000s", "a@0.200s", "a@0.400s", "a@0.600s", "b@0.000s", "b@0.200s",
    ]  # fmt: skip
    assert table_of(cut).source.tolist() == ["a"] * 4 + ["b"] * 2


def test_short_recordings_are_padded_or_left_out_and_told(tmp_path: Path) -> None:
    audio = made(tmp_path / "audio", {"a": 1000, "b": 100})
    padded = run(tmp_path / "1", audio, chunk_s=1.0)
    assert list(waveforms(padded))[1].tolist() == [101] * 100 + [0] * 900
    events: list[Event] = []
    dropped = run(tmp_path / "2", audio, chunk_s=1.0, short="drop", events=events)
    assert table_of(dropped).clip_id.tolist() == ["a@0.000s"] and dropped.meta.classes == ("class 0",)
    assert any("left out, shorter than a chunk: 1" in str(event.values.get("text")) for event in events)


def test_background_stays_whole(tmp_path: Path) -> None:
    cut = run(tmp_path, made(tmp_path / "audio", {"a": 1000, "background 1": 777}), chunk_s=0.5, level="peak")
    table = table_of(cut)
    assert table.samples.tolist() == [500, 500, 500, 777] and table.clip_id[3] == "background 1"
    assert [int(wave.max()) for wave in waveforms(cut)] == [23_197] * 3 + [101]


@pytest.mark.parametrize("wrong", [{"hop_s": 1e-6}, {"chunk_s": 0.0}, {"hop_s": -1.0}, {"peak_dbfs": 1.0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ChunkParams(**wrong)  # type: ignore[arg-type]


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    audio = made(tmp_path / "audio", {"a": 1000, "background 1": 5000})
    with pytest.raises(OssicleError, match="no recording is as long as a chunk of 3 s"):
        run(tmp_path, audio, short="drop")
