"""Quick add: type a few letters at the cursor, press Enter, and the node stands there, wired to what was dragged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue
from PySide6.QtCore import QPoint, QPointF, Signal
from PySide6.QtWidgets import QWidget

from engine.node import NodeSpec
from engine.workflow import Link, Workflow
from studio.canvas.chooser import Chooser, Row
from studio.canvas.ends import PortEnd
from studio.canvas.fits import add_linked, fitting_port, insert, port_of, through
from studio.canvas.usage import Usage
from studio.model import edit
from studio.model.document import Document
from studio.model.edit import Place
from studio.model.places import HEADER, WIDTH, port_y, shown_positions
from studio.panels.palette import STAGES

SAY, TAKE, NOTE = "say:", "take:", "note:"
"""Beginnings of the keys of offers that are more than a node type."""
_WORD: Final = r"[^\W\d_]+(?:['’-][^\W\d_]+)*"
_WORDS: Final = re.compile(rf"{_WORD}(?:[\s,;]+{_WORD})*")
_PLACE: Final = re.compile(r"(?:~|/|\.{1,2}/|[A-Za-z]:\\|https?://).*|.*\.(?:wav|flac|zip|tar|gz|tgz)", re.IGNORECASE)
_NEAR: Final = 12.0
"""A new node moves on when another stands nearer than this."""


@dataclass(frozen=True)
class Offer:
    """A node type with parameters, made of what was typed."""

    type_id: str
    params: Mapping[str, JsonValue]


class QuickAdd(Chooser):
    """The popup.

    Signals:
        added(str): id of the node that was added; it is selected.
        note_wished(str, QPointF): a note with that text, there.
    """

    added = Signal(str)
    note_wished = Signal(str, object)

    def __init__(self, document: Document, parent: QWidget, usage: Usage | None = None) -> None:
        super().__init__(parent, "Add a node", "Search nodes …")
        self.document = document
        self.usage = usage if usage is not None else Usage()
        self.extra = self._offers
        self._spot = QPointF()
        self._end: PortEnd | None = None
        self._link: Link | None = None
        self.chosen.connect(self._add)

    def ask_at(self, spot: QPointF, at: QPoint, back_to: QWidget, end: PortEnd | None = None, text: str = "") -> None:
        """Ask for a node to place at a spot of the scene.

        Args:
            at: where the list appears, in the parent.
            back_to: gets the keyboard back.
            end: the port a wire was dragged from; only what fits it is offered, and wired to it.
            text: what was typed already.
        """
        self._spot, self._end, self._link = spot, end, None
        self._ask(at, back_to, text)

    def ask_into(self, link: Link, spot: QPointF, at: QPoint, back_to: QWidget) -> None:
        """Ask for a node to put into a wire."""
        self._spot, self._end, self._link = spot, None, link
        self._ask(at, back_to, "")

    def _ask(self, at: QPoint, back_to: QWidget, text: str) -> None:
        self.favour = self.usage.favour()
        rows = [row_of(spec) for spec in self._specs()]
        self.ask(rows, at, heading=self._heading(), text=text, back_to=back_to)

    # ---- what is offered

    def _specs(self) -> list[NodeSpec]:
        specs = sorted(self.document.registry.specs.values(), key=_stage)
        return [spec for spec in specs if self._fits(spec)]

    def _fits(self, spec: NodeSpec) -> bool:
        document, end = self.document, self._end
        if self._link is not None:
            return through(document.workflow, document.registry, self._link, spec) is not None
        return end is None or fitting_port(document.workflow, document.registry, end, spec) is not None

    def _heading(self) -> str:
        end = self._end
        if end is None:
            return f"Into {self._link}" if self._link is not None else ""
        port = port_of(self.document.workflow, self.document.registry, end)
        kind = f" · {port.type.kind()}" if port is not None else ""
        return f"{'Takes' if end.is_output else 'Gives'} {end}{kind}"

    def _offers(self, text: str) -> Sequence[Row]:
        """Rows for a text that is no node: words to speak, a place to read from, a note."""
        if len(text) < 2:
            return ()
        rows: list[Row] = []
        speak, ingest = (self._with_param(name, key) for name, key in (_SPEAK, _INGEST))
        if _PLACE.fullmatch(text):
            if ingest is not None:
                rows.append(_offer(ingest, TAKE + text, f"Read recordings from “{_short(text)}”"))
        elif speak is not None and _WORDS.fullmatch(text):
            words = _split(text)
            listed = ", ".join(f"“{word}”" for word in words)
            rows.append(_offer(speak, SAY + ",".join(words), f"Speak the word{'s' * (len(words) > 1)} {listed}"))
        if self._end is None and self._link is None:
            about = "Text on the canvas; Markdown is understood."
            rows.append(Row(NOTE + text, f"Note “{_short(text)}”", about, "Note"))
        return rows

    def _with_param(self, type_id: str, key: str) -> NodeSpec | None:
        spec = self.document.registry.find(type_id)
        return spec if spec is not None and key in spec.params.model_fields and self._fits(spec) else None

    # ---- adding

    def _add(self, key: str) -> None:
        if key.startswith(NOTE):
            self.note_wished.emit(key.removeprefix(NOTE), self._spot)
            return
        offer = _read(key)
        spec = self.document.registry.find(offer.type_id)
        if spec is None:
            return
        made: list[str] = []
        place, end, link, registry = self._place(spec), self._end, self._link, self.document.registry

        def change(workflow: Workflow) -> Workflow:
            if link is not None:
                after, name = insert(workflow, registry, link, spec, place)
            else:
                after, name = add_linked(workflow, registry, spec, place, end)
            made.append(name)
            return edit.set_params(after, name, offer.params) if offer.params else after

        self.document.edit(f"Add {spec.title}", change)
        self.usage.note(spec.id)
        self.document.select(made)
        self.added.emit(made[0])

    def _place(self, spec: NodeSpec) -> Place:
        """Top left corner: the port that is wired comes under the cursor, else the middle of the title."""
        x, y = self._spot.x(), self._spot.y()
        end = self._end
        port = fitting_port(self.document.workflow, self.document.registry, end, spec) if end is not None else None
        if end is None or port is None:
            return self._free((x - WIDTH / 2, y - HEADER / 2))
        ports = spec.inputs if end.is_output else spec.outputs
        return self._free((x - (0 if end.is_output else WIDTH), y - port_y(ports.index(port))))

    def _free(self, place: Place) -> Place:
        taken = shown_positions(self.document.workflow).values()
        x, y = place
        while any(abs(x - a) < _NEAR and abs(y - b) < _NEAR for a, b in taken):
            x, y = x + 2 * _NEAR, y + 2 * _NEAR
        return x, y


_SPEAK: Final = ("ossicle.speak", "words")
_INGEST: Final = ("ossicle.ingest", "source")


def row_of(spec: NodeSpec) -> Row:
    """A node type as a row."""
    main = next((port.type.kind() for port in (*spec.outputs, *spec.inputs)), "")
    about = spec.about.partition("\n")[0]
    types = tuple(port.type.kind() for port in (*spec.outputs, *spec.inputs))
    return Row(spec.id, spec.title, about, spec.category, main, (spec.id, spec.slug, *types))


def _stage(spec: NodeSpec) -> tuple[int, str, str]:
    """As the palette lists them: from data to the hub."""
    place = STAGES.index(spec.category) if spec.category in STAGES else len(STAGES)
    return place, spec.category, spec.title


def _offer(spec: NodeSpec, key: str, title: str) -> Row:
    row = row_of(spec)
    return Row(key, title, row.about, row.tag, row.kind, is_likely=True)


def _read(key: str) -> Offer:
    if key.startswith(SAY):
        words: list[JsonValue] = list(key.removeprefix(SAY).split(","))
        return Offer(_SPEAK[0], {_SPEAK[1]: words})
    if key.startswith(TAKE):
        return Offer(_INGEST[0], {_INGEST[1]: key.removeprefix(TAKE)})
    return Offer(key, {})


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(word.casefold() for word in re.split(r"[\s,;]+", text) if word))


def _short(text: str, most: int = 34) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
