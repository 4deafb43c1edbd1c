"""The panel's smaller pages: a link, a note or a frame, nodes of several types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from engine.workflow import Link, Mode
from studio.canvas.facts import title_of_unknown
from studio.form.editors import make_row
from studio.form.fields import Field
from studio.form.form import Heading
from studio.form.head import MODES, Shape
from studio.form.row_parts import Shown
from studio.look.theme import colour
from studio.model import edit
from studio.model.document import Document
from studio.model.marks import COLOURS, marks, set_colour, set_text


class _Page(QWidget):
    """Title and quiet line; subclasses add below."""

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.document = document
        self.title = QLabel()
        self.title.setObjectName("title")
        self.about = QLabel()
        self.about.setObjectName("mute")
        self.about.setWordWrap(True)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(14, 12, 14, 14)
        self.column.setSpacing(8)
        self.column.addWidget(self.title)
        self.column.addWidget(self.about)


class _End(QPushButton):
    """One end of a link: node and port; a click selects the node."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)


class LinkPage(_Page):
    """Where a link comes from, where it goes, and what it carries."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.link: Link | None = None
        self.shape, self.kind = Shape(), QLabel()
        self.source, self.target = _End(), _End()
        self.drop = QPushButton("Remove the link")
        carries = QHBoxLayout()
        carries.addWidget(self.shape)
        carries.addWidget(self.kind, 1)
        self.column.addWidget(Heading("Carries"))
        self.column.addLayout(carries)
        for title, end in (("From", self.source), ("To", self.target)):
            self.column.addWidget(Heading(title))
            self.column.addWidget(end)
        self.column.addSpacing(8)
        self.column.addWidget(self.drop, 0, Qt.AlignmentFlag.AlignLeft)
        self.column.addStretch(1)
        self.source.clicked.connect(lambda: self.link is not None and document.select([self.link.source]))
        self.target.clicked.connect(lambda: self.link is not None and document.select([self.link.target]))
        self.drop.clicked.connect(self._remove)

    def show_links(self, links: Sequence[Link]) -> None:
        """Show a link; of several only how many there are."""
        self.link = links[0] if len(links) == 1 else None
        self.title.setText("Link" if self.link else f"{len(links)} links")
        self.drop.setText("Remove the link" if self.link else "Remove the links")
        self._links = list(links)
        for widget in (self.shape, self.kind, self.source, self.target):
            widget.setVisible(self.link is not None)
        if self.link is not None:
            self._show(self.link)

    def _show(self, link: Link) -> None:
        workflow, registry = self.document.workflow, self.document.registry
        spec = registry.find(workflow.nodes[link.source].type) if link.source in workflow.nodes else None
        port = spec.output(link.output) if spec is not None else None
        kind = port.type.kind() if port is not None else ""
        self.shape.show_kind(kind)
        self.kind.setText(kind or "of a type that is not installed")
        self.about.setText((port.type.__doc__ or "").strip().split("\n")[0] if port is not None else "")
        for button, node, name in ((self.source, link.source, link.output), (self.target, link.target, link.input)):
            button.setText(f"{node}  ·  {name}")
            button.setToolTip(f"Select {node}")
            button.setAccessibleName(f"Select {node}, port {name}")

    def _remove(self) -> None:
        text = f"Remove {self._links[0]}" if len(self._links) == 1 else f"Remove {len(self._links)} links"
        gone = list(self._links)
        self.document.edit(text, lambda workflow: edit.remove(workflow, links=gone))

    _links: Sequence[Link] = ()


class Swatch(QAbstractButton):
    """One colour to choose."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token
        self.setCheckable(True)
        self.setFixedSize(26, 26)
        self.setToolTip(token)
        self.setAccessibleName(f"Colour {token}")
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A disc; the chosen one has a ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(self.token))
        painter.drawEllipse(QRectF(6, 6, 14, 14))
        if self.isChecked() or self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour("text" if self.isChecked() else "accent"), 1.5))
            painter.drawEllipse(QRectF(2, 2, 22, 22))


class MarkPage(_Page):
    """Text and colour of a note or a frame."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.names: tuple[str, ...] = ()
        self.text = make_row(Field("text", "lines", "Text", default=""), lambda: document.base, can_link=False)
        self.text.edited.connect(self._write)
        self.swatches = {token: Swatch(token) for token in COLOURS}
        line = QHBoxLayout()
        line.setSpacing(4)
        for token, swatch in self.swatches.items():
            swatch.clicked.connect(lambda _on=False, token=token: self._paint(token))
            line.addWidget(swatch)
        line.addStretch(1)
        self.column.addWidget(self.text)
        self.column.addWidget(Heading("Colour"))
        self.column.addLayout(line)
        self.column.addStretch(1)

    def show_marks(self, names: Sequence[str]) -> None:
        """Show a mark; of several only the colour."""
        known = marks(self.document.workflow)
        self.names = tuple(name for name in names if name in known)
        chosen = [known[name] for name in self.names]
        self.title.setText(chosen[0].what.capitalize() if len(chosen) == 1 else f"{len(chosen)} notes and frames")
        self.about.hide()
        self.text.setVisible(len(chosen) == 1)
        if len(chosen) == 1:
            self.text.label.whole = "Title" if chosen[0].group == "frames" else "Text"
            self.text.label.setText(self.text.label.whole)
            self.text.show_state(Shown(chosen[0].text, is_given=True))
        for token, swatch in self.swatches.items():
            swatch.setChecked(all(mark.colour == token for mark in chosen))

    def _write(self, _name: str, value: Any) -> None:
        name = self.names[0]
        self.document.edit("Write", lambda workflow: set_text(workflow, name, str(value or "")), f"text of {name}")

    def _paint(self, token: str) -> None:
        names = self.names
        self.document.edit(f"Colour it {token}", lambda workflow: set_colour(workflow, names, token))
        self.show_marks(names)


class SeveralPage(_Page):
    """Nodes of several types: how many of each, and their mode."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.names: tuple[str, ...] = ()
        self.about.setText("They are of several types. Choose one type to edit its nodes together.")
        self._list = QVBoxLayout()
        self._list.setSpacing(4)
        self.column.addWidget(Heading("Types"))
        self.column.addLayout(self._list)
        self.column.addWidget(Heading("Mode"))
        line = QHBoxLayout()
        self.modes: dict[Mode, QPushButton] = {}
        for mode, (word, told) in MODES.items():
            button = QPushButton(word.capitalize())
            button.setToolTip(told)
            button.setCheckable(True)
            button.clicked.connect(lambda _on=False, mode=mode: self._set_mode(mode))
            self.modes[mode] = button
            line.addWidget(button)
        line.addStretch(1)
        self.column.addLayout(line)
        self.column.addStretch(1)
        self.buttons: dict[str, QPushButton] = {}

    def show_nodes(self, names: Sequence[str]) -> None:
        """Show how many nodes there are of each type."""
        self.names = tuple(names)
        nodes = self.document.workflow.nodes
        self.title.setText(f"{len(names)} nodes")
        kinds = Counter(nodes[name].type for name in names)
        if kinds != Counter({kind: int(button.property("count")) for kind, button in self.buttons.items()}):
            self._make_buttons(kinds)
        for mode, button in self.modes.items():
            button.setChecked(all(nodes[name].mode == mode for name in names))

    def _make_buttons(self, kinds: Counter[str]) -> None:
        for button in self.buttons.values():
            button.hide()
            button.deleteLater()
        self.buttons = {}
        for kind, count in kinds.most_common():
            spec = self.document.registry.find(kind)
            button = QPushButton(f"{spec.title if spec is not None else title_of_unknown(kind)}  × {count}")
            button.setProperty("count", count)
            button.setToolTip("Select only these")
            button.clicked.connect(lambda _on=False, kind=kind: self._narrow(kind))
            self.buttons[kind] = button
            self._list.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)

    def _narrow(self, kind: str) -> None:
        nodes = self.document.workflow.nodes
        self.document.select([name for name in self.names if nodes[name].type == kind])

    def _set_mode(self, mode: Mode) -> None:
        names = self.names
        self.document.edit(f"Make {len(names)} nodes {mode}", lambda workflow: edit.set_mode(workflow, names, mode))
        self.show_nodes(names)
