"""The one exception of this library, in the house's three parts."""

from dataclasses import dataclass


@dataclass
class JudgeError(ValueError):
    """Results, labels or recordings that cannot be judged."""

    what: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. Expected: {self.expected}. {self.remedy}."
