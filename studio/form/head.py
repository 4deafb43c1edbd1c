"""The head of the panel: shape, title, id, mode, and help that unfolds."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from engine.errors import OssicleError
from engine.node import NodeSpec, Port
from engine.workflow import Mode
from studio.form.editor import Line
from studio.form.menus import add, new_menu
from studio.look.shapes import kind_shape
from studio.look.theme import colour, font, kind_colour

MODES: dict[Mode, tuple[str, str]] = {
    "active": ("active", "It runs."),
    "muted": ("muted", "It does not run, and neither does what needs its outputs."),
    "bypassed": ("bypassed", "Its input goes through to its output unchanged."),
}


class Shape(QWidget):
    """The shape and colour of an artifact type."""

    def __init__(self, kind: str = "", px: int = 16) -> None:
        super().__init__()
        self.kind = kind
        self.setFixedSize(px, px)

    def show_kind(self, kind: str) -> None:
        """Show another type."""
        self.kind = kind
        self.setToolTip(f"makes {kind}" if kind else "")
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The shape in its colour."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(QPointF(self.width() / 2, self.height() / 2))
        painter.fillPath(kind_shape(self.kind, self.width() * 0.32), kind_colour(self.kind))


class NameLine(Line):
    """A name that reads as text and is edited where it stands.

    Signals:
        named(str): Enter, or the line was left with another name in it.
    """

    named = Signal(str)

    def __init__(self, name: str, monospace: bool = True) -> None:
        super().__init__(monospace)
        self.setObjectName("name")
        self.setAccessibleName(name)
        self._name = ""
        self.editingFinished.connect(self._finish)
        self.textChanged.connect(self.updateGeometry)
        self.escaped.connect(self._restore)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)

    def show_name(self, name: str) -> None:
        """Show a name; what is being typed stays."""
        if name != self._name:
            self._name = name
            self.put(name)

    def sizeHint(self) -> QSize:
        """As wide as the name."""
        return QSize(QFontMetrics(self.font()).horizontalAdvance(self.text() or "name") + 16, 24)

    def minimumSizeHint(self) -> QSize:
        """Room for a few letters."""
        return QSize(48, 24)

    def _restore(self) -> None:
        self.put(self._name)
        self.clearFocus()

    def _finish(self) -> None:
        text = self.text().strip()
        if text and text != self._name:
            self.named.emit(text)
        elif not text:
            self.put(self._name)


class Head(QWidget):
    """Title, id and help of the selected node.

    Signals:
        renamed(str): another id for the node.
        mode_chosen(str): active, muted or bypassed.
    """

    renamed = Signal(str)
    mode_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.shape = Shape()
        self.title = QLabel()
        self.title.setObjectName("title")
        self.name = NameLine("Id of the node")
        self.name.setToolTip("The node's id; click to rename it")
        self.name.named.connect(self.renamed)
        self.mode = QToolButton()
        self.mode.setObjectName("modeBadge")
        self.mode.clicked.connect(self._ask_mode)
        self.error = QLabel()
        self.error.setObjectName("error")
        self.error.setWordWrap(True)
        self.error.hide()
        self.about = QLabel()
        self.about.setObjectName("mute")
        self.about.setWordWrap(True)
        self.about.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.about.setTextFormat(Qt.TextFormat.RichText)
        self.about.linkActivated.connect(self._toggle)
        self.rest = QWidget()
        self._rest_column = QVBoxLayout(self.rest)
        self._rest_column.setContentsMargins(0, 4, 0, 0)
        self._rest_column.setSpacing(6)
        self._spec: NodeSpec | None = None
        self._port_lines: list[PortLine] = []
        self._first, self._has_more = "", False
        self._lay_out()

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(6)
        for widget in (self.shape, self.title, self.name):
            line.addWidget(widget)
        line.addStretch(1)
        line.addWidget(self.mode)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 6)
        column.setSpacing(4)
        column.addLayout(line)
        column.addWidget(self.error)
        column.addWidget(self.about)
        column.addWidget(self.rest)
        self.rest.hide()

    def show_node(self, name: str, title: str, spec: NodeSpec | None, mode: Mode | None) -> None:
        """Show a node; `name` is empty and `mode` None where several are shown."""
        self.title.setText(title)
        self.name.setVisible(bool(name))
        self.name.show_name(name)
        self.tell(None)
        self.shape.setVisible(spec is not None)
        self._show_mode(mode)
        if spec is not self._spec:
            self._spec = spec
            self._show_spec(spec)

    def tell(self, error: OssicleError | None) -> None:
        """Say why a name cannot be given."""
        self.error.setText(str(error or ""))
        self.error.setVisible(error is not None)

    def say(self, text: str) -> None:
        """A text of its own instead of a type's help."""
        self._spec = None
        self._first, self._has_more = text, False
        self.unfold(False)

    def _show_mode(self, mode: Mode | None) -> None:
        self.mode.setVisible(mode is not None)
        if mode is not None:
            word, told = MODES[mode]
            self.mode.setText(word)
            self.mode.setToolTip(f"{told} Click to change.")
            self.mode.setAccessibleName(f"Mode: {word}")
            self.mode.setProperty("mode", mode)
            self.mode.style().unpolish(self.mode)
            self.mode.style().polish(self.mode)

    def _show_spec(self, spec: NodeSpec | None) -> None:
        if spec is None:
            return
        self.shape.show_kind(spec.outputs[0].type.kind() if spec.outputs else "")
        paragraphs = paragraphs_of(spec.about)
        self._first, self._has_more = paragraphs[0] if paragraphs else "", True
        self.unfold(False)
        self._rest_of(paragraphs[1:], spec)

    @property
    def port_names(self) -> list[str]:
        """The ports that the unfolded help lists."""
        return [line.port.name for line in self._port_lines]

    def _rest_of(self, paragraphs: Sequence[str], spec: NodeSpec) -> None:
        while (item := self._rest_column.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        self._port_lines = []
        for text in paragraphs:
            label = QLabel(text)
            label.setObjectName("mute")
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._rest_column.addWidget(label)
        for title, ports in (("in", spec.inputs), ("out", spec.outputs)):
            for port in ports:
                self._port_lines.append(PortLine(title, port))
                self._rest_column.addWidget(self._port_lines[-1])
        if spec.needs:
            self._rest_column.addWidget(_mute(f"needs: {', '.join(spec.needs)}"))
        self._rest_column.addWidget(_mute(f"{spec.id} · version {spec.version} · {spec.package}"))

    def _toggle(self, _link: Any) -> None:
        self.unfold(self.rest.isHidden())

    def unfold(self, on: bool) -> None:
        """Show all of the help, the ports and what the type needs; or only the first paragraph."""
        self.rest.setVisible(on and self._has_more)
        link = f'<a href="more" style="color:{colour("amber-text").name()}">{"Less" if on else "More"}</a>'
        text = html.escape(self._first)
        self.about.setText(f"{text} {link}" if self._has_more else text)

    def restyle(self) -> None:
        """Colours of the present ground."""
        self.unfold(not self.rest.isHidden())

    def _ask_mode(self) -> None:
        self.mode_menu().popup(self.mode.mapToGlobal(self.mode.rect().bottomLeft()))

    def mode_menu(self) -> QMenu:
        """The three modes."""
        menu = new_menu(self)
        for mode, (word, told) in MODES.items():
            action = add(menu, word.capitalize(), partial(self.mode_chosen.emit, mode))
            action.setToolTip(told)
            action.setCheckable(True)
            action.setChecked(self.mode.property("mode") == mode)
        return menu


class PortLine(QWidget):
    """One port: direction, shape, name, type."""

    def __init__(self, direction: str, port: Port) -> None:
        super().__init__()
        self.port = port
        kind = port.type.kind()
        notes = ["any number"] if port.many else ["optional"] if port.optional else []
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(6)
        way = _mute(direction)
        way.setFixedWidth(24)
        name = QLabel(port.name)
        name.setFont(font(12, monospace=True))
        line.addWidget(way)
        line.addWidget(Shape(kind, 14))
        line.addWidget(name)
        line.addWidget(_mute(" · ".join([kind, *notes])), 1)


def _mute(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("mute")
    return label


def paragraphs_of(text: str) -> list[str]:
    """A docstring's paragraphs, each on one line."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]
