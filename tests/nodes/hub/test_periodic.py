"""Looking after something now and then."""

import threading

from nodes.hub.errors import HubError
from nodes.hub.periodic import Periodic


class Fails(Periodic):
    """Fails at the first look, then not, and then again and again."""

    def __init__(self) -> None:
        super().__init__("fails", 0.001)
        self.told: list[str] = []
        self.is_enough = threading.Event()

    def look(self) -> None:
        """Note what was said of the look before."""
        self.told.append(self.problem)
        if len(self.told) >= 4:
            self.is_enough.set()
        if len(self.told) != 2:
            raise HubError(f"look {len(self.told)} failed", "one that works", "Wait")


def test_a_look_that_fails_is_told_and_does_not_end_it() -> None:
    looks = Fails()
    looks.start()
    assert looks.is_enough.wait(10)
    looks.stop()
    first, second, third, fourth = looks.told[:4]
    assert (first, third) == ("", "")
    assert "look 1 failed" in second
    assert "look 3 failed" in fourth


def test_what_never_began_can_be_stopped() -> None:
    looks = Fails()
    looks.stop()
    assert looks.told == []
