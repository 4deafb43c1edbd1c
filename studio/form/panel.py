"""The property panel: whatever is selected, with everything that can be set about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from engine.params import descriptions
from studio.commands import Command
from studio.form.node_page import NodePage
from studio.form.pages import LinkPage, MarkPage, SeveralPage
from studio.form.style import style_sheet
from studio.form.workflow_page import WorkflowPage
from studio.model.document import Document
from studio.work import Background

if TYPE_CHECKING:
    from studio.run.session import Session

WIDTH = 330
LEAST = 260
AHEAD_MS = 300
SEE_PX = 24
"""Kept free around a row that is scrolled to."""


class PropertyPanel(QScrollArea):
    """Follows the document's selection: a node, several, a link, a note or frame, or the workflow itself.

    Signals:
        log_requested(str): the log of a failed node is wanted.
        rerun_requested(str): a failed node shall run again.
    """

    log_requested = Signal(str)
    rerun_requested = Signal(str)

    def __init__(self, document: Document, session: Session | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.document, self.session = document, session
        self.setObjectName("properties")
        self.setAccessibleName("Properties")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(LEAST)
        self.setStyleSheet(style_sheet())
        self.node_page = NodePage(document, session)
        self.workflow_page = WorkflowPage(document)
        self.link_page, self.mark_page, self.several_page = (
            LinkPage(document),
            MarkPage(document),
            SeveralPage(document),
        )
        self._pages: tuple[QWidget, ...] = (
            self.node_page, self.workflow_page, self.link_page, self.mark_page, self.several_page,
        )  # fmt: skip
        self._background = Background(self, threads=1)
        self._put_together()
        self._connect()
        self.refresh()

    def _put_together(self) -> None:
        inside = self._inside = QWidget()
        inside.setObjectName("propertyPages")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        for page in self._pages:
            column.addWidget(page)
            page.hide()
        self.setWidget(inside)

    def _connect(self) -> None:
        document = self.document
        document.changed.connect(self._changed)
        document.selection_changed.connect(self.refresh)
        document.registry_changed.connect(self.refresh)
        self.node_page.go_to_variable.connect(self.focus_variable)
        self.node_page.log_requested.connect(self.log_requested)
        self.node_page.rerun_requested.connect(self.rerun_requested)
        self.workflow_page.go_to.connect(self.focus_parameter)

    # ---- what is shown

    @property
    def page(self) -> QWidget:
        """The page that is shown."""
        return next(page for page in self._pages if not page.isHidden())

    def refresh(self, *_: object) -> None:
        """Show what is selected now."""
        chosen, nodes = self.document.selection, self.document.workflow.nodes
        if chosen.nodes:
            names = sorted(chosen.nodes)
            is_one_type = len({nodes[name].type for name in names}) == 1
            page: QWidget = self.node_page if is_one_type else self.several_page
            (self.node_page if is_one_type else self.several_page).show_nodes(names)
        elif chosen.links:
            page = self.link_page
            self.link_page.show_links(sorted(chosen.links))
        elif chosen.marks:
            page = self.mark_page
            self.mark_page.show_marks(sorted(chosen.marks))
        else:
            page = self.workflow_page
            self.workflow_page.show_workflow()
        self._bring(page)

    def _bring(self, page: QWidget) -> None:
        if page.isHidden():
            for other in self._pages:
                other.setVisible(other is page)
            self.verticalScrollBar().setValue(0)

    def _changed(self, old: Any, new: Any) -> None:
        """After an edit: only if it is about what is shown."""
        names = self.node_page.names if self.page is self.node_page else ()
        is_same = bool(names) and all(old.nodes.get(name) is new.nodes.get(name) for name in names)
        if is_same and old.variables is new.variables:
            self.node_page.check_soon(80)  # a wire may have come or gone
            return
        self.refresh()

    # ---- going to a place

    def focus_parameter(self, node: str, name: str) -> None:
        """Select a node, scroll to one of its parameters ("hop_ms", "model.width") and put the cursor there."""
        if node not in self.document.workflow.nodes:
            return
        if self.document.selection.nodes != {node}:
            self.document.select([node])
        self._see(self.node_page.focus(name))

    def focus_variable(self, name: str) -> None:
        """Show the workflow's page and put the cursor into a variable."""
        self.document.select()
        self._see(self.workflow_page.focus(name))

    def _see(self, row: QWidget | None) -> None:
        if row is None:
            self.verticalScrollBar().setValue(0)
            return
        layout = self._inside.layout()
        if layout is not None:
            layout.activate()
        self.ensureWidgetVisible(row, 0, SEE_PX)

    # ---- commands

    def commands(self) -> list[Command]:
        """Find a parameter, put all back, show the workflow's own page."""
        return [
            Command("properties.find", "Find a parameter…", "Node", self._find, enabled=self._has_search),
            Command("properties.help", "Help on the node", "Node", self._help, enabled=self._is_on_node),
            Command("properties.reset", "Reset all parameters", "Node", self._reset_all, enabled=self._is_on_node),
            Command("properties.workflow", "Name, about and variables", "Edit", self.document.select),
        ]

    def _is_on_node(self) -> bool:
        return self.page is self.node_page and self.node_page.form is not None

    def _has_search(self) -> bool:
        return self._is_on_node() and not self.node_page.search.isHidden()

    def _find(self) -> None:
        self.node_page.search.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _help(self) -> None:
        self.node_page.head.unfold(True)
        self.verticalScrollBar().setValue(0)

    def _reset_all(self) -> None:
        self.node_page.binding.reset_all()

    # ---- look

    def showEvent(self, event: QShowEvent) -> None:
        """Once it is seen: read the help of all node types ahead, so that the first form of a type comes at once."""
        super().showEvent(event)
        if not self._is_ahead:
            self._is_ahead = True
            QTimer.singleShot(AHEAD_MS, self, self._read_ahead)

    _is_ahead = False

    def _read_ahead(self) -> None:
        """Only the docstrings: they are read from source files. Schemas stay with this thread, as models build once."""
        classes = [spec.params for spec in self.document.registry.specs.values()]
        self._background.call("help", lambda: [descriptions(params) for params in classes], lambda _found: None)

    def sizeHint(self) -> QSize:
        """As wide as the drawing."""
        return QSize(WIDTH, 640)

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_pages") and not self._is_restyling:
            self._is_restyling = True
            self.setStyleSheet(style_sheet())
            self.node_page.restyle()
            self.workflow_page.restyle()
            self._is_restyling = False

    _is_restyling = False
