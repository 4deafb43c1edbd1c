"""What a choice is held against: the machine's measured peak and other engines on the same network."""

from __future__ import annotations

from engine.bench import machine
from nodes.lne.peak import measure_peak
from nodes.lne.search.meter import on_one_core
from nodes.lne.target import can_run
from nodes.optimising.choose import Chosen
from nodes.optimising.engines import Raced, race
from nodes.optimising.report import Beside
from nodes.optimising.wish import Network, Watch, Wish


def surroundings(network: Network, choice: Chosen, wish: Wish, watch: Watch) -> Beside:
    """Measure the machine's peak and, if wished, time the installed engines; nothing where the target cannot run.

    Raises:
        LneError: there is no C compiler.
    """
    target = choice.plan.target
    if not can_run(target):
        return Beside(machine=machine())
    with on_one_core():
        found = measure_peak(target)
    peak = {"fp32_gflops": found.fp32, "int8_gops": found.int8}
    raced = race(network, choice, wish, watch) if wish.engines else Raced()
    _tell(raced, watch)
    known = {name: value for name, value in peak.items() if value}
    return Beside(known, raced.engines, raced.ours_us, machine())


def _tell(raced: Raced, watch: Watch) -> None:
    timed = sorted((one.us, one.name) for one in raced.engines if one.us is not None)
    if timed and raced.ours_us is not None:
        least_us, name = timed[0]
        told = f"{name} takes {least_us:,.1f} µs, the generated code {raced.ours_us:,.1f}, in turns"
        watch.log(told if least_us >= raced.ours_us else f"{told}: {name} is faster for this network")
    for one in raced.engines:
        if one.error:
            watch.log(f"{one.name} was left out: {one.error}")
