"""Running from the window: orders to the runner, its events as states, curves and log, and what a Run would do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QObject, QTimer, Signal

from engine.artifact import Artifact
from engine.record import RunRecord
from engine.sweep_record import Over
from engine.workflow import upto, with_values
from studio.commands import Command
from studio.model.document import Document
from studio.run import history
from studio.run.board import Board
from studio.run.child import Child
from studio.run.death import Death, notice_of_death, notice_of_silence, notice_of_stop
from studio.run.fold import event_of
from studio.run.lines import Line
from studio.run.log_buffer import LogBuffer
from studio.run.notice import Notice
from studio.run.orders import BUSY, notice_of_failures, notice_of_line, order_of, why_not
from studio.run.pace import Pace
from studio.run.plan import Plan
from studio.run.planner import Planner
from studio.run.recall import Recall
from studio.run.rows import Row
from studio.run.run_commands import run_commands
from studio.run.shelf import Artifacts, EarlierCurves
from studio.run.state import NEVER, NodeState
from studio.run.sweep import KINDS, SweepView, asked, told
from studio.run.view import SERVER_WORDS, Phase, RunView, words_of
from studio.work import Background

if TYPE_CHECKING:
    from studio.views.data.curves import Curve

__all__ = ["Notice", "RunView", "Session"]

TICK_MS: Final = 500
THREADS: Final = 2


class Session(QObject):
    """What runs, what ran, and what would run, for one document.

    Signals:
        states_changed(frozenset[str]): boxes whose state is another one; at most every 33 ms.
        metrics_changed(frozenset[str]): nodes with new metric rows; at most every 33 ms.
        run_changed(): the run began, ended or is stopping; the runner, the server or the plan's words changed.
        usage_changed(): the runner told how much memory and processor it uses.
        logged(tuple[Event, ...]): lines for the log.
        cleared(): another document: the log starts anew.
        told(Notice): something the person should know.
        sweep_changed(): another point of a sweep, or its end.
    """

    states_changed = Signal(object)
    metrics_changed = Signal(object)
    run_changed = Signal()
    usage_changed = Signal()
    logged = Signal(object)
    cleared = Signal()
    told = Signal(object)
    sweep_changed = Signal()

    def __init__(self, document: Document, parent: QObject | None = None, *, child: Child | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self.child = child if child is not None else Child(self)
        self.board = Board(document.registry)
        self._background = Background(self, THREADS)
        self._planner = Planner(document, self._background, self)
        self._phase: Phase = "idle"
        self._server = "off"
        self._order, self._orders, self._sent = "", 0, document.workflow
        self._is_accepted = self._has_begun = False
        self.sweep = SweepView()
        self._recall = Recall(document, self._background, self._show_replay, self._planner.ask_now)
        self._log = LogBuffer()
        self._artifacts = Artifacts()
        self._curves = EarlierCurves(
            document, self._background, lambda node: self.metrics_changed.emit(frozenset({node}))
        )
        self._pace = Pace(self._flush, self)
        self._tick_timer = QTimer(self, interval=TICK_MS)
        self._tick_timer.timeout.connect(self._tick)
        self.child.heard.connect(self._hear)
        self.child.died.connect(self._died)
        self.child.state_changed.connect(self._child_changed)
        self._planner.planned.connect(self._planned)
        document.changed.connect(self._edited)
        document.registry_changed.connect(self._registered)
        self._open()

    def begin(self) -> None:
        """Start the runner, so that it is warm when it is needed."""
        self.child.start()

    def close(self) -> None:
        """End of the window: the runner stops its run and ends."""
        for part in (self._pace, self._tick_timer, self._planner):
            part.stop()
        self.child.close()
        self._background.wait()

    def commands(self) -> list[Command]:
        """Run, Run to here, Re-run this, Stop and what is about the runner."""
        return run_commands(self)

    # ---- what is known

    @property
    def states(self) -> Mapping[str, NodeState]:
        """State of every node of the workflow."""
        return self.board.states

    def state(self, node: str) -> NodeState:
        """State of a node."""
        return self.board.states.get(node, NEVER)

    def rows(self, node: str) -> Sequence[Row]:
        """Metric rows of a node in the present or last run."""
        return self.board.rows(node)

    @property
    def plan(self) -> Plan:
        """What a Run would do, as of the last look."""
        return self.board.plan

    @property
    def is_active(self) -> bool:
        """Whether a run is going on or about to."""
        return self._phase != "idle"

    @property
    def is_settled(self) -> bool:
        """Whether nothing runs and what is shown is about the workflow as it is now."""
        return not (self.is_active or self._recall.is_pending or self._planner.is_pending)

    @property
    def run(self) -> RunView:
        """The run as a whole."""
        view, child = self.board.view(self._phase, self.is_active and self._has_begun), self.child
        point = (self.sweep.at, len(self.sweep.points)) if self.sweep.is_on else (0, 0)
        return replace(
            view, point=point, runner_state=child.state, server_state=SERVER_WORDS.get(self._server, self._server),
            rss_bytes=child.rss_bytes, cpu_percent=child.cpu_percent,
        )  # fmt: skip

    @property
    def plan_text(self) -> str:
        """ "2 of 8 nodes to run · about 3 min 40 s", or how far the run is."""
        return words_of(self.run, self.board.plan.text)

    def artifact(self, node: str, port: str) -> Artifact | None:
        """What lies at an output; None if there is nothing, or it cannot be read."""
        path = self.state(node).outputs.get(port)
        return self._artifacts.at(path) if path is not None else None

    def earlier_curves(self, node: str, limit: int = 5) -> tuple[Curve, ...]:
        """Curves of the node in earlier runs, newest first; read in a thread, `metrics_changed` tells when done."""
        return self._curves.of(node, self.board.fold.run_id, limit)

    # ---- orders

    def run_all(self) -> None:
        """Run what is not done yet."""
        self._send()

    def run_to(self, node: str) -> None:
        """Run a node and what it needs."""
        self._send(to=node)

    def rerun(self, node: str) -> None:
        """Run a node although its result is known, and first what it needs."""
        self._send(to=node, force=(node,))

    def run_sweep(self, over: Over) -> None:
        """Run the graph once per combination of values."""
        self._send(over=over)

    def _send(self, to: str | None = None, force: tuple[str, ...] = (), over: Over | None = None) -> None:
        document = self.document
        if (notice := BUSY if self.is_active else why_not(document, to)) is not None:
            self.told.emit(notice)
            return
        self._orders += 1
        self._order = f"order-{self._orders}"
        self._is_accepted = self._has_begun = False
        part = document.workflow if to is None else upto(document.workflow, to)
        self._become("queued")
        self._tell_states(self.board.queue(self.board.todo(part, force)))
        self._sent = document.workflow
        self.child.send(order_of(self._order, document, to, force, over))
        if over is not None:
            self._tell_sweep(asked(over))

    def stop(self) -> None:
        """Stop the run: nodes are asked first; a runner that does not hear is ended."""
        if self.is_active:
            self._become("stopping")
            self.child.cancel()

    def stop_at_once(self) -> None:
        """End the runner with its run, if there is one; finished nodes are kept, a new runner starts."""
        if self.is_active:
            self._become("stopping")
        self.child.restart()

    def _become(self, phase: Phase) -> None:
        self._phase = phase
        (self._tick_timer.stop if phase == "idle" else self._tick_timer.start)()
        self.run_changed.emit()

    # ---- hearing

    def _hear(self, lines: Any) -> None:
        for line in lines:
            if line.get("run"):
                self._take(line)
            elif (control := _CONTROLS.get(line["kind"])) is not None:
                control(self, line)
        self._pace.ask()

    def _take(self, line: Line) -> None:
        if (event := event_of(line)) is None:
            self.child.lines.garbled += 1
            return
        if not (self.is_active and self._is_accepted):
            return  # the end of a run of a document that was closed meanwhile
        if event.kind == "run_started":
            self._begin_run()
        self.board.fold.take(event)
        self._log.add(event)
        if event.kind == "run_finished" and not self.sweep.is_on:
            self._finish()

    def _begin_run(self) -> None:
        self._has_begun = True
        self.board.begin(self._sent)
        self._curves.clear()
        if self._phase == "queued":
            self._become("running")

    def _heard_sweep(self, line: Line) -> None:
        """A point began or ended; each point's run is shown as its own workflow's."""
        if self._is_accepted:
            self._tell_sweep(told(self.sweep, line))
            self._sent = with_values(self._sent, self.sweep.values)

    def _tell_sweep(self, view: SweepView) -> None:
        self.sweep = view
        self.sweep_changed.emit()
        self.run_changed.emit()

    def _accepted(self, line: Line) -> None:
        """The turn of an order has come: what runs say from now on is about it."""
        self._is_accepted = line.get("id") == self._order

    def _refused(self, line: Line) -> None:
        """The runner did not take the order: it says why."""
        if line.get("id") == self._order and self.is_active:
            self._give_up()
            self.told.emit(notice_of_line(line))

    def _answered(self, line: Line) -> None:
        """The order is over; a run that did not say so is over as well."""
        if line.get("id") == self._order and self.is_active:
            self._give_up()

    def _heard_server(self, line: Line) -> None:
        self._server = str(line.get("state", ""))
        self.run_changed.emit()

    def _finish(self) -> None:
        """The run told its end."""
        self._end()
        if failures := self.board.failures():
            (box,) = self.board.boxes([failures[0][0]])
            self.told.emit(notice_of_failures(failures, box))

    def _give_up(self) -> None:
        """The order ended without its run saying so."""
        if self._has_begun and self.board.fold.is_open:
            self.board.fold.end()
        elif not self._has_begun:
            self._tell_states(self.board.rest())
        self._end()

    def _end(self) -> None:
        """Whatever was going on is over."""
        self._flush()
        self._become("idle")
        if self.sweep.is_on:
            self._tell_sweep(self.sweep.ended())
        self._planner.ask_now()

    # ---- the runner's life

    def _child_changed(self, state: str) -> None:
        if state == "not answering":
            self.told.emit(notice_of_silence(self.child.silent_s, self.stop_at_once))
        self.run_changed.emit()

    def _died(self, death: Any) -> None:
        found: Death = replace(death, was_busy=self.is_active)
        self._server = "off"
        notice = notice_of_death(found)
        if self.is_active:
            self._give_up()
            notice = notice or notice_of_stop()
        if notice is not None:
            self.told.emit(notice)
        self.run_changed.emit()

    # ---- states

    def _edited(self, old: Any, new: Any) -> None:
        if not self.document.undo_text and not self.document.redo_text:
            self._open()
        else:
            self.board.workflow = new
            if old.nodes.keys() != new.nodes.keys():
                self._tell_states(self.board.edit(new))

    def _registered(self) -> None:
        self.board.registry = self.document.registry

    def _open(self) -> None:
        """Another document: forget everything, look for its last run."""
        if self.is_active:
            self.child.cancel()
            self._order, self._is_accepted, self._has_begun = "", False, False
            self._become("idle")
        self._curves.clear()
        self._log.clear()
        self.cleared.emit()
        workflow = self.document.workflow
        self._tell_states(self.board.open(workflow))
        self._tell_sweep(SweepView())
        self._recall.look()

    def replay(self, record: RunRecord) -> None:
        """Show an earlier run as it was, until the next edit or run."""
        if self.is_active:
            self.told.emit(BUSY)
            return
        self._planner.stop()
        self._recall.replay(record)

    def _show_replay(self, found: history.Replay) -> None:
        if self.is_active:
            return
        before = set(self.board.fold.metrics)
        self._curves.clear()
        self._tell_states(self.board.replay(found.fold))
        if nodes := before | found.fold.metrics.keys():
            self.metrics_changed.emit(self.board.boxes(nodes))
        self.cleared.emit()
        self.logged.emit(found.log)
        self.run_changed.emit()

    def _planned(self, plan: Any) -> None:
        self._tell_states(self.board.take_plan(plan, self.is_active))
        self.run_changed.emit()

    def _tell_states(self, changed: Iterable[str]) -> None:
        if told := frozenset(changed):
            self.states_changed.emit(told)

    def _tick(self) -> None:
        if self._has_begun:
            self._tell_states(self.board.refresh(self.board.running()))
        self.run_changed.emit()

    def _flush(self) -> None:
        """Tell what has come since the last time."""
        self._pace.note()
        changed, rows = self.board.take_news()
        self._tell_states(changed)
        if rows:
            self.metrics_changed.emit(rows)
        if told := self._log.take(self.child.lines, self.board.fold.run_id):
            self.logged.emit(told)


_CONTROLS: Final[Mapping[str, Callable[[Session, Line], None]]] = {
    "accepted": Session._accepted,
    "refused": Session._refused,
    "answered": Session._answered,
    "server": Session._heard_server,
    **dict.fromkeys(KINDS, Session._heard_sweep),
    "alive": lambda session, _line: session.usage_changed.emit(),
    "trouble": lambda session, line: session.told.emit(notice_of_line(line, "warning")),
}
