"""What a choice is held against: the machine's measured peak and other engines on the same network."""

from __future__ import annotations

from engine.bench import machine
from nodes.lne.peak import measure_peak
from nodes.lne.reading import Reading
from nodes.lne.search.meter import on_one_core
from nodes.lne.target import Target, can_run
from nodes.optimising.report import Beside
from nodes.optimising.wish import Network, Watch, Wish


def surroundings(network: Network, reading: Reading, target: Target, wish: Wish, watch: Watch) -> Beside:
    """Measure the machine's peak and, if wished, time the installed engines; nothing where the target cannot run.

    Raises:
        LneError: there is no C compiler.
    """
    if not can_run(target):
        return Beside(machine=machine())
    watch.progress(0.8, "measuring the machine's peak")
    with on_one_core():
        found = measure_peak(target)
    peak = {"fp32_gflops": found.fp32, "int8_gops": found.int8}
    return Beside({name: value for name, value in peak.items() if value}, (), None, machine())
