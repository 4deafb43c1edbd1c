"""The one exception of the application, in the house's three parts."""

from dataclasses import dataclass


@dataclass
class ApplicationError(ValueError):
    """A bundle, model or recording that cannot be used."""

    what: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. Expected: {self.expected}. {self.remedy}."
