"""Networks against boards: reports read, the picture, the board that is chosen."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.artifact import Report
from engine.errors import OssicleError
from studio.look import theme
from studio.views.data.fit import read_fits
from studio.views.fit import COLOURS, FitCard, is_fit
from studio.views.viewer import Scene, load_viewers, viewers_of

RAW: dict[str, Any] = {
    "kind": "fit", "by": "firmware", "frame_s": 1.0, "margin": 1.0, "answer": "m20k fits 1 of 3 boards: L476.",
    "models": [
        {"name": "m20k", "mops": 2.14, "buffer_bytes": 34_328, "ram_bytes": 12_484},
        {"name": "m70m", "mops": 1728.0, "buffer_bytes": 614_400, "ram_bytes": 160_256},
    ],
    "boards": [
        {"title": "L476", "core": "Cortex-M4F", "mips": 80.0, "clock_hz": 8e7, "ram_bytes": 131_072},
        {"title": "Arduino", "core": "AVR", "mips": 20.0, "clock_hz": None, "ram_bytes": 2_048},
        {"title": "Pi", "core": "Cortex-A53", "mips": 2800.0, "clock_hz": 1.4e9, "ram_bytes": 1 << 30},
    ],
    "fits": [
        {"model": "m20k", "board": "L476", "fits": True, "why_not": "", "fits_by_paper": True,
         "firmware": {"instructions": 1_090_000, "ms": [17.7, 27.3], "lacks": []}},
        {"model": "m20k", "board": "Arduino", "fits": False, "why_not": "no kernels", "fits_by_paper": False,
         "firmware": None},
        {"model": "m20k", "board": "Pi", "fits": False, "why_not": "no kernels", "fits_by_paper": True,
         "firmware": None},
        {"model": "m70m", "board": "L476", "fits": False, "why_not": "needs more RAM", "fits_by_paper": False,
         "firmware": {"instructions": 7.5e8, "ms": [1e4, 2e4], "lacks": ["needs more RAM"]}},
        {"model": "m70m", "board": "Arduino", "fits": False, "why_not": "no kernels", "fits_by_paper": False,
         "firmware": None},
        {"model": "m70m", "board": "Pi", "fits": False, "why_not": "no kernels", "fits_by_paper": True,
         "firmware": None},
    ],
}  # fmt: skip


@pytest.fixture
def card(qtbot: QtBot, qapp: QApplication) -> FitCard:
    theme.apply(qapp, "dark")
    made = FitCard()
    qtbot.addWidget(made)
    made.resize(640, 420)
    made.show()
    made.show_data(read_fits(RAW))
    return made


def test_needs_and_offers_by_each_answer() -> None:
    fits = read_fits(RAW)
    small, large = fits.networks
    assert small.needs("paper", 1.0, 1.0) == (2.14, 34_328)
    assert small.needs("firmware", 0.5, 2.0) == (pytest.approx(1.09 * 2 * 4), 12_484)
    assert [board.offers("firmware")[0] for board in fits.boards] == [80.0, 20.0, 1400.0]
    assert fits.holding("Pi", "paper") == ["m20k", "m70m"] and fits.holding("Pi", "firmware") == []
    assert large.instructions == 7.5e8


def test_a_network_that_runs_nowhere_has_no_rectangle() -> None:
    raw = copy.deepcopy(RAW)
    for row in raw["fits"]:
        row["firmware"] = None
    fits = read_fits(raw)
    assert fits.networks[0].needs("firmware", 1.0, 1.0) is None and fits.networks[0].needs("paper", 1.0, 1.0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw.pop("fits"),
        lambda raw: raw["models"][0].update(mops=-1),
        lambda raw: raw["models"][0].update(ram_bytes="much"),
        lambda raw: raw["boards"][0].update(mips=float("nan")),
        lambda raw: raw["boards"][0].pop("title"),
        lambda raw: raw["fits"][0].update(firmware={"ms": []}),
        lambda raw: raw.update(models=3),
    ],
)
def test_a_damaged_report_is_told(spoil: Callable[[Any], Any]) -> None:
    raw = copy.deepcopy(RAW)
    spoil(raw)
    with pytest.raises(OssicleError, match="damaged"):
        read_fits(raw)


def test_only_fits_have_the_card(make_report: Callable[[Any], Report]) -> None:
    load_viewers()
    assert not is_fit(make_report({"kind": "count"}))
    report = make_report(RAW)
    assert is_fit(report) and "Boards" in [spec.title for spec in viewers_of(report)]


def test_boards_that_hold_something_differ_in_shape(card: FitCard) -> None:
    held = {point.data(): point.symbol() for point in card.points.points()}
    assert held == {"L476": "o", "Arduino": "x", "Pi": "x"}
    card.rule.set("paper")
    card.rule.changed.emit("paper")
    held = {point.data(): point.symbol() for point in card.points.points()}
    assert held == {"L476": "o", "Arduino": "x", "Pi": "o"}
    assert len(COLOURS) == len(set(COLOURS))


def test_a_chosen_board_says_what_it_holds(card: FitCard, qtbot: QtBot) -> None:
    with qtbot.waitSignal(card.board_chosen) as told:
        card.choose("L476")
    assert told.args == ["L476"]
    assert "m20k fits, estimated 17.7 to 27.3 ms" in card.note.text() and "needs more RAM" in card.note.text()


def test_every_verdict_is_in_the_table(card: FitCard) -> None:
    head, *rows = card.table_rows()
    assert len(rows) == 6 and all(len(row) == len(head) for row in rows)


def test_colours_follow_the_window(card: FitCard, qapp: QApplication) -> None:
    dark = card.grab().toImage()
    theme.apply(qapp, "light")
    card.restyle()
    assert card.grab().toImage() != dark
    theme.apply(qapp, "dark")


def test_a_report_without_boards_is_shown(card: FitCard) -> None:
    card.show_data(read_fits({**RAW, "boards": [], "fits": []}))
    assert not card.points.points().size or card.fits is not None


def test_it_is_read_in_a_thread(card: FitCard, make_report: Callable[[Any], Report], qtbot: QtBot) -> None:
    card.show_artifact(make_report({**RAW, "answer": "read again"}), Scene())
    qtbot.waitUntil(lambda: card.fits is not None and card.fits.answer == "read again", timeout=5000)
