"""The one exception of the counting library, in the house's three parts."""

from dataclasses import dataclass


@dataclass
class CountingError(ValueError):
    """Something that cannot be counted."""

    what: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. Expected: {self.expected}. {self.remedy}."
