"""Collections come from the event loop; full ones in pauses, and at last in long runs."""

from __future__ import annotations

import gc
import weakref

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio import collecting
from studio.collecting import Collecting


class Ring:
    """Held only by itself."""

    def __init__(self) -> None:
        self.me = self


def old_ring() -> weakref.ref[Ring]:
    """Rubbish that has outlived the young generations."""
    ring = Ring()
    gc.collect()
    return weakref.ref(ring)


def test_nothing_is_collected_anywhere_else(qapp: QApplication) -> None:
    made = Collecting(lambda: True)
    assert not gc.isenabled() and made is not None


def test_young_rubbish_goes_at_every_look_of_the_timer(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "EVERY_MS", 5)
    made = Collecting(lambda: False)
    seen = weakref.ref(Ring())
    qtbot.waitUntil(lambda: seen() is None)
    assert made is not None


def test_a_full_collection_waits_for_a_pause(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "FULL_S", -1.0)
    idle = [False]
    made = Collecting(lambda: idle[0])
    seen = old_ring()
    made.look()
    assert seen() is not None
    idle[0] = True
    made.look()
    assert seen() is None


def test_a_run_of_hours_is_no_excuse(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Collecting(lambda: False)
    seen = old_ring()
    monkeypatch.setattr(collecting, "AT_LAST_S", -1.0)
    made.look()
    assert seen() is None
