"""Full collections come in pauses, and at last in long runs."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication

from studio import collecting
from studio.collecting import Collecting


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Other tests keep Python's own thresholds."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Ring:
    """Held only by itself."""

    def __init__(self) -> None:
        self.me = self


def test_rubbish_goes_when_nothing_runs_and_stays_while_something_does(qapp: QApplication) -> None:
    idle = [False]
    made = Collecting(lambda: idle[0])
    seen = weakref.ref(Ring())
    made.look()
    assert seen() is not None
    idle[0] = True
    made.look()
    assert seen() is None


def test_a_run_of_hours_is_no_excuse(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Collecting(lambda: False)
    seen = weakref.ref(Ring())
    monkeypatch.setattr(collecting, "AT_LAST_S", -1.0)
    made.look()
    assert seen() is None


def test_only_the_full_collection_is_held_back(qapp: QApplication) -> None:
    Collecting(lambda: True)
    young, middle, full = gc.get_threshold()
    assert young > 0 and middle > 0 and full > 10_000
