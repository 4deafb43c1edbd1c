"""A device, as a user meets it: real recordings, both kinds of deployment, a hub behind TLS, a bare Python."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt
import pytest
import soundfile
from hub_home import KINDS, Home, home, ticket, until
from numpy.typing import NDArray

from engine import Context, Deployment, Model
from nodes.deploy import DeployParams, deploy
from nodes.hub.broker import Kind
from nodes.hub.device.ear import ClipEar, StreamEar, level_db, open_ear
from nodes.hub.device.runtime import Manner, Runtime
from nodes.hub.device.source import Files, cut
from nodes.hub.errors import HubError
from nodes.hub.outbox import Said
from nodes.optimise import OptimiseParams, optimise

Json = dict[str, Any]
RATE_HZ = 8000
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPOKEN = ("seven", "three", "six", "one")


@pytest.fixture(scope="module")
def plain(digit_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment that onnxruntime computes."""
    folder = tmp_path_factory.mktemp("deploy")
    made = deploy(digit_model, None, None, None, DeployParams(runs=2, warmups=1), Context.for_test(folder))
    assert isinstance(made, Deployment)
    return made.path


@pytest.fixture(scope="module")
def compiled(digit_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment of generated code."""
    folder = tmp_path_factory.mktemp("optimise")
    params = OptimiseParams(budget_s=0.1, search="estimate", engines=False, verify_clips=2)
    found: Any = optimise(digit_model, None, None, params, Context.for_test(folder))
    return Path(found.deployment.path)


@pytest.fixture(scope="module")
def scene(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits that training has not heard, with pauses between them."""
    parts = [np.zeros(RATE_HZ, np.int16)]
    for word in SPOKEN:
        name = f"{DIGITS.index(word)}_jackson_0.wav"
        parts += [soundfile.read(recordings / "fsdd" / "recordings" / name, dtype="int16")[0]]
        parts += [np.zeros(2 * RATE_HZ, np.int16)]
    path = tmp_path_factory.mktemp("scene") / "scene.wav"
    soundfile.write(path, np.concatenate(parts), RATE_HZ, subtype="PCM_16")
    return path


def run(*words: str | Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine.cli", "device", "run", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **(environment or {})}
    )


def lines(done: subprocess.CompletedProcess[str]) -> tuple[list[Json], Json]:
    """Detections and the summary."""
    assert done.returncode == 0, done.stderr
    *found, last = (json.loads(line) for line in done.stdout.splitlines())
    return found, last["summary"]


QUICK = ("--speed", "0", "--json", "--threshold", "0.8", "--hop", "0.1", "--gate", "-45")


@pytest.fixture(params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    with home(request.param, tmp_path) as found:
        yield found


def test_a_word_of_a_recording_reaches_the_hub_through_tls(house: Home, compiled: Path, scene: Path) -> None:
    house.receiver()
    found, summary = lines(run(compiled, "--source", scene, "--hub", ticket(house, "kitchen"), *QUICK))
    stored = [row for row in house.store.history("kitchen") if row.kind == "result"]
    assert [row.body["label"] for row in stored] == [row["label"] for row in found]
    assert {row["label"] for row in found} & set(SPOKEN)
    assert summary["waiting"] == 0
    assert summary["acknowledged"] == len(found) + 1
    assert [row.kind for row in house.store.history("kitchen")][-1] == "telemetry"
    raw = json.loads((compiled / "deployment.json").read_text())
    assert stored[0].body["model"] in {entry["sha256"] for entry in raw["files"].values()}


def test_without_a_hub_nothing_is_lost(tmp_path: Path, compiled: Path, scene: Path) -> None:
    with home("mosquitto", tmp_path) as house:
        path = ticket(house, "kitchen")
        house.broker.kill()
        found, summary = lines(run(compiled, "--source", scene, "--hub", path, "--drain", "1", *QUICK))
        assert summary["waiting"] == len(found) + 1 > 1
        assert "refused the connection" in summary["hub"]
        house.restart_broker()
        house.receiver()
        silent = scene.parent / "silent.wav"
        soundfile.write(silent, np.zeros(RATE_HZ, np.int16), RATE_HZ)
        lines(run(compiled, "--source", silent, "--hub", path, *QUICK))
        assert until(lambda: house.store.counts().get("kitchen", 0) == len(found) + 2)


def test_both_kinds_of_deployment_hear_the_same(plain: Path, compiled: Path, scene: Path) -> None:
    (one, first), (two, second) = (lines(run(folder, "--source", scene, *QUICK)) for folder in (plain, compiled))
    assert [row["label"] for row in one] == [row["label"] for row in two] != []
    assert (first["windows"], first["gated"]) == (second["windows"], second["gated"])
    assert first["windows"] > 20 < first["gated"]


def test_a_stream_scores_as_whole_clips_do(plain: Path, compiled: Path, scene: Path) -> None:
    ears = open_ear(plain), open_ear(compiled)
    assert isinstance(ears[0], ClipEar)
    assert isinstance(ears[1], StreamEar)
    samples = soundfile.read(scene, dtype="float32")[0]
    hop, compared = ears[1].stream.hop_samples * 5, 0
    for first in range(0, len(samples) - hop, hop):
        one, two = (ear.push(samples[first : first + hop], is_wanted=True) for ear in ears)
        assert (one is None) == (two is None)
        if one is not None and two is not None:
            assert np.abs(one - two).max() < 1e-3
            compared += 1
    assert compared > 50


# ---- a bare device


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A Python that knows numpy and paho-mqtt alone."""
    folder = tmp_path_factory.mktemp("bare")
    for package in (Path(np.__file__).parent, Path(list(paho.mqtt.__path__)[0]).parent):
        (folder / package.name).symlink_to(package)
    for library in Path(np.__file__).parent.parent.glob("numpy.libs"):
        (folder / library.name).symlink_to(library)
    return {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_packed_device_needs_numpy_and_an_mqtt_client_alone(
    kind: Kind, compiled: Path, scene: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    packed = tmp_path / "packed"
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", "device", "pack", str(compiled), "-o", str(packed)], check=False
    )
    assert done.returncode == 0
    probe = subprocess.run([sys.executable, "-S", "-c", "import scipy"], env=bare, capture_output=True, check=False)
    assert probe.returncode != 0, "the Python is not bare"
    with home(kind, tmp_path / "home") as house:
        house.receiver()
        words = ["run", str(packed), "--source", str(scene), "--hub", str(ticket(house, "hall")), *QUICK]
        command = [sys.executable, "-S", str(packed / "device.pyz"), *words]
        found, summary = lines(subprocess.run(command, env=bare, capture_output=True, text=True, check=False))
        assert summary["waiting"] == 0
        assert house.store.counts()["hall"] == len(found) + 1
    whole, _ = lines(run(compiled, "--source", scene, *QUICK))
    assert [row["label"] for row in found] == [row["label"] for row in whole]


def test_the_same_deployment_packs_to_the_same_bytes(compiled: Path, tmp_path: Path) -> None:
    from nodes.hub.device.pack import pack

    for name in ("one", "two"):
        pack(compiled, tmp_path / name)
    assert (tmp_path / "one" / "device.pyz").read_bytes() == (tmp_path / "two" / "device.pyz").read_bytes()
    with pytest.raises(HubError, match="exists already"):
        pack(compiled, tmp_path / "one")


def test_a_deployment_without_code_is_not_packed(plain: Path, tmp_path: Path) -> None:
    from nodes.hub.device.pack import pack

    with pytest.raises(HubError, match="no compiled deployment"):
        pack(plain, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


# ---- sources


def test_a_microphone_is_a_program_of_the_system(compiled: Path, scene: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(soundfile.read(scene, dtype="int16")[0].tobytes())
    program = tmp_path / "arecord"
    program.write_text(f"#!/bin/sh\ncat {raw}\necho 'arecord: the plug was pulled' >&2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = run(compiled, "--source", "mic", *QUICK, environment=environment)
    assert done.returncode == 1
    assert "the plug was pulled" in done.stderr
    *found, _ = (json.loads(line) for line in done.stdout.splitlines())
    assert {row["label"] for row in found} & set(SPOKEN)


def test_a_file_that_cannot_be_read_does_not_stop_the_others(compiled: Path, scene: Path, tmp_path: Path) -> None:
    (tmp_path / "a_broken.wav").write_bytes(b"RIFF")
    (tmp_path / "b_scene.wav").write_bytes(scene.read_bytes())
    done = run(compiled, "--source", tmp_path, *QUICK)
    found, _ = lines(done)
    assert found
    assert "a_broken.wav" in done.stderr


def test_blocks_are_of_one_size() -> None:
    found = list(cut(np.arange(1, 10, dtype=np.int16), 4))
    assert [block.tolist() for block in found] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 0, 0, 0]]


def test_real_time_is_kept(scene: Path) -> None:
    slept: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nodes.hub.device.source.time.sleep", slept.append)
        blocks = list(Files((scene,), RATE_HZ, 1.0).blocks(RATE_HZ))
    assert slept[-1] == pytest.approx(len(blocks), abs=1.0)


# ---- the loop


class Script:
    """An ear that gives what it is told."""

    def __init__(self, ear: StreamEar, scores: list[list[float]]) -> None:
        self.facts, self.scores = ear.facts, scores

    def push(self, _samples: NDArray[np.float32], *, is_wanted: bool) -> NDArray[np.float32] | None:
        return np.array(self.scores.pop(0), np.float32) if is_wanted else None


class Blocks:
    """Blocks of one level."""

    def __init__(self, count: int, level: int = 8000) -> None:
        self.count, self.level = count, level

    def blocks(self, samples: int) -> Iterator[NDArray[np.int16]]:
        return iter([np.full(samples, self.level, np.int16)] * self.count)


def scripted(compiled: Path, scores: list[float], tell: Any, **manner: Any) -> Runtime:
    ear = open_ear(compiled)
    assert isinstance(ear, StreamEar)
    rows = [[score if place == 3 else (1 - score) / 9 for place in range(10)] for score in scores]
    return Runtime(Script(ear, rows), Manner(smoothing=1, telemetry_s=0.0, **manner), tell)


def test_an_order_changes_the_threshold_and_a_foolish_one_is_answered(compiled: Path) -> None:
    told: list[Said] = []
    runtime = scripted(compiled, [0.6, 0.1, 0.6], told.extend, threshold=0.5, refractory_s=0.0)
    for order in (
        b'{"order":"threshold","value":0.9}',
        b'{"order":"fly"}',
        b"\xff",
        b'{"order":"threshold","value":7}',
    ):
        runtime.order(order)
    assert list(runtime.run(Blocks(3))) == []
    assert [said.kind for said in told] == ["refusal"] * 3


def test_a_full_outbox_does_not_stop_listening(compiled: Path) -> None:
    def full(_said: list[Said]) -> None:
        raise HubError("the outbox is full", "room", "wait")

    runtime = scripted(compiled, [0.9, 0.1, 0.9], full, refractory_s=0.0)
    assert len(list(runtime.run(Blocks(3)))) == 2
    assert (runtime.tally.detections, runtime.tally.refused) == (2, 2)


def test_soft_clips_are_not_computed(compiled: Path) -> None:
    runtime = scripted(compiled, [], lambda _said: None, gate_db=-40.0)
    assert list(runtime.run(Blocks(5, level=10))) == []
    assert (runtime.tally.windows, runtime.tally.gated) == (0, 5)
    assert level_db(np.zeros(4, np.float32)) == -120.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("missing",), "no deployment"),
        (("{compiled}", "--source", "missing.wav"), "nothing to hear"),
        (("{compiled}", "--threshold", "2"), "--threshold"),
        (("{compiled}", "--hop", "0"), "--hop"),
        (("{compiled}", "--source", "{scene}", "--hub", "missing"), "no ticket"),
        (("{compiled}", "--source", "mic"), "no program that records"),
        (("{damaged}", "--source", "{scene}"), "not the library that was verified"),
        (("{emptied}", "--source", "{scene}"), "no deployment"),
    ],
)
def test_what_is_wrong_is_told_in_words(
    words: tuple[str, ...], said: str, compiled: Path, scene: Path, tmp_path: Path
) -> None:
    damaged, emptied = tmp_path / "damaged", tmp_path / "emptied"
    for folder in (damaged, emptied):
        folder.mkdir()
        for file in compiled.iterdir():
            if file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
    library = next(damaged.glob("*.so"))
    library.write_bytes(library.read_bytes()[:-100] + b"x" * 100)
    (emptied / "deployment.json").write_text("[]")
    places = {"compiled": compiled, "scene": scene, "damaged": damaged, "emptied": emptied}
    done = run(*(word.format(**places) for word in words), environment={"PATH": "/nowhere"})
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
