"""ossicle.train on spoken digits: what it learns, writes, tells, refuses, and that it repeats itself byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from node_runs import Told, content
from numpy.typing import NDArray

from engine import AudioMeta, AudioSet, Cancelled, Context, FeatureSet, Model, OssicleError
from engine.audio import AudioWriter, Clip, ClipTable, read_features, table_of, write_features
from engine.params import schema
from nodes.features import LogMelParams, MfccParams, log_mel, mfcc
from nodes.learn import checkpoint
from nodes.learn.recipe import RECIPES
from nodes.train import train
from nodes.train_params import TrainParams
from nodes.training.result import CURVES_FILE
from nodes.zoo import models
from nodes.zoo.inference import logits, open_session

RATE_HZ = 8000
FRONT_END = MfccParams(rate_hz=RATE_HZ, n_mels=32, n_mfcc=20, f_max_hz=3900.0, clip_s=0.6, hop_ms=20.0)
QUICK = TrainParams(epochs=6, batch=32, seed=1)
SUBSETS = ("training", "training", "training", "validation", "testing")
WORDS = ("one", "two", "three", "four")


def make_audio(recordings: Path, folder: Path, with_noise: bool = True) -> AudioSet:
    """Digits 1 to 4 of six speakers, ten takes each, and a stretch of noise."""
    folder.mkdir()
    with AudioWriter(folder) as writer:
        for number, word in enumerate(WORDS, 1):
            for path in sorted((recordings / "fsdd" / "recordings").glob(f"{number}_*_[0-9].wav")):
                _, speaker, take = path.stem.split("_")
                clip = Clip(path.stem, word, speaker, path.stem, SUBSETS[int(take) % 5])
                writer.add(clip, soundfile.read(path, dtype="int16")[0])
        if with_noise:
            noise = np.random.default_rng(0).standard_normal(2 * RATE_HZ) * 2000
            writer.add(Clip("noise", "background", subset="background"), noise.astype(np.int16))
    return AudioSet(folder, AudioMeta(rate_hz=RATE_HZ, classes=WORDS))


@pytest.fixture(scope="module")
def audio(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> AudioSet:
    return make_audio(recordings, tmp_path_factory.mktemp("digits") / "audio")


@pytest.fixture(scope="module")
def features(audio: AudioSet, tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    return mfcc(audio, FRONT_END, Context.for_test(tmp_path_factory.mktemp("mfcc")))  # type: ignore[no-any-return]


def run(
    folder: Path, features: FeatureSet, audio: AudioSet | None, params: TrainParams = QUICK, **changes: object
) -> Model:
    folder.mkdir(exist_ok=True)
    return train(features, audio, params=params, ctx=Context.for_test(folder, **changes))  # type: ignore[no-any-return]


def changed(features: FeatureSet, folder: Path, change: ClipTable) -> FeatureSet:
    """The same features under another table."""
    folder.mkdir()
    write_features(folder, change, features.meta.shape, [(slice(0, len(change)), read_features(features))])
    return FeatureSet(folder, features.meta)


def relabelled(features: FeatureSet, folder: Path, **columns: NDArray[Any]) -> FeatureSet:
    return changed(features, folder, table_of(features).with_columns(**columns))


# ---- what it makes


def test_it_learns_words_and_writes_a_whole_model(features: FeatureSet, audio: AudioSet, tmp_path: Path) -> None:
    model = run(tmp_path, features, audio, QUICK.model_copy(update={"epochs": 40, "batch": 16}))
    assert {*Model.files, "weights.safetensors", CURVES_FILE} == set(content(model))
    rows = table_of(features).subset == "testing"
    truth = [WORDS.index(label) for label in table_of(features).label[rows].tolist()]
    found = logits(open_session(model.file("model.onnx")), read_features(features, rows)).argmax(1)
    assert (found == truth).mean() > 0.8
    assert model.meta.classes == WORDS and model.meta.input_shape == features.meta.shape
    assert model.meta.front_end == features.meta.front_end
    assert model.meta.metrics["validation_accuracy"] > 0.8
    assert model.meta.size_bytes == model.file("model.onnx").stat().st_size


def test_it_tells_curves_rate_and_time_left(features: FeatureSet, audio: AudioSet, tmp_path: Path) -> None:
    told = Told([])
    model = run(tmp_path, features, audio, sink=told)
    points = list(told.of("metric"))
    assert {"step", "loss", "accuracy", "learning_rate", "validation_loss", "validation_accuracy"} <= points[-1].keys()
    curves = model.json(CURVES_FILE)
    assert [point["step"] for point in points] == [point["step"] for point in curves["points"]]
    assert len(points) == 6 and points[-1]["step"] == curves["steps"] == 6 * (144 // 32)
    assert curves["recipe"]["epochs"] == 6 and curves["clips"] == {"training": 144, "validation": 48}
    progress = list(told.of("progress"))
    assert progress[-1]["fraction"] == 1.0 and "left" in progress[-1]["text"]


@pytest.mark.parametrize("wired", [True, False])
def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(
    features: FeatureSet, audio: AudioSet, tmp_path: Path, wired: bool
) -> None:
    given = audio if wired else None
    one, other = (run(tmp_path / str(threads), features, given, threads=threads) for threads in (1, 3))
    assert content(one) == content(other) and one.meta == other.meta
    assert content(run(tmp_path / "new", features, given, QUICK.model_copy(update={"seed": 2}))) != content(one)


def test_audio_changes_what_is_learnt_and_its_absence_is_told(
    features: FeatureSet, audio: AudioSet, tmp_path: Path
) -> None:
    told = Told([])
    without = run(tmp_path / "without", features, None, sink=told)
    assert any("no audio is wired" in values["text"] for values in told.of("log"))
    assert content(run(tmp_path / "with", features, audio)) != content(without)
    calm = QUICK.model_copy(update={"augmentation": "none"})
    assert content(run(tmp_path / "a", features, audio, calm)) == content(run(tmp_path / "b", features, None, calm))


def test_noise_is_made_where_there_is_none(recordings: Path, features: FeatureSet, tmp_path: Path) -> None:
    told = Told([])
    quiet = make_audio(recordings, tmp_path / "audio", with_noise=False)
    run(tmp_path / "run", features, quiet, QUICK.model_copy(update={"epochs": 1}), sink=told)
    assert any("white and pink noise" in values["text"] for values in told.of("log"))


def test_a_cancelled_training_goes_on_where_it_was(features: FeatureSet, audio: AudioSet, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", features, audio)
    told = Told([])

    def is_cancelled() -> bool:
        return len(list(told.of("metric"))) >= 3

    with pytest.raises(Cancelled):
        run(tmp_path / "cut", features, audio, sink=told, is_cancelled=is_cancelled)
    assert (tmp_path / "cut" / "scratch" / checkpoint.FILE).is_file()
    again = Told([])
    assert content(run(tmp_path / "cut", features, audio, sink=again)) == content(whole)
    assert any("went on from the checkpoint" in values["text"] for values in again.of("log"))
    assert len(list(again.of("metric"))) < 6
    assert not any((tmp_path / "cut" / "scratch").iterdir())


# ---- parameters


def test_blocks_are_an_architecture_as_data(features: FeatureSet, tmp_path: Path) -> None:
    blocks = ("conv_k3_c8", "res_k5_s2_c12", "gap", "fc")
    model = run(tmp_path, features, None, QUICK.model_copy(update={"blocks": blocks, "epochs": 1}))
    assert model.json("architecture.json")["blocks"] == list(blocks)
    assert model.meta.parameters < 10_000


def test_width_scales_the_network(features: FeatureSet, tmp_path: Path) -> None:
    narrow, wide = (
        run(tmp_path / str(width), features, None, QUICK.model_copy(update={"width": width, "epochs": 1}))
        for width in (0.5, 1.5)
    )
    assert wide.meta.parameters > 5 * narrow.meta.parameters


def test_recipes_take_changes() -> None:
    params = TrainParams(
        recipe="s1", epochs=3, learning_rate=0.2, batch=10, dropout=0.1, augmentation="none", patience=4
    )
    recipe = params.made_recipe()
    assert recipe.rates == pytest.approx((0.2, 0.02, 0.002))
    assert (recipe.steps, recipe.epochs, recipe.batch, recipe.dropout, recipe.patience) == (0, 3, 10, 0.1, 4)
    assert recipe.weight_decay == 1e-3 and not recipe.augmentation.changes_waveforms
    assert TrainParams(recipe="s0").made_recipe().steps == 40_000


def test_changes_of_clips_are_parameters() -> None:
    params = TrainParams(
        recipe="s2", pitch_semitones=(-1, 1), cutmix_share=0.5, policy="even", average=0.9, cosine=True
    )
    recipe = params.made_recipe()
    change = recipe.augmentation
    assert (change.pitch_semitones, change.cutmix_share, change.policy, change.time_mask) == ((-1, 1), 0.5, "even", 0.3)
    assert (recipe.average, recipe.cosine, recipe.optimizer, recipe.balance) == (0.9, True, "adadelta", "repeat")
    implied = params.implied()
    assert implied["time_mask"] == 0.3 and implied["optimizer"] == "adadelta" and "augmentation" not in implied


def test_every_parameter_is_explained_and_in_a_section() -> None:
    described = schema(TrainParams)["properties"]
    assert all(entry["description"] for entry in described.values())
    placed = [name for _, names in schema(TrainParams)["sections"] for name in names]
    assert sorted(placed) == sorted(described)
    assert train.isolation == "process" and [port.name for port in train.inputs] == ["features", "audio"]
    assert [port.optional for port in train.inputs] == [False, True]


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "modern"])
def test_paper_recipes_run(features: FeatureSet, audio: AudioSet, tmp_path: Path, recipe: str) -> None:
    model = run(tmp_path, features, audio, TrainParams.model_validate({"recipe": recipe, "steps": 6}))
    assert model.json(CURVES_FILE)["steps"] == 6


# ---- what it refuses


def test_one_class_only(features: FeatureSet, tmp_path: Path) -> None:
    labels = np.full(len(table_of(features)), "one")
    with pytest.raises(OssicleError, match=r"one class \(one\).*at least two classes"):
        run(tmp_path, relabelled(features, tmp_path / "f", label=labels), None)


@pytest.mark.parametrize("subset", ["training", "validation"])
def test_a_subset_without_clips(features: FeatureSet, tmp_path: Path, subset: str) -> None:
    subsets = table_of(features).subset
    poor = relabelled(features, tmp_path / "f", subset=np.where(subsets == subset, "testing", subsets))
    with pytest.raises(OssicleError, match=f"no {subset} clips.*testing.*partition"):
        run(tmp_path, poor, None, QUICK.model_copy(update={"selection": "best"}))
    if subset == "validation":
        model = run(tmp_path, poor, None)
        assert "validation_accuracy" not in model.meta.metrics


def test_features_too_small_for_the_network(audio: AudioSet, tmp_path: Path) -> None:
    tiny = mfcc(audio, FRONT_END.model_copy(update={"clip_s": 0.1}), Context.for_test(tmp_path / "m"))
    with pytest.raises(OssicleError, match="kernel"):
        run(tmp_path, tiny, None, QUICK.model_copy(update={"architecture": "cnn_1"}))


@pytest.fixture(scope="module")
def patches(audio: AudioSet, tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    params = LogMelParams(rate_hz=RATE_HZ, clip_s=1.0, patch_frames=48, f_max_hz=3900.0)
    return log_mel(audio, params, Context.for_test(tmp_path_factory.mktemp("patches")))  # type: ignore[no-any-return]


def test_patches_are_no_input_of_a_net_that_reads_one_map(patches: FeatureSet, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match=r"coefficients.*frames"):
        run(tmp_path, patches, None)


def test_nets_that_read_patches_learn_from_them(patches: FeatureSet, audio: AudioSet, tmp_path: Path) -> None:
    name = next(name for name, entry in models().items() if entry.view == "patches")
    params = QUICK.model_copy(update={"architecture": name, "augmentation": "s2", "epochs": 1, "width": 0.25})
    model = run(tmp_path / "fixed", patches, None, params)
    assert model.meta.input_shape == patches.meta.shape and len(model.meta.input_shape) == 3
    mixed = params.model_copy(update={"augmentation": "modern"})
    assert run(tmp_path / "waves", patches, audio, mixed).meta.input_shape == patches.meta.shape


def test_a_class_without_training_clips(features: FeatureSet, tmp_path: Path) -> None:
    table = table_of(features)
    gone = np.where((table.label == "three") & (table.subset == "training"), "testing", table.subset)
    with pytest.raises(OssicleError, match=r"no training clip is of the class three.*testing and validation clips"):
        run(tmp_path, relabelled(features, tmp_path / "f", subset=gone), None)
    wide = FeatureSet(features.path, features.meta.model_copy(update={"classes": (*WORDS, "five")}))
    with pytest.raises(OssicleError, match=r"of the class five \(it has no clips at all\)"):
        run(tmp_path, wide, None)


def test_a_class_without_validation_clips_is_told(features: FeatureSet, tmp_path: Path) -> None:
    table, told = table_of(features), Told([])
    gone = np.where((table.label == "three") & (table.subset == "validation"), "testing", table.subset)
    run(tmp_path, relabelled(features, tmp_path / "f", subset=gone), None, QUICK, sink=told)
    assert any("no validation clip is of the class three" in values["text"] for values in told.of("log"))


def test_one_clip_per_class(features: FeatureSet, audio: AudioSet, tmp_path: Path) -> None:
    table, told = table_of(features), Told([])
    first = [int(np.flatnonzero((table.label == word) & (table.subset == "training"))[0]) for word in WORDS]
    subset = np.where(np.isin(np.arange(len(table)), first), "training", "testing")
    poor = relabelled(features, tmp_path / "f", subset=subset)
    params = QUICK.model_copy(update={"selection": "last", "epochs": 3, "balance": "repeat"})
    model = run(tmp_path / "run", poor, audio, params, sink=told)
    assert model.json(CURVES_FILE)["clips"]["training"] == 4
    assert any("one, two, three, four has one training clip only" in values["text"] for values in told.of("log"))


@pytest.mark.parametrize("balance", ["repeat", "weights"])
def test_classes_are_balanced(features: FeatureSet, tmp_path: Path, balance: str) -> None:
    table = table_of(features)
    rare = np.where((table.label == "three") & (table.subset == "training"), "testing", table.subset)
    kept = np.flatnonzero((table.label == "three") & (table.subset == "training"))[:6]
    rare[kept] = "training"
    uneven = relabelled(features, tmp_path / "f", subset=rare)
    params = QUICK.model_copy(update={"epochs": 2, "batch": 8, "augmentation": "none"})
    plain = run(tmp_path / "plain", uneven, None, params)
    even = run(tmp_path / "even", uneven, None, params.model_copy(update={"balance": balance}))
    steps = {"repeat": 4 * 36 // 8, "weights": (3 * 36 + 6) // 8}[balance]
    assert even.json(CURVES_FILE)["steps"] == 2 * steps and content(even) != content(plain)


def test_features_that_are_no_numbers(features: FeatureSet, tmp_path: Path) -> None:
    table, values = table_of(features), read_features(features)
    row = int(np.flatnonzero(table.subset == "training")[5])
    values[row, 3, 4] = -np.inf
    (tmp_path / "f").mkdir()
    write_features(tmp_path / "f", table, features.meta.shape, [(slice(0, len(table)), values)])
    with pytest.raises(OssicleError, match=f"1 training clips are not finite, the first is {table.clip_id[row]}"):
        run(tmp_path, FeatureSet(tmp_path / "f", features.meta), None)


def test_a_loss_that_runs_away_stops_with_the_step(features: FeatureSet, tmp_path: Path) -> None:
    wild = QUICK.model_copy(update={"recipe": "s1", "learning_rate": 1e30})
    with pytest.raises(OssicleError, match=r"no number at step 2 \(learning rate 1e\+30\).*tenth"):
        run(tmp_path, features, None, wild)


def test_a_gpu_that_is_not_there(features: FeatureSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(OssicleError, match="device is cuda.*auto or cpu"):
        run(tmp_path, features, None, QUICK.model_copy(update={"device": "cuda"}))
    automatic = QUICK.model_copy(update={"epochs": 1, "device": "auto"})
    assert run(tmp_path / "auto", features, None, automatic).meta.metrics["steps"] == 4


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_learns(features: FeatureSet, tmp_path: Path, precision: str) -> None:
    params = QUICK.model_copy(update={"precision": precision, "epochs": 12, "batch": 16, "clip_norm": 5.0})
    assert run(tmp_path, features, None, params).meta.metrics["validation_accuracy"] > 0.6


def test_audio_of_other_clips(features: FeatureSet, audio: AudioSet, tmp_path: Path) -> None:
    ids = np.array([f"x{row}" for row in range(len(table_of(features)))])
    with pytest.raises(OssicleError, match="lacks 144 of the training clips"):
        run(tmp_path, relabelled(features, tmp_path / "f", clip_id=ids), audio)


def test_labels_that_are_no_classes(features: FeatureSet, tmp_path: Path) -> None:
    odd = FeatureSet(features.path, features.meta.model_copy(update={"classes": WORDS[:3]}))
    with pytest.raises(OssicleError, match="'four', which is no class"):
        run(tmp_path, odd, None)


def test_wrong_blocks(features: FeatureSet, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="blok"):
        run(tmp_path, features, None, QUICK.model_copy(update={"blocks": ("blok_k3", "fc")}))


def test_audio_at_another_rate_is_resampled(recordings: Path, features: FeatureSet, tmp_path: Path) -> None:
    (tmp_path / "wide").mkdir()
    table = table_of(features)
    with AudioWriter(tmp_path / "wide") as writer:
        for clip_id, label, subset in zip(table.clip_id, table.label, table.subset, strict=True):
            samples = soundfile.read(recordings / "fsdd" / "recordings" / f"{clip_id}.wav", dtype="int16")[0]
            writer.add(Clip(str(clip_id), str(label), subset=str(subset)), np.repeat(samples, 2))
    wide = AudioSet(tmp_path / "wide", AudioMeta(rate_hz=2 * RATE_HZ, classes=WORDS))
    model = run(tmp_path / "run", features, wide, QUICK.model_copy(update={"epochs": 1}))
    assert model.meta.input_shape == features.meta.shape


def test_curves_are_plain_json(features: FeatureSet, tmp_path: Path) -> None:
    model = run(tmp_path, features, None, QUICK.model_copy(update={"epochs": 2}))
    assert json.loads(model.file(CURVES_FILE).read_text(), parse_constant=lambda name: pytest.fail(f"{name} in curves"))
