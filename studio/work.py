"""Work off the window's thread: call a function elsewhere, get its result here."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal, Slot
from shiboken6 import Shiboken

from engine.errors import OssicleError

T = TypeVar("T")
Then = Callable[[Any], None]
Otherwise = Callable[[OssicleError], None]


class _Job(QObject):
    """A function for a thread, and the way of its answer back.

    It lives on the window's thread and has no parent. Its signals end in slots of its own: Qt drops what is still on
    its way to an object that is gone, but not what is on its way to a mere function.
    """

    _done = Signal(object)
    _failed = Signal(object)

    def __init__(self, owner: Background, name: str, function: Callable[[], Any]) -> None:
        super().__init__()
        self.name = name
        self.function: Callable[[], Any] | None = function
        self.is_over = self.is_telling = False
        self._owner = weakref.ref(owner)
        self._done.connect(self._take, Qt.ConnectionType.QueuedConnection)
        self._failed.connect(self._refuse, Qt.ConnectionType.QueuedConnection)

    def do(self) -> None:
        """Call the function, in a thread."""
        assert self.function is not None
        try:
            value = self.function()
        except OssicleError as error:
            self._failed.emit(error)
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            self._failed.emit(OssicleError(words, "no error", "Please report this with the steps"))
        else:
            self._done.emit(value)
        self.is_over = True

    @property
    def owner(self) -> Background | None:
        """Who asked, if it is still there."""
        found = self._owner()
        return found if found is not None and Shiboken.isValid(found) else None  # type: ignore[no-untyped-call]

    @Slot(object)
    def _take(self, value: Any) -> None:
        self._tell(1, value)

    @Slot(object)
    def _refuse(self, error: Any) -> None:
        self._tell(2, error)

    def _tell(self, which: Literal[1, 2], value: Any) -> None:
        self.is_telling, self.function = True, None
        try:
            if (owner := self.owner) is not None:
                owner.deliver(self, which, value)
        finally:
            self.is_telling = False


class _Task(QRunnable):
    """A job's turn in a thread; the pool deletes it there."""

    def __init__(self, job: _Job) -> None:
        super().__init__()
        self._job = job

    def run(self) -> None:
        """Do the job."""
        self._job.do()


_jobs: set[_Job] = set()


def _let_go() -> None:
    """Forget what threads are done with, here on the window's thread.

    A function may be the last to hold a widget that was closed meanwhile. If the thread dropped it, the widget would
    die in that thread, and the window with it. Where nobody is left who asked, no thread is left either.
    """
    for job in [job for job in _jobs if not job.is_telling and (job.is_over or job.owner is None)]:
        _jobs.discard(job)
        job.function = None


class Background(QObject):
    """Calls functions in threads. Only the latest answer under one name is delivered; older ones are dropped."""

    def __init__(self, parent: QObject | None = None, threads: int = 2) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(threads)
        self._latest: dict[str, tuple[_Job, Then, Otherwise]] = {}

    def call(
        self, name: str, function: Callable[[], T], then: Callable[[T], None], otherwise: Otherwise | None = None
    ) -> None:
        """Run `function` in a thread, then `then(result)` here (or `otherwise(error)`)."""
        _let_go()
        job = _Job(self, name, function)
        _jobs.add(job)
        self._latest[name] = (job, then, otherwise or _ignore)
        self._pool.start(_Task(job))

    def deliver(self, job: _Job, which: Literal[1, 2], value: Any) -> None:
        """Hand an answer on, unless something else was asked meanwhile."""
        known = self._latest.get(job.name)
        if known is not None and known[0] is job:
            del self._latest[job.name]
            known[which](value)

    def forget(self, name: str) -> None:
        """Do not deliver what was asked for under that name."""
        self._latest.pop(name, None)

    @Slot()
    def wait(self) -> None:
        """Until all threads are done."""
        self._pool.waitForDone()


def _ignore(_error: OssicleError) -> None:
    return None
