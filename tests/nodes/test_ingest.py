"""The ingest node: real recordings in every layout, archives, addresses, and all kinds of bad input."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import json
import struct
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from engine import AudioSet, Cancelled, Context, Event, OssicleError
from engine.audio import table_of, waveforms
from engine.key import recipe_of
from nodes.ingest import IngestParams, ingest

DIGITS = r"(?P<label>\d)_(?P<speaker>[a-z]+)_(?P<take>\d+)"
TEN = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")


def run(folder: Path, *, events: list[Event] | None = None, threads: int = 2, **params: Any) -> AudioSet:
    sink = (lambda _event: None) if events is None else events.append
    place = folder / f"run {len(list(folder.glob('run *')))}"
    return ingest(IngestParams(**params), Context.for_test(place, threads=threads, sink=sink))


def tone(level: int, samples: int = 800) -> np.ndarray:
    return (level * np.sin(np.arange(samples) / 3)).astype(np.int16)


def clip_folder(folder: Path, clips: int = 4, classes: tuple[str, ...] = ("a", "b")) -> Path:
    """Different clips, `clips` per class."""
    for c, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for n in range(clips):
            soundfile.write(folder / name / f"{n}.wav", tone(1000 + 100 * n + 10 * c), 16_000)
    return folder


@pytest.fixture(scope="module")
def speech(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> AudioSet:
    return run(tmp_path_factory.mktemp("speech"), source=str(recordings / "speech_commands_subset.tar.gz"))


def test_speech_commands(speech: AudioSet) -> None:
    """Twelve classes; list files win; unknown and silence are 10 % of the keywords of each subset, rounded up."""
    table = table_of(speech)
    assert speech.meta.classes == (*TEN, "unknown", "silence") and not speech.meta.problems
    counts = Counter(zip(table.subset.tolist(), table.label.tolist(), strict=True))
    keywords = {"training": 2422, "validation": 265, "testing": 306}
    for subset, count in keywords.items():
        assert sum(counts[subset, word] for word in TEN) == count
        assert counts[subset, "silence"] == -(-count // 10)
        assert counts[subset, "unknown"] == min(
            -(-count // 10), {"training": 409, "validation": 45, "testing": 32}[subset]
        )
    assert counts["training", "yes"] == 262 and counts["validation", "go"] == 33 and counts["testing", "no"] == 37
    assert counts["background", "background"] == 6
    speakers = [set(table.speaker[table.subset == name].tolist()) - {""} for name in keywords]
    assert not (speakers[0] & speakers[1] or speakers[0] & speakers[2] or speakers[1] & speakers[2])


def test_speech_commands_waveforms(speech: AudioSet, recordings: Path) -> None:
    table = table_of(speech)
    rows = {name: row for row, name in enumerate(table.clip_id.tolist())}
    with tarfile.open(recordings / "speech_commands_subset.tar.gz") as archive:
        for member in archive:
            name = member.name.split("/", 1)[-1]
            if name in rows and rows[name] % 300 == 0:
                stored = archive.extractfile(member)
                assert stored is not None
                want, _ = soundfile.read(io.BytesIO(stored.read()), dtype="int16")
                row = table.take(np.array([rows[name]]))
                assert next(waveforms(speech, row)).tolist() == want.tolist()
                assert row.sha256[0] == hashlib.sha256(want.tobytes()).hexdigest()
    silent = table.take(table.label == "silence")
    assert all(not wave.any() and len(wave) == 16_000 for wave in waveforms(speech, silent))


def test_statistics_stand_beside_the_clips(speech: AudioSet) -> None:
    facts = speech.json("statistics.json")
    assert (
        facts["all"]["clips"]
        == speech.meta.counts["clips"]
        == sum(facts[name]["clips"] for name in ("training", "validation", "testing"))
    )
    assert facts["all"]["clips"] * facts["all"]["mean_s"] / 60 == pytest.approx(facts["all"]["minutes"], abs=0.02)
    assert speech.meta.counts["duplicates"] == 43 and "12 classes" in speech.meta.about


def test_spoken_digits(recordings: Path, tmp_path: Path) -> None:
    audio = run(tmp_path, source=str(recordings / "fsdd"), name_pattern=DIGITS, limit_per_class=30)
    table = table_of(audio)
    assert audio.meta.classes == tuple("0123456789") and len(table) == 300
    assert set(table.speaker.tolist()) == {"george", "jackson", "lucas", "nicolas", "theo", "yweweler"}
    name = table.clip_id[0].item()
    frames = soundfile.info(recordings / "fsdd" / "recordings" / Path(name).name).frames
    assert table.samples[0] == 2 * frames  # 8 kHz to 16 kHz


def test_esc10(recordings: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    audio = run(tmp_path, events=events, source=str(recordings / "esc10.tar.gz"), limit_per_class=2, rate_hz=8000)
    table = table_of(audio)
    assert len(audio.meta.classes) == 10 and len(table) == 20 and "dog" in audio.meta.classes
    assert set(table.fold.tolist()) <= {1, 2, 3, 4} and all(table.source.tolist())
    assert ((table.samples > 3.5 * 8000) & (table.samples < 7.5 * 8000)).all()
    logs = [event.values["text"] for event in events if event.kind == "log"]
    assert "layout: esc50 (found by looking)" in logs
    fractions = [event.values["fraction"] for event in events if event.kind == "progress"]
    assert fractions == sorted(fractions) and len(fractions) > 5


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    source = clip_folder(tmp_path / "clips", 50)
    runs = [run(tmp_path, source=str(source), threads=threads) for threads in (1, 4)]
    for name in ("dataset.h5", "waveforms.h5", "statistics.json"):
        assert runs[0].file(name).read_bytes() == runs[1].file(name).read_bytes()
    assert runs[0].meta == runs[1].meta


@pytest.mark.parametrize("kind", ["folder", "tar.gz", "zip"])
def test_folder_and_archives_give_the_same(kind: str, tmp_path: Path) -> None:
    folder = clip_folder(tmp_path / "in" / "set")
    source = {"folder": folder, "tar.gz": tmp_path / "x.tar.gz", "zip": tmp_path / "x.zip"}[kind]
    if kind == "tar.gz":
        with tarfile.open(source, "w:gz") as archive:
            archive.add(folder, "set")
    elif kind == "zip":
        with zipfile.ZipFile(source, "w") as zipped:
            for path in sorted(folder.rglob("*.wav")):
                zipped.write(path, path.relative_to(folder.parent))
    table = table_of(run(tmp_path, source=str(source)))
    assert table.clip_id.tolist() == [f"{label}/{n}.wav" for label in "ab" for n in range(4)]
    assert not (tmp_path / "run 0" / "scratch" / "unpacked").exists()


def test_relative_sources_start_at_the_workflow(tmp_path: Path) -> None:
    clip_folder(tmp_path / "clips")
    ctx = Context(tmp_path / "work", tmp_path / "scratch", base=tmp_path)
    assert len(table_of(ingest(IngestParams(source="clips"), ctx))) == 8


def test_a_table_as_source(tmp_path: Path) -> None:
    clip_folder(tmp_path / "clips")
    table = tmp_path / "clips" / "mine.csv"
    table.write_text("file;label;speaker\na/0.wav;0;me\nb/0.wav;1;you\n", encoding="utf-8")
    (tmp_path / "map.json").write_text('{"0": "null", "1": "eins"}')
    audio = run(tmp_path, source=str(table), class_map=str(tmp_path / "map.json"))
    assert table_of(audio).label.tolist() == ["null", "eins"] and audio.meta.classes == ("eins", "null")


def bad_files(folder: Path) -> dict[str, str]:
    """Put one of each kind of bad file into class `a`; what must be said of each."""
    good = (folder / "a" / "0.wav").read_bytes()
    soundfile.write(folder / "x.flac", np.random.default_rng(0).normal(0, 0.1, 40_000), 16_000)
    flac = (folder / "x.flac").read_bytes()
    (folder / "x.flac").unlink()
    contents = {
        "empty.wav": (b"", "empty"),
        "kurz gesägt.wav": (good[:200], "truncated"),
        "text.wav": (b"no audio at all", "cannot be read"),
        "two gb.wav": (
            good[:4] + struct.pack("<I", 2**31 - 1) + good[8:40] + struct.pack("<I", 2**31 - 99) + good[44:],
            "truncated",
        ),
        "midway.flac": (flac[:20_000] + bytes(500) + flac[20_500:], "cannot be read"),
        "song.m4a": (b"\0\0\0\x20ftypM4A ", "convert it"),
    }
    for name, (content, _) in contents.items():
        (folder / "a" / name).write_bytes(content)
    soundfile.write(folder / "a" / "nan.wav", np.array([0.1, np.nan, 0.2]), 16_000, subtype="FLOAT")
    soundfile.write(folder / "a" / "long.flac", np.zeros(16_000 * 6, np.int16), 16_000)
    return {**{name: what for name, (_, what) in contents.items()}, "nan.wav": "NaN", "long.flac": "longer than 5 s"}


def test_bad_files_are_reported_and_the_rest_proceeds(tmp_path: Path) -> None:
    source = clip_folder(tmp_path / "clips")
    said = {f"a/{name}": what for name, what in bad_files(source).items()}
    audio = run(tmp_path, source=str(source), max_clip_s=5)
    found = {problem.file: problem.what for problem in audio.meta.problems}
    assert found.keys() == said.keys() and all(what in found[name] for name, what in said.items())
    assert table_of(audio).clip_id.tolist() == [f"{label}/{n}.wav" for label in "ab" for n in range(4)]
    assert audio.meta.counts["problems"] == 8 and "8 files left out" in audio.meta.about
    assert len(audio.json("problems.json")) == 8
    assert str(tmp_path) not in json.dumps(audio.meta.model_dump())


def test_strict_stops_at_the_first(tmp_path: Path) -> None:
    source = clip_folder(tmp_path / "clips")
    (source / "b" / "1.wav").write_bytes(b"")
    with pytest.raises(OssicleError, match="b/1.wav: it is empty"):
        run(tmp_path, source=str(source), strict=True)
    (source / "b" / "x.m4a").write_bytes(b"1")
    with pytest.raises(OssicleError, match="b/x.m4a"):
        run(tmp_path, source=str(source), strict=True)


def test_45_minutes_among_short_clips(tmp_path: Path) -> None:
    source = clip_folder(tmp_path / "clips")
    with soundfile.SoundFile(source / "a" / "long.flac", "w", 8000, 1) as file:
        for _ in range(45):
            file.write(np.zeros(8000 * 60, np.int16))
    audio = run(tmp_path, source=str(source), rate_hz=8000)
    assert not audio.meta.problems and table_of(audio).samples.max() == 45 * 60 * 8000


def test_silent_and_tiny_clips_are_kept(tmp_path: Path) -> None:
    source = clip_folder(tmp_path / "clips")
    soundfile.write(source / "a" / "one.wav", np.ones(1, np.int16), 16_000)
    soundfile.write(source / "a" / "quiet.wav", np.zeros(99, np.int16), 16_000)
    assert {1, 99} <= set(table_of(run(tmp_path, source=str(source))).samples.tolist())


def test_copies_are_counted(tmp_path: Path) -> None:
    source = clip_folder(tmp_path / "clips")
    (source / "b" / "copy.wav").write_bytes((source / "a" / "0.wav").read_bytes())
    assert run(tmp_path, source=str(source)).meta.counts["duplicates"] == 1


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ([], "holds no audio"),
        (["readme.txt"], r"holds no audio \(1 other files\)"),
        (["a/1.wav", "a/2.wav"], r"gives 1 class\(es\) \(a"),
        (["1.wav", "2.wav"], "it lies in no class folder"),
    ],
)
def test_nothing_to_learn_from(files: list[str], what: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "in" / name, tone(900), 16_000, format="WAV")
    (tmp_path / "in").mkdir(exist_ok=True)
    with pytest.raises(OssicleError, match=what) as caught:
        run(tmp_path, source=str(tmp_path / "in"))
    assert caught.value.expected and caught.value.remedy


def test_one_class_if_wanted(tmp_path: Path) -> None:
    source = clip_folder(tmp_path / "clips", classes=("a",))
    assert run(tmp_path, source=str(source), layout="folder", min_classes=1).meta.classes == ("a",)


def test_all_of_a_class_broken_is_an_error(tmp_path: Path) -> None:
    source = clip_folder(tmp_path / "clips", 2)
    for path in (source / "b").iterdir():
        path.write_bytes(b"x")
    with pytest.raises(OssicleError, match=r"1 class\(es\) \(a; 2 files were left out, the first: b/0.wav"):
        run(tmp_path, source=str(source))


@pytest.mark.parametrize("source", ["", "nowhere", "/nowhere/at/all", "no.tar.gz"])
def test_a_source_that_is_not_there(source: str, tmp_path: Path) -> None:
    params = IngestParams(source=source)
    with pytest.raises(OssicleError, match="does not exist") as caught:
        ingest(params, Context.for_test(tmp_path))
    assert "speech_commands_v0.02" in caught.value.expected
    with pytest.raises(OssicleError, match="does not exist"):
        recipe_of(ingest, params, {}, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"name_pattern": "(?P<label>"},
        {"rate_hz": 10},
        {"sha256": "abc"},
        {"max_clip_s": 0},
        {"unknown_percent": -1},
        {"nonsense": 1},
    ],
)
def test_parameters_that_make_no_sense(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        IngestParams(**change)


@pytest.mark.parametrize("content", ["[1]", "nonsense"])
def test_a_class_map_that_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(content)
    with pytest.raises(OssicleError, match="class_map map.json"):
        run(tmp_path, source=str(clip_folder(tmp_path / "clips")), class_map=str(tmp_path / "map.json"))


def test_hostile_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("../../evil.wav", "x")
    with pytest.raises(OssicleError, match="leads out of its folder"):
        run(tmp_path, source=str(tmp_path / "x.zip"))
    with tarfile.open(tmp_path / "y.tar.gz", "w:gz") as tar:
        tar.add(clip_folder(tmp_path / "clips"), "set")
        link = tarfile.TarInfo("set/a/link.wav")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    audio = run(tmp_path, source=str(tmp_path / "y.tar.gz"))
    assert [problem.file for problem in audio.meta.problems] == ["set/a/link.wav"]
    with pytest.raises(OssicleError, match="more than 3 files"):
        run(tmp_path, source=str(tmp_path / "y.tar.gz"), max_files=3)
    with pytest.raises(OssicleError, match="has the sha256"):
        run(tmp_path, source=str(tmp_path / "y.tar.gz"), sha256="0" * 64)


def test_cancel_leaves_nothing_behind(tmp_path: Path) -> None:
    source = clip_folder(tmp_path / "clips", 200)
    told: list[Event] = []
    ctx = Context.for_test(tmp_path / "run", sink=told.append, is_cancelled=lambda: len(told) > 3, threads=2)
    with pytest.raises(Cancelled):
        ingest(IngestParams(source=str(source)), ctx)
    assert not (ctx.work / "audio" / "dataset.h5").exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A server on loopback with set.tar.gz."""
    folder = tmp_path / "site"
    folder.mkdir()
    with tarfile.open(folder / "set.tar.gz", "w:gz") as archive:
        archive.add(clip_folder(tmp_path / "served"), "set")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_address(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSSICLE_HOME", str(tmp_path / "home"))
    assert len(table_of(run(tmp_path, source=f"{site}/set.tar.gz"))) == 8
    assert [path.suffix for path in sorted((tmp_path / "home" / "downloads").iterdir())] == [".gz", ".json"]
    assert len(table_of(run(tmp_path, source=f"{site}/set.tar.gz"))) == 8
    with pytest.raises(OssicleError, match="answered 404"):
        run(tmp_path, source=f"{site}/other.tar.gz")
    with pytest.raises(OssicleError, match="has the sha256"):
        run(tmp_path, source=f"{site}/set.tar.gz", sha256="0" * 64)


def test_a_changed_source_has_another_key(tmp_path: Path) -> None:
    source = clip_folder(tmp_path / "clips")
    params = IngestParams(source="clips")

    def key() -> str:
        return recipe_of(ingest, params, {}, tmp_path).key

    before = key()
    assert before == key()
    soundfile.write(source / "a" / "0.wav", tone(77, 900), 16_000)
    assert key() != before


def test_changed_archives_addresses_and_maps_have_other_keys(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSSICLE_HOME", str(tmp_path / "home"))
    archive = tmp_path / "site" / "set.tar.gz"
    (tmp_path / "map.json").write_text("{}")
    settings = [
        {"source": str(archive)},
        {"source": f"{site}/set.tar.gz"},
        {"source": "served", "class_map": "map.json"},
    ]

    def keys() -> list[str]:
        return [recipe_of(ingest, IngestParams(**one), {}, tmp_path).key for one in settings]

    before = keys()
    assert keys() == before
    archive.write_bytes(archive.read_bytes() + b"more")
    (tmp_path / "map.json").write_text('{"a": "b"}')
    assert all(old != new for old, new in zip(before, keys(), strict=True))


def test_a_digest_needs_no_network() -> None:
    params = IngestParams(source="http://127.0.0.1:9/x.tar.gz", sha256="AB" * 32)
    assert recipe_of(ingest, params, {}, Path()).fingerprint == {"sha256": "ab" * 32}
