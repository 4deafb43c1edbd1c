"""An application by its compiled library, and by onnxruntime where that cannot be used."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lne_packages import small_package
from numpy.typing import NDArray

from engine import FeatureSet
from engine.audio import read_features
from nodes.application import Application, ApplicationError, load, open_application
from nodes.application.bundle import Bundle, describe
from nodes.application.network import logits_of, open_network
from nodes.application.verify import verify
from nodes.lne import find_target, make_plan, read_onnx
from nodes.lne.backends import Contender
from nodes.lne.package import Order, make_package, write_package
from nodes.lne.registry import casts
from nodes.lne.search import choose


@pytest.fixture(scope="module")
def compiled_folder(digit_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits application with a library for this machine and for any other."""
    graph = read_onnx(digit_bundle.network).graph
    plans = []
    for target in (find_target("native"), find_target("c")):
        plans.append(make_plan(graph, target, choose(graph, target), casts()))
    package = make_package("digits", plans, digit_bundle.front_end, digit_bundle.labels)
    folder = tmp_path_factory.mktemp("compiled") / "digits"
    return write_package(folder, package, Order(describe(digit_bundle, {}), digit_bundle.network))


def stand_in(model: Path, values: NDArray[np.float32]) -> Contender:
    """An engine that somebody else registers."""
    opened = open_network(model.read_bytes(), "stand-in")
    held = {"in": values}

    def call() -> None:
        held["out"] = logits_of(opened, held["in"])

    return Contender(call, lambda: held["out"], give=lambda other: held.update({"in": other}))


def only_timed(model: Path, values: NDArray[np.float32]) -> Contender:
    """An engine that takes no other input."""
    return replace(stand_in(model, values), give=None)


def falls_over(model: Path, values: NDArray[np.float32]) -> Contender:
    raise RuntimeError("no such operator")


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """These engines are installed."""
    names = ("stand_in", "only_timed", "falls_over")
    points = [EntryPoint(name, f"{__name__}:{name}", "ossicle.backends") for name in names]
    monkeypatch.setattr("nodes.lne.backends.found.entry_points", lambda group: points)


def _serve(folder: Path, name: str) -> None:
    told = json.loads((folder / "deployment.json").read_text())
    (folder / "deployment.json").write_text(json.dumps({**told, "serves": name}))


@pytest.fixture
def folder(compiled_folder: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return shutil.copytree(compiled_folder, tmp_path / "digits")


@pytest.fixture(scope="module")
def reference(digit_bundle: Bundle) -> Application:
    """The same network in onnxruntime."""
    return open_application(digit_bundle)


def wave(recordings: Path, name: str) -> NDArray[np.int16]:
    samples: NDArray[np.int16] = soundfile.read(recordings / "fsdd" / "recordings" / f"{name}.wav", dtype="int16")[0]
    return samples


def test_the_library_hears_what_onnxruntime_does(
    compiled_folder: Path, reference: Application, recordings: Path
) -> None:
    application = load(compiled_folder)
    assert application.engine.name == f"compiled for {find_target('native').name}"
    assert application.note == ""
    for digit in range(10):
        samples = wave(recordings, f"{digit}_theo_0")
        found, wanted = application.predict(samples, 8000), reference.predict(samples, 8000)
        assert (found.label, found.windows, found.start_s) == (wanted.label, wanted.windows, wanted.start_s)
        np.testing.assert_allclose(list(found.scores.values()), list(wanted.scores.values()), atol=1e-4)


def test_a_long_recording_is_heard_in_the_same_windows(
    compiled_folder: Path, reference: Application, recordings: Path
) -> None:
    long = np.concatenate([wave(recordings, f"{digit}_theo_1") for digit in range(10)] * 3)
    found, wanted = load(compiled_folder).predict(long, 8000), reference.predict(long, 8000)
    assert found.windows == wanted.windows > 30
    assert (found.label, found.start_s) == (wanted.label, wanted.start_s)


def test_verification_runs_the_compiled_application(compiled_folder: Path, digit_features: FeatureSet) -> None:
    features = read_features(digit_features, np.arange(20))
    found = verify(load(compiled_folder), features, None, is_real=True)
    assert 0 < found.error < 1e-4 * found.logit_range
    assert found.agreement == 1.0


def test_each_engine_can_be_asked_for(compiled_folder: Path, digit_folder: Path) -> None:
    assert load(compiled_folder, engine="onnxruntime").engine.name == "onnxruntime"
    assert load(compiled_folder, engine="compiled").engine.name.startswith("compiled")
    assert load(digit_folder).engine.name == "onnxruntime"
    with pytest.raises(ApplicationError, match="no compiled library"):
        load(digit_folder, engine="compiled")


def test_a_damaged_library_is_not_opened_and_onnxruntime_hears(folder: Path, recordings: Path) -> None:
    """A library cut short could end the process, so it is not even opened."""
    library = folder / "libdigits.so"
    library.write_bytes(library.read_bytes()[:5000])
    application = load(folder)
    assert application.engine.name == "onnxruntime"
    assert "not the library that was verified" in application.note
    assert application.predict(wave(recordings, "0_theo_0"), 8000).label in application.bundle.labels


def test_without_a_library_onnxruntime_hears(folder: Path) -> None:
    (folder / "libdigits.so").unlink()
    application = load(folder)
    assert application.engine.name == "onnxruntime"
    assert "holds no library" in application.note
    with pytest.raises(ApplicationError, match="holds no library"):
        load(folder, engine="compiled")


def test_without_a_network_the_library_hears(folder: Path, reference: Application, recordings: Path) -> None:
    (folder / "model.onnx").unlink()
    samples = wave(recordings, "4_theo_0")
    assert load(folder).predict(samples, 8000).label == reference.predict(samples, 8000).label
    with pytest.raises(ApplicationError, match=r"no model\.onnx"):
        load(folder, engine="onnxruntime")
    (folder / "libdigits.so").unlink()
    with pytest.raises(ApplicationError, match="holds no library"):
        load(folder)


def test_a_library_built_again_is_used_when_asked_for(folder: Path) -> None:
    """Whoever builds the folder with another compiler has another library: theirs, but not the verified one."""
    told = json.loads((folder / "deployment.json").read_text())
    told["files"]["libdigits.so"]["sha256"] = "0" * 64
    (folder / "deployment.json").write_text(json.dumps(told))
    assert load(folder).engine.name == "onnxruntime"
    assert load(folder, engine="compiled").engine.name.startswith("compiled")


def test_a_damaged_network_is_refused_even_beside_a_library(folder: Path) -> None:
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-10])
    with pytest.raises(ApplicationError, match="digest"):
        load(folder)


def test_a_network_that_hears_no_sound_is_told(tmp_path: Path) -> None:
    package = replace(small_package("pictures", ("c",)), front_end=None)
    folder = write_package(tmp_path / "pictures", package, Order(compiles=False))
    with pytest.raises(ApplicationError, match="without a front end"):
        load(folder)


@pytest.mark.usefixtures("registered")
def test_what_was_measured_fastest_serves_where_it_is_installed(
    folder: Path, reference: Application, recordings: Path
) -> None:
    _serve(folder, "stand_in")
    application = load(folder)
    assert (application.engine.name, application.note) == ("stand_in", "")
    for digit in range(3):
        samples = wave(recordings, f"{digit}_theo_0")
        found, wanted = application.predict(samples, 8000), reference.predict(samples, 8000)
        assert found.label == wanted.label
        np.testing.assert_allclose(list(found.scores.values()), list(wanted.scores.values()), atol=1e-5)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("name", "why"),
    [("elsewhere", "not installed here"), ("only_timed", "no second input"), ("falls_over", "no such operator")],
)
def test_where_it_cannot_be_used_the_library_serves_and_says_why(folder: Path, name: str, why: str) -> None:
    _serve(folder, name)
    application = load(folder)
    assert application.engine.name == f"compiled for {find_target('native').name}"
    assert name in application.note and why in application.note
    (folder / "libdigits.so").unlink()
    application = load(folder)
    assert application.engine.name == "onnxruntime"
    assert why in application.note and "no library" in application.note
