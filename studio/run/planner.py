"""Asks for a new plan after edits: once the person pauses, in a thread, the latest wish only."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from PySide6.QtCore import QObject, QTimer, Signal

from engine.errors import OssicleError
from engine.workflow import Workflow
from studio.model.document import Document
from studio.run.plan import Plan, make_plan
from studio.work import Background

PAUSE_MS: Final = 150


class Planner(QObject):
    """Emits `planned(Plan)` for the document as it is now."""

    planned = Signal(object)

    def __init__(self, document: Document, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.document, self.background = document, background
        self._is_asked = False
        self._timer = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._timer.timeout.connect(self.ask_now)
        document.changed.connect(self._edited)
        document.registry_changed.connect(self.ask)

    @property
    def is_pending(self) -> bool:
        """Whether a plan is still to come."""
        return self._is_asked or self._timer.isActive()

    def ask(self) -> None:
        """A new plan soon; many wishes become one."""
        self._timer.start()

    def ask_now(self) -> None:
        """A new plan at once."""
        self._timer.stop()
        self._is_asked = True
        document = self.document
        look = partial(make_plan, document.workflow, document.registry, document.base)
        self.background.call("plan", look, self._deliver, self._failed)

    def stop(self) -> None:
        """No plan any more."""
        self._timer.stop()
        self._is_asked = False
        self.background.forget("plan")

    def _edited(self, old: Any, new: Any) -> None:
        if not is_same_graph(old, new):
            self.ask()

    def _deliver(self, plan: Plan) -> None:
        self._is_asked = False
        if is_same_graph(plan.workflow, self.document.workflow):
            self.planned.emit(plan)

    def _failed(self, error: OssicleError) -> None:
        self._is_asked = False
        self.planned.emit(Plan(self.document.workflow, trouble=error.what))


def is_same_graph(one: Workflow, other: Workflow) -> bool:
    """Whether two workflows would run the same; where boxes lie does not matter."""
    return one is other or (one.nodes, one.links, one.variables, one.name) == (
        other.nodes, other.links, other.variables, other.name,
    )  # fmt: skip
