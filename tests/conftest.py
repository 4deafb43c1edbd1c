"""Shared fixtures: where the real recordings are, and one thread per library so that tests do not fight for cores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("DO_NOT_TRACK", "1")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of real recordings (OSSICLE_RECORDINGS, or ../shared/data beside the checkout)."""
    folder = Path(os.environ.get("OSSICLE_RECORDINGS", ROOT.parent / "shared" / "data"))
    assert folder.is_dir(), f"{folder} is missing: set OSSICLE_RECORDINGS to the folder of real recordings"
    return folder


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Root of the checkout under test."""
    return ROOT
