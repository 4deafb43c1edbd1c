"""The one exception of reading sources (files, archives, addresses, tables), in the house's three parts."""

from __future__ import annotations


class SourceError(ValueError):
    """A recording, archive, address or table that cannot be used.

    Args:
        what: what is wrong, with the offending value.
        expected: what would have been right.
        remedy: what to do now.
    """

    def __init__(self, what: str, expected: str, remedy: str) -> None:
        super().__init__(what, expected, remedy)
        self.what, self.expected, self.remedy = what, expected, remedy

    def __str__(self) -> str:
        return f"{self.what}. Expected: {self.expected}. {self.remedy}."
