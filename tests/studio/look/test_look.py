"""Colours, shapes, icons and the style sheet: complete, readable, and the same in one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from engine import theme as table
from engine.resource import resource
from studio.look import icons, shapes, theme

GROUNDS: tuple[theme.Ground, ...] = ("dark", "light")
ICONS = sorted(path.stem for path in resource("icons").glob("*.svg"))


def luminance(colour: QColor) -> float:
    """Relative luminance, https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    parts = [colour.redF(), colour.greenF(), colour.blueF()]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: QColor, b: QColor) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("token", ["text", "mute", "amber-text", "red", "green", "blue", "teal"])
@pytest.mark.parametrize("on", ["panel", "background", "canvas"])
def test_words_can_be_read(qapp: QApplication, ground: theme.Ground, token: str, on: str) -> None:
    theme.apply(qapp, ground)
    assert contrast(theme.colour(token), theme.colour(on)) >= 4.5


@pytest.mark.parametrize("ground", GROUNDS)
def test_the_style_sheet_has_every_token_filled_in(qapp: QApplication, ground: theme.Ground) -> None:
    theme.apply(qapp, ground)
    text = theme.style_sheet()
    assert not re.search(r"@[a-z]", text)
    shade = table.TOKENS["panel"]
    assert (shade.dark if ground == "dark" else shade.light) in text


def test_a_change_of_ground_changes_the_colours(qapp: QApplication) -> None:
    theme.apply(qapp, "light")
    light = theme.colour("text").name()
    theme.apply(qapp, "dark")
    assert theme.colour("text").name() != light == table.TOKENS["text"].light


@pytest.mark.parametrize("setting, expected", [("dark", "dark"), ("light", "light")])
def test_the_settings_decide(qapp: QApplication, setting: str, expected: str) -> None:
    assert theme.wanted(setting) == expected
    assert theme.wanted("system") in GROUNDS


@pytest.mark.parametrize("name", ICONS)
def test_every_icon_draws_something_in_the_given_colour(qapp: QApplication, name: str) -> None:
    theme.apply(qapp, "dark")
    drawn = icons.image(name, "accent", 32)
    colours = {
        drawn.pixelColor(x, y).name() for x in range(32) for y in range(32) if drawn.pixelColor(x, y).alpha() > 250
    }
    assert theme.colour("accent").name() in colours
    assert "currentColor" in resource(f"icons/{name}.svg").read_text(encoding="utf-8")


def test_types_differ_in_shape_and_colour(qapp: QApplication) -> None:
    kinds = list(table.KINDS.values())
    assert len({kind.shape for kind in kinds}) == len({kind.token for kind in kinds}) == len(kinds)
    areas = [shapes.kind_shape(name, 6.0).boundingRect() for name in (*table.KINDS, "SomePluginType")]
    assert all(4 < area.width() < 20 and 4 < area.height() < 20 for area in areas)


def test_the_resources_are_ours(checkout: Path) -> None:
    assert {path.suffix for path in (checkout / "resources" / "icons").iterdir()} == {".svg"}
