"""Drawings: well-formed SVG, units on axes, right numbers at the right places, odd data, pictures that decode."""

from __future__ import annotations

import base64
import math
import re
import struct
import zlib
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import plot
from engine.drawing import Box, Wire, elide, graph
from engine.svg import Axes, Figure, pixels, short, ticks, viridis
from engine.theme import KINDS, STATES, TOKENS, kind, state

SVG = "{http://www.w3.org/2000/svg}"
WAVE = [math.sin(index / 20) * 0.5 for index in range(8000)]
MAP = [[float(row * column) for column in range(30)] for row in range(20)]


def figures() -> dict[str, Figure]:
    panel = plot.Panel("loss", "", [plot.Series("train", [(0, 3.0), (1, 1.0), (2, math.nan), (3, 2.0)], "blue")], "low")
    return {
        "wave": plot.sound(plot.Sound("a clip", WAVE, 8000), "Waveform"),
        "features": plot.sound(plot.Sound("a clip", WAVE, 8000, MAP), "Features"),
        "map only": plot.sound(plot.Sound("a clip", (), 8000, MAP, clip_s=1.0), "Features"),
        "curves": plot.curves([panel, panel], "Training"),
        "flat curve": plot.curves([plot.Panel("x", "s", [plot.Series("a", [(0, 1.0), (1, 1.0)], "blue")])], "Flat"),
        "confusion": plot.confusion([[9, 1], [0, 4]], ["yes", "no & <so>"], "Confusion"),
        "many classes": plot.confusion([[1] * 40] * 40, [f"class {i}" for i in range(40)], "Confusion"),
        "bars": plot.bars(
            [plot.Bar("conv1", 30.0), plot.Bar("fc", 10.0, peer=40.0)], "Latency", "µs", peer_name="theirs"
        ),
        "no bars": plot.bars([], "Latency", "µs"),
        "intervals": plot.intervals([plot.Interval("yes", 0.9, 0.8, 0.95)], "Accuracy", "95 %"),
    }


def texts(figure: Figure) -> list[str]:
    root = ElementTree.fromstring(figure.standalone())
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", figures())
def test_drawings_are_well_formed_and_inside_their_frame(name: str) -> None:
    figure = figures()[name]
    root = ElementTree.fromstring(figure.standalone())
    assert root.tag == f"{SVG}svg" and figure.title in texts(figure)
    ElementTree.fromstring(figure.inline())
    for node in root.iter():
        for key in ("x", "cx", "x1", "x2"):
            value = node.get(key)
            assert value is None or -1 <= float(value) <= figure.width + 24
        for key in ("width", "height", "r"):
            value = node.get(key)
            assert value is None or value == "100%" or float(value) >= 0
    assert "nan" not in figure.body and "inf" not in figure.body


@pytest.mark.parametrize("name", figures())
def test_colours_come_from_the_table_and_no_network_is_needed(name: str) -> None:
    body = figures()[name].body
    assert set(re.findall(r"var\(--([a-z-]+)\)", body)) <= TOKENS.keys()
    assert "http" not in body and "#" not in re.sub(r"data:image[^\"]*", "", body)


def test_axes_name_their_units() -> None:
    assert "time / s" in texts(figures()["features"])
    assert "%" in texts(figures()["intervals"])
    assert "x / s" in texts(figures()["flat curve"])


def test_best_point_is_marked_and_nan_is_left_out() -> None:
    figure = plot.curves(
        [plot.Panel("loss", "", [plot.Series("v", [(0, 3.0), (1, 1.0), (2, 2.0)], "blue")], "low")], "T"
    )
    assert "best v: 1 at 1" in figure.body
    assert "M" in figures()["curves"].body


def test_confusion_counts_right_answers_and_recall() -> None:
    found = figures()["confusion"]
    assert found.caption == "13 of 14 clips right"
    assert {"90 %", "100 %", "no & <so>"} <= set(texts(found))
    empty = plot.confusion([[0, 0], [0, 1]], ["a", "b"], "C")
    assert "-" in texts(empty)


def test_bars_show_values_shares_and_ratios() -> None:
    assert {"30", "75 %", "10", "4.0×"} <= set(texts(figures()["bars"]))


def decode(address: str) -> tuple[int, int, list[Sequence[int]]]:
    """Width, height and rows of palette indices of a PNG of ours."""
    raw = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, place = {}, 8
    while place < len(raw):
        (length,) = struct.unpack(">I", raw[place : place + 4])
        name, data = raw[place + 4 : place + 8], raw[place + 8 : place + 8 + length]
        assert struct.unpack(">I", raw[place + 8 + length : place + 12 + length])[0] == zlib.crc32(name + data)
        chunks[name], place = data, place + 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = zlib.decompress(chunks[b"IDAT"])
    assert chunks[b"PLTE"][:3] == bytes((0x44, 0x01, 0x54)) and chunks[b"PLTE"][-3:] == bytes((0xFD, 0xE7, 0x25))
    return width, height, [lines[row * (width + 1) + 1 : (row + 1) * (width + 1)] for row in range(height)]


def test_pixels_are_a_png_with_the_first_row_at_the_bottom() -> None:
    width, height, rows = decode(pixels([[0, 1, 2], [2, 5, math.nan]], 0, 2))
    assert (width, height) == (3, 2)
    assert list(rows[1]) == [0, 127, 255] and list(rows[0]) == [255, 255, 0]


def test_viridis_is_dark_to_bright() -> None:
    brightness = [sum(viridis(share / 20)) for share in range(21)]
    assert brightness == sorted(brightness)
    assert viridis(-1) == viridis(0) and viridis(2) == viridis(1)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(1, 10))
def test_ticks_are_round_and_within(low: float, span: float, count: int) -> None:
    span = max(span, abs(low) * 1e-6)
    found = ticks(low, low + span, count)
    assert found and all(low - span * 1e-6 <= tick <= low + span * (1 + 1e-6) for tick in found)
    assert len(found) <= 2 * count + 2


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234.5, "1234"), (12345, "12.35 k"), (2.5e6, "2.5 M"), (1e-4, "0.0001")]
)
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text


def test_axes_put_values_where_they_belong() -> None:
    axes = Axes(10, 20, 100, 50, (0, 10), (0, 1))
    assert (axes.x(0), axes.x(10), axes.y(0), axes.y(1)) == (10, 110, 70, 20)


# ---- graph


def test_graph_shows_states_facts_and_every_wire() -> None:
    boxes = [
        Box("mfcc-1", "MFCC & more", "done", 0.6, ["40 x 98"], outputs={"features": "FeatureSet"}),
        Box(
            "train-1",
            "Train",
            "failed",
            1.0,
            ["loss is nan"],
            inputs={"features": "FeatureSet"},
            outputs={"model": "Model"},
        ),
        Box("x-1", "Plugin", "never", outputs={"thing": "Unheard"}),
    ]
    figure = graph(boxes, [Wire("mfcc-1", "features", "train-1", "features"), Wire("ghost", "a", "train-1", "b")], "g")
    words = texts(figure)
    assert {"✓ done", "✕ failed", "○ never run", "MFCC & more", "loss is nan", "mfcc-1"} <= set(words)
    assert figure.body.count("mfcc-1.features → train-1.features") == 1 and "ghost" not in figure.body
    assert f"var(--{kind('FeatureSet').token})" in figure.body
    ElementTree.fromstring(figure.inline())


@pytest.mark.parametrize("name", STATES)
def test_every_state_has_a_mark_a_word_and_a_colour(name: str) -> None:
    look = state(name)
    assert look.mark and look.word and look.token in TOKENS


def test_every_type_differs_by_shape_as_well_as_colour() -> None:
    assert len({look.shape for look in KINDS.values()}) == len({look.token for look in KINDS.values()}) == len(KINDS)
    assert kind("Unheard").shape == "star" and state("odd").word == "odd"


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("ground", ["dark", "light"])
@pytest.mark.parametrize(
    "token", ["text", "mute", "amber-text", "red", "green", "blue", "teal", "violet", "gold", "rose"]
)
def test_text_colours_have_contrast_on_panels(token: str, ground: str) -> None:
    a, b = (luminance(getattr(TOKENS[name], ground)) for name in (token, "panel"))
    assert (max(a, b) + 0.05) / (min(a, b) + 0.05) >= 4.5


def test_long_words_are_cut() -> None:
    assert elide("a long line of words", 10) == "a long li…" and elide("short", 10) == "short"
