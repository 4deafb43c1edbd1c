"""Facts and small pictures of every artifact type; what cannot be drawn leaves the facts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from engine.artifact import (
    Artifact,
    AudioMeta,
    AudioSet,
    FeatureMeta,
    FeatureSet,
    FileProblem,
    Firmware,
    FirmwareMeta,
    Receipt,
    ReceiptMeta,
    Report,
    ReportMeta,
)
from studio.canvas.thumb import HEIGHT_PX, WIDTH_PX
from studio.look import theme
from studio.views.thumbs import SCALE, curves_picture, lines_of, thumb_of
from studio.work import Background

PICTURED = {"FeatureSet", "Model", "Deployment", "Report"}


def colours(image: QImage) -> set[str]:
    return {image.pixelColor(x, y).name() for x in range(0, image.width(), 2) for y in range(0, image.height(), 2)}


def test_every_artifact_of_a_run_has_facts_or_a_picture(dark: QApplication, artifacts: dict[str, Artifact]) -> None:
    for name, artifact in artifacts.items():
        found = thumb_of(artifact)
        assert 1 <= len(found.lines) <= 2 and all(found.lines), name
        assert (found.picture is not None) == (artifact.kind() in PICTURED), name
        if found.picture is not None:
            assert (found.picture.width(), found.picture.height()) == (WIDTH_PX * SCALE, HEIGHT_PX * SCALE)
            assert len(colours(found.picture)) > 2, name


def test_pictures_are_made_in_threads(dark: QApplication, artifacts: dict[str, Artifact], qtbot: Any) -> None:
    work, made = Background(), []
    for name, artifact in artifacts.items():
        work.call(name, lambda artifact=artifact: thumb_of(artifact), made.append)  # type: ignore[misc]
    qtbot.waitUntil(lambda: len(made) == len(artifacts))


def test_a_picture_is_made_once_per_ground(dark: QApplication, artifacts: dict[str, Artifact]) -> None:
    model = artifacts["train-1.model"]
    first = thumb_of(model)
    assert thumb_of(replace(model)) is first
    theme.apply(dark, "light")
    light = thumb_of(model)
    assert light is not first and light.picture is not None and first.picture is not None
    assert theme.colour("background").name() in colours(light.picture) - colours(first.picture)


def test_a_parted_set_tells_its_parts(dark: QApplication, artifacts: dict[str, Any], copy_of: Any) -> None:
    audio = artifacts["partition-1.audio"]
    counts = audio.meta.counts
    parts = " / ".join(str(counts[name]) for name in ("training", "validation", "testing"))
    assert thumb_of(audio).lines == (parts, "no speaker shared ✓")
    problem = FileProblem(file="a.wav", what="leak: twice")
    copy = copy_of(audio)
    leaky = replace(copy, meta=copy.meta.model_copy(update={"problems": (problem,)}))
    assert thumb_of(leaky).lines[1] == "1 leak mended"


def test_an_unparted_set_tells_what_is_in_it(dark: QApplication, artifacts: dict[str, Artifact]) -> None:
    lines = thumb_of(artifacts["ingest-1.audio"]).lines
    assert "48 clips" in lines[0] and "speakers" in " ".join(lines)


def test_an_int8_model_repeats_no_curves(dark: QApplication, int8_model: Artifact) -> None:
    found = thumb_of(int8_model)
    assert found.picture is None and found.lines


def test_a_search_shows_its_front(dark: QApplication, make_report: Callable[[Any], Report]) -> None:
    raw = {
        "kind": "search",
        "objectives": [{"name": "accuracy", "direction": "maximize"}, {"name": "flops", "direction": "minimize"}],
        "trials": [
            {"number": n, "state": "complete", "objectives": {"accuracy": a, "flops": f}}
            for n, (a, f) in enumerate([(0.9, 3e6), (0.8, 1e6), (0.7, 2e6)])
        ] + [{"number": 3, "state": "failed", "objectives": {}}],
    }  # fmt: skip
    picture = thumb_of(make_report(raw)).picture
    assert picture is not None
    assert {theme.colour("gold").name(), theme.colour("faint").name()} <= colours(picture)


@pytest.mark.parametrize(
    "content",
    ["not json", "[]", {"kind": "other"}, {"kind": "search"}, {"kind": "search", "objectives": [], "trials": []}],
)
def test_a_report_that_cannot_be_drawn_keeps_its_facts(dark: QApplication, tmp_path: Path, content: Any) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    found = thumb_of(Report(tmp_path, ReportMeta(title="x", about="5 trials")))
    assert found.picture is None and found.lines == ("5 trials",)


@pytest.mark.parametrize(
    "artifact",
    [
        Firmware(Path("/none/f"), FirmwareMeta(target="STM32", flash_bytes=100, ram_bytes=50)),
        Receipt(Path("/none/r"), ReceiptMeta(destination="hub", about="2 messages")),
        AudioSet(Path("/none/a"), AudioMeta(rate_hz=8000, classes=("a",), counts={"training": 1, "testing": 1})),
        FeatureSet(Path("/none/x"), FeatureMeta(front_end={}, layout="a,b", shape=(1, 1), classes=())),
    ],
    ids=lambda artifact: artifact.kind(),
)
def test_missing_files_leave_the_facts(dark: QApplication, artifact: Artifact) -> None:
    found = thumb_of(artifact)
    assert found.picture is None and found.lines


@pytest.mark.parametrize(
    ("about", "lines"),
    [
        ("", ()),
        ("short", ("short",)),
        ("3,595 clips · 12 classes · 207 speakers · 59.9 min", ("3,595 clips · 12 classes", "207 speakers · 59.9 min")),
        ("x" * 50, ("x" * 50,)),
    ],
)
def test_a_long_fact_is_broken_in_two(about: str, lines: tuple[str, ...]) -> None:
    assert lines_of(about) == lines


def test_curves_need_two_finite_points(dark: QApplication) -> None:
    assert curves_picture([]) is None
    assert curves_picture([{"step": 0, "loss": 1.0}]) is None
    nan = float("nan")
    assert curves_picture([{"step": 0, "loss": nan}, {"step": 1, "loss": nan}]) is None
    drawn = curves_picture([{"step": n, "loss": 2.0 - n, "validation_accuracy": 0.5 + 0.1 * n} for n in range(3)])
    assert drawn is not None
    assert {theme.colour("accent").name(), theme.colour("blue").name()} <= colours(drawn)
