"""An application that hears spoken digits, made once from the trained network of the session."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import Model
from nodes.application.bundle import Bundle, bundle_of, write_description


@pytest.fixture(scope="session")
def digit_bundle(digit_model: Model) -> Bundle:
    """The bundle of the trained digits network."""
    return bundle_of(digit_model.path, digit_model.meta.model_dump(mode="json"), "digits")


@pytest.fixture
def digit_folder(digit_bundle: Bundle, tmp_path: Path) -> Path:
    """A deployment folder of it, without a profile."""
    folder = tmp_path / "deployment"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(digit_bundle.network)
    write_description(folder, digit_bundle, {})
    return folder
