"""`ossicle bench editor`: how fast it opens, pans, zooms, drags and takes events, plain NodeGraphQt beside it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.artifact import Artifact, Meta
from engine.bench import BenchResult, Row, at_least, at_most, machine
from engine.context import Context
from engine.node import node
from engine.params import Params
from engine.registry import Registry
from engine.resource import resource
from engine.workflow import Workflow, parse
from studio.bench_click import click_rows

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication, QWidget

    from studio.canvas.canvas import Canvas
    from studio.model.document import Document

SIZE: Final = (1280, 800)
SIZES: Final = {
    "nodes": 1000, "many": 5000, "events": 20_000, "edits": 3600, "rounds": 3, "frames": 30, "clicks": 5,
    "plain": 1, "window": 1,
}  # fmt: skip
COLUMN, ROW = 252, 144
PEER: Final = "NodeGraphQt 0.6.44"


class StepParams(Params):
    """Three parameters, as the plain graph's nodes have."""

    number: int = 0
    """Any number."""
    label: str = "bench"
    """Any word."""
    share: float = 0.5
    """Any share."""


@node("bench.step", version=1, category="Bench")
def step(before: list[Artifact], params: StepParams, ctx: Context) -> Artifact:
    """One node of the benched graph; never run."""
    return Artifact(ctx.folder(), Meta())


def pairs(nodes: int) -> list[tuple[int, int]]:
    """Links of the benched graph: a chain, and every other node also wired to one a little earlier; 1.5 a node."""
    near = [(number - 1 - number * 7 % 23, number) for number in range(1, nodes, 2)]
    chain = [(number - 1, number) for number in range(1, nodes)]
    return sorted({*chain, *((source, target) for source, target in near if 0 <= source < target)})


def spots(nodes: int) -> list[tuple[int, int]]:
    """Positions on a square grid."""
    columns = max(1, round(nodes**0.5))
    return [(number % columns * COLUMN, number // columns * ROW) for number in range(nodes)]


def graph(nodes: int) -> Workflow:
    """The benched workflow."""
    return parse(
        {
            "name": "bench",
            "nodes": {f"n-{i}": {"type": step.id, "params": {"number": i}} for i in range(nodes)},
            "links": [f"n-{source}.artifact -> n-{target}.before" for source, target in pairs(nodes)],
            "layout": {"positions": {f"n-{i}": list(spot) for i, spot in enumerate(spots(nodes))}},
        }
    )


def editor(options: Mapping[str, str]) -> BenchResult:
    """What the editor costs, offscreen at 1280 x 800, medians.

    Options: `nodes` (1,000), `many` (5,000), `events` (20,000), `edits` (3,600: an hour of one a second), `rounds` (3),
    `frames` (30), `clicks` (5; 0 leaves the runner out), `plain` and `window` (1; 0 leaves plain NodeGraphQt, or what
    is measured of the whole window, out).
    Plain NodeGraphQt runs in a child process, as shipped, with the same positions and links.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sizes = {**SIZES, **{name: int(value) for name, value in options.items() if name in SIZES}}
    app = _application()
    plain = _plain(sizes["nodes"], sizes["frames"], sizes["rounds"]) if sizes["plain"] else {}
    rows = [
        *_graph_rows(app, sizes["nodes"], sizes, (1.0, 60.0), plain),
        *_graph_rows(app, sizes["many"], sizes, (6.0, 30.0), {}),
        *_event_rows(app, sizes["nodes"], sizes["events"]),
        *_plot_rows(app, sizes["frames"]),
        *(_window_rows(sizes["rounds"], sizes["edits"]) if sizes["window"] else []),
        *(click_rows(sizes["clicks"]) if sizes["clicks"] else []),
    ]
    return BenchResult("editor", {**machine(), "platform": os.environ["QT_QPA_PLATFORM"]}, tuple(rows))


def _application() -> QApplication:
    from studio.app import application
    from studio.look import theme

    app = application()
    theme.apply(app, "dark")
    return app


# ---- the graph


def _window(workflow: Workflow | None = None, path: Path | None = None) -> tuple[Document, Canvas]:
    from studio.canvas.canvas import Canvas
    from studio.model.document import Document

    document = Document(Registry({step.id: step}))
    canvas = Canvas(document)
    canvas.resize(*SIZE)
    canvas.show()
    if workflow is not None:
        document.show(workflow, path)
        canvas.finish()
    return document, canvas


def _close(app: QApplication, widget: QWidget) -> None:
    from PySide6.QtCore import QEvent

    widget.close()
    widget.deleteLater()
    app.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _graph_rows(
    app: QApplication, nodes: int, sizes: Mapping[str, int], aims: tuple[float, float], plain: Mapping[str, float]
) -> list[Row]:
    """Opening, then frames with all of it visible."""
    workflow = graph(nodes)
    opened = [_open(app, workflow) for _ in range(sizes["rounds"])]
    first, whole = (statistics.median(turn[part] for turn in opened) for part in (0, 1))
    _document, canvas = _window(workflow)
    frames = _Frames(app, canvas, sizes["frames"])
    pan, zoom, drag = frames.pan(), frames.zoom(), frames.drag(f"n-{nodes // 2}")
    _close(app, canvas)
    name, links = f"{nodes} nodes", len(workflow.links)
    peer = {key: {PEER: value} for key, value in plain.items()}
    return [
        at_most(f"open {name}, {links} links: first full frame", round(first, 3), "s", aims[0], peer.get("open_s")),
        at_most(f"open {name}: every item made", round(whole, 3), "s", aims[0], peer.get("open_s")),
        *_frame_rows(f"pan, all {name} visible", pan, aims[1], plain.get("pan_ms")),
        *_frame_rows(f"zoom, all {name} visible", zoom, aims[1], plain.get("zoom_ms")),
        *_frame_rows(f"drag one node, all {name} visible", drag, aims[1], plain.get("drag_ms")),
    ]


def _frame_rows(name: str, frame_ms: float, least_fps: float, plain_ms: float | None) -> list[Row]:
    """A frame's time, and the frames per second that it allows."""
    peers = ({PEER: plain_ms}, {PEER: round(1000 / plain_ms, 1)}) if plain_ms is not None else ({}, {})
    return [
        Row(name, round(frame_ms, 2), "ms per frame", peers=peers[0]),
        at_least(name, round(1000 / frame_ms, 1), "fps", least_fps, peers[1]),
    ]


def _open(app: QApplication, workflow: Workflow) -> tuple[float, float]:
    """Seconds from opening to the first full frame, and until every item is made."""
    document, canvas = _window()
    app.processEvents()
    start = time.perf_counter()
    document.show(workflow)
    canvas.viewer.viewport().repaint()
    first = time.perf_counter() - start
    canvas.finish()
    canvas.viewer.viewport().repaint()
    whole = time.perf_counter() - start
    _close(app, canvas)
    return first, whole


class _Frames:
    """Medians of frames painted while something is done."""

    def __init__(self, app: QApplication, canvas: Canvas, count: int) -> None:
        self.app = app
        self.canvas = canvas
        self.count = count
        canvas.fit()
        app.processEvents()

    def median_ms(self, change: Callable[[int], object]) -> float:
        found = []
        for turn in range(self.count):
            start = time.perf_counter()
            change(1 if turn % 2 else -1)
            self.canvas.viewer.viewport().repaint()
            self.app.processEvents()
            found.append(1000 * (time.perf_counter() - start))
        return statistics.median(found)

    def pan(self) -> float:
        from PySide6.QtCore import QPointF

        return self.median_ms(lambda way: self.canvas.viewer.pan(QPointF(8 * way, 0)))

    def zoom(self) -> float:
        return self.median_ms(lambda way: self.canvas.zoom_by(1.1**way))

    def drag(self, name: str) -> float:
        """A real drag: press, moves, release."""
        from PySide6.QtCore import QPointF, Qt
        from PySide6.QtTest import QTest

        viewport = self.canvas.viewer.viewport()
        start = self.canvas.viewer.to_view(self.canvas.far.spots[name].area.center())
        QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=start.toPoint())
        QTest.mouseMove(viewport, (start + QPointF(20, 0)).toPoint())
        found = self.median_ms(lambda way: _drag_to(self.canvas, start + QPointF(20 + 5 * way, 0)))
        QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=start.toPoint())
        return found


def _drag_to(canvas: Canvas, at: Any) -> None:
    from PySide6.QtCore import QEvent, Qt
    from PySide6.QtGui import QMouseEvent
    from PySide6.QtWidgets import QApplication

    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    event = QMouseEvent(QEvent.Type.MouseMove, at, at, Qt.MouseButton.NoButton, left, none)
    QApplication.sendEvent(canvas.viewer.viewport(), event)


def _plain(nodes: int, frames: int, rounds: int) -> dict[str, float]:
    """Medians of plain NodeGraphQt, a process of its own each time."""
    given = f"{json.dumps(spots(nodes))}\n{json.dumps(pairs(nodes))}\n"
    command = [sys.executable, str(resource("bench/nodegraphqt.py")), str(nodes), str(min(frames, 10))]
    told = [
        json.loads(
            subprocess.run(command, input=given, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        )
        for _ in range(rounds)
    ]
    return {name: statistics.median(turn[name] for turn in told) for name in told[0]}


# ---- events


def _event_rows(app: QApplication, nodes: int, events: int) -> list[Row]:
    """The longest the window does not answer while a runner floods it: canvas, log and status bar listen."""
    from PySide6.QtCore import QEventLoop, QTimer

    from studio.collecting import Collecting
    from studio.panels.log import LogPanel
    from studio.panels.status import StatusStrip
    from studio.run.child import Child
    from studio.run.session import Session
    from studio.shot import wait_until

    with tempfile.TemporaryDirectory(prefix="ossicle-bench-") as place:
        document, canvas = _window(graph(nodes), Path(place) / "bench.workflow.json")
        child = Child(program=(sys.executable, "-P", str(resource("bench/runner.py")), str(events)))
        session = Session(document, child=child)
        session.states_changed.connect(lambda names: canvas.set_states({n: session.state(n) for n in names}))
        panels = [LogPanel(session), StatusStrip(session)]
        for panel in panels:
            panel.show()
        Collecting(lambda: not session.is_active, session)  # as the window does
        ticks: list[float] = []
        loop = QEventLoop()
        tick = QTimer(interval=0)
        tick.timeout.connect(lambda: ticks.append(time.perf_counter()))
        tick.timeout.connect(lambda: None if session.is_active else loop.quit())
        child.start()
        if not wait_until(lambda: child.state == "warm" and session.is_settled, 30):
            raise RuntimeError(f"the benchmark's runner is {child.state}")
        session.run_all()
        start = time.perf_counter()
        tick.start()
        loop.exec()
        tick.stop()
        seconds = time.perf_counter() - start
        done = sum(state.state == "done" for state in session.states.values())
        session.close()
        for widget in (*panels, canvas):
            _close(app, widget)
    if done != nodes:
        raise RuntimeError(f"the benchmark's run ended with {done} of {nodes} nodes done")
    stall = 1000 * max(b - a for a, b in zip(ticks, ticks[1:], strict=False))
    return [
        at_most(f"{events} events of {nodes} nodes: longest stall of the window", round(stall, 1), "ms", 50),
        Row(f"{events} events of {nodes} nodes: from the click to the end of the run", round(seconds, 2), "s"),
    ]


# ---- plots


def _plot_rows(app: QApplication, frames: int) -> list[Row]:
    """The window's own views: another map and one more row of two curves every frame, both painted."""
    import numpy as np
    from PySide6.QtWidgets import QHBoxLayout, QWidget

    from studio.views.curves import CurvesCard
    from studio.views.data.maps import spectrogram
    from studio.views.plotting import SoundChart

    dice, found = np.random.default_rng(1), []
    maps = [spectrogram(dice.standard_normal(16_000).astype(np.float32), 16_000) for _ in range(8)]
    rows = [{"epoch": float(at), "loss": 1 / (at + 1), "val_accuracy": at / 400} for at in range(200)]
    window = QWidget()  # pyqtgraph's own windows may not be closed and deleted later: it frees their scene in close()
    window.resize(900, 300)
    layout, chart, card = QHBoxLayout(window), SoundChart("Map"), CurvesCard()
    for view in (chart, card):
        layout.addWidget(view)
    window.show()
    card.show_rows("train-1", rows)
    app.processEvents()
    for turn in range(frames):
        start = time.perf_counter()
        chart.show_sound(None, maps[turn % 8])
        rows.append({"epoch": float(len(rows)), "loss": 1 / len(rows), "val_accuracy": 0.5 + turn / 1000})
        card.show_rows("train-1", rows)
        app.processEvents()
        found.append(time.perf_counter() - start)
    _close(app, window)
    return [at_least("MFCC map and two curves updating", round(1 / statistics.median(found), 1), "fps", 60)]


# ---- the whole window


def _window_rows(rounds: int, edits: int) -> list[Row]:
    """A window in a process of its own: until it is painted, what it imported, what it holds, what an hour adds."""
    with tempfile.TemporaryDirectory(prefix="ossicle-bench-") as place:
        starts = [_start(Path(place), 0) for _ in range(rounds)]
        hour = _start(Path(place), edits)
    painted = statistics.median(turn["painted_s"] for turn in starts)
    return [
        at_most("app start to painted window", round(painted, 3), "s", 1.0),
        at_most("torch or Prefect imported by the window", max(turn["banned"] for turn in starts), "modules", 0),
        at_most("memory with the keyword project open", hour["open_mb"], "MB", 400),
        at_most(f"memory after {edits} edits, undos, selections and states", hour["after_mb"], "MB", 400),
        at_most("memory that the second half of them added", round(hour["after_mb"] - hour["half_mb"], 1), "MB", 10),
    ]


def _start(place: Path, edits: int) -> dict[str, float]:
    environment = {**os.environ, "OSSICLE_SETTINGS": str(place), "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-P", "-m", "studio.bench_window", str(time.time()), str(edits)]
    done = subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told
