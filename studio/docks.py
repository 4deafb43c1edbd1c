"""The docks: where each panel stands at first, how it is shown and hidden, and how all come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabBar, QTabWidget, QWidget

from studio.commands import Command

Side = Qt.DockWidgetArea
VERSION: Final = 2
"""Raised when the set of docks changes, so that an older layout is not forced on the new one."""
LEFT_PX, RIGHT_PX, BOTTOM_PX = 216, 330, 300


@dataclass(frozen=True)
class Place:
    """A dock's name, title, side and shortcut."""

    name: str
    title: str
    side: Side
    shortcut: str


PLACES: Final = (
    Place("palette", "Nodes", Side.LeftDockWidgetArea, "Ctrl+1"),
    Place("properties", "Properties", Side.RightDockWidgetArea, "Ctrl+2"),
    Place("plots", "Live plots", Side.BottomDockWidgetArea, "Ctrl+3"),
    Place("clips", "Clips", Side.BottomDockWidgetArea, "Ctrl+4"),
    Place("confusion", "Confusion", Side.BottomDockWidgetArea, "Ctrl+5"),
    Place("pareto", "Pareto", Side.BottomDockWidgetArea, "Ctrl+6"),
    Place("claims", "Claims", Side.BottomDockWidgetArea, "Ctrl+Alt+C"),
    Place("problems", "Problems", Side.BottomDockWidgetArea, "Ctrl+7"),
    Place("log", "Log", Side.BottomDockWidgetArea, "Ctrl+8"),
    Place("runs", "Runs", Side.BottomDockWidgetArea, "Ctrl+9"),
)


class Docks:
    """All docks of a window."""

    def __init__(self, window: QMainWindow, panels: Mapping[str, QWidget]) -> None:
        self.window = window
        self.docks: dict[str, QDockWidget] = {}
        self._hidden: list[QDockWidget] = []
        window.setDockOptions(
            QMainWindow.DockOption.AllowTabbedDocks
            | QMainWindow.DockOption.AllowNestedDocks
            | QMainWindow.DockOption.GroupedDragging
        )
        window.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        window.setCorner(Qt.Corner.BottomLeftCorner, Side.LeftDockWidgetArea)
        window.setCorner(Qt.Corner.BottomRightCorner, Side.RightDockWidgetArea)
        for place in PLACES:
            self.docks[place.name] = self._make(place, panels[place.name])
        self._tabify()

    def _make(self, place: Place, panel: QWidget) -> QDockWidget:
        dock = QDockWidget(place.title, self.window)
        dock.setObjectName(f"dock-{place.name}")
        panel.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        dock.setWidget(panel)
        dock.setTitleBarWidget(QWidget(dock))  # the tab, or the panel itself, says what it is; drag by the tab
        dock.topLevelChanged.connect(
            lambda floats, dock=dock: dock.setTitleBarWidget(None if floats else QWidget(dock))
        )
        self.window.addDockWidget(place.side, dock)
        return dock

    def arrange(self) -> None:
        """Every dock where it stands at first."""
        for place in PLACES:
            dock = self.docks[place.name]
            dock.setFloating(False)
            if self.window.dockWidgetArea(dock) != place.side:
                self.window.addDockWidget(place.side, dock)
            dock.show()
        self._tabify()
        self.docks["plots"].raise_()
        self.fit()

    def _tabify(self) -> None:
        bottom = [self.docks[p.name] for p in PLACES if p.side == Side.BottomDockWidgetArea]
        for first, second in zip(bottom, bottom[1:], strict=False):
            if second not in self.window.tabifiedDockWidgets(first):
                self.window.tabifyDockWidget(first, second)

    def fit(self) -> None:
        """The first sizes; on a small window the side docks narrow before the canvas does."""
        narrow = self.window.width() < 1500
        sides = [self.docks["palette"], self.docks["properties"]]
        widths = [190, 280] if narrow else [LEFT_PX, RIGHT_PX]
        self.window.resizeDocks(sides, widths, Qt.Orientation.Horizontal)
        height = min(BOTTOM_PX, round(self.window.height() * 0.34))
        self.window.resizeDocks([self.docks["plots"]], [height], Qt.Orientation.Vertical)

    def show(self, name: str) -> None:
        """Bring a panel to the front."""
        self.docks[name].show()
        self.docks[name].raise_()

    def toggle(self, name: str) -> None:
        """Hide a panel that can be seen; bring any other to the front."""
        dock = self.docks[name]
        if dock.isVisible() and not dock.visibleRegion().isEmpty():
            dock.hide()
        else:
            self.show(name)

    def set_quiet(self, is_quiet: bool) -> None:
        """Nothing but the middle (the start page needs all the room), or what was shown before."""
        if is_quiet and not self._hidden:
            self._hidden = [dock for dock in self.docks.values() if not dock.isHidden()]
            for dock in self._hidden:
                dock.hide()
        elif not is_quiet and self._hidden:
            for dock in self._hidden:
                dock.show()
            self._hidden = []
            self.docks["plots"].raise_()
            self.fit()

    def set_count(self, name: str, count: int) -> None:
        """A number on a tab ("Problems 1")."""
        title = next(place.title for place in PLACES if place.name == name)
        self.docks[name].setWindowTitle(f"{title}  {count}" if count else title)

    def state(self) -> bytes:
        """How they are arranged, for the settings."""
        return bytes(self.window.saveState(VERSION).data())

    def restore(self, state: bytes) -> bool:
        """Arrange them as they were; whether that worked."""
        return bool(state) and self.window.restoreState(QByteArray(state), VERSION)

    def style_tabs(self) -> None:
        """The tab bars of docks: quiet, left aligned."""
        for bar in self.window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
            bar.setDrawBase(False)
            bar.setExpanding(False)
            bar.setDocumentMode(True)

    def commands(self) -> list[Command]:
        """Show or hide each panel; bring all back."""
        shown = [
            Command(
                f"view.{place.name}", place.title, "View/Panels", partial(self.toggle, place.name),
                (place.shortcut,), is_checked=self.docks[place.name].isVisible,
            )
            for place in PLACES
        ]  # fmt: skip
        floats = [
            Command(
                f"view.float.{place.name}", f"Float {place.title}", "View/Float",
                partial(self.float, place.name),
            )
            for place in PLACES
        ]  # fmt: skip
        return [*shown, *floats, Command("view.reset", "Reset the panels", "View/Panels", self.arrange)]

    def float(self, name: str) -> None:
        """Put a panel into a window of its own, or back."""
        dock = self.docks[name]
        dock.show()
        dock.setFloating(not dock.isFloating())
