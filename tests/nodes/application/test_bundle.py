"""The bundle's file: read back as written, and refused where it was touched."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import Model
from nodes.application.bundle import Bundle, Listening, load_bundle, write_description
from nodes.application.errors import ApplicationError


@pytest.mark.parametrize("inside", ["", "deployment.json", "model.onnx"])
def test_read_back(digit_bundle: Bundle, digit_folder: Path, inside: str) -> None:
    """By its folder or by a file inside it, every fact comes back."""
    assert load_bundle(digit_folder / inside) == digit_bundle


def test_how_to_listen_travels_along(digit_bundle: Bundle, tmp_path: Path) -> None:
    """Window hop and smoothing are the bundle's."""
    from dataclasses import replace

    bundle = replace(digit_bundle, listening=Listening(hop_s=0.1, smoothing=7))
    (tmp_path / "model.onnx").write_bytes(bundle.network)
    write_description(tmp_path, bundle, {"profile": {"run_us": 1.0}})
    assert load_bundle(tmp_path).listening == Listening(0.1, 7)
    assert json.loads((tmp_path / "deployment.json").read_text())["profile"] == {"run_us": 1.0}


def test_a_trained_model_is_opened_by_its_metadata(digit_model: Model, digit_bundle: Bundle, tmp_path: Path) -> None:
    """The folder of a Model needs no deployment.json."""
    (tmp_path / "model.onnx").write_bytes(digit_bundle.network)
    meta = digit_model.meta.model_dump(mode="json")
    (tmp_path / "artifact.json").write_text(json.dumps({"format": 1, "kind": "Model", "meta": meta, "files": {}}))
    assert load_bundle(tmp_path) == digit_bundle


Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "newer": (lambda raw: raw.update(format=2), "format 2"),
    "no labels": (lambda raw: raw.pop("labels"), "labels is None"),
    "labels are text": (lambda raw: raw.update(labels="yes"), "labels is 'yes'"),
    "no front end": (lambda raw: raw.pop("front_end"), "front_end is None"),
    "unknown front end value": (lambda raw: raw["front_end"].update(wavelets=3), "front end cannot be used"),
    "impossible front end": (lambda raw: raw["front_end"].update(hop_samples=-1), "front end cannot be used"),
    "another digest": (lambda raw: raw["files"]["model.onnx"].update(sha256="0" * 64), "has the digest"),
    "no digest": (lambda raw: raw.update(files={}), "has the digest"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_damaged_descriptions(digit_folder: Path, change: str) -> None:
    """Each damage has its own words."""
    make, told = CHANGES[change]
    raw = json.loads((digit_folder / "deployment.json").read_text())
    make(raw)
    (digit_folder / "deployment.json").write_text(json.dumps(raw))
    with pytest.raises(ApplicationError, match=told) as caught:
        load_bundle(digit_folder)
    assert caught.value.expected and caught.value.remedy


@pytest.mark.parametrize("text", ["", "[]", "{", "\xff"])
def test_descriptions_that_are_no_json_object(digit_folder: Path, text: str) -> None:
    """Truncated or foreign text."""
    (digit_folder / "deployment.json").write_text(text, encoding="latin-1")
    with pytest.raises(ApplicationError):
        load_bundle(digit_folder)


def test_a_flipped_byte(digit_folder: Path) -> None:
    """A damaged network is found by its digest before it is opened."""
    data = bytearray((digit_folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (digit_folder / "model.onnx").write_bytes(data)
    with pytest.raises(ApplicationError, match="has the digest"):
        load_bundle(digit_folder)


def test_a_pickle_in_place_of_the_network(digit_folder: Path) -> None:
    """Refused for what it is, though the digest is wrong as well."""
    (digit_folder / "model.onnx").write_bytes(pickle.dumps([1]))
    with pytest.raises(ApplicationError, match="pickle"):
        load_bundle(digit_folder)


def test_a_pickle_named_as_the_model(digit_folder: Path) -> None:
    """Naming a weights file beside a good model does not open that model instead."""
    (digit_folder / "weights.pt").write_bytes(pickle.dumps([1]))
    with pytest.raises(ApplicationError, match="pickle"):
        load_bundle(digit_folder / "weights.pt")


def test_folders_that_hold_neither(tmp_path: Path) -> None:
    """An empty folder, a path that is none, and another artifact."""
    with pytest.raises(ApplicationError, match="holds no deployment or model"):
        load_bundle(tmp_path)
    with pytest.raises(ApplicationError, match="does not exist"):
        load_bundle(tmp_path / "missing")
    (tmp_path / "artifact.json").write_text(json.dumps({"kind": "Report", "meta": {}, "files": {}}))
    with pytest.raises(ApplicationError, match="holds a Report"):
        load_bundle(tmp_path)
