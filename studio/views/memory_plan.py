"""The workspace of an optimised network: which map lies where, from step to step, and what sharing saves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from engine.artifact import Artifact, Report
from engine.console import size
from engine.svg import ticks
from studio.look import theme
from studio.views.choices import is_optimisation
from studio.views.data.optimisation import REPORT_FILE, Block, MemoryPlan, read_optimisation
from studio.views.legend import Entry, Legend
from studio.views.parts import LoadedCard
from studio.views.viewer import Scene, viewer

TOKENS: Final = {"f32_hwc": "rose", "f32_chw": "blue", "u8_hwc": "violet", "codes": "teal", "scratch": "gold"}
NAMES: Final = {
    "f32_hwc": "float, channels last",
    "f32_chw": "float, channels first",
    "u8_hwc": "8 bits",
    "codes": "integers",
    "scratch": "scratch",
}
LEFT, BOTTOM, TOP = 56.0, 34.0, 8.0


def read_memory(artifact: Artifact, _scene: Scene) -> MemoryPlan:
    """The memory plan of report.json."""
    return read_optimisation(artifact.json(REPORT_FILE)).memory


class MemoryPicture(QWidget):
    """Blocks over steps (across) and addresses (up)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Memory plan")
        self.setMinimumSize(160, 90)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.plan = MemoryPlan()
        self._lit: Block | None = None

    def sizeHint(self) -> QSize:
        """Wider than tall."""
        return QSize(360, 220)

    def show_plan(self, plan: MemoryPlan) -> None:
        """Show another plan."""
        self.plan, self._lit = plan, None
        self.setAccessibleDescription("\n".join(block_words(block, plan) for block in plan.blocks))
        self.update()

    # ---- drawing

    def field(self) -> QRectF:
        """Where the blocks are drawn."""
        return QRectF(LEFT, TOP, max(self.width() - LEFT - 4, 10.0), max(self.height() - TOP - BOTTOM, 10.0))

    def box_of(self, block: Block) -> QRectF:
        """A block's place in the widget."""
        field, end = self.field(), max(self.plan.end_bytes, 1)
        across = field.width() / max(len(self.plan.steps), 1)
        up = field.height() / end
        top = field.bottom() - up * (block.offset + block.size_bytes)
        steps = block.last - block.first + 1
        return QRectF(field.left() + across * block.first, top, across * steps, up * block.size_bytes)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw axes and blocks."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_addresses(painter)
        self._draw_steps(painter)
        for block in self.plan.blocks:
            self._draw_block(painter, block)

    def _draw_addresses(self, painter: QPainter) -> None:
        field, end = self.field(), max(self.plan.end_bytes, 1)
        painter.setFont(theme.font(10, monospace=True))
        for value in ticks(0, end / 1000, 4):
            y = field.bottom() - field.height() * value * 1000 / end
            painter.setPen(QPen(theme.colour("line"), 1))
            painter.drawLine(QPointF(field.left(), y), QPointF(field.right(), y))
            painter.setPen(theme.colour("mute"))
            place = QRectF(0, y - 8, LEFT - 8, 16)
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{value:g} kB")

    def _draw_steps(self, painter: QPainter) -> None:
        field, font = self.field(), theme.font(10)
        across, measure, free = field.width() / max(len(self.plan.steps), 1), QFontMetricsF(font), -1e9
        painter.setFont(font)
        for number, name in enumerate(self.plan.steps):
            middle, is_lit = field.left() + across * (number + 0.5), self._is_alive(number)
            text = measure.elidedText(name, Qt.TextElideMode.ElideRight, max(across * 2 - 6, 40.0))
            wide = measure.horizontalAdvance(text)
            left = min(max(middle - wide / 2, field.left()), field.right() - wide)
            if left > free:
                free = left + wide + 8
                painter.setPen(theme.colour("text" if is_lit else "mute"))
                painter.drawText(QPointF(left, field.bottom() + 14), text)
        painter.setPen(theme.colour("mute"))
        foot = QRectF(field.left(), field.bottom() + 18, field.width(), 14)
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight, "steps of one inference →")

    def _is_alive(self, step: int) -> bool:
        return self._lit is not None and self._lit.first <= step <= self._lit.last

    def _draw_block(self, painter: QPainter, block: Block) -> None:
        box = self.box_of(block).adjusted(0.8, 0.8, -0.8, -0.8)
        token, is_lit = TOKENS.get(block.form, "mute"), block == self._lit
        painter.setPen(QPen(theme.colour("text" if is_lit else token), 1.4 if is_lit else 1.0))
        painter.setBrush(theme.colour(token, 0.5 if is_lit else 0.3))
        painter.drawRoundedRect(box, 3, 3)
        font = theme.font(10)
        measure = QFontMetricsF(font)
        if box.height() < measure.height() or box.width() < 24:
            return
        painter.setFont(font)
        painter.setPen(theme.colour("text"))
        wide = f"{block.name} · {size(block.size_bytes)}"
        fits = measure.horizontalAdvance(wide) <= box.width() - 8
        text = wide if fits else measure.elidedText(block.name, Qt.TextElideMode.ElideMiddle, box.width() - 8)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    # ---- hands

    def block_at(self, place: QPointF) -> Block | None:
        """The block under a point."""
        return next((block for block in self.plan.blocks if self.box_of(block).contains(place)), None)

    def event(self, event: QEvent) -> bool:
        """Tell about the block under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            block = self.block_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), block_words(block, self.plan) if block else "", self)
            return True
        return super().event(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Light up the block under the pointer and the steps it lives through."""
        self._light(self.block_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the pointer."""
        self._light(None)

    def _light(self, block: Block | None) -> None:
        if block != self._lit:
            self._lit = block
            self.update()


def block_words(block: Block, plan: MemoryPlan) -> str:
    """What a block is, how large, where and how long."""
    steps = [plan.steps[step] if step < len(plan.steps) else str(step) for step in (block.first, block.last)]
    alive = steps[0] if block.first == block.last else f"{steps[0]} to {steps[1]}"
    name = f"{block.name} ({NAMES.get(block.form, block.form)})"
    return f"{name}\n{block.size_bytes:,} bytes at {block.offset:,}\nalive in {alive}"


def saving(plan: MemoryPlan) -> str:
    """ "workspace 20.5 kB, 60 % less than without sharing · weights 263 kB"."""
    told = [f"workspace {size(plan.workspace_bytes)}"]
    if plan.separate_bytes > plan.workspace_bytes:
        told[0] += f", {1 - plan.workspace_bytes / plan.separate_bytes:.0%} less than unshared"
    return " · ".join([*told, *([f"weights {size(plan.weight_bytes)}"] if plan.weight_bytes else [])])


@viewer(Report, "Memory plan", fits=is_optimisation)
class MemoryCard(LoadedCard):
    """The plan of the workspace."""

    title = "Memory plan"
    reader = staticmethod(read_memory)
    step, nothing = "step", "This network needs no workspace."

    def __init__(self) -> None:
        super().__init__()
        self.picture = MemoryPicture()
        self.legend = Legend(rows=1, is_switch=False)
        self.inner.addWidget(self.picture, 1)
        self.inner.addWidget(self.legend)

    def show_data(self, data: MemoryPlan) -> None:
        """Show a plan."""
        self.subtitle.setText(saving(data))
        self.picture.show_plan(data)
        forms = [form for form in NAMES if any(block.form == form for block in data.blocks)]
        self.legend.show_entries([Entry(form, NAMES[form], TOKENS[form], "square") for form in forms])
        if not data.blocks:
            self.say(self.nothing)

    def table_rows(self) -> list[Sequence[object]]:
        """Every block."""
        head = ("map", "format", "offset", "bytes", f"first {self.step}", f"last {self.step}")
        blocks = self.picture.plan.blocks
        return [head, *((b.name, b.form, b.offset, b.size_bytes, b.first, b.last) for b in blocks)]

    def restyle(self) -> None:
        """The window became dark or light."""
        self.picture.update()
