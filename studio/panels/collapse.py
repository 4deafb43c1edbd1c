"""The question before a selection is collapsed: what the sub-graph is called, and which parameters it shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from engine.subgraph import FOLDER, SUFFIX
from studio.look.theme import font
from studio.model.collapse import Offer
from studio.model.group import Answer

WIDTH, HEIGHT, LEAST_HEIGHT = 460, 560, 260
ROW_PX: Final = 26
VALUE_PX: Final = 170
WhyNot = Callable[[str], str]


class CollapseDialog(QDialog):
    """Name and parameters of a new sub-graph. The values of the chosen ones are set at each box that uses it."""

    def __init__(self, offers: Iterable[Offer], name: str, why_not: WhyNot, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._why_not = why_not
        self._offers = tuple(offers)
        self._boxes: dict[str, QCheckBox] = {}
        self.setWindowTitle("Collapse into a sub-graph")
        self.setObjectName("collapse")
        self.name = QLineEdit(name)
        self.name.setAccessibleName("Name of the sub-graph")
        self.name.selectAll()
        self.place = QLabel()
        self.go = QPushButton("Collapse")
        self.go.setObjectName("accent")
        self.go.setDefault(True)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search parameters …")
        self.search.setAccessibleName("Search parameters")
        self.search.setClearButtonEnabled(True)
        self._rows: list[tuple[Offer | None, str, tuple[QWidget, ...]]] = []
        self._build()
        self.name.textChanged.connect(self._check)
        self.search.textChanged.connect(self._filter)
        self.go.clicked.connect(self.accept)
        self._check()
        needed = 230 + ROW_PX * len(self._rows)
        self.resize(WIDTH, max(LEAST_HEIGHT, min(HEIGHT, needed)))

    def answer(self) -> Answer:
        """What was chosen."""
        chosen = (o.end for o in self._offers if self._boxes[o.end].isChecked() and not o.is_needed)
        return Answer(self.name.text(), tuple(chosen))

    # ---- parts

    def _build(self) -> None:
        nodes = len({offer.node for offer in self._offers})
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(8)
        about = QLabel("The selected nodes become one node that you can use again, here and in other graphs.")
        about.setWordWrap(True)
        about.setObjectName("mute")
        column.addWidget(about)
        column.addSpacing(4)
        column.addWidget(_section("Name"))
        column.addWidget(self.name)
        column.addWidget(self.place)
        column.addSpacing(8)
        column.addWidget(_section("Parameters to show on it"))
        if nodes:
            column.addWidget(self.search)
            column.addWidget(self._list(), 1)
        else:
            column.addWidget(QLabel("These nodes have no parameters."))
            column.addStretch(1)
        column.addLayout(self._buttons())

    def _buttons(self) -> QHBoxLayout:
        cancel = QPushButton("Cancel")
        cancel.clicked.connect(self.reject)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addStretch(1)
        row.addWidget(cancel)
        row.addWidget(self.go)
        return row

    def _list(self) -> QScrollArea:
        inner = QWidget()
        grid = QGridLayout(inner)
        grid.setContentsMargins(0, 0, 12, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 1)
        for node, group in groupby(self._offers, key=lambda offer: offer.node):
            found = sorted(group, key=lambda offer: (not offer.is_needed, not offer.is_set))
            self._add_head(grid, node, found[0].title)
            for offer in found:
                self._add_row(grid, offer)
        grid.setRowStretch(grid.rowCount(), 1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        return area

    def _add_head(self, grid: QGridLayout, node: str, title: str) -> None:
        row = grid.rowCount()
        head, id_ = QLabel(title), QLabel(node)
        head.setFont(font(bold=True))
        head.setContentsMargins(0, 8, 0, 2)
        id_.setObjectName("faint")
        id_.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
        grid.addWidget(head, row, 0)
        grid.addWidget(id_, row, 1)
        self._rows.append((None, node, (head, id_)))

    def _add_row(self, grid: QGridLayout, offer: Offer) -> None:
        row = grid.rowCount()
        box = self._boxes[offer.end] = QCheckBox(offer.name.replace("_", " "))
        box.setToolTip(offer.about)
        box.setChecked(offer.is_needed)
        box.setEnabled(not offer.is_needed)
        box.setAccessibleName(f"Show {offer.name} of {offer.node}")
        box.setMinimumHeight(ROW_PX - 4)
        value = QLabel()
        text = _words(offer.value)
        value.setObjectName("value" if offer.is_set else "faint")
        metrics = QFontMetrics(value.font())
        value.setText(metrics.elidedText(text, Qt.TextElideMode.ElideRight, VALUE_PX))
        told = "takes a variable of the workflow, so it always shows" if offer.is_needed else ""
        value.setToolTip("\n".join(filter(None, (text, told))))
        value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        grid.addWidget(box, row, 0)
        grid.addWidget(value, row, 1)
        self._rows.append((offer, offer.node, (box, value)))

    # ---- as one types

    def _check(self) -> None:
        """Say at once where the file will lie, or why the name cannot be."""
        why = self._why_not(self.name.text())
        self.place.setObjectName("error" if why else "faint")
        self.place.setText(why or f"{FOLDER}/{self.name.text()}{SUFFIX}")
        self.place.style().unpolish(self.place)
        self.place.style().polish(self.place)
        self.name.setProperty("invalid", bool(why))
        self.name.style().unpolish(self.name)
        self.name.style().polish(self.name)
        self.go.setEnabled(not why)

    def _filter(self, text: str) -> None:
        words = text.casefold().split()
        hits = {
            offer.end
            for offer in self._offers
            if all(word in f"{offer.name} {offer.title} {offer.about}".casefold() for word in words)
        }
        nodes = {offer.node for offer in self._offers if offer.end in hits}
        for offer, node, widgets in self._rows:
            for widget in widgets:
                widget.setVisible(offer.end in hits if offer is not None else node in nodes)


def _words(value: object) -> str:
    if value is None:
        return "—"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _section(text: str) -> QLabel:
    label = QLabel(text.upper())
    label.setObjectName("section")
    return label
