"""The one exception of the search library, in the house's three parts."""

from dataclasses import dataclass


@dataclass
class NasError(ValueError):
    """A search that cannot begin or go on."""

    what: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. Expected: {self.expected}. {self.remedy}."
