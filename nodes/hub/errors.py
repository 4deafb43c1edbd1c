"""The one exception of the hub, in the house's three parts."""

from dataclasses import dataclass


@dataclass
class HubError(ValueError):
    """Messages that could not be delivered; `is_final` means that trying again cannot help."""

    what: str
    expected: str
    remedy: str
    is_final: bool = True

    def __str__(self) -> str:
        return f"{self.what}. Expected: {self.expected}. {self.remedy}."
