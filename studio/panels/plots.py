"""Live plots: cards about the selection and the run; and tabs that hold one kind of view."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from engine.artifact import Artifact, Deployment, FeatureSet, Model
from studio.model.document import Document
from studio.panels.subjects import Subject, chosen, scene_of, subjects
from studio.run.session import Session
from studio.views.card import Card
from studio.views.viewer import Scene, Tab, ViewerSpec, load_viewers, viewers_of

CARD_WIDTH = 330
MOST_CARDS = 12
LIVE = "live"
CURVES = "Training"
"""Title of the view of stored curves; live ones take its place."""
REFRESH_MS = 60
HEADLINE = (FeatureSet, Model, Deployment)
"""Types whose first view is shown when nothing is selected."""


@dataclass(frozen=True)
class Wanted:
    """A card to show: a view of a subject, or the live curves of a node (no viewer)."""

    subject: Subject
    spec: ViewerSpec | None


class Lookup:
    """Artifacts and what surrounds them, as the session knows them now."""

    def __init__(self, document: Document, session: Session) -> None:
        self.document = document
        self.session = session
        self._is_loaded = False

    def known(self) -> list[Subject]:
        """Every output that there is an artifact for."""
        return subjects(self.document.workflow, self.session.states)

    def artifact(self, subject: Subject) -> Artifact | None:
        """The artifact of a subject."""
        return self.session.artifact(subject.node, subject.port)

    def specs(self, subject: Subject) -> list[ViewerSpec]:
        """Viewers of a subject's artifact; ours and the plugins' are imported at the first call."""
        if not self._is_loaded:
            self._is_loaded = True
            load_viewers()
        artifact = self.artifact(subject)
        return viewers_of(artifact) if artifact is not None else []

    def scene(self, subject: Subject, known: list[Subject]) -> Scene:
        """What a view of the subject may know."""
        workflow = self.document.workflow
        spec = self.document.registry.find(workflow.nodes[subject.node].type)
        title = spec.title if spec is not None else subject.node
        return scene_of(workflow, subject, known, self.session.artifact, self.document.base, title)


class PlotsPanel(QWidget):
    """Cards side by side: of the selection first, then the headline views of the graph; live curves while training.

    Signals:
        trial_chosen(SearchTrial): a trial of a search was clicked.
        clip_chosen(str): a clip was chosen in one of the cards.
        node_chosen(str): a node was chosen in one of the cards.
    """

    trial_chosen = Signal(object)
    clip_chosen = Signal(str)
    node_chosen = Signal(str)

    def __init__(self, document: Document, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Live plots")
        self.lookup = Lookup(document, session)
        self._cards: dict[tuple[str, str, str], Card] = {}
        self._shown: dict[tuple[str, str, str], object] = {}
        self._order: list[tuple[str, str, str]] = []
        self._row = QHBoxLayout()
        self._row.setContentsMargins(12, 12, 12, 12)
        self._row.setSpacing(12)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        inside.setLayout(self._row)
        self._area.setWidget(inside)
        self._empty = QLabel("Plots appear here while the graph runs. Click a node or a wire to see what flows there.")
        self._empty.setObjectName("mute")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._area)
        layout.addWidget(self._empty)
        self._timer = QTimer(self, singleShot=True, interval=REFRESH_MS)
        self._timer.timeout.connect(self.refresh)
        document.changed.connect(self.ask_refresh)
        document.selection_changed.connect(self.ask_refresh)
        session.states_changed.connect(self.ask_refresh)
        session.metrics_changed.connect(self._feed)
        self.refresh()

    def ask_refresh(self, *_: object) -> None:
        """Refresh soon; many wishes become one."""
        if not self._timer.isActive():
            self._timer.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More room, more cards."""
        super().resizeEvent(event)
        self.ask_refresh()

    def refresh(self) -> None:
        """Show the cards that are wanted now."""
        if not self.isVisible() and self._cards:
            return
        wanted = self._wanted()
        self._place([_key(item) for item in wanted], wanted)
        known = self.lookup.known()
        for item in wanted:
            self._fill(item, known)
        self._empty.setVisible(not wanted)
        self._area.setVisible(bool(wanted))

    # ---- what to show

    def _wanted(self) -> list[Wanted]:
        known = self.lookup.known()
        document = self.lookup.document
        selected = chosen(document.workflow, document.selection, known)
        found_first = [Wanted(s, spec) for s in selected for spec in self.lookup.specs(s) if spec.tab == "plots"]
        first = [item for item in found_first if item.spec is not None and item.spec.kind is not Artifact]
        general = [item for item in found_first if item not in first]
        live = [Wanted(Subject(node, "", document.base), None) for node in self._live_nodes()]
        rest = list(self._headlines(known))
        ahead = [item for item in live if item.subject.node in document.selection.nodes]
        shown = (*ahead, *_without_live(first, live), *live, *_without_live(rest, live), *general)
        found = {_key(item): item for item in shown}
        fitting = max(3, self.width() // CARD_WIDTH)
        return list(found.values())[: min(max(fitting, len(first)), MOST_CARDS)]

    def _live_nodes(self) -> list[str]:
        workflow, session = self.lookup.document.workflow, self.lookup.session
        running = [n for n in workflow.nodes if session.state(n).state == "running" and session.rows(n)]
        return running or [n for n in workflow.nodes if len(session.rows(n)) > 1][:1]

    def _headlines(self, known: list[Subject]) -> Iterable[Wanted]:
        for wanted_type in HEADLINE:
            for subject in known:
                artifact = self.lookup.artifact(subject)
                specs = [s for s in self.lookup.specs(subject) if s.tab == "plots" and s.kind is not Artifact]
                if isinstance(artifact, wanted_type) and specs:
                    yield Wanted(subject, specs[0])
                    break

    # ---- showing it

    def _place(self, keys: list[tuple[str, str, str]], wanted: list[Wanted]) -> None:
        for key, item in zip(keys, wanted, strict=True):
            if key not in self._cards:
                self._cards[key] = self._make(item)
        for key in [k for k in self._cards if k not in keys]:
            card = self._cards[key]
            card.hide()
            if len(self._cards) > MOST_CARDS:
                self._shown.pop(key, None)
                self._cards.pop(key).deleteLater()
        if self._order != keys:
            self._order = keys
            while self._row.takeAt(0) is not None:
                pass
            for key in keys:
                self._row.addWidget(self._cards[key], 1)
                self._cards[key].show()

    def _make(self, item: Wanted) -> Card:
        if item.spec is None:
            from studio.views.curves import CurvesCard

            card: Card = CurvesCard()
        else:
            card = cast(Card, item.spec.make())
        card.setMinimumSize(260, 120)
        card.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        _pass_on(card, self)
        return card

    def _fill(self, item: Wanted, known: list[Subject]) -> None:
        key = _key(item)
        card = self._cards[key]
        if item.spec is None:
            self._feed(frozenset({item.subject.node}))
            return
        artifact = self.lookup.artifact(item.subject)
        if artifact is not None and self._shown.get(key) != artifact.path:
            self._shown[key] = artifact.path
            card.show_artifact(artifact, self.lookup.scene(item.subject, known))

    def _feed(self, nodes: Any) -> None:
        """New metric rows: to the live curves of their nodes."""
        session = self.lookup.session
        for node in nodes:
            card = self._cards.get((node, "", "live"))
            if card is not None:
                card.show_rows(node, session.rows(node), session.earlier_curves(node))  # type: ignore[attr-defined]
                card.show_state(session.state(node))  # type: ignore[attr-defined]
            elif len(session.rows(node)) > 1:
                self.ask_refresh()

    def choose_clip(self, clip: str) -> None:
        """Show this clip in every card that can."""
        for card in self._cards.values():
            if hasattr(card, "show_clip"):
                card.show_clip(clip)


class TabPanel(QWidget):
    """One kind of view (clips, confusion, pareto): of the selection, or of the last artifact that has one."""

    clip_chosen = Signal(str)
    trial_chosen = Signal(object)
    node_chosen = Signal(str)

    def __init__(self, tab: Tab, empty: str, document: Document, session: Session) -> None:
        super().__init__()
        self.tab = tab
        self.lookup = Lookup(document, session)
        self._views: dict[str, Card] = {}
        self._shown: tuple[Subject, str] | None = None
        self._choice = QComboBox()
        self._choice.setAccessibleName("Which result to show")
        self._choice.activated.connect(self._choose)
        self._picked: str = ""
        self._empty = QLabel(empty)
        self._empty.setObjectName("mute")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QVBoxLayout(self)
        self._stack.setContentsMargins(12, 8, 12, 12)
        self._stack.addWidget(self._choice, 0, Qt.AlignmentFlag.AlignLeft)
        self._stack.addWidget(self._empty, 1)
        self._timer = QTimer(self, singleShot=True, interval=REFRESH_MS)
        self._timer.timeout.connect(self.refresh)
        for signal in (document.changed, document.selection_changed, session.states_changed):
            signal.connect(self.ask_refresh)
        if tab == "pareto":
            session.metrics_changed.connect(self._feed)

    def _feed(self, nodes: Any) -> None:
        """Trials of a search that is running: shown as they come."""
        session = self.lookup.session
        for node in nodes:
            rows = session.rows(node)
            if session.state(node).state == "running" and rows and "trial" in rows[-1]:
                from studio.views.pareto import ParetoCard

                view = self._views.get(LIVE)
                if view is None:
                    view = self._views[LIVE] = ParetoCard()
                    self._stack.addWidget(view, 1)
                    _pass_on(view, self)
                self._bring(view)
                view.show_rows(node, rows)  # type: ignore[attr-defined]

    def _bring(self, view: Card) -> None:
        self._empty.hide()
        for other in self._views.values():
            other.setVisible(other is view)

    def ask_refresh(self, *_: object) -> None:
        """Refresh soon, if anybody can see it."""
        if self.isVisible() and not self._timer.isActive():
            self._timer.start()

    def showEvent(self, event: object) -> None:
        """Catch up with what happened while hidden."""
        super().showEvent(event)  # type: ignore[arg-type]
        self.refresh()

    def refresh(self) -> None:
        """Show the wanted view."""
        known = self.lookup.known()
        found = [(s, spec) for s in known for spec in self.lookup.specs(s) if spec.tab == self.tab]
        self._list(found)
        if not found:
            self._show_none()
            return
        document = self.lookup.document
        selected = {(s.node, s.port) for s in chosen(document.workflow, document.selection, known)}
        first = [(s, spec) for s, spec in found if f"{s.node}.{s.port}" == self._picked]
        first = [(s, spec) for s, spec in found if (s.node, s.port) in selected] or first or found
        subject, spec = first[-1] if self.tab != "clips" else first[0]
        self._show(subject, spec, known)

    def _list(self, found: list[tuple[Subject, ViewerSpec]]) -> None:
        names = [f"{subject.node}.{subject.port}" for subject, _ in found]
        if [self._choice.itemText(i) for i in range(self._choice.count())] != names:
            self._choice.clear()
            self._choice.addItems(names)
        self._choice.setVisible(len(names) > 1)

    def _choose(self, index: int) -> None:
        self._picked = self._choice.itemText(index)
        node = self._picked.partition(".")[0]
        self.lookup.document.select([node])
        self.refresh()

    def _show_none(self) -> None:
        for view in self._views.values():
            view.hide()
        self._shown = None
        self._empty.show()

    def _show(self, subject: Subject, spec: ViewerSpec, known: list[Subject]) -> None:
        view = self._views.get(spec.title) or self._make(spec)
        self._bring(view)
        self._choice.setCurrentText(f"{subject.node}.{subject.port}")
        artifact = self.lookup.artifact(subject)
        if artifact is not None and self._shown != (subject, spec.title):
            self._shown = (subject, spec.title)
            view.show_artifact(artifact, self.lookup.scene(subject, known))

    def _make(self, spec: ViewerSpec) -> Card:
        view = self._views[spec.title] = cast(Card, spec.make())
        self._stack.addWidget(view, 1)
        _pass_on(view, self)
        return view


def _pass_on(card: Card, panel: QWidget) -> None:
    """What a card tells of, its panel tells too."""
    for name in ("trial_chosen", "clip_chosen", "node_chosen"):
        if hasattr(card, name):
            getattr(card, name).connect(getattr(panel, name))


def _key(item: Wanted) -> tuple[str, str, str]:
    return (item.subject.node, item.subject.port, item.spec.title if item.spec is not None else "live")


def _without_live(wanted: list[Wanted], live: list[Wanted]) -> list[Wanted]:
    """The cards less the stored curves of a node whose live curves are shown anyway."""
    busy = {item.subject.node for item in live}
    return [w for w in wanted if not (w.subject.node in busy and w.spec is not None and w.spec.title == CURVES)]
