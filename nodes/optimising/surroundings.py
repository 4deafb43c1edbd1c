"""What a choice is held against: the machine's measured peak and other engines on the same network."""

from __future__ import annotations

from nodes.lne.reading import Reading
from nodes.optimising.report import Beside
from nodes.optimising.wish import Network, Watch, Wish


def surroundings(network: Network, reading: Reading, wish: Wish, watch: Watch) -> Beside:
    """Measure the machine's peak and, if wished, time the installed engines."""
    from engine.bench import machine

    return Beside(peak={}, engines=[], machine=machine())
