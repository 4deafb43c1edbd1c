"""The one exception of the zoo, in the house's three parts."""

from dataclasses import dataclass


@dataclass
class ZooError(ValueError):
    """A model that cannot be described, built or loaded."""

    what: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what} Expected {self.expected}. {self.remedy}"
