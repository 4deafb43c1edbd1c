"""Graphs made from words and dropped files."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from engine.artifact import AudioSet, load
from engine.errors import OssicleError
from engine.registry import Registry
from engine.runner import LocalRunner, Request
from engine.validate import check
from engine.workflow import Workflow, parse, save, to_json, with_values
from studio.model.edit import positions
from studio.model.starter import MOST_WORDS, clean_words, nodes_for, workflow_for


def run(workflow: Workflow, to: str, base: Path) -> AudioSet:
    """Really run a graph up to a node; what it made."""
    record = LocalRunner().run(Request(workflow, base, to=to), lambda _event: None, threading.Event())
    assert record.state == "done", [node.error for node in record.nodes.values()]
    found = load(record.artifacts(to)["audio"])
    assert isinstance(found, AudioSet)
    return found


def is_sound(workflow: Workflow, registry: Registry) -> bool:
    """Whether a graph has no problems, all its boxes have places, and it survives its file."""
    assert check(workflow, registry).problems == ()
    assert positions(workflow).keys() == workflow.nodes.keys()
    return parse(to_json(workflow)) == workflow


def test_words_become_a_spotter(registry: Registry) -> None:
    made = workflow_for(["Marvin", " sheila ", "marvin"])
    assert is_sound(made, registry)
    assert made.variables["data"] == ["marvin", "sheila"] and made.name == "marvin_sheila"
    assert {"speak-1", "train-1", "quantize-1", "deploy-1"} <= made.nodes.keys()


def test_words_are_really_spoken(tmp_path: Path) -> None:
    made = with_values(
        workflow_for(["marvin", "good day"]),
        {"speak-1.clips_per_word": 8, "speak-1.voices": 8, "speak-1.background_s": 0},
    )
    audio = run(made, "partition-1", tmp_path)
    assert set(audio.meta.classes) >= {"marvin", "good day"}
    assert audio.meta.counts["clips"] >= 16


@pytest.mark.parametrize(
    ("words", "what"),
    [([], "no word"), (["  ", ""], "no word"), (["silence"], "silence"), (["!?"], "cannot be spoken"),
     (["x" * 61], "cannot be spoken"), ([f"w{k}" for k in range(MOST_WORDS + 1)], "words were given")],
)  # fmt: skip
def test_words_that_cannot_be(words: list[str], what: str) -> None:
    with pytest.raises(OssicleError) as told:
        clean_words(words)
    assert what in told.value.what and told.value.expected and told.value.remedy


def test_a_folder_of_real_recordings(recordings: Path, registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    for path in sorted((recordings / "fsdd" / "recordings").glob("*_[01].wav")):
        if path.name[0] in "012":
            shutil.copy(path, folder)
    made = workflow_for([folder])
    assert is_sound(made, registry) and made.name == "digits"
    audio = run(made, "partition-1", tmp_path)
    assert sorted(audio.meta.classes) == ["0", "1", "2"]
    assert audio.meta.counts["speakers"] == 6


def test_single_recordings_stand_for_their_folder(recordings: Path, registry: Registry) -> None:
    folder = recordings / "fsdd" / "recordings"
    made = workflow_for(sorted(folder.glob("3_*_1.wav")))
    assert is_sound(made, registry)
    assert made.variables["data"] == str(folder) and "ingest-2" not in made.nodes


@pytest.mark.parametrize("name", ["speech_commands_subset.tar.gz", "esc10.tar.gz"])
def test_an_archive_really_opens(name: str, recordings: Path, registry: Registry, tmp_path: Path) -> None:
    made = workflow_for([recordings / name])
    assert is_sound(made, registry)
    limited = with_values(made, {"ingest-1.limit_per_class": 4})
    audio = run(limited, "partition-1", tmp_path)
    assert len(audio.meta.classes) >= 10


def test_urbansound_gets_its_length(tmp_path: Path, registry: Registry) -> None:
    for name in ("metadata/UrbanSound8K.csv", "audio/fold1/a.wav"):
        (tmp_path / "u" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "u" / name).touch()
    made = workflow_for([tmp_path / "u"])
    assert is_sound(made, registry)
    assert made.nodes["log-mel-1"].params["clip_s"] == 4.0


def test_a_workflow_file_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "mine.workflow.json"
    save(Workflow(name="mine"), file)
    assert workflow_for([file]).name == "mine"
    assert workflow_for([tmp_path, file]).name == "mine"
    file.write_text("{", encoding="utf-8")
    with pytest.raises(OssicleError, match="cannot be read"):
        workflow_for([file])


def classes(folder: Path) -> Path:
    for name in ("dog", "cat"):
        (folder / name).mkdir(parents=True)
        (folder / name / "1.wav").write_bytes(b"RIFF")
    return folder


def test_several_sources(tmp_path: Path, registry: Registry) -> None:
    made = workflow_for([classes(tmp_path / "one"), classes(tmp_path / "two"), tmp_path / "notes.txt"])
    assert is_sound(made, registry)
    assert made.variables["data"] == str(tmp_path / "one")
    assert made.nodes["ingest-2"].params["source"] == str(tmp_path / "two")


def test_nodes_for_the_present_graph(tmp_path: Path, registry: Registry) -> None:
    made = nodes_for([classes(tmp_path / "one"), classes(tmp_path / "two")], (100, 40))
    assert is_sound(made, registry)
    assert list(made.nodes) == ["ingest-1", "ingest-2"] and not made.links
    first, second = positions(made)["ingest-1"], positions(made)["ingest-2"]
    assert first == (100, 40) and second[0] == 100 and second[1] > 140
    spoken = nodes_for(["Marvin"], (5, 5))
    assert is_sound(spoken, registry)
    assert spoken.nodes["speak-1"].params == {"words": ["marvin"]}


def test_what_is_unknown_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    for given in ([tmp_path / "notes.txt"], [tmp_path / "gone"]):
        with pytest.raises(OssicleError) as told:
            workflow_for(given)
        assert told.value.what and told.value.expected and told.value.remedy
