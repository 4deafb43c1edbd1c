"""Work off the window's thread: call a function elsewhere, get its result here."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from PySide6.QtCore import QObject, Qt, Signal, Slot
from shiboken6 import Shiboken

from engine.errors import OssicleError

T = TypeVar("T")
Then = Callable[[Any], None]
Otherwise = Callable[[OssicleError], None]
DONE: Final = 0
FAILED: Final = 1


@dataclass(eq=False)
class _Errand:
    """A function for a thread, and who asked.

    The function may be the last to hold a widget that was closed meanwhile. It is let go where the answer arrives, on
    the window's thread: if the thread dropped it, the widget would die in that thread, and the window with it.
    """

    owner: weakref.ref[Background]
    name: str
    function: Callable[[], Any] | None


class _Post(QObject):
    """Carries answers to the window's thread. There is one, and it stays: no other object of Qt is met in threads.

    (An object per errand can end in a thread while its answer is being delivered here.)
    """

    arrived = Signal(object, int, object)

    def __init__(self) -> None:
        super().__init__()
        self.arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @Slot(object, int, object)
    def _deliver(self, errand: Any, which: int, value: Any) -> None:
        errand.function = None
        owner = errand.owner()
        if owner is not None and Shiboken.isValid(owner):  # type: ignore[no-untyped-call]
            owner.deliver(errand, which, value)


@functools.cache
def _post() -> _Post:
    """The one, made on the window's thread."""
    return _Post()


def _do(errand: _Errand, post: _Post) -> None:
    """Call the function, in a thread; keep no reference to it."""
    assert errand.function is not None
    try:
        answer: tuple[int, Any] = DONE, errand.function()
    except OssicleError as error:
        answer = FAILED, error.with_traceback(None)  # its frames would hold what the function held
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        answer = FAILED, OssicleError(words, "no error", "Please report this with the steps")
    post.arrived.emit(errand, *answer)


class Background(QObject):
    """Calls functions in threads. Only the latest answer under one name is delivered; older ones are dropped."""

    def __init__(self, parent: QObject | None = None, threads: int = 2) -> None:
        super().__init__(parent)
        self._threads = ThreadPoolExecutor(threads, "background")
        self._pending: set[Future[None]] = set()
        self._latest: dict[str, tuple[_Errand, Then, Otherwise]] = {}
        _post()

    def call(
        self, name: str, function: Callable[[], T], then: Callable[[T], None], otherwise: Otherwise | None = None
    ) -> None:
        """Run `function` in a thread, then `then(result)` here (or `otherwise(error)`)."""
        errand = _Errand(weakref.ref(self), name, function)
        self._latest[name] = (errand, then, otherwise or _ignore)
        self._pending = {future for future in self._pending if not future.done()}
        self._pending.add(self._threads.submit(_do, errand, _post()))

    def deliver(self, errand: _Errand, which: int, value: Any) -> None:
        """Hand an answer on, unless something else was asked meanwhile."""
        known = self._latest.get(errand.name)
        if known is not None and known[0] is errand:
            del self._latest[errand.name]
            (known[1], known[2])[which](value)

    def forget(self, name: str) -> None:
        """Do not deliver what was asked for under that name."""
        self._latest.pop(name, None)

    @Slot()
    def wait(self) -> None:
        """Until all threads are done."""
        wait(self._pending)


def _ignore(_error: OssicleError) -> None:
    return None
