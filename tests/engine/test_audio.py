"""Clip tables, waveforms and features on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine import AudioMeta, AudioSet, FeatureMeta, FeatureSet, OssicleError
from engine.audio import (
    AudioWriter,
    Clip,
    batches,
    read_features,
    read_table,
    table_of,
    waveforms,
    write_audio_table,
    write_features,
)


def write(folder: Path, lengths: list[int]) -> AudioSet:
    folder.mkdir()
    with AudioWriter(folder) as writer:
        for i, length in enumerate(lengths):
            writer.add(Clip(f"ä {i}", f"klass {i % 2}", f"s{i}", subset="training"), np.full(length, i, np.int16))
    return AudioSet(folder, AudioMeta(rate_hz=16000, classes=("klass 0", "klass 1")))


def test_round_trip_of_ragged_clips(tmp_path: Path) -> None:
    audio = write(tmp_path / "a", [5, 0, 300_000, 7])
    table = table_of(audio)
    assert table.clip_id.tolist() == ["ä 0", "ä 1", "ä 2", "ä 3"]
    assert table.samples.tolist() == [5, 0, 300_000, 7] and table.offset.tolist() == [0, 5, 5, 300_005]
    for i, wave in enumerate(waveforms(audio)):
        assert wave.dtype == np.int16 and (wave == i).all() and len(wave) == table.samples[i]
    assert len(set(table.sha256.tolist())) == 4


def test_equal_clips_give_equal_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", [10, 20]), write(tmp_path / "b", [10, 20])
    for name in ("dataset.h5", "waveforms.h5"):
        assert first.file(name).read_bytes() == second.file(name).read_bytes()


def test_one_file_shows_table_and_samples(tmp_path: Path) -> None:
    import h5py

    audio = write(tmp_path / "a", [3, 4])
    with h5py.File(audio.file("dataset.h5")) as file:
        assert file["samples"].shape == (7,) and "label" in file["clips"]


def test_batches_pad_and_cut(tmp_path: Path) -> None:
    audio = write(tmp_path / "a", [2, 6, 4])
    got = list(batches(audio, table_of(audio), 4, batch_clips=2))
    assert [rows for rows, _ in got] == [slice(0, 2), slice(2, 3)]
    assert got[0][1].shape == (2, 4) and got[0][1].dtype == np.float32
    np.testing.assert_array_equal(got[0][1][1] * 32768, [1, 1, 1, 1])
    np.testing.assert_array_equal(got[0][1][0], [0, 0, 0, 0])


def test_a_new_table_shares_the_waveforms(tmp_path: Path) -> None:
    audio = write(tmp_path / "a", [2, 6, 4])
    table = table_of(audio).take(np.array([2, 0]))
    part = tmp_path / "b"
    part.mkdir()
    (part / "waveforms.h5").hardlink_to(audio.file("waveforms.h5"))
    write_audio_table(part, table.with_columns(subset=np.array(["testing", "background"])))
    again = AudioSet(part, audio.meta)
    assert [wave.tolist() for wave in waveforms(again)] == [[2, 2, 2, 2], [0, 0]]
    assert table_of(again).subset_counts() == {"testing": 1, "background": 1}
    assert table_of(again).clips().clip_id.tolist() == ["ä 2"]


def test_features_round_trip(tmp_path: Path) -> None:
    audio = write(tmp_path / "a", [1, 2, 3])
    folder = tmp_path / "f"
    folder.mkdir()
    data = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    write_features(folder, table_of(audio), (4, 5), ((slice(i, i + 1), data[i : i + 1]) for i in range(3)))
    meta = FeatureMeta(front_end={}, layout="coefficients,frames", shape=(4, 5), classes=("a",))
    features = FeatureSet(folder, meta)
    np.testing.assert_array_equal(read_features(features), data)
    np.testing.assert_array_equal(read_features(features, np.array([False, True, False])), data[1:2])
    assert table_of(features).clip_id.tolist() == table_of(audio).clip_id.tolist()


def test_empty_sets_are_fine(tmp_path: Path) -> None:
    audio = write(tmp_path / "a", [])
    assert len(table_of(audio)) == 0 and list(waveforms(audio)) == []
    folder = tmp_path / "f"
    folder.mkdir()
    write_features(folder, table_of(audio), (4, 5), [])
    assert len(read_table(folder / "features.h5")) == 0


def test_a_failed_writer_leaves_no_table(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), AudioWriter(tmp_path) as writer:
        writer.add(Clip("a", "b"), np.zeros(3, np.int16))
        raise RuntimeError
    assert not (tmp_path / "dataset.h5").exists()


@pytest.mark.parametrize("content", [b"", b"not hdf5 at all"])
def test_damaged_files_give_a_clear_error(content: bytes, tmp_path: Path) -> None:
    audio = write(tmp_path / "a", [3])
    audio.file("dataset.h5").write_bytes(content)
    with pytest.raises(OssicleError, match="dataset.h5 cannot be opened"):
        table_of(audio)


def test_missing_files_give_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="has no file waveforms.h5"):
        AudioSet(tmp_path, AudioMeta(rate_hz=1, classes=())).file("waveforms.h5")
