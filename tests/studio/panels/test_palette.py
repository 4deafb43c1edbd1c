"""The palette of node types."""

from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from engine.registry import LoadError, Registry
from engine.subgraph import PREFIX
from studio.look import theme
from studio.model.document import Document
from studio.panels.palette import MIME, STAGES, Palette, help_of, lines_of

BROKEN = LoadError("ossicle-noise:denoise", "ModuleNotFoundError: no <noisereduce>", "Install noisereduce")


@pytest.fixture
def palette(dark: QApplication, qtbot: QtBot, document: Document) -> Palette:
    made = Palette(document)
    made.resize(216, 640)
    qtbot.addWidget(made)
    with qtbot.waitExposed(made):
        made.show()
    return made


def row_of(palette: Palette, type_id: str) -> int:
    return next(row for row, line in enumerate(palette.model.lines) if line.type_id == type_id)


def rect_of(palette: Palette, type_id: str) -> QRect:
    return palette.view.visualRect(palette.model.index(row_of(palette, type_id)))


def test_every_type_is_listed_once_by_stage(registry: Registry) -> None:
    lines = lines_of(registry)
    assert sorted(line.type_id for line in lines if line.type_id) == sorted(registry.specs)
    heads = [line.text.capitalize() for line in lines if line.is_heading]
    known = [name for name in STAGES if name in heads]
    assert heads[: len(known)] == known
    assert all(line.kind and line.tip for line in lines if line.type_id)


def test_subgraphs_have_their_own_section_at_the_end(registry: Registry) -> None:
    inner = dataclasses.replace(registry.specs["ossicle.mfcc"], id=f"{PREFIX}mine", title="Mine", category="Odd")
    lines = lines_of(Registry({f"{PREFIX}mine": inner, **registry.specs}, (BROKEN,)))
    heads = [line.text for line in lines if line.is_heading]
    assert heads[-2:] == ["SUB-GRAPHS", "NOT LOADED"]
    assert lines[[line.text for line in lines].index("SUB-GRAPHS") + 1].type_id == f"{PREFIX}mine"


def test_help_tells_ports_and_escapes(registry: Registry) -> None:
    text = help_of(registry.specs["ossicle.train"])
    assert "features: FeatureSet" in text and "audio: AudioSet (optional)" in text and "Gives model: Model" in text
    odd = dataclasses.replace(registry.specs["ossicle.mfcc"], about="a < b\n\nmore")
    assert "a &lt; b" in help_of(odd) and "more" not in help_of(odd)


def test_typing_searches_and_enter_adds(palette: Palette, qtbot: QtBot) -> None:
    qtbot.keyClicks(palette.search, "mfc")
    assert palette.chosen == "ossicle.mfcc"
    assert palette.model.lines[0].marks == (0, 1, 2) and palette.model.lines[0].about == "Features"
    with qtbot.waitSignal(palette.add_requested) as told:
        qtbot.keyClick(palette.search, Qt.Key.Key_Return)
    assert told.args == ["ossicle.mfcc"]
    qtbot.keyClick(palette.search, Qt.Key.Key_Escape)
    assert palette.search.text() == "" and len(palette.model.lines) > 5
    assert palette.chosen == "ossicle.mfcc"


@pytest.mark.parametrize(
    ("query", "first"), [("train", "ossicle.train"), ("log", "ossicle.log_mel"), ("mqtt", "ossicle.push")]
)
def test_a_search_finds_titles_ids_and_words_of_the_help(query: str, first: str, registry: Registry) -> None:
    assert lines_of(registry, query)[0].type_id == first


def test_nothing_found_is_said(palette: Palette, qtbot: QtBot) -> None:
    qtbot.keyClicks(palette.search, "xyzzy")
    assert palette.none.isVisible() and "xyzzy" in palette.none.text()
    with qtbot.assertNotEmitted(palette.add_requested):
        qtbot.keyClick(palette.search, Qt.Key.Key_Return)


def test_a_double_click_adds(palette: Palette, qtbot: QtBot) -> None:
    at = rect_of(palette, "ossicle.train").center()
    qtbot.mouseClick(palette.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    with qtbot.waitSignal(palette.add_requested) as told:
        qtbot.mouseDClick(palette.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert told.args == ["ossicle.train"]


def test_arrows_skip_headings_and_letters_start_a_search(palette: Palette, qtbot: QtBot) -> None:
    palette.view.setFocus()
    for _ in range(len(palette.model.lines)):
        qtbot.keyClick(palette.view, Qt.Key.Key_Down)
        assert palette.chosen
    last = [line.type_id for line in palette.model.lines if line.type_id][-1]
    assert palette.chosen == last
    qtbot.keyClick(palette.view, Qt.Key.Key_M)
    assert palette.search.text() == "m" and palette.focusWidget() is palette.search


def test_dragging_carries_the_type(palette: Palette) -> None:
    index = palette.model.index(row_of(palette, "ossicle.speak"))
    data = palette.model.mimeData([index])
    assert data.hasFormat(MIME) and bytes(data.data(MIME).data()) == b"ossicle.speak"
    assert palette.model.flags(index) & Qt.ItemFlag.ItemIsDragEnabled
    assert not palette.model.flags(palette.model.index(0)) & Qt.ItemFlag.ItemIsDragEnabled


def test_a_broken_plugin_is_a_row_with_its_remedy(palette: Palette, qtbot: QtBot) -> None:
    document = palette.document
    document.set_registry(Registry(document.registry.specs, (BROKEN,)))
    line = palette.model.lines[-1]
    assert (line.text, line.about, line.is_broken) == (BROKEN.name, BROKEN.remedy, True)
    assert "&lt;noisereduce&gt;" in line.tip
    index = palette.model.index(len(palette.model.lines) - 1)
    with qtbot.assertNotEmitted(palette.add_requested):
        palette.view.doubleClicked.emit(index)
    assert "Install" in str(index.data(Qt.ItemDataRole.AccessibleTextRole))
    assert "<" not in str(index.data(Qt.ItemDataRole.AccessibleTextRole)).replace("<noisereduce>", "")


def test_it_follows_the_registry(palette: Palette) -> None:
    specs = {key: spec for key, spec in palette.document.registry.specs.items() if key != "ossicle.push"}
    palette.document.set_registry(Registry(specs))
    assert "ossicle.push" not in {line.type_id for line in palette.model.lines}


def test_each_type_has_its_colour_in_both_grounds(palette: Palette, qapp: QApplication) -> None:
    grounds: tuple[theme.Ground, ...] = ("dark", "light")
    for ground in grounds:
        theme.apply(qapp, ground)
        picture = palette.view.viewport().grab().toImage()
        scale = picture.devicePixelRatio()
        for type_id, kind in (("ossicle.train", "Model"), ("ossicle.mfcc", "FeatureSet")):
            spot = rect_of(palette, type_id)
            at = QPoint(spot.left() + 17, spot.center().y()) * scale
            assert picture.pixelColor(at).name() == theme.kind_colour(kind).name()
    QToolTip.hideText()


def test_the_command_asks_for_a_type(palette: Palette) -> None:
    (command,) = palette.commands()
    command.run()
    assert palette.focusWidget() is palette.search
