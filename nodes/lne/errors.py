"""The one exception of the generator, in the house's three parts."""

from dataclasses import dataclass


@dataclass
class LneError(ValueError):
    """A network that cannot be read, planned, compiled or run."""

    what: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what} Expected {self.expected}. {self.remedy}"
