"""From what a person does in the form to edits of the document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import JsonValue
from PySide6.QtCore import QObject, Signal

from engine.errors import OssicleError
from engine.node import NodeSpec
from engine.workflow import Mode, Workflow
from studio.form import changes
from studio.form.states import up_to_date
from studio.model import edit
from studio.model.document import Change, Document


class Binding(QObject):
    """Edits of the shown nodes, each one undo step; typing into one field is one step.

    Signals:
        failed(OssicleError): an edit that cannot be made; None once one was made.
    """

    failed = Signal(object)

    def __init__(self, document: Document, parent: QObject) -> None:
        super().__init__(parent)
        self.document = document
        self.names: tuple[str, ...] = ()
        self.spec: NodeSpec | None = None

    def bind(self, names: Sequence[str], spec: NodeSpec | None) -> None:
        """Edit these nodes from now on."""
        self.names, self.spec = tuple(names), spec

    @property
    def whose(self) -> str:
        """The shown nodes in words."""
        return self.names[0] if len(self.names) == 1 else f"{len(self.names)} nodes"

    def set_value(self, name: str, value: JsonValue) -> None:
        """Give a parameter a value."""
        self._edit(
            f"Set {name} of {self.whose}",
            lambda workflow: changes.assign(self._fresh(workflow), self.names, name, value),
            f"{','.join(self.names)}.{name}",
        )

    def reset(self, names: Sequence[str]) -> None:
        """Put parameters back to their defaults."""
        what = names[0] if len(names) == 1 else "all parameters"
        self._edit(
            f"Reset {what} of {self.whose}", lambda workflow: changes.reset(self._fresh(workflow), self.names, names)
        )

    def reset_all(self) -> None:
        """Put every parameter back to its default, unknown ones included."""
        given = {key for name in self.names for key in self.document.workflow.nodes[name].params}
        self.reset(sorted(given))

    def link(self, name: str, variable: str) -> None:
        """Make a parameter follow a variable."""
        self._edit(
            f"Link {name} of {self.whose} to {{{variable}}}",
            lambda workflow: changes.link_to(self._fresh(workflow), self.names, name, variable),
        )

    def link_new(self, name: str, value: JsonValue) -> str:
        """Make a variable of a parameter's value and link the parameter to it; the variable's name."""
        variable = changes.new_variable_name(self.document.workflow, name)
        self._edit(
            f"New variable {variable}",
            lambda workflow: changes.link_to_new(self._fresh(workflow), self.names, name, value, variable),
        )
        return variable

    def unlink(self, name: str) -> None:
        """Give a parameter its variable's present value."""
        self._edit(
            f"Unlink {name} of {self.whose}", lambda workflow: changes.unlink(self._fresh(workflow), self.names, name)
        )

    def rename(self, new: str) -> None:
        """Give the shown node another id; it stays selected."""
        old = self.names[0]
        if new == old:
            return
        is_done = self._edit(f"Rename {old} to {new}", lambda workflow: edit.rename(workflow, old, new))
        if is_done:
            self.document.select([new])

    def set_mode(self, mode: str) -> None:
        """Make the shown nodes active, muted or bypassed."""
        chosen = cast(Mode, mode)
        self._edit(f"Make {self.whose} {mode}", lambda workflow: edit.set_mode(workflow, self.names, chosen))

    def _fresh(self, workflow: Workflow) -> Workflow:
        return up_to_date(workflow, self.spec, self.names) if self.spec is not None else workflow

    def _edit(self, text: str, change: Change, merge: str = "") -> bool:
        try:
            self.document.edit(text, change, merge)
        except OssicleError as error:
            self.failed.emit(error)
            return False
        self.failed.emit(None)
        return True
