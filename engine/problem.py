"""What is wrong with a workflow: findings, and the errors that carry them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from engine.errors import OssicleError, sentence

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One finding. `node` and `field` say where; `code` is stable, for programs."""

    code: str
    node: str
    field: str
    what: str
    expected: str
    remedy: str
    severity: Severity = "error"

    def __str__(self) -> str:
        place = ".".join(part for part in (self.node, self.field) if part)
        return f"{place}: " * bool(place) + " ".join(
            sentence(part) for part in (self.what, f"Expected: {self.expected}", self.remedy)
        )


class InvalidError(OssicleError):
    """A workflow that cannot run; `problems` holds every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(
            f"{count} problem{'s' * (count != 1)}: " + " | ".join(str(problem) for problem in self.problems[:20]),
            "a workflow without problems",
            "Correct them; `ossicle validate FILE` lists all",
        )


class LinkError(OssicleError):
    """A link that may not be made; `code` says why in one word."""

    def __init__(self, code: str, what: str, expected: str, remedy: str) -> None:
        self.code = code
        super().__init__(what, expected, remedy)
