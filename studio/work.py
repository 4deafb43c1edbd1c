"""Work off the window's thread: call a function elsewhere, get its result here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar

from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal, Slot

from engine.errors import OssicleError

T = TypeVar("T")


class _Reply(QObject):
    done = Signal(object)
    failed = Signal(object)


class _Task(QRunnable):
    def __init__(self, function: Callable[[], Any], reply: _Reply) -> None:
        super().__init__()
        self.function = function
        self.reply = reply

    def run(self) -> None:
        try:
            value = self.function()
        except OssicleError as error:
            self._tell(self.reply.failed, error)
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            self._tell(self.reply.failed, OssicleError(words, "no error", "Please report this with the steps"))
        else:
            self._tell(self.reply.done, value)

    def _tell(self, signal: Any, value: object) -> None:
        try:
            signal.emit(value)
        except RuntimeError:
            return  # whoever asked was closed meanwhile


class Background(QObject):
    """Calls functions in threads. Only the latest answer under one name is delivered; older ones are dropped."""

    def __init__(self, parent: QObject | None = None, threads: int = 2) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(threads)
        self._latest: dict[str, tuple[_Reply, Callable[[Any], None], Callable[[OssicleError], None]]] = {}

    def call(
        self,
        name: str,
        function: Callable[[], T],
        then: Callable[[T], None],
        otherwise: Callable[[OssicleError], None] | None = None,
    ) -> None:
        """Run `function` in a thread, then `then(result)` here (or `otherwise(error)`)."""
        reply = _Reply(self)
        self._latest[name] = (reply, then, otherwise or _ignore)
        reply.done.connect(partial(self._deliver, name, reply, 1), Qt.ConnectionType.QueuedConnection)
        reply.failed.connect(partial(self._deliver, name, reply, 2), Qt.ConnectionType.QueuedConnection)
        self._pool.start(_Task(function, reply))

    def _deliver(self, name: str, reply: _Reply, which: Literal[1, 2], value: Any) -> None:
        """Hand an answer on. The reply holds no caller: its end must not be the end of the widget it lies in."""
        known = self._latest.get(name)
        reply.deleteLater()
        if known is not None and known[0] is reply:
            del self._latest[name]
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
