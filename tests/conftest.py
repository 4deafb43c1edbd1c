"""Shared fixtures: where the real recordings are, and one thread per library so that tests do not fight for cores."""

from __future__ import annotations

import os
import sys
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


STATUS = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the result for the end."""
    session.config.stash[STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Everything is told and every fixture is closed: leave at once.

    The interpreter's own end takes modules, threads and widgets apart in any order, and with Qt, torch and Prefect in
    one process a widget can outlive its application. No process of a user holds all three.
    """
    if "PySide6.QtWidgets" in sys.modules and STATUS in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[STATUS])
