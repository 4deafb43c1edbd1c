"""The report of a run: one file without network, everything in it, nothing unescaped; it survives what is missing."""

from __future__ import annotations

import json
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from engine import Artifact, Meta, ModelMeta
from engine.artifact import load
from engine.evidence import (
    curve_figure,
    facts_of,
    figures_of,
    metric_facts,
    metric_text,
    rows_of_curves,
    wilson,
)
from engine.execute import installed
from engine.record import RunRecord
from engine.registry import Registry, specs_of
from engine.report import REPORT_FILE, run_figures, run_graph, write_report
from engine.report_sections import gather
from engine.runner import LocalRunner, Request
from engine.workflow import Workflow, parse

TINY = Path(__file__).parent / "tiny"
VOID = {"meta", "path", "circle", "rect", "line", "image", "polygon", "svg"}
LINKS = [
    "tones-1.audio -> spectra-1.audio",
    "spectra-1.features -> train-1.features",
    "spectra-1.features -> score-1.features",
    "train-1.model -> score-1.model",
    "train-1.model -> pack-1.model",
    "score-1.report -> pack-1.report",
]


def pipeline(**params: dict[str, Any]) -> Workflow:
    nodes = {
        f"{name}-1": {"type": f"tiny.{name}", "params": params.get(name, {})}
        for name in ("tones", "spectra", "train", "score", "pack")
    }
    nodes["muted-1"] = {"type": "tiny.pack", "mode": "muted"}
    return parse(
        {
            "name": "A <b>bold</b> name",
            "about": "Says & shows.",
            "nodes": nodes,
            "links": [*LINKS, "train-1.model -> muted-1.model"],
        }
    )


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., RunRecord]]:
    """Run the tiny pipeline with a report, and give its record."""
    monkeypatch.syspath_prepend(str(TINY))
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    registry = Registry({spec.id: spec for spec in specs_of(import_module("ossicle_tiny"))})
    installed.cache_clear()

    def run(workflow: Workflow) -> RunRecord:
        request = Request(workflow, tmp_path, registry=registry, after=(write_report,))
        return LocalRunner().run(request, lambda _event: None, threading.Event())

    yield run
    installed.cache_clear()


class Page(HTMLParser):
    """Text, tags and addresses of a page; unclosed tags are counted."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.words)


def page_of(record: RunRecord) -> Page:
    text = (record.folder / REPORT_FILE).read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    return page


def test_the_report_tells_the_whole_run(tiny: Callable[..., RunRecord]) -> None:
    record = tiny(pipeline(train={"epochs": 4}))
    page = page_of(record)
    for part in (
        "A <b>bold</b> name", "Says & shows.", "✓ done", "train-1", "epochs", "parameters", "1,234",
        "90.00", "95 %: 74.4 to 96.5 %", "Clips per class", "Features 20 × 15", "Training", "Confusion", "Accuracy",
        "Latency per layer",
        "bad & <broken>.wav", "it is cut off after 12 bytes", "the loss <fell> too slowly", "Lineage", "Environment",
        "onnxruntime", "– muted", record.nodes["pack-1"].outputs["deployment"][:12],
    ):  # fmt: skip
        assert part in page.text, part


def test_one_file_without_network_or_script(tiny: Callable[..., RunRecord]) -> None:
    record = tiny(pipeline())
    page, text = page_of(record), (record.folder / REPORT_FILE).read_text(encoding="utf-8")
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "<script" not in text and not re.search(r"https?:|//[a-z]|url\(|@import", text)
    assert "prefers-color-scheme: light" in text and text.count("<title>") >= 1
    assert len(text) < 2_000_000


def test_a_cached_run_shows_the_same_evidence(tiny: Callable[..., RunRecord]) -> None:
    first, second = tiny(pipeline()), tiny(pipeline())
    titles = [[figure.title for figure in run_figures(gather(record)).figures] for record in (first, second)]
    assert titles[0] == titles[1] and len(titles[0]) == 6
    assert page_of(second).text.count("⟲ cached") == 10


def test_a_failed_run_shows_the_error_in_three_parts(tiny: Callable[..., RunRecord]) -> None:
    record = tiny(pipeline(train={"fail": True}))
    text = page_of(record).text
    for part in (
        "✕ failed",
        "train-1: loss is nan.",
        "Expected: a finite loss.",
        "Lower the learning rate.",
        "– skipped",
    ):
        assert part in text


def test_a_report_is_written_when_artifacts_are_gone_or_damaged(tiny: Callable[..., RunRecord]) -> None:
    record = tiny(pipeline())
    shutil.rmtree(record.artifacts("tones-1")["audio"])
    report = record.artifacts("score-1")["report"] / "report.json"
    report.chmod(0o644)
    report.write_text("{")
    features = record.artifacts("spectra-1")["features"] / "features.h5"
    features.chmod(0o644)
    features.write_bytes(b"no")
    write_report(record)
    text = page_of(record).text
    assert "Latency per layer" in text and "Confusion" not in text and "Features 20" not in text
    assert "no plot of score-1" in text and "no plot of spectra-1" in text


def test_unknown_types_and_an_empty_graph(tiny: Callable[..., RunRecord]) -> None:
    record = tiny(parse({"name": "nothing"}))
    assert "0 nodes, 0 links" in page_of(record).text


def test_graph_shows_each_node_once(tiny: Callable[..., RunRecord]) -> None:
    told = gather(tiny(pipeline()))
    body = run_graph(told).body
    for name in told.workflow.nodes:
        assert body.count(f">{name}</text>") == 1


# ---- evidence


def test_every_artifact_type_has_facts_and_plots(tiny: Callable[..., RunRecord]) -> None:
    record = tiny(pipeline())
    for name, node in record.nodes.items():
        for path in record.artifacts(name).values():
            artifact = load(path)
            drawn = figures_of(artifact, name)
            assert facts_of(artifact) and drawn.figures and not drawn.missing, node
            assert all(name in figure.title for figure in drawn.figures)
    assert sys.modules["engine.evidence"]


def test_plain_artifacts_have_no_plots(tmp_path: Path) -> None:
    assert figures_of(Artifact(tmp_path, Meta(about="words")), "x").figures == ()
    assert facts_of(Artifact(tmp_path, Meta(about="words"))) == [("about", "words")]


def test_figures_get_units_and_intervals() -> None:
    metrics = {
        "accuracy": 0.9,
        "accuracy_low": 0.8,
        "accuracy_high": 0.95,
        "latency_us": 12.34,
        "size_bytes": 1500,
        "clips": 30.0,
    }
    assert metric_facts(metrics) == [
        ("accuracy", "90.00 % (80.0 to 95.0 %)"), ("latency", "12.3 µs"), ("size", "1.5 kB"), ("clips", "30"),
    ]  # fmt: skip
    assert metric_text("loss", 0.12346) == "0.1235" and metric_text("f1", 0.5) == "50.00 %"


def test_wilson_is_wilson() -> None:
    """Values of Brown, Cai and DasGupta's formula worked by hand, and its behaviour at the ends."""
    low, high = wilson(0.9, 30)
    assert (round(low, 4), round(high, 4)) == (0.7438, 0.9654)
    assert wilson(0.0, 10)[0] == 0.0 and wilson(1.0, 10)[1] == 1.0
    assert wilson(0.5, 10_000)[1] - wilson(0.5, 10_000)[0] < 0.02


CURVES = {
    "rows": [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}],
    "epochs": [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}],
    "columns": {"loss": [2.0, 1.0], "note": "words"},
    "wrapped": {"seed": 1, "points": [{"loss": 2.0}, {"loss": 1.0}]},
}


@pytest.mark.parametrize("name", CURVES)
def test_curves_are_read_in_every_form(name: str) -> None:
    rows = rows_of_curves(json.loads(json.dumps(CURVES[name])))
    assert [row["loss"] for row in rows] == [2.0, 1.0]
    figure = curve_figure(rows, "T")
    assert figure is not None and figure.caption == "loss"


def test_curves_need_two_points_and_accuracies_become_percent() -> None:
    assert curve_figure([{"step": 0, "accuracy": 1.0}], "T") is None
    rows = [
        {"step": float(i), "val_accuracy": 0.5 + i / 10, "train_loss": 1.0, "loss_scale": 2.0, "odd": 7.0}
        for i in range(4)
    ]
    figure = curve_figure(rows, "T")
    assert figure is not None and figure.caption == "loss, accuracy, odd"
    assert "best val accuracy: 80 at 3" in figure.body


def test_model_facts_name_the_counting_rule() -> None:
    meta = ModelMeta(
        architecture="tiny", input_shape=(1, 2), classes=("a",), front_end={}, parameters=5, size_bytes=10,
        flops={"true": 2e6}, sparsity=0.5,
    )  # fmt: skip
    facts = dict(facts_of(Artifact(Path(), meta)))
    assert facts["operations (true)"] == "2.00 M" and facts["zero weights"] == "50%" and facts["input"] == "1 × 2"
