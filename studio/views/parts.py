"""What several cards share: loading in a thread, a message, choices, a line that is cut where it does not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from PySide6.QtCore import (
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QAction, QActionGroup, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from engine.artifact import Artifact
from engine.errors import OssicleError
from engine.evidence import UNREADABLE
from studio.look import theme
from studio.views.card import Card
from studio.views.export import export_menu
from studio.views.viewer import Scene
from studio.work import Background

Reader = Callable[[Artifact, Scene], Any]
RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
LEFT: Final = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
AGAIN: Final = "Run the node again; `ossicle store verify --repair` finds what is damaged"


def side_by_side(left: QWidget, right: QWidget, shares: tuple[int, int]) -> QSplitter:
    """Two widgets that share the width, the border between them movable; neither can be pushed away."""
    split = QSplitter(Qt.Orientation.Horizontal)
    split.setChildrenCollapsible(False)
    split.setHandleWidth(9)
    split.setStyleSheet("QSplitter::handle { background: transparent; }")
    for place, (widget, share) in enumerate(zip((left, right), shares, strict=True)):
        split.addWidget(widget)
        split.setStretchFactor(place, share)
    return split


class ElidedLabel(QLabel):
    """A line that is cut with "…" where it does not fit; the tooltip has all of it."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setText(text)

    def setText(self, text: str) -> None:
        """Show a text."""
        super().setText(text)
        self.setToolTip(text)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw what fits."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        metrics = QFontMetrics(self.font())
        cut = metrics.elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), int(LEFT if self.alignment() & Qt.AlignmentFlag.AlignLeft else RIGHT), cut)


def read_safely(reader: Reader, artifact: Artifact, scene: Scene) -> Any:
    """What a reader gives; a damaged file is told as one.

    Raises:
        OssicleError: the files cannot be read or are not what they should be.
    """
    try:
        return reader(artifact, scene)
    except OssicleError:
        raise
    except UNREADABLE as error:
        raise OssicleError(
            f"the files of this {artifact.kind()} cannot be shown ({type(error).__name__}: {error})",
            "the files that its node wrote",
            AGAIN,
        ) from error


class LoadedCard(Card):
    """A card whose data is read in a thread by `reader`; then `show_data` shows it. Widgets stand in `content`."""

    reader: Reader
    """Called in a thread with the artifact and its scene; a plain function, not a method."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.work = Background(self, threads=1)
        self.bar.removeWidget(self.subtitle)
        self.subtitle.deleteLater()
        self.subtitle = ElidedLabel(parent=self)
        self.subtitle.setObjectName("mute")
        self.bar.insertWidget(1, self.subtitle, 1)
        self.artifact: Artifact | None = None
        self.scene = Scene()
        self.content = QWidget()
        self.inner = QVBoxLayout(self.content)
        self.inner.setContentsMargins(0, 0, 0, 0)
        self.inner.setSpacing(4)
        self.message = QLabel()
        self.message.setObjectName("mute")
        self.message.setWordWrap(True)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.message.hide()
        self.body.addWidget(self.content, 1)
        self.body.addWidget(self.message, 1)
        self.menu = export_menu(self, self.title, self.pictured, self.table_rows)
        self.menu_button.setMenu(self.menu)

    def show_artifact(self, artifact: Artifact, scene: Scene) -> None:
        """Read the artifact in a thread, then show it."""
        self.artifact, self.scene = artifact, scene
        reader = type(self).reader
        self.work.call("read", partial(read_safely, reader, artifact, scene), self._take, self.refuse)

    def _take(self, data: Any) -> None:
        self.say("")
        try:
            self.show_data(data)
        except UNREADABLE as error:
            self.refuse(
                OssicleError(f"this cannot be shown ({type(error).__name__}: {error})", "a readable artifact", AGAIN)
            )

    def show_data(self, data: Any) -> None:
        """Show what the reader gave."""

    def pictured(self) -> QWidget:
        """The widget that is copied and saved as a picture."""
        return self.content

    def table_rows(self) -> Sequence[Sequence[object]]:
        """What is shown as a table, its headers first: for copying and CSV."""
        return []

    def offer(self, *choices: Choice) -> None:
        """Put choices into the menu, too: a narrow card has no room for their buttons."""
        for choice in choices:
            choice.add_to(self.menu)

    def say(self, text: str) -> None:
        """A message instead of the content; "" shows the content again."""
        self.message.setObjectName("mute")
        self.message.setStyleSheet("")
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.content.setVisible(not text)

    def refuse(self, error: OssicleError) -> None:
        """Tell why nothing is shown."""
        self.say(f"{sentence(error.what)}\n{sentence(error.remedy)}")
        self.message.setToolTip(f"expected: {error.expected}")

    def clear(self) -> None:
        """Nothing to show."""
        super().clear()
        self.work.forget("read")
        self.artifact = None
        self.say("Nothing to show yet.")


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


class Choice(QWidget):
    """A few exclusive choices as joined buttons. `changed(str)` tells the chosen key."""

    changed = Signal(str)

    def __init__(self, name: str, choices: Sequence[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._buttons: dict[str, _Segment] = {}
        self._group = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(0)
        for key, text in choices:
            button = _Segment(text)
            button.setAccessibleName(f"{name}: {text}")
            button.clicked.connect(partial(self._choose, key))
            self._group.addButton(button)
            self._buttons[key] = button
            layout.addWidget(button)
        self.value = choices[0][0]
        self._buttons[self.value].setChecked(True)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The ground that the buttons share."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.colour("line"), 1))
        painter.setBrush(theme.colour("background"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 7, 7)

    def _choose(self, key: str, _checked: bool = True) -> None:
        if key != self.value:
            self.set(key)
            self.changed.emit(key)

    def set(self, key: str) -> None:
        """Choose without telling."""
        self.value = key
        self._buttons[key].setChecked(True)

    def add_to(self, menu: QMenu) -> None:
        """The same choices in a menu, for cards too narrow to show the buttons."""
        group = QActionGroup(menu)
        menu.addSection(self.name)
        for key, button in self._buttons.items():
            action = QAction(button.text(), menu, checkable=True, checked=key == self.value)
            action.triggered.connect(partial(self._choose, key))
            group.addAction(action)
            menu.addAction(action)
            self.changed.connect(lambda chosen, action=action, key=key: action.setChecked(chosen == key))


class _Segment(QAbstractButton):
    """One of several joined buttons."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.setText(text)
        self.setFont(theme.font(11))
        self.setCheckable(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Text and a little air."""
        return QSize(QFontMetrics(self.font()).horizontalAdvance(self.text()) + 16, 20)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The chosen one is raised."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.isChecked() or self.hasFocus():
            painter.setPen(QPen(theme.colour("accent" if self.hasFocus() else "line"), 1))
            painter.setBrush(theme.colour("raised" if self.isChecked() else "background"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        painter.setFont(self.font())
        painter.setPen(theme.colour("text" if self.isChecked() or self.underMouse() else "mute"))
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), self.text())
