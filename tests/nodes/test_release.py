"""Node `ossicle.release`: signed, staged, with golden clips that devices try."""

import json
from pathlib import Path

import numpy as np
import pytest
from release_home import FRONT_END, deployment

from engine import AudioMeta, AudioSet, Context, Deployment, DeploymentMeta, OssicleError, Receipt
from engine.audio import AudioWriter, Clip
from nodes.hub.release.bundle import unpack
from nodes.hub.release.health import check_health
from nodes.hub.release.repository import Repository
from nodes.release import ReleaseParams, release


@pytest.fixture
def made(tmp_path: Path) -> Deployment:
    return Deployment(deployment(tmp_path / "d"), DeploymentMeta(target="onnxruntime", classes=("yes", "no")))


@pytest.fixture
def params(tmp_path: Path) -> ReleaseParams:
    Repository(tmp_path / "repository").create(tmp_path / "keys")
    return ReleaseParams(repository=str(tmp_path / "repository"), keys=str(tmp_path / "keys"), golden_clips=2)


def audio(folder: Path, rate_hz: int) -> AudioSet:
    folder.mkdir()
    random = np.random.default_rng(0)
    with AudioWriter(folder) as writer:
        for number in range(5):
            subset = "testing" if number > 1 else "training"
            writer.add(Clip(f"c{number}", "yes", subset=subset), random.integers(-9000, 9000, 3000).astype(np.int16))
    return AudioSet(folder, AudioMeta(rate_hz=rate_hz, classes=("yes", "no")))


@pytest.mark.parametrize("has_audio", [False, True])
def test_what_is_released_is_signed_and_healthy(
    has_audio: bool, made: Deployment, params: ReleaseParams, tmp_path: Path
) -> None:
    heard = audio(tmp_path / "audio", int(FRONT_END["rate_hz"])) if has_audio else None
    found = release(made, heard, params, Context.for_test(tmp_path))
    assert isinstance(found, Receipt)
    told = found.json("receipt.json")
    channel = Repository(Path(params.repository)).channels()["stable"]
    assert (channel.model, channel.share) == (told["model"], 10)
    bundle = next(Path(params.repository, "targets", "models").glob("*.zip"))
    unpack(bundle, tmp_path / "slot")
    check_health(tmp_path / "slot")
    clips = json.loads((tmp_path / "slot" / "golden.json").read_text())["clips"]
    assert told["golden_clips"] == (2 if has_audio else 0)
    assert len(clips) == (2 if has_audio else 4)


def test_audio_of_another_rate_is_told(made: Deployment, params: ReleaseParams, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="44100 Hz"):
        release(made, audio(tmp_path / "audio", 44_100), params, Context.for_test(tmp_path))


def test_without_keys_nothing_is_released(made: Deployment, params: ReleaseParams, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="keys of targets"):
        release(made, None, params.model_copy(update={"keys": str(tmp_path / "none")}), Context.for_test(tmp_path))
    assert Repository(Path(params.repository)).channels() == {}
