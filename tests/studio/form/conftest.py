"""A node type with a parameter of every kind, a panel, and hands that use editors as a person does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, JsonValue, model_validator
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from engine import Context, FeatureSet, Model, Params, Secret, node
from engine.params import FilePath, Milliseconds
from engine.registry import Registry
from studio.form.edit_choice import ComboEditor, SegmentsEditor, SwitchEditor
from studio.form.edit_group import GroupEditor
from studio.form.edit_line import LineEditor
from studio.form.edit_table import GridEditor, cell_text
from studio.form.edit_tags import TagsEditor
from studio.form.edit_text import LinesEditor
from studio.form.editor import Editor
from studio.form.panel import PropertyPanel
from studio.model.document import Document
from studio.model.edit import add_node


class Layer(BaseModel):
    """One layer."""

    channels: int = 8
    kind: Literal["conv", "pool"] = "conv"
    bias: bool = True


class Sgd(BaseModel):
    """Plain descent."""

    name: Literal["sgd"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9


class Adam(BaseModel):
    """Adam."""

    name: Literal["adam"] = "adam"
    beta: Annotated[float, Field(gt=0, lt=1)] = 0.99


class Everything(Params):
    """A parameter of every kind."""

    target: str
    """Needed."""
    preset: Literal["small", "large"] = "small"
    """Decides what empty values mean."""
    hop_ms: Annotated[Milliseconds, Field(gt=0, le=100)] | None = None
    """From the preset when empty."""
    rate: Annotated[float, Field(ge=0, le=1)] = 0.5
    count: Annotated[int, Field(ge=1, le=64)] = 4
    flag: bool = False
    maybe: bool | None = None
    mode: Literal["one", "two"] = "one"
    word: str = "yes"
    text: Annotated[str, Field(json_schema_extra={"format": "lines"})] = "first\nsecond"
    file: FilePath = ""
    password: Secret = Secret("")
    words: tuple[str, ...] = ("a", "b")
    numbers: tuple[float, ...] = (0.25, 0.5)
    layers: tuple[Layer, ...] = (Layer(),)
    first: Layer = Layer()
    extra: Layer | None = None
    optimiser: Annotated[Sgd | Adam, Field(discriminator="name")] = Sgd()
    weights: dict[str, float] = {"a": 1.0}
    anything: Any = None
    rare: Annotated[int, Field(json_schema_extra={"advanced": True})] = 3
    """Hardly ever set."""

    @model_validator(mode="after")
    def _agree(self) -> Everything:
        if self.count == 13:
            raise ValueError("count 13 brings no luck")
        return self

    def implied(self) -> Mapping[str, JsonValue]:
        """What empty parameters take."""
        return {"hop_ms": 10.0 if self.preset == "small" else 20.0}


@node("test.everything", version=1, category="Test", title="Everything")
def everything(features: FeatureSet, *, params: Everything, ctx: Context) -> Model:
    """Does everything that can be set.

    With a second paragraph.
    """
    raise NotImplementedError


@pytest.fixture
def wide_registry(registry: Registry) -> Registry:
    """The installed types and `test.everything`."""
    return Registry({**registry.specs, everything.id: everything})


@pytest.fixture
def make_panel(dark: Any, wide_registry: Registry) -> Iterator[Callable[..., tuple[Document, PropertyPanel]]]:
    """A document with one node of a type (selected) and its panel, shown at 330 px.

    Panels are held until the test is over: one that only circles of references hold could be collected while it paints.
    Then they are deleted at once: every further change of the style sheet would polish them all.
    """
    held: list[PropertyPanel] = []

    def make(type_id: str, params: Mapping[str, JsonValue] | None = None) -> tuple[Document, PropertyPanel]:
        document = Document(wide_registry)
        workflow, name = add_node(document.workflow, wide_registry.specs[type_id], (0, 0), params)
        document.show(workflow)
        panel = PropertyPanel(document)
        panel.resize(330, 700)
        panel.show()
        document.select([name])
        held.append(panel)
        return document, panel

    yield make
    for panel in held:
        panel.close()
        panel.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def _line(editor: LineEditor, value: JsonValue) -> None:
    editor.line.setFocus()
    editor.line.selectAll()
    text = editor.format(value)
    QTest.keyClicks(editor.line, text) if text else QTest.keyClick(editor.line, Qt.Key.Key_Backspace)


def _switch(editor: SwitchEditor, value: JsonValue) -> None:
    if editor.pill.isChecked() is not value:
        QTest.keyClick(editor.pill, Qt.Key.Key_Space)


def _segments(editor: SegmentsEditor, value: JsonValue) -> None:
    span = editor.segments.spans()[editor.place_of(value)]
    QTest.mouseClick(editor.segments, Qt.MouseButton.LeftButton, pos=span.center().toPoint())


def _combo(editor: ComboEditor, value: JsonValue) -> None:
    editor.combo.setCurrentIndex(editor.place_of(value))
    editor.combo.activated.emit(editor.place_of(value))


def _tags(editor: TagsEditor, value: JsonValue) -> None:
    assert isinstance(value, list)
    while editor.words:
        QTest.keyClick(editor.line, Qt.Key.Key_Backspace)
    for word in value:
        QTest.keyClicks(editor.line, str(word))
        QTest.keyClick(editor.line, Qt.Key.Key_Return)


def _lines(editor: LinesEditor, value: JsonValue) -> None:
    editor.page.setPlainText(editor.format(value))


def _grid(editor: GridEditor, value: JsonValue) -> None:
    rows = editor.rows_of(value)
    while editor.grid.rowCount() > len(rows):
        QTest.mouseClick(editor.drop, Qt.MouseButton.LeftButton)
    while editor.grid.rowCount() < len(rows):
        QTest.mouseClick(editor.add, Qt.MouseButton.LeftButton)
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            item = editor.grid.item(at, column)
            assert item is not None
            item.setText(cell_text(cell))


HANDS: tuple[tuple[type[Editor], Callable[[Any, JsonValue], None]], ...] = (
    (LineEditor, _line), (SwitchEditor, _switch), (SegmentsEditor, _segments), (ComboEditor, _combo),
    (TagsEditor, _tags), (LinesEditor, _lines), (GridEditor, _grid),
)  # fmt: skip


@pytest.fixture
def put() -> Callable[[Editor, JsonValue], None]:
    """Make a value an editor's, by keys and clicks."""

    def put_value(editor: Editor, value: JsonValue) -> None:
        next(hand for kind, hand in HANDS if isinstance(editor, kind))(editor, value)

    return put_value


def _shown_line(editor: LineEditor) -> JsonValue:
    return editor.parse(editor.line.text())


SHOWN: tuple[tuple[type[Editor], Callable[[Any], JsonValue]], ...] = (
    (LineEditor, _shown_line),
    (SwitchEditor, lambda editor: editor.pill.isChecked()),
    (SegmentsEditor, lambda editor: editor.values[editor.segments.current]),
    (ComboEditor, lambda editor: editor.values[editor.combo.currentIndex()]),
    (TagsEditor, lambda editor: None if editor._is_auto else list(editor.words)),
    (LinesEditor, lambda editor: editor.parse(editor.page.toPlainText())),
    (GroupEditor, lambda editor: dict(editor.value) if editor.value is not None else None),
)


@pytest.fixture
def shown() -> Callable[[Editor], JsonValue]:
    """The value that an editor shows."""

    def value_of(editor: Editor) -> JsonValue:
        return next((look for kind, look in SHOWN if isinstance(editor, kind)), lambda grid: grid.value())(editor)

    return value_of


@pytest.fixture
def focus_of() -> Callable[[QWidget], QWidget | None]:
    """The widget that has the focus within a window."""
    return lambda widget: widget.window().focusWidget()
