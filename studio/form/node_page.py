"""The panel's page for one node, or for several of one type: head, parameters, result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QShortcut
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from engine.artifact import Artifact
from engine.node import NodeSpec
from engine.params import schema
from engine.problem import Problem
from studio.canvas.facts import title_of_unknown
from studio.form.binding import Binding
from studio.form.edit_text import read_only_json
from studio.form.fields import Section, sections_of
from studio.form.figures import figures
from studio.form.form import Form
from studio.form.head import Head
from studio.form.result import Result, Trouble
from studio.form.states import params_of, problems_of, states_of, unknown_fields
from studio.form.variable_menu import variable_menu
from studio.look.icons import icon
from studio.model.document import Document
from studio.run.state import NEVER

if TYPE_CHECKING:
    from studio.run.session import Session

SEARCH_FROM: Final = 12
"""A search field comes with more parameters than this."""
MOST_FORMS: Final = 24
CHECK_MS: Final = 80
RESULT_MS: Final = 33


class NodePage(QWidget):
    """Shows nodes and writes what is edited back into the document.

    Signals:
        go_to_variable(str): the workflow's page is wanted, at a variable.
        log_requested(str), rerun_requested(str): of a failed node.
    """

    go_to_variable = Signal(str)
    log_requested = Signal(str)
    rerun_requested = Signal(str)

    def __init__(self, document: Document, session: Session | None) -> None:
        super().__init__()
        self.document, self.session = document, session
        self.binding = Binding(document, self)
        self.names: tuple[str, ...] = ()
        self.spec: NodeSpec | None = None
        self.form: Form | None = None
        self.extra: Form | None = None
        self._forms: dict[str, tuple[NodeSpec, Form]] = {}
        self.head = Head()
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find parameter…")
        self.search.setAccessibleName("Find parameter")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._find)
        self.raw = read_only_json("")
        self.raw.setMinimumHeight(160)
        self.result = Result()
        self._make_timers()
        self._lay_out()
        self._connect()

    def _make_timers(self) -> None:
        self._check_timer = QTimer(self, singleShot=True)
        self._check_timer.timeout.connect(self.check)
        self._result_timer = QTimer(self, singleShot=True, interval=RESULT_MS)
        self._result_timer.timeout.connect(self.show_result)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 14)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(self.search)
        column.addWidget(self.raw)
        self._slot = QVBoxLayout()
        self._slot.setSpacing(0)
        column.addLayout(self._slot)
        column.addWidget(self.result)
        column.addStretch(1)

    def _connect(self) -> None:
        self.head.renamed.connect(self.binding.rename)
        self.head.mode_chosen.connect(self.binding.set_mode)
        self.binding.failed.connect(lambda error: self.head.tell(error))
        self.result.log_requested.connect(lambda: self.log_requested.emit(self.names[0]))
        self.result.rerun_requested.connect(lambda: self.rerun_requested.emit(self.names[0]))
        QShortcut("Ctrl+F", self, lambda: self.search.setFocus(), context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
        if self.session is not None:
            self.session.states_changed.connect(self._told)
            self.session.metrics_changed.connect(self._told)

    # ---- what is shown

    def show_nodes(self, names: Sequence[str]) -> None:
        """Show one node, or several of one type."""
        is_other = tuple(names) != self.names
        self.names = tuple(names)
        node = self.document.workflow.nodes[self.names[0]]
        spec = self.document.registry.find(node.type)
        self.binding.bind(self.names, spec)
        if spec is None:
            self._show_unknown()
        else:
            self._show_known(spec)
        if is_other:
            self.search.clear()
            self._show_problems(())
            self.show_result()
        self.raw.setVisible(spec is None)
        self.check_soon(0 if is_other else CHECK_MS)

    def _show_known(self, spec: NodeSpec) -> None:
        workflow = self.document.workflow
        many = len(self.names) > 1
        mode = workflow.nodes[self.names[0]].mode
        title = f"{spec.title}  × {len(self.names)}" if many else spec.title
        self.head.show_node("" if many else self.names[0], title, spec, mode)
        self.search.setVisible(len(spec.params.model_fields) > SEARCH_FROM)
        self._show_form(spec)
        if self.form is not None:
            self.form.show_states(states_of(workflow, spec, self.names, self.form.fields))
        self._show_extra(spec)

    def _show_form(self, spec: NodeSpec) -> None:
        form = self.form_of(spec)
        if form is not self.form:
            if self.form is not None:
                self.form.hide()
            self.form, self.spec = form, spec
        form.show()

    def form_of(self, spec: NodeSpec) -> Form:
        """The form of a type, made once."""
        known = self._forms.get(spec.id)
        if known is not None and known[0] is spec:
            return known[1]
        if known is not None or len(self._forms) >= MOST_FORMS:
            self._drop(spec.id if known is not None else next(iter(self._forms)))
        form = self._connected(Form(sections_of(schema(spec.params)), lambda: self.document.base))
        self._forms[spec.id] = (spec, form)
        self._slot.insertWidget(0, form)
        return form

    def _connected(self, form: Form) -> Form:
        form.edited.connect(lambda name, value: self.binding.set_value(str(name), value))
        form.reset.connect(lambda name: self.binding.reset([name]))
        form.reset_all.connect(self.binding.reset_all)
        form.menu.connect(self._ask_menu)
        return form

    def _drop(self, type_id: str) -> None:
        _spec, form = self._forms.pop(type_id)
        if form is self.form:
            self.form = None
        form.hide()
        form.deleteLater()

    def _show_extra(self, spec: NodeSpec) -> None:
        """Parameters that the file holds and the type does not know."""
        params = params_of(self.document.workflow.nodes[self.names[0]], spec)
        found = unknown_fields(params, self.form.fields if self.form is not None else ())
        if found != (self.extra.fields if self.extra is not None else ()):
            if self.extra is not None:
                self.extra.hide()
                self.extra.deleteLater()
            self.extra = (
                self._connected(Form([Section("Not known here", found)], lambda: self.document.base)) if found else None
            )
            if self.extra is not None:
                self._slot.addWidget(self.extra)
        if self.extra is not None:
            self.extra.show_states(states_of(self.document.workflow, spec, self.names, found))

    def _show_unknown(self) -> None:
        name = self.names[0]
        node = self.document.workflow.nodes[name]
        many = len(self.names) > 1
        self.head.show_node("" if many else name, title_of_unknown(node.type), None, node.mode)
        self.head.say(
            f"The node type {node.type} is not installed here. The node stays in the file as it is, with its wires."
        )
        self.search.hide()
        for form in (self.form, self.extra):
            if form is not None:
                form.hide()
        self.form = None
        self.raw.setPlainText(json.dumps(node.model_dump(mode="json"), indent=2, ensure_ascii=False))

    # ---- problems and result

    def check_soon(self, wait_ms: int) -> None:
        """Look for problems, after a pause in typing."""
        self._check_timer.start(wait_ms)

    def check(self) -> None:
        """Show the engine's problems with these nodes."""
        if self.names and set(self.names) <= self.document.workflow.nodes.keys():
            self._show_problems(problems_of(self.document.checked.problems, self.names))

    def _show_problems(self, problems: Sequence[Problem]) -> None:
        rest = tuple(problems)
        for form in (self.form, self.extra):
            if form is not None:
                rest = form.show_problems(rest)
        self._rest = rest
        self._result_timer.start()

    _rest: tuple[Problem, ...] = ()

    def show_result(self) -> None:
        """Show state, figures and troubles of the node; of several, only the troubles."""
        names = self.names if set(self.names) <= self.document.workflow.nodes.keys() else ()
        one = names[0] if len(names) == 1 else ""
        state = self.session.state(one) if self.session is not None and one else NEVER
        rows = self.session.rows(one) if self.session is not None and one else ()
        troubles = [] if state.error is None else [
            Trouble(state.error.what, state.error.expected, state.error.remedy, one, is_failure=True)
        ]  # fmt: skip
        troubles += [
            Trouble(
                p.what,
                p.expected,
                p.remedy,
                ".".join(part for part in (p.node, p.field) if part),
                p.severity == "warning",
            )
            for p in self._rest
            if names
        ]
        self.result.show_result(state, figures(rows, self._artifacts(one), state.state == "running"), troubles)

    def _artifacts(self, name: str) -> list[Artifact]:
        if self.session is None or not name:
            return []
        found = [self.session.artifact(name, port) for port in self.session.state(name).outputs]
        return [artifact for artifact in found if artifact is not None]

    def _told(self, nodes: Any) -> None:
        if nodes & set(self.names) and not self._result_timer.isActive():
            self._result_timer.start()

    # ---- finding

    def _find(self, text: str) -> None:
        if self.form is not None:
            self.form.show_filtered(text)

    def focus(self, name: str) -> QWidget | None:
        """Put the cursor into a parameter ("model.width" into its part); the row, or None if there is none."""
        first, _, path = name.partition(".")
        for form in (self.form, self.extra):
            if form is not None and first in form.rows:
                self.search.clear()
                form.unfold(first)
                row = form.rows[first]
                row.focus_field(path)
                return row
        if name or self.form is None or not self.form.rows:
            return None
        row = next(iter(self.form.rows.values()))
        row.focus_field()
        return row

    def _ask_menu(self, name: str, at: Any) -> None:
        form = next((form for form in (self.form, self.extra) if form is not None and name in form.rows), None)
        if form is not None:
            row = form.rows[name]
            menu = variable_menu(self, self.binding, row.field, row.shown, self.go_to_variable.emit)
            menu.popup(at)

    def restyle(self) -> None:
        """Icons and colours of the present ground."""
        for _spec, form in self._forms.values():
            form.restyle()
        self.result.restyle()
        self.head.restyle()
        if actions := self.search.actions():
            actions[0].setIcon(icon("close", "mute", 12))
