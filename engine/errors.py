"""The one error a user sees: what is wrong, what was expected, what to do."""

from __future__ import annotations


class OssicleError(Exception):
    """A problem with the user's input or machine, told in three parts.

    Args:
        what: what is wrong, with the offending value ("n_mfcc is 50").
        expected: what would have been right ("at most n_mels (40)").
        remedy: what to do now ("Lower n_mfcc or raise n_mels").
    """

    def __init__(self, what: str, expected: str, remedy: str) -> None:
        super().__init__(what, expected, remedy)
        self.what, self.expected, self.remedy = what, expected, remedy

    def __str__(self) -> str:
        return " ".join(sentence(part) for part in (self.what, f"Expected: {self.expected}", self.remedy))


def sentence(text: str) -> str:
    """Close `text` with a full stop unless it already ends a sentence."""
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."
