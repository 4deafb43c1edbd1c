"""What a report asks to be drawn: every scale, bands, points, maps with zero in the middle, and odd values."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Report, ReportMeta
from engine.evidence import figures_of, metric_text
from engine.report import tiles
from engine.report_plots import LEFT, MOST_PLOTS, PLOT, drawing, figures, limits, line_figure, map_figure
from engine.svg import signed

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6)


def plot(scale: str = "linear", **more: Any) -> dict[str, Any]:
    lines = [{"name": "net", "x": [0.0, 0.1, 0.5, 1.0], "y": [1.0, 0.4, 0.1, 0.0]}]
    axis = {"name": "rate", "scale": scale}
    return {"title": "ROC", "caption": "c", "x": axis, "y": axis, "lines": lines, "points": [], **more}


@pytest.mark.parametrize(
    ("scale", "value", "place"),
    [("linear", 0.5, 0.5), ("log", 0.1, -1.0), ("normal", 0.5, 0.0), ("normal", 0.1, -1.2816)],
)
def test_each_scale_puts_values_where_it_says(scale: str, value: float, place: float) -> None:
    found = drawing(plot(scale, lines=[{"name": "a", "x": [value], "y": [value]}]))
    assert found.lines["a"] == [(pytest.approx(place, abs=1e-4), pytest.approx(place, abs=1e-4))]


@pytest.mark.parametrize("scale", ["log", "normal"])
def test_what_has_no_place_is_left_out(scale: str) -> None:
    found = drawing(plot(scale))
    assert len(found.lines["net"]) == 2  # 0 and 1 have no deviate, 0 no logarithm; both ends go with x or y


def test_a_line_runs_from_edge_to_edge_with_ticks_in_words() -> None:
    found = line_figure(drawing(plot()))
    root = ElementTree.fromstring(f"<svg>{found.body}</svg>")
    words = [element.text for element in root.iter("text")]
    assert {"0", "0.4", "1", "net", "rate"} <= set(words)
    data = next(e.get("d", "") for e in root.iter("path") if e.find("title") is not None)
    xs = [float(pair.split()[0]) for pair in data[1:].split("L")]
    assert xs == sorted(xs) and xs[0] > LEFT and xs[-1] < LEFT + PLOT


def test_bands_and_points_are_drawn_and_belong_to_their_line() -> None:
    line = {"name": "mean", "x": [0.0, 1.0], "y": [0.5, 0.5], "low": [0.4, 0.4], "high": [0.6, 0.6]}
    found = drawing(plot(lines=[line], points=[{"name": "here", "x": 0.2, "y": 0.9}]))
    assert found.bands["mean"] == [(0.0, 0.4), (1.0, 0.4), (1.0, 0.6), (0.0, 0.6)]
    assert found.points == {"here": (0.2, 0.9)}
    assert found.spans[1][1] > 0.9  # the axis holds the point too
    assert "here" in line_figure(found).body


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8), st.sampled_from(["linear", "log", "normal"]))
def test_any_numbers_give_a_sound_drawing(points: list[tuple[float, float]], scale: str) -> None:
    line = {"name": "a < b & c", "x": [x for x, _ in points], "y": [y for _, y in points]}
    found = line_figure(drawing(plot(scale, lines=[line])))
    root = ElementTree.fromstring(f"<svg>{found.body}</svg>")
    assert "nan" not in found.body and math.isfinite(found.height)
    assert any(element.text == "a < b & c" for element in root.iter("text"))


def picture(columns: int = 2) -> dict[str, Any]:
    panels = [
        {"name": "features", "array": "f", "colours": "viridis"},
        {"name": "why", "array": "w", "colours": "signed"},
    ]
    column = {"name": "positive", "panels": panels}
    axes = {"x": {"name": "time / s", "end": 1.0}, "y": {"name": "mel band", "size": 4}}
    return {"title": "yes", "caption": "", **axes, "columns": [column] * columns}


def test_maps_have_colour_bars_with_their_range() -> None:
    arrays = {"f": np.array([[0.0] * 99 + [11.0] * 99] * 4), "w": np.array([[-0.5, 0.0, 2.0]] * 4)}
    found = map_figure(picture(), arrays)
    root = ElementTree.fromstring(f"<svg>{found.body}</svg>")
    words = [element.text for element in root.iter("text")]
    assert len(list(root.iter("image"))) == 8  # two columns of two maps, each with a bar
    assert {"-2", "0", "2", "11", "time / s", "mel band", "positive"} <= set(words)


def test_zero_is_in_the_middle_red_above_and_blue_below() -> None:
    assert limits(np.array([[-0.5, 2.0, 2.0, 2.0]]), "signed") == (-2.0, 2.0)
    assert limits(np.array([[0.0] * 999 + [3.0]]), "signed") == (-3.0, 3.0)
    low, high = limits(np.array([[*np.linspace(0, 1, 1000), 50.0]]), "viridis")
    assert low >= 0 and high <= 1, "one extreme value does not darken all others"
    assert limits(np.zeros((2, 2)), "signed") == (-1.0, 1.0)
    assert limits(np.array([[math.nan, 3.0]]), "viridis") == (3.0, 4.0)
    (red, _, blue), (r, _, b) = signed(1.0), signed(0.0)
    assert red > 2 * blue and b > 2 * r and min(signed(0.5)) > 200


def test_a_report_draws_its_plots_and_maps(tmp_path: Path) -> None:
    import json

    np.savez(tmp_path / "arrays.npz", f=np.ones((4, 3), np.float32), w=np.zeros((4, 3), np.float32))
    report = {"kind": "x", "plots": [plot()] * (MOST_PLOTS + 3), "maps": [picture()]}
    (tmp_path / "report.json").write_text(json.dumps(report))
    drawn = figures_of(Report(tmp_path, ReportMeta(title="x")), "node-1")
    assert not drawn.missing and len(drawn.figures) == MOST_PLOTS + 1
    assert drawn.figures[-1].title == "yes · node-1"


@pytest.mark.parametrize(
    "raw", [{"plots": [{"title": "x"}]}, {"plots": [plot("cubic")]}, {"maps": [picture()]}, {"plots": 3}]
)
def test_a_damaged_request_is_told_not_raised(raw: dict[str, Any], tmp_path: Path) -> None:
    import json

    (tmp_path / "report.json").write_text(json.dumps(raw))
    drawn = figures_of(Report(tmp_path, ReportMeta(title="x")), "node-1")
    assert drawn.figures == () and "no plot of node-1" in drawn.missing[0]


def test_no_request_no_figure(tmp_path: Path) -> None:
    assert list(figures({"plots": None, "maps": []}, tmp_path)) == []


def test_differences_of_shares_are_told_in_percent() -> None:
    assert metric_text("accuracy_difference", -0.012) == "-1.20 %"


def test_the_accuracy_of_a_run_is_told_though_later_reports_have_none(tmp_path: Path) -> None:
    scored = Report(tmp_path, ReportMeta(title="b", metrics={"accuracy": 0.93}))
    heard = Report(tmp_path, ReportMeta(title="l", metrics={"false_alarms_per_hour": 2.0}))
    told: Any = SimpleNamespace(
        record=SimpleNamespace(nodes={}), artifacts={("benchmark-1", "report"): scored, ("listen-1", "report"): heard}
    )
    assert any("93.00" in tile and "benchmark-1" in tile for tile in tiles(told))
