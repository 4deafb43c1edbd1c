"""While a wire is drawn: what glows, what the bubble says, and that both agree with the engine."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest

from engine.resource import project, projects
from engine.workflow import Link, load
from studio.canvas.drag import verdict
from studio.canvas.ends import PortEnd
from studio.canvas.fits import Fitting, best_port, passes, through, why_no_bypass, why_not
from studio.model.places import ports_of


def test_ports_that_fit_glow_and_the_others_fade(bench) -> None:
    start = bench.port("train-1", "model", is_output=True)
    bench.press(start, start + QPointF(30, 40), start + QPointF(60, 40), release=False)
    glow = {str(port.end): port.glow for box in bench.canvas.graph.boxes.values() for port in box.ports()}
    assert {name for name, value in glow.items() if value > 0} == {"train-1.model", "benchmark-2.model"}
    assert glow["mfcc-1.audio"] == glow["train-1.features"] == -1
    QTest.mouseRelease(bench.canvas.viewer.viewport(), Qt.MouseButton.LeftButton, pos=bench.pixel(start))
    assert {port.glow for box in bench.canvas.graph.boxes.values() for port in box.ports()} == {0}
    assert not bench.extras.feedback.bubble.isVisible()


def test_the_reason_stands_at_the_pointer_before_release(bench) -> None:
    bubble = bench.extras.feedback.bubble
    start, end = bench.port("mfcc-1", "features", is_output=True), bench.port("train-1", "audio", is_output=False)
    bench.press(start, start + QPointF(20, 40), end, release=False)
    assert bubble.isVisible() and bubble.mark.text() == "✕"
    assert bubble.text == (
        "mfcc-1.features is a FeatureSet.\nExpected: an AudioSet at train-1.audio.\n"
        "Put a node between them that makes one from the other."
    )
    assert bench.canvas.viewer.viewport().rect().contains(bubble.geometry())
    QTest.mouseMove(bench.canvas.viewer.viewport(), bench.pixel(QPointF(500, 500)))
    assert not bubble.isVisible()
    QTest.keyClick(bench.canvas.viewer, Qt.Key.Key_Escape)
    assert not bench.extras.feedback.is_active and bench.document.undo_text == ""


def test_a_wire_that_replaces_another_says_which(bench) -> None:
    bubble = bench.extras.feedback.bubble
    start, end = bench.port("train-1", "model", is_output=True), bench.port("benchmark-2", "model", is_output=False)
    bench.press(start, start + QPointF(20, 40), end, release=False)
    assert bubble.isVisible() and bubble.mark.text() == "✓"
    assert bubble.text == "benchmark-2.model takes Model\nReplaces the wire from quantize-1.model"
    QTest.mouseRelease(bench.canvas.viewer.viewport(), Qt.MouseButton.LeftButton, pos=bench.pixel(end))
    assert Link("train-1", "model", "benchmark-2", "model") in bench.document.workflow.links
    assert not bubble.isVisible()


def test_a_wire_taken_off_its_input_may_go_back(bench) -> None:
    end = bench.port("mfcc-1", "audio", is_output=False)
    bench.press(end, end + QPointF(-40, 60), end + QPointF(-20, 40), end + QPointF(-2, 2), release=False)
    port = bench.canvas.graph.port(PortEnd("mfcc-1", "audio", False))
    assert port.glow == 1 and not bench.extras.feedback.bubble.isVisible()
    QTest.mouseRelease(bench.canvas.viewer.viewport(), Qt.MouseButton.LeftButton, pos=bench.pixel(end))
    assert bench.document.undo_text == "" and port.glow == 0


@pytest.mark.parametrize(
    ("start", "other", "words"),
    [
        (PortEnd("mfcc-1", "features", True), PortEnd("train-1", "model", True), "is an output too"),
        (PortEnd("mfcc-1", "audio", False), PortEnd("train-1", "features", False), "is an input too"),
        (PortEnd("quantize-1", "model", True), PortEnd("mfcc-1", "audio", False), "is a Model"),
        (PortEnd("mfcc-1", "features", True), PortEnd("train-1", "features", False), "exists already"),
    ],
)
def test_reasons_in_words(bench, start: PortEnd, other: PortEnd, words: str) -> None:
    found = verdict(bench.document, start, other)
    assert not found.is_yes and words in found.lines[0] and len(found.lines) == 3


@pytest.mark.parametrize("name", projects())
def test_what_glows_is_what_the_engine_allows(registry, name: str) -> None:
    workflow = load(project(f"{name}.workflow.json"))
    ends = [
        PortEnd(node, port, is_output)
        for node in workflow.nodes
        for is_output in (False, True)
        for port in ports_of(workflow, registry, node)[is_output]
    ]
    for start in ends:
        fitting = Fitting(workflow, registry, start)
        for other in ends:
            assert fitting.fits(other) == (why_not(workflow, registry, start, other) is None), (start, other)


def test_the_best_port_is_the_one_that_needs_it(registry) -> None:
    train, deploy = registry.find("ossicle.train"), registry.find("ossicle.deploy")
    audio = registry.find("ossicle.ingest").outputs[0].type
    model = train.outputs[0].type
    assert best_port(train, audio, "audio", is_output=True).name == "audio"
    assert best_port(deploy, model, "model", is_output=True).name == "model"
    assert best_port(train, model, "model", is_output=True) is None
    assert best_port(train, model, "x", is_output=False).name == "model"


def test_into_a_wire_fits_what_takes_and_gives_its_type(registry, bench) -> None:
    wire = Link("ingest-1", "audio", "partition-1", "audio")
    fits = {spec.id for spec in registry.specs.values() if through(bench.document.workflow, registry, wire, spec)}
    assert fits == {"ossicle.chunk", "ossicle.partition"}


def test_only_what_passes_its_input_on_can_be_bypassed(registry, bench) -> None:
    ours = [spec for spec in registry.specs.values() if spec.id.startswith("ossicle.")]
    found = {spec.id for spec in ours if passes(spec)}
    assert {"ossicle.partition", "ossicle.quantize", "ossicle.fine_tune"} <= found
    assert found.isdisjoint({"ossicle.ingest", "ossicle.mfcc", "ossicle.train", "ossicle.benchmark", "ossicle.push"})
    error = why_no_bypass(bench.document.workflow, registry, "mfcc-1")
    assert error is not None and error.what == "mfcc-1 gives FeatureSet but takes AudioSet"
    assert why_no_bypass(bench.document.workflow, registry, "quantize-1") is None
