"""The one door to NodeGraphQt 0.6.44: its view classes, patched once, without its controller.

Only the view modules are loaded. The package's own `__init__` would import its controller, menus, properties bin and,
by way of Qt.py and distutils, every Qt module and setuptools: a third of a second that no window of ours needs.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from PySide6 import QtCore, QtGui, QtWidgets

VERSION: Final = "0.6.44"
"""The one version whose sources these patches were written against."""
_NODE_GRAPH: Final = "NodeGraphQt"
_ITEM_MODULES: Final = ("node_abstract", "node_base", "pipe", "port")
"""Modules that import ITEM_CACHE_MODE by name."""


def _looser(text: str) -> tuple[int, ...]:
    """What distutils' LooseVersion is used for here: comparing versions of Qt."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(members)
    return made


class _Widgets(ModuleType):
    """QtWidgets as Qt 5 had it: QAction and the undo classes were there, now they are in QtGui."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(QtWidgets, name) if hasattr(QtWidgets, name) else getattr(QtGui, name)
        setattr(self, name, found)  # asked once
        return found


@contextmanager
def _stand_ins() -> Iterator[None]:
    """While NodeGraphQt's views are imported: a `Qt` that is PySide6, and a `distutils` of one function.

    Qt.py would import every Qt module there is, distutils is gone from Python 3.12 on.
    """
    version = _module("distutils.version", LooseVersion=_looser)
    parts = {"QtCore": QtCore, "QtGui": QtGui, "QtWidgets": _Widgets("QtWidgets")}
    given = {
        "Qt": _module("Qt", IsPySide2=False, IsPyQt5=False, IsPySide6=True, **parts),
        "distutils": _module("distutils", version=version),
        "distutils.version": version,
    }
    before = {name: sys.modules.get(name) for name in given}
    sys.modules.update(given)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def _package() -> ModuleType:
    """NodeGraphQt as a package of which nothing is imported yet.

    Raises:
        ImportError: another version than ours is installed, or none.
    """
    if _NODE_GRAPH in sys.modules:
        return sys.modules[_NODE_GRAPH]
    found = importlib.util.find_spec(_NODE_GRAPH)
    if found is None or not found.submodule_search_locations:
        raise ImportError("NodeGraphQt is not installed. Expected: 0.6.44. Install the studio: `make studio`.")
    version = importlib.metadata.version(_NODE_GRAPH)
    if version != VERSION:
        raise ImportError(f"NodeGraphQt {version} is installed. Expected: {VERSION}. Run `make studio` again.")
    made = _module(_NODE_GRAPH, __path__=list(found.submodule_search_locations), VERSION=version)
    made.__spec__ = importlib.util.spec_from_loader(_NODE_GRAPH, loader=None, is_package=True)
    sys.modules[_NODE_GRAPH] = made
    return made


def _part(name: str) -> Any:
    return importlib.import_module(f"{_NODE_GRAPH}.{name}")


def _patch_enums() -> None:
    """Enum values that its code reads through instances; PySide6 has only the scoped names."""
    box: Any = QtWidgets.QAbstractSpinBox
    item: Any = QtWidgets.QGraphicsItem
    completer: Any = QtWidgets.QCompleter
    box.NoButtons = QtWidgets.QAbstractSpinBox.ButtonSymbols.NoButtons
    item.ItemIsMovable = QtWidgets.QGraphicsItem.GraphicsItemFlag.ItemIsMovable
    completer.PopupCompletion = QtWidgets.QCompleter.CompletionMode.PopupCompletion


def _patch_items() -> None:
    """No pixmap per item and zoom step: drawing our items is cheaper than keeping them."""
    for name in _ITEM_MODULES:
        _part(f"qgraphics.{name}").ITEM_CACHE_MODE = QtWidgets.QGraphicsItem.CacheMode.NoCache


class _NoSearch:
    """In place of NodeGraphQt's tab search: a window of its own per view, and we have our own."""

    class _Signal:
        def connect(self, _slot: object) -> None:
            """Nobody searches."""

    search_submitted = _Signal()


os.environ.setdefault("QT_PREFERRED_BINDING", "PySide6")
_patch_enums()
if TYPE_CHECKING:  # NodeGraphQt is untyped: what a checker may know of its classes is what Qt's own have
    from PySide6.QtWidgets import QGraphicsItem as PortItem
    from PySide6.QtWidgets import QGraphicsPathItem as LivePipeItem
    from PySide6.QtWidgets import QGraphicsPathItem as PipeItem

    class AbstractNodeItem(QtWidgets.QGraphicsItem):
        """A node's item."""

        def __init__(self, name: str) -> None: ...

    class NodeItem(AbstractNodeItem):
        """NodeGraphQt's own node."""

    class NodeViewer(QtWidgets.QGraphicsView):
        """The view; the items it makes for itself."""

        _scene_range: QtCore.QRectF
        _rubber_band: QtWidgets.QRubberBand
        _LIVE_PIPE: QtWidgets.QGraphicsItem
        _SLICER_PIPE: QtWidgets.QGraphicsItem
        _cursor_text: QtWidgets.QGraphicsItem
        _ctx_menu_bar: QtWidgets.QMenuBar
else:
    with _stand_ins():
        _package()
        _part("constants").ITEM_CACHE_MODE = QtWidgets.QGraphicsItem.CacheMode.NoCache
        NodeViewer = _part("widgets.viewer").NodeViewer
        AbstractNodeItem = _part("qgraphics.node_abstract").AbstractNodeItem
        NodeItem = _part("qgraphics.node_base").NodeItem
        PortItem = _part("qgraphics.port").PortItem
        PipeItem = _part("qgraphics.pipe").PipeItem
        LivePipeItem = _part("qgraphics.pipe").LivePipeItem
        _part("widgets.viewer").TabSearchMenuWidget = _NoSearch
    _patch_items()

__all__ = ["AbstractNodeItem", "LivePipeItem", "NodeItem", "NodeViewer", "PipeItem", "PortItem"]
