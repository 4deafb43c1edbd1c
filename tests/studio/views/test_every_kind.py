"""Every artifact type has a view; every card can be shown, cleared, restyled, exported, and told of damage."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from engine.artifact import (
    Artifact,
    AudioMeta,
    AudioSet,
    Firmware,
    FirmwareMeta,
    Meta,
    Receipt,
    ReceiptMeta,
)
from engine.errors import OssicleError
from studio.look import theme
from studio.views.card import Card
from studio.views.export import csv_text, picture, save_csv, save_png, save_svg
from studio.views.parts import LoadedCard
from studio.views.report import FactsCard, is_foreign
from studio.views.viewer import Scene, all_viewers, load_viewers, viewers_of

OWN = {kind.__name__ for kind in Artifact.__subclasses__() if kind.__module__ == "engine.artifact"}


@pytest.fixture(scope="session", autouse=True)
def viewers() -> None:
    """All viewers are registered."""
    assert load_viewers() == {}


@pytest.fixture
def examples(artifacts: dict[str, Artifact], tmp_path: Path) -> dict[str, Artifact]:
    """One artifact of every type of ours."""
    found = {artifact.kind(): artifact for artifact in artifacts.values()}
    (tmp_path / "made").mkdir()
    found["Firmware"] = Firmware(tmp_path / "made", FirmwareMeta(target="STM32", flash_bytes=100, ram_bytes=50))
    found["Receipt"] = Receipt(tmp_path / "made", ReceiptMeta(destination="hub"))
    return found


@pytest.mark.parametrize("kind", sorted(OWN))
def test_every_type_has_a_view_of_its_own(kind: str, examples: dict[str, Artifact]) -> None:
    specs = viewers_of(examples[kind])
    assert any(spec.kind is type(examples[kind]) for spec in specs), [spec.title for spec in specs]
    assert not is_foreign(examples[kind])
    assert "Facts" not in [spec.title for spec in specs]


def test_a_plugins_type_falls_back_to_facts(qtbot: QtBot, dark: QApplication, tmp_path: Path) -> None:
    try:

        @dataclass(frozen=True)
        class Smell(Artifact):
            """A type of a plugin."""

        smell = Smell(tmp_path, Meta(about="of roses"))
        assert {spec.title for spec in viewers_of(smell)} == {"Origin", "Facts"}
        card = FactsCard()
        qtbot.addWidget(card)
        card.show_artifact(smell, Scene())
        qtbot.waitUntil(lambda: bool(card.sheets))
        assert card.sheets[0].rows == (("about", "of roses"),)
        assert card.subtitle.text() == "Smell"
    finally:
        Artifact.kinds.pop("Smell", None)


def test_a_type_derived_from_ours_keeps_its_views(tmp_path: Path) -> None:
    try:

        @dataclass(frozen=True)
        class Noise(AudioSet):
            """A plugin's kind of audio."""

        noise = Noise(tmp_path, AudioMeta(rate_hz=8000, classes=()))
        assert not is_foreign(noise)
        assert any(spec.kind is AudioSet for spec in viewers_of(noise))
    finally:
        Artifact.kinds.pop("Noise", None)


ENOUGH = ("Memory map", "Cost per layer", "Receipt")
"""Cards of artifacts whose metadata say something without any file."""


def cards() -> list[Any]:
    """Classes of all cards of this half of the views."""
    load_viewers()
    return [
        pytest.param(cast(Callable[[], QWidget], spec.make), spec.kind, id=f"{spec.kind.__name__}-{spec.title}")
        for spec in all_viewers()
        if isinstance(spec.make, type) and issubclass(spec.make, LoadedCard)
    ]


@pytest.mark.parametrize(("make", "kind"), cards())
def test_every_card_is_shown_dark_and_light_cleared_and_exported(
    make: Callable[[], LoadedCard],
    kind: type[Artifact],
    dark: QApplication,
    qtbot: QtBot,
    examples: dict[str, Artifact],
) -> None:
    artifact = next((item for name, item in sorted(examples.items()) if isinstance(item, kind)), None)
    assert artifact is not None
    card = make()
    qtbot.addWidget(card)
    card.resize(300, 220)
    card.show()
    card.show_artifact(artifact, Scene("node-1"))
    card.work.wait()
    QApplication.processEvents()
    assert card.grab().width() == 300
    card.resize(900, 500)
    assert card.accessibleName() or card.heading.text()
    before = card.grab().toImage()
    theme.apply(dark, "light")
    QApplication.processEvents()
    assert card.grab().toImage() != before, "light looks different"
    rows = card.table_rows()
    assert all(len(row) == len(rows[0]) for row in rows)
    assert {action.text() for action in card.menu.actions()} >= {"Copy picture", "Copy table", "Save as SVG…"}
    card.clear()
    assert card.message.isVisibleTo(card)


@pytest.mark.parametrize(("make", "kind"), cards())
def test_every_card_tells_of_a_missing_folder(
    make: Callable[[], LoadedCard],
    kind: type[Artifact],
    dark: QApplication,
    qtbot: QtBot,
    examples: dict[str, Artifact],
    tmp_path: Path,
) -> None:
    artifact = next(item for name, item in sorted(examples.items()) if isinstance(item, kind))
    card = make()
    qtbot.addWidget(card)
    card.show()
    card.show_artifact(replace(artifact, path=tmp_path / "gone"), Scene())
    if card.title in ENOUGH:
        qtbot.waitUntil(lambda: any(word in card.subtitle.text() for word in ("STM32", "hub")))
        return
    qtbot.waitUntil(lambda: card.message.isVisibleTo(card) and len(card.message.text()) > 20)
    assert not card.content.isVisibleTo(card)


# ---- export


def test_pictures_and_tables_are_written(qtbot: QtBot, dark: QApplication, tmp_path: Path) -> None:
    from studio.views.curves import CurvesCard

    card = CurvesCard()
    qtbot.addWidget(card)
    card.resize(400, 300)
    card.show()
    card.show_rows("train-1", [{"step": float(n), "loss": 1.0 / (n + 1)} for n in range(5)])
    shown = card.pictured()
    save_png(shown, tmp_path / "p.png")
    assert QImage(str(tmp_path / "p.png")).width() == 2 * shown.width() == picture(shown).width()
    save_svg(shown, tmp_path / "p.svg")
    assert "<polyline" in (tmp_path / "p.svg").read_text() or "<path" in (tmp_path / "p.svg").read_text()
    save_csv(card.table_rows(), tmp_path / "p.csv")
    rows = list(csv.reader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert rows[0] == ["step", "loss"] and rows[2] == ["1.0", "0.5"] and len(rows) == 6
    assert csv_text([("a,b", 'c"d')]) == '"a,b","c""d"\n'


@pytest.mark.parametrize("save", [save_png, save_svg])
def test_a_folder_that_is_not_there_is_told(save: Any, qtbot: QtBot, dark: QApplication, tmp_path: Path) -> None:
    widget = Card()
    qtbot.addWidget(widget)
    with pytest.raises(OssicleError, match="cannot be written"):
        save(widget, tmp_path / "none" / "p.x")
    with pytest.raises(OssicleError, match="cannot be written"):
        save_csv([], tmp_path / "none" / "p.csv")
