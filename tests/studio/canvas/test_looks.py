"""What a box says and how it looks: words, colours, shapes, pictures; in both colours of the window."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from engine.fault import Fault
from engine.theme import STATES, TOKENS
from engine.workflow import parse
from studio.canvas.canvas import Canvas
from studio.canvas.ends import PortEnd
from studio.canvas.facts import clock, short_time, time_text, value_text
from studio.canvas.thumb import Thumb
from studio.look import theme
from studio.look.theme import colour, kind_colour, state_colour
from studio.model import edit
from studio.model.document import Document
from studio.model.places import WIDTH, port_y
from studio.run.state import NodeState

RAW = {
    "variables": {"model": "tc_resnet8"},
    "nodes": {
        "mfcc-1": {"type": "ossicle.mfcc", "params": {"preset": "s1-40x98"}},
        "train-1": {"type": "ossicle.train", "params": {"architecture": "{model}", "width": 1.5}},
        "deploy-1": {"type": "ossicle.deploy"},
        "odd-1": {"type": "acme.odd"},
    },
    "links": ["mfcc-1.features -> train-1.features", "train-1.model -> deploy-1.model"],
    "layout": {"positions": {"mfcc-1": [0, 0], "train-1": [253, 0], "deploy-1": [506, 0], "odd-1": [0, 198]}},
}


@pytest.fixture
def canvas(document: Document, dark: Any, qtbot: QtBot) -> Canvas:
    made = Canvas(document)
    qtbot.addWidget(made)
    made.resize(1000, 600)
    made.show()
    document.show(parse(RAW))
    made.finish()
    made.viewer.look(QPointF(-60, -60), 1.0)
    return made


def shot(canvas: Canvas) -> QImage:
    return canvas.viewer.grab().toImage()


def at(canvas: Canvas, image: QImage, spot: QPointF) -> QColor:
    return image.pixelColor(canvas.viewer.to_view(spot).toPoint())


def count(canvas: Canvas, image: QImage, area: QRectF, shade: QColor, within: int = 40) -> int:
    """Pixels of an area of the scene that are nearly of a colour."""
    corner = canvas.viewer.to_view(area.topLeft()).toPoint()
    found = 0
    for x in range(corner.x(), corner.x() + int(area.width())):
        for y in range(corner.y(), corner.y() + int(area.height())):
            pixel = image.pixelColor(x, y)
            apart = (pixel.red() - shade.red(), pixel.green() - shade.green(), pixel.blue() - shade.blue())
            found += max(map(abs, apart)) <= within
    return found


@pytest.mark.parametrize("state", STATES)
def test_a_state_is_told_by_mark_word_and_colour(canvas: Canvas, state: str) -> None:
    canvas.set_states({"mfcc-1": NodeState(state)})
    words = canvas.graph.boxes["mfcc-1"].words
    assert (words.mark, words.state, words.token) == (STATES[state].mark, STATES[state].word, STATES[state].token)
    corner = QRectF(WIDTH - 118, 8, 110, 18)
    assert count(canvas, shot(canvas), corner, state_colour(state)) > 20


def test_progress_runs_along_the_lower_edge(canvas: Canvas) -> None:
    canvas.set_states({"train-1": NodeState("running", 0.62, "epoch 13 of 20", 240, 158)})
    words = canvas.graph.boxes["train-1"].words
    assert (words.state, words.time) == ("62 %", "2:38 left")
    image, bottom = shot(canvas), canvas.graph.boxes["train-1"].box_height - 2
    assert at(canvas, image, QPointF(253 + 0.5 * WIDTH, bottom)) == colour("blue")
    assert at(canvas, image, QPointF(253 + 0.7 * WIDTH, bottom)) != colour("blue")


def test_a_failure_is_said_in_red_and_in_full_in_the_tooltip(canvas: Canvas) -> None:
    fault = Fault("RAM 141.2 kB at conv_2 is more than 128 kB", "at most 128 kB", "Lower width")
    canvas.set_states({"deploy-1": NodeState("failed", text="does not fit", seconds=1.9, error=fault)})
    box = canvas.graph.boxes["deploy-1"]
    assert (box.words.state, box.words.error, box.words.time) == ("does not fit", fault.what, "1.9 s")
    assert "Lower width" in box.tooltip()
    assert count(canvas, shot(canvas), QRectF(506 + 10, 36, 160, 40), colour("red")) > 60


def test_facts_take_the_place_of_parameters_and_a_picture_theirs(canvas: Canvas) -> None:
    box = canvas.graph.boxes["train-1"]
    assert box.words.lines == ("architecture tc_resnet8", "width 1.5")
    canvas.set_thumbs({"train-1": Thumb(("96.2 %", "145,248 parameters"))})
    assert box.words.lines == ("96.2 %", "145,248 parameters")
    picture = QImage(332, 84, QImage.Format.Format_RGB32)
    picture.fill(QColor("#ff00ff"))
    canvas.set_thumbs({"train-1": Thumb(picture=picture)})
    assert at(canvas, shot(canvas), QPointF(253 + WIDTH / 2, 56)) == QColor("#ff00ff")
    canvas.document.edit("x", lambda workflow: edit.set_params(workflow, "train-1", {"width": 2}))
    assert at(canvas, shot(canvas), QPointF(253 + WIDTH / 2, 56)) == QColor("#ff00ff")


def test_states_and_facts_that_came_before_the_graph_are_shown(canvas: Canvas, document: Document) -> None:
    canvas.set_states({"train-1": NodeState("done", seconds=3)})
    canvas.set_thumbs({"train-1": Thumb(("a fact",))})
    document.show(parse({**RAW, "name": "again"}))
    canvas.finish()
    assert canvas.graph.boxes["train-1"].words.state == "done"
    assert canvas.graph.boxes["train-1"].words.lines == ("a fact",)


def test_a_variable_changed_changes_what_boxes_say(canvas: Canvas) -> None:
    canvas.document.edit("x", lambda workflow: edit.set_variable(workflow, "model", "ds_cnn"))
    assert canvas.graph.boxes["train-1"].words.lines[0] == "architecture ds_cnn"


def test_the_stripe_and_the_ports_have_the_colour_of_their_type(canvas: Canvas) -> None:
    image = shot(canvas)
    assert at(canvas, image, QPointF(WIDTH / 2, 1)) == kind_colour("FeatureSet")
    assert at(canvas, image, QPointF(WIDTH, port_y(0))) == kind_colour("FeatureSet")
    assert at(canvas, image, QPointF(253 + WIDTH, port_y(0))) == kind_colour("Model")
    assert at(canvas, image, QPointF(253, port_y(1))) == colour("panel"), "an optional input is hollow"
    assert at(canvas, image, QPointF(WIDTH + 33, port_y(0))) == kind_colour("FeatureSet"), "and so has the wire"


def test_the_selected_box_has_an_amber_ring(canvas: Canvas) -> None:
    edge = QRectF(WIDTH / 2, -3, 20, 4)
    assert count(canvas, shot(canvas), edge, colour("accent")) == 0
    canvas.document.select(["mfcc-1"])
    assert count(canvas, shot(canvas), edge, colour("accent")) >= 15


def test_muted_is_faint_and_its_wires_are_dashed(canvas: Canvas, document: Document) -> None:
    before = shot(canvas)
    document.edit("x", lambda workflow: edit.set_mode(workflow, ["train-1"], "muted"))
    image = shot(canvas)
    title = QRectF(253 + 10, 8, 60, 18)
    assert count(canvas, image, title, colour("text")) < count(canvas, before, title, colour("text"))
    assert canvas.graph.boxes["train-1"].words.state == "muted" and all(w.is_dim for w in canvas.graph.wires.values())
    wire = QRectF(WIDTH + 8, port_y(0) - 2, 50, 4)
    shade = kind_colour("FeatureSet")
    assert count(canvas, image, wire, shade) < count(canvas, before, wire, shade)


def test_bypassed_is_said_and_drawn_through(canvas: Canvas, document: Document) -> None:
    raw = {"nodes": {"q-1": {"type": "ossicle.quantize", "mode": "bypassed"}}, "layout": {"positions": {"q-1": [0, 0]}}}
    document.show(parse(raw))
    canvas.finish()
    canvas.viewer.look(QPointF(-60, -60), 1.0)
    assert canvas.graph.boxes["q-1"].words.state == "bypassed"
    assert at(canvas, shot(canvas), QPointF(WIDTH / 2, port_y(0))) == kind_colour("Model")


def test_light_and_dark(canvas: Canvas, dark: Any) -> None:
    for ground in ("light", "dark"):
        theme.apply(dark, ground)
        image = shot(canvas)
        assert at(canvas, image, QPointF(WIDTH / 2, 92)) == QColor(getattr(TOKENS["panel"], ground))
        assert at(canvas, image, QPointF(-40, -41)) == QColor(getattr(TOKENS["canvas"], ground))


def test_names_stand_beside_the_ports_of_the_selected_box(canvas: Canvas) -> None:
    area = QRectF(253 - 70, port_y(1) - 8, 58, 16)
    assert count(canvas, shot(canvas), area, colour("text")) == 0
    canvas.document.select(["train-1"])
    assert count(canvas, shot(canvas), area, colour("text")) > 10


def test_what_fits_glows_and_the_rest_fades(canvas: Canvas) -> None:
    canvas.show_fitting([PortEnd("train-1", "features", False)])
    glow = {str(port.end): port.glow for box in canvas.graph.boxes.values() for port in box.ports()}
    assert glow["train-1.features"] == 1 and set(glow.values()) == {1, -1}
    canvas.show_fitting(None)
    assert {port.glow for box in canvas.graph.boxes.values() for port in box.ports()} == {0}


def test_long_words_are_elided_inside_the_box(canvas: Canvas) -> None:
    canvas.set_thumbs({"mfcc-1": Thumb(("a very long fact that no box could ever hold on one line",) * 2)})
    canvas.set_states({"mfcc-1": NodeState("attention", seconds=1e6)})
    canvas.viewer.grab()
    box = canvas.graph.boxes["mfcc-1"]
    assert box._letters is not None and len(box._letters) == 6
    for text, spot, _face, _token in box._letters:
        assert spot.x() >= 10 and spot.x() + text.size().width() <= WIDTH - 8
    assert any("…" in text.text() for text, *_rest in box._letters)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (16e-6, "16 µs"), (0.04, "40 ms"), (0.6, "0.6 s"), (158, "2:38"), (7325, "2:02:05")],
)
def test_times_as_people_say_them(seconds: float, text: str) -> None:
    assert short_time(seconds) == text


def test_times_by_state() -> None:
    assert time_text(NodeState("never")) == "" and time_text(NodeState("queued")) == ""
    assert time_text(NodeState("stale", seconds=3.1)) == "last 3.1 s"
    assert time_text(NodeState("running", seconds=61)) == "1:01" and clock(-3) == "0:00"


def test_values_in_words() -> None:
    assert [value_text(v) for v in (True, None, ["a", 2], {"x": 1}, 0.5)] == ["on", "none", "a, 2", "1 values", "0.5"]
