"""Made once per test session: a written package."""

from __future__ import annotations

from pathlib import Path

import pytest
from lne_packages import small_package

from nodes.lne.package import Order, write_package


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written package, with every level this machine can run."""
    return write_package(tmp_path_factory.mktemp("written") / "small", small_package(), Order(network=b"onnx bytes"))
