"""Which classes are taken for which: the matrix, figures per class with intervals, the worst pairs, the clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout

from engine.artifact import Artifact, Report
from studio.views.data.confusion import (
    ClassRow,
    Confusion,
    Order,
    class_rows,
    csv_rows,
    ordered,
    read_confusion,
    worst_pairs,
)
from studio.views.data.document import top_level
from studio.views.matrix import Matrix
from studio.views.parts import Choice, ElidedLabel, LoadedCard, side_by_side
from studio.views.table import Table
from studio.views.viewer import Scene, viewer

WIDE_PX: Final = 600
REPORT_FILE: Final = "report.json"
CLASS_HEADERS: Final = ("class", "clips", "recall  95 %", "precision  95 %", "F1  95 %")
AXES: Final = "rows: truth · columns: what it was taken for"


def has_confusion(artifact: Artifact) -> bool:
    """Whether a report holds a confusion matrix."""
    return top_level(artifact.path / REPORT_FILE, "confusion", "classes")


def read_report(artifact: Artifact, scene: Scene) -> tuple[Confusion, list[ClassRow]]:
    """The matrix and the figures per class."""
    found = read_confusion(artifact.json(REPORT_FILE), scene.node)
    return found, class_rows(found)


@viewer(Report, "Confusion", tab="confusion", fits=has_confusion)
class ConfusionCard(LoadedCard):
    """The matrix, and beside it a table. `clip_chosen(str)` tells the clip that was clicked."""

    title = "Confusion"
    reader = staticmethod(read_report)
    clip_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._whole: Confusion | None = None
        self.found: Confusion | None = None
        self.class_rows: list[ClassRow] = []
        self._pairs: list[tuple[int, int]] = []
        self._clips: list[str] = []
        self.matrix = Matrix()
        self.matrix.cell_chosen.connect(self._show_clips)
        self.side = Table("Figures of the classes")
        self.side.chosen.connect(self._row_chosen)
        self.numbers = Choice("Numbers", (("count", "clips"), ("share", "row %")))
        self.order = Choice("Order of the classes", (("class", "as given"), ("error", "worst first")))
        self.list = Choice(
            "Table", (("matrix", "matrix"), ("classes", "classes"), ("pairs", "pairs"), ("clips", "clips"))
        )
        for choice in (self.numbers, self.order, self.list):
            choice.changed.connect(self._draw)
        self.words = ElidedLabel(AXES)
        self.words.setObjectName("mute")
        self.matrix.pointed.connect(lambda text: self.words.setText(text or AXES))
        self._build()

    def _build(self) -> None:
        self.split = side_by_side(self.matrix, self.side, (3, 4))
        foot = QHBoxLayout()
        foot.setSpacing(12)
        foot.addWidget(self.words, 1)
        for choice in (self.numbers, self.order, self.list):
            foot.addWidget(choice)
        self.inner.addWidget(self.split, 1)
        self.inner.addLayout(foot)
        self.list.set("classes")
        self.offer(self.list, self.numbers, self.order)
        self._arrange()

    def show_data(self, data: tuple[Confusion, list[ClassRow]]) -> None:
        """Show a matrix."""
        self._whole, self.class_rows = data
        total = int(self._whole.counts.sum())
        share = f" ({self._whole.right / total:.1%})" if total else ""
        self.subtitle.setText(
            " · ".join(filter(None, (self._whole.title, f"{self._whole.right:,} of {total:,} clips right{share}")))
        )
        self._draw()

    def _draw(self, *_: object) -> None:
        if self._whole is None:
            return
        by: Order = "error" if self.order.value == "error" else "class"
        self.found = ordered(self._whole, by)
        self.matrix.show_confusion(self.found, is_share=self.numbers.value == "share")
        self._fill()
        self._arrange()

    def _fill(self) -> None:
        fillers = {"pairs": self._fill_pairs, "clips": self._fill_clips}
        fillers.get(self.list.value, self._fill_classes)()

    def _fill_classes(self) -> None:
        by_name = {row.name: row for row in self.class_rows}
        names = self.found.classes if self.found is not None else ()
        self.side.fill(CLASS_HEADERS, [_class_cells(by_name[name]) for name in names])

    def _fill_pairs(self) -> None:
        if self.found is None:
            return
        pairs = worst_pairs(self.found, 200)
        self._pairs = [(pair.truth, pair.prediction) for pair in pairs]
        names = self.found.classes
        rows = [(names[p.truth], names[p.prediction], p.count, (f"{p.share:.0%}", p.share)) for p in pairs]
        self.side.fill(("truth", "taken for", "clips", "of the class"), rows)

    def _fill_clips(self) -> None:
        found, cell = self.found, self.matrix.cell
        if found is None:
            return
        if cell is None:
            clips = [clip for clip in found.clips if clip.truth != clip.prediction]
        else:
            clips = found.cell_clips(*cell)
        self._clips = [clip.clip_id for clip in clips]
        rows = [(clip.clip_id, clip.truth, clip.prediction, (f"{clip.score:.3f}", clip.score)) for clip in clips]
        self.side.fill(("clip", "truth", "taken for", "score"), rows)

    def _show_clips(self, _truth: int, _prediction: int) -> None:
        if self.found is not None and self.found.clips:
            self.list.set("clips")
            self._fill()
            self._arrange()

    def _row_chosen(self, row: int) -> None:
        if self.list.value == "clips" and row < len(self._clips):
            self.clip_chosen.emit(self._clips[row])
        elif self.list.value == "pairs" and row < len(self._pairs):
            self.matrix.cell = self._pairs[row]
            self.matrix.update()

    def table_rows(self) -> list[Sequence[object]]:
        """The matrix as a table."""
        return csv_rows(self.found) if self.found is not None else []

    def resizeEvent(self, event: object) -> None:
        """A narrow card shows the matrix or the table, a wide one both."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        is_wide = self.width() >= WIDE_PX
        is_matrix = self.list.value == "matrix"
        self.matrix.setVisible(is_wide or is_matrix or self.width() < 330 and self.list.value == "classes")
        self.side.setVisible(not self.matrix.isVisibleTo(self) or is_wide and not is_matrix)
        self.words.setVisible(self.width() >= 330)
        self.numbers.setVisible(self.width() >= 420)
        self.order.setVisible(is_wide)
        self.list.setVisible(is_wide or self.width() >= 520)


def _class_cells(row: ClassRow) -> tuple[object, ...]:
    pairs = ((row.recall, row.recall_span), (row.precision, row.precision_span), (row.f1, row.f1_span))
    return (row.name, row.clips, *(_share_cell(value, span) for value, span in pairs))


def _share_cell(value: float | None, span: tuple[float, float] | None) -> tuple[str, float | None]:
    if value is None or span is None:
        return "–", None
    ends = f"{100 * span[0]:.0f}–{100 * span[1]:.0f}"
    return f"{100 * value:.0f} % {ends:>6}", value
