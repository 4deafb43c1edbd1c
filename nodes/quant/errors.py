"""The one exception of the quantizers, in the house's three parts."""

from dataclasses import dataclass


@dataclass
class QuantError(ValueError):
    """A model that cannot be quantized as asked."""

    what: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what} Expected {self.expected}. {self.remedy}"
