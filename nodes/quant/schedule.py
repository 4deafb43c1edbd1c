"""How sparsity grows during a training (Zhu and Gupta 2018, "To prune, or not to prune", section 3)."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.quant.errors import QuantError


@dataclass(frozen=True)
class Schedule:
    """From dense to a target, fast while much can be spared and slowly at the end.

    Attributes:
        target: share of the weights that are zero from the end of the growth on.
        begin: step of the first zeros.
        end: step from which on the target holds; the same as `begin` for all at once.
        updates: how often zeros are added on the way.
    """

    target: float
    begin: int = 0
    end: int = 0
    updates: int = 1

    def __post_init__(self) -> None:
        if not 0.0 <= self.target < 1.0:
            raise QuantError(
                f"The share of zeros is {self.target:g}.", "0 or more, less than 1", "Take 0.6, for example."
            )
        if not 0 <= self.begin <= self.end or self.updates < 1:
            raise QuantError(
                f"Zeros grow from step {self.begin} to {self.end} in {self.updates} updates.",
                "an end that is not before the begin, and an update or more",
                "Train for more steps.",
            )

    def is_due(self, step: int) -> bool:
        """Whether zeros are chosen anew at a step."""
        if not self.begin <= step <= self.end:
            return False
        return step == self.end or (step - self.begin) % self._gap == 0

    def at(self, step: int) -> float:
        """Share of zeros at a step: target * (1 - (1 - t)^3), t running from 0 to 1 between begin and end."""
        if step < self.begin:
            return 0.0
        done = min((step - self.begin) / (self.end - self.begin), 1.0) if self.end > self.begin else 1.0
        return self.target * (1.0 - (1.0 - done) ** 3)

    @property
    def _gap(self) -> int:
        return max((self.end - self.begin) // self.updates, 1)


def stages(target: float, rounds: int) -> tuple[float, ...]:
    """Share removed after each of several rounds, every round taking the same share of what is left.

    Raises:
        QuantError: the target is not below 1, or there is no round.
    """
    if not 0.0 < target < 1.0 or rounds < 1:
        raise QuantError(
            f"{target:g} shall be removed in {rounds} rounds.",
            "a share between 0 and 1, a round or more",
            "Correct it.",
        )
    return tuple(1.0 - (1.0 - target) ** (number / rounds) for number in range(1, rounds + 1))
