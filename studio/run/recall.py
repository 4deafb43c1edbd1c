"""Runs read back in a thread: the last one of a document that is opened, or one that a person chose."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.record import RunRecord
from studio.model.document import Document
from studio.run import history
from studio.run.shelf import place_of
from studio.work import Background

Show = Callable[[history.Replay], None]


class Recall:
    """Reads runs back and hands them on.

    Attributes:
        is_pending: whether the last run is being looked for.
    """

    def __init__(self, document: Document, background: Background, show: Show, done: Callable[[], None]) -> None:
        self.is_pending = False
        self._document, self._background, self._show, self._done = document, background, show, done

    def look(self) -> None:
        """Another document: show its last run if there is one; `done` is called either way, unless it is empty."""
        self.is_pending = bool(self._document.workflow.nodes)
        if self.is_pending:
            find = partial(history.last_replay, *place_of(self._document))
            self._background.call("history", find, self._found, lambda _error: self._found(None))
        else:
            self._background.forget("history")

    def _found(self, found: history.Replay | None) -> None:
        self.is_pending = False
        if found is not None:
            self._show(found)
        self._done()

    def replay(self, record: RunRecord) -> None:
        """Show an earlier run."""
        self.is_pending = False
        self._background.call("history", partial(history.replay, record.folder), self._show)
