"""One parameter of the form: label, field, what marks it (changed, linked, wrong), and its small buttons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from PySide6.QtCore import QEvent, QObject, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QEnterEvent,
    QFontMetrics,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QLabel, QSizePolicy, QToolButton, QWidget

from engine.problem import Problem
from studio.form.edit_line import SecretEditor
from studio.form.editor import HEIGHT, Editor
from studio.form.fields import Field
from studio.form.row_parts import ScrubLabel, Shown, help_of, missing, words
from studio.form.secret import how_to_set
from studio.form.style import lifted
from studio.form.values import size_text, text_of
from studio.look.icons import icon
from studio.look.theme import colour, font

GAP: Final = 6
LABEL_PX: Final = 118
LABEL_HEIGHT: Final = 21
MINI: Final = 20
EDGE: Final = 8
BADGE: Final = "variable"


class Row(QWidget):
    """Label, field, marks and buttons of one parameter.

    Signals:
        edited(str, object): name and new value.
        reset(str): back to the default.
        menu(str, object): the menu of the parameter is wanted at a point on the screen.
        resized(): it needs more or less room.
    """

    edited = Signal(str, object)
    reset = Signal(str)
    menu = Signal(str, object)
    resized = Signal()

    def __init__(self, field: Field, editor: Editor, *, can_link: bool = True, is_bare: bool = False) -> None:
        super().__init__()
        self.field, self.editor = field, editor
        self._can_link, self._is_bare = can_link, is_bare
        self.shown = Shown()
        self.error_text = ""
        self._own_error = ""
        self._problem_text = ""
        self._is_hovered = False
        self._box = QRectF()
        self._unit = field.unit
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.label = ScrubLabel(field.label or field.name, field.is_number)
        self.label.setParent(self)
        self.label.setBuddy(editor.inner)
        self.label.setToolTip(help_of(field))
        self.label.scrubbed.connect(editor.step)
        self.label.clicked.connect(lambda: self.focus_field())
        editor.setParent(self)
        editor.describe(field.label or field.name, field.about)
        editor.edited.connect(lambda value: self.edited.emit(field.name, value))
        editor.unreadable.connect(self._tell_unreadable)
        editor.height_changed.connect(self.refit)
        editor.inner.installEventFilter(self)
        self._reset: QToolButton | None = None
        self._link: QToolButton | None = None
        self._chip: QToolButton | None = None
        self._error: QLabel | None = None
        self.refit()

    # ---- what it shows

    def show_state(self, shown: Shown) -> None:
        """Show a value and its marks."""
        if shown == self.shown and type(shown.value) is type(self.shown.value) and not self._own_error:
            return
        was, self.shown = self.shown, shown
        if self._own_error and (shown.value != was.value or shown.is_many != was.is_many):
            self._own_error = ""
            self._tell()
        if shown.is_many:
            self.editor.show_many()
        elif not shown.variable:
            self.editor.show_value(shown.value, shown.hint)
        self._unit = self._unit_text()
        self.setToolTip(f"default {text_of(self.field.default)}" if shown.is_changed else "")
        self._show_chip()
        self._place()

    def show_problems(self, problems: Sequence[tuple[str, Problem]]) -> None:
        """Show the engine's words below the field; those of parts at the part."""
        own = self.editor.show_problems(problems)
        is_missing = self.field.is_required and not self.shown.is_given
        texts = [words(path, missing(problem) if is_missing else problem) for path, problem in own]
        text = "\n".join(texts)
        if text != self._problem_text:
            self._problem_text = text
            self._tell()

    @property
    def is_wrong(self) -> bool:
        """Whether something is wrong with the value."""
        return bool(self.error_text)

    def focus_field(self, path: str = "") -> None:
        """Put the cursor into the field."""
        if self._chip is not None and self.shown.variable:
            self._chip.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            self.editor.focus_part(path)

    def _tell_unreadable(self, error: Any) -> None:
        self._own_error = str(error or "")
        self._tell()

    def _tell(self) -> None:
        text = self._own_error or self._problem_text
        if text == self.error_text:
            return
        self.error_text = text
        if self._error is None:
            self._error = QLabel(self)
            self._error.setObjectName("error")
            self._error.setWordWrap(True)
            self._error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._error.setText(text)
        self._error.setVisible(bool(text))
        self.refit()

    def _unit_text(self) -> str:
        if isinstance(self.editor, SecretEditor):
            self.editor.setToolTip("" if self.editor.told != "not set" else how_to_set(self.editor.line.text()))
            return self.editor.told
        value = self.shown.value
        is_large = self.field.unit == "B" and isinstance(value, int) and not isinstance(value, bool) and value >= 10_000
        return size_text(value) if is_large and isinstance(value, int) else self.field.unit

    # ---- the variable

    def _show_chip(self) -> None:
        linked = bool(self.shown.variable) and not self.shown.is_many
        self.editor.setVisible(not linked)
        if linked and self._chip is None:
            self._chip = QToolButton(self)
            self._chip.setObjectName("chip")
            self._chip.setFont(font(12, monospace=True))
            self._chip.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            self._chip.installEventFilter(self)
            self._chip.clicked.connect(lambda: self._ask_menu(self._chip))
        if self._chip is not None:
            self._chip.setVisible(linked)
            self._chip.setText(f"{{{self.shown.variable}}}")
            told = f"the workflow variable {self.shown.variable}, now {self.shown.variable_text}"
            self._chip.setToolTip(told)
            self._chip.setAccessibleName(f"{self.field.label}: {told}")

    def _ask_menu(self, button: QWidget | None) -> None:
        if button is not None:
            self.menu.emit(self.field.name, button.mapToGlobal(button.rect().bottomLeft()))

    # ---- buttons that come when they are needed

    def _buttons(self) -> list[QToolButton]:
        """The small buttons, from the right."""
        found = []
        if self.shown.is_changed or self.shown.is_many:
            self._reset = self._reset or self._mini("reset", "Reset", lambda: self.reset.emit(self.field.name))
            self._reset.setToolTip(f"Reset to the default, {text_of(self.field.default)}")
            found.append(self._reset)
        if self._can_link and (self._is_hovered or self._has_focus()) and not self.shown.variable:
            self._link = self._link or self._mini("variable", "Link to a variable", lambda: self._ask_menu(self._link))
            self._link.setToolTip("Link to a workflow variable")
            found.append(self._link)
        for button in (self._reset, self._link):
            if button is not None:
                button.setVisible(button in found)
        return found

    def _mini(self, look: str, name: str, act: Callable[[], None]) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName("mini")
        button.setIcon(icon(look, "mute", 13))
        button.setProperty("look", look)
        button.setAccessibleName(f"{name}: {self.field.label}")
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(lambda: act())
        return button

    def restyle(self) -> None:
        """Icons in the colours of the present ground."""
        for button in (self._reset, self._link):
            if button is not None:
                button.setIcon(icon(str(button.property("look")), "mute", 13))

    # ---- room

    def refit(self) -> None:
        """Take the room that field and error need."""
        self._unit = self._unit_text()
        self._place()
        height = round(self._box.bottom() + 1)
        if self.error_text and self._error is not None:
            height = self._error.geometry().bottom() + 1
        height += GAP
        if height != self.height() or self.minimumHeight() != height:
            self.setFixedHeight(height)
            self.resized.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Place the parts anew."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.refit()

    def _place(self) -> None:
        width = max(self.width(), 160)
        if self._is_bare:
            self.label.hide()
            self._box = QRectF(0, 0, width, max(self.editor.sizeHint().height(), HEIGHT))
            inside = self._box.toRect().adjusted(EDGE, 0, -4, 0)
            inside.setRight(inside.right() - self._unit_width())
        elif self.editor.is_wide:
            self.label.setGeometry(0, 0, width - 2 * MINI - 8, LABEL_HEIGHT - 2)
            self._box = QRectF(0, LABEL_HEIGHT, width, max(self.editor.sizeHint().height(), HEIGHT))
            self._place_buttons(width, LABEL_HEIGHT / 2 - 1)
            inside = self._box.toRect().adjusted(EDGE - 4, 0, -2, 0)
        else:
            left = min(LABEL_PX, round(width * 0.42))
            self.label.setGeometry(0, 0, left - 8, HEIGHT)
            self._box = QRectF(left, 0, width - left, HEIGHT)
            inside = self._box.toRect().adjusted(EDGE, 0, -4, 0)
            inside.setRight(self._place_buttons(width - 3, HEIGHT / 2) - 2)
            inside.setRight(inside.right() - self._unit_width())
        if not self.editor.has_frame:
            inside = self._box.toRect()
        self.editor.setGeometry(inside)
        if self._chip is not None:
            self._chip.setGeometry(self._chip_room(inside))
        if self._error is not None:
            top, room = round(self._box.bottom()) + 3, width
            self._error.setGeometry(QRect(0, top, room, self._error.heightForWidth(room)))
        self.update()

    def _unit_width(self) -> int:
        return QFontMetrics(self.font()).horizontalAdvance(self._unit) + 6 if self._unit else 0

    def _chip_room(self, inside: QRect) -> QRect:
        need = QFontMetrics(font(12, monospace=True)).horizontalAdvance(f"{{{self.shown.variable}}}") + 16
        return QRect(inside.left() - 5, inside.top() + 2, min(need, inside.width()), inside.height() - 4)

    def _place_buttons(self, right: int, middle: float) -> int:
        """Put the small buttons side by side; where the room left of them ends."""
        for button in self._buttons():
            right -= MINI
            button.setGeometry(right, round(middle - MINI / 2), MINI, MINI)
            button.raise_()
        return right

    # ---- paint

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The field: ground, border, amber edge, unit, badge."""
        if not self.editor.has_frame:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        path = QPainterPath()
        path.addRoundedRect(self._box.adjusted(0.5, 0.5, -0.5, -0.5), 7, 7)
        painter.fillPath(path, colour("canvas"))
        if self.shown.is_changed:
            painter.save()
            painter.setClipPath(path)
            painter.fillRect(QRectF(self._box.left(), self._box.top(), 3.5, self._box.height()), colour("accent"))
            painter.restore()
        border = (
            "red" if self.error_text else "accent" if self._has_focus() else "faint" if self._is_hovered else "line"
        )
        painter.setPen(QPen(colour(border), 1))
        painter.drawPath(path)
        self._paint_right(painter)

    def _paint_right(self, painter: QPainter) -> None:
        minis = [button for button in (self._reset, self._link) if button is not None and not button.isHidden()]
        right = self._box.right() - EDGE
        if minis and not self.editor.is_wide:
            right = min(button.x() for button in minis) - 2
        if self.shown.variable and not self.shown.is_many:
            self._paint_badge(painter, right)
        elif self._unit and (self._is_bare or not self.editor.is_wide):
            painter.setPen(colour("mute"))
            room = QRectF(self._box.left(), self._box.top(), right - self._box.left(), self._box.height())
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, self._unit)

    def _paint_badge(self, painter: QPainter, right: float) -> None:
        """`variable`, and before it the variable's value as far as there is room."""
        small = font(11)
        metrics = QFontMetrics(small)
        painter.setFont(small)
        width, middle = metrics.horizontalAdvance(BADGE) + 12, self._box.top() + HEIGHT / 2
        badge = QRectF(right - width + 2, middle - 9, width, 18)
        painter.setPen(QPen(colour("line"), 1))
        painter.setBrush(lifted())
        painter.drawRoundedRect(badge.adjusted(0.5, 0.5, -0.5, -0.5), 8.5, 8.5)
        painter.setPen(colour("mute"))
        painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, BADGE)
        left = self._chip.geometry().right() + 4 if self._chip is not None else self._box.left()
        room = QRectF(left, middle - 9, badge.left() - left - 6, 18)
        if room.width() > 24:
            text = metrics.elidedText(f"= {self.shown.variable_text}", Qt.TextElideMode.ElideRight, round(room.width()))
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)

    # ---- focus, pointer, menu

    def _has_focus(self) -> bool:
        return self.editor.inner.hasFocus() or (self._chip is not None and self._chip.hasFocus())

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """The border and the buttons follow the focus."""
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self._place()
        return False

    def enterEvent(self, event: QEnterEvent) -> None:
        """Show the buttons."""
        super().enterEvent(event)
        self._is_hovered = True
        self._place()

    def leaveEvent(self, event: QEvent) -> None:
        """Hide them again."""
        super().leaveEvent(event)
        self._is_hovered = False
        self._place()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The parameter's menu: reset, variables, copy. The Menu key opens it, too."""
        is_key = event.reason() == QContextMenuEvent.Reason.Keyboard
        self.menu.emit(
            self.field.name, self.mapToGlobal(self._box.bottomLeft().toPoint()) if is_key else event.globalPos()
        )
