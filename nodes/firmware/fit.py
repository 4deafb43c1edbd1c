"""Does it fit? Networks against boards, before anything is trained.

Two answers stand beside each other. The paper's rule (S3 IV): an operation is an instruction, a weight is a byte,
two buffers used in turn. And what firmware of ours takes, estimated from kernels measured in emulation: instructions by
layer, memory as the generator plans it, weights as the kernels store them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from nodes.counting.fit import Need, fit
from nodes.firmware.errors import FirmwareError
from nodes.firmware.fit_boards import Board
from nodes.firmware.fit_costs import CPI, Costs, costs_of
from nodes.firmware.fit_layers import Work, ram_bytes, works
from nodes.nas.devices import Device
from nodes.zoo.count import describe
from nodes.zoo.plan import plan

By = Literal["paper", "firmware"]
Stop = Literal["never", "none_fits", "any_fails"]
STACK_BYTES = 512
"""Set aside for the stack; kernels of ours need less."""


@dataclass(frozen=True)
class Network:
    """What a network asks of any board."""

    name: str
    operations: float
    buffer_bytes: int
    weight_bytes: int
    ram_bytes: int
    """Of firmware of ours, the stack included."""
    macs: int
    works: tuple[Work, ...] = field(repr=False)


@dataclass(frozen=True)
class Estimate:
    """What firmware of ours takes on a board, estimated; `lacks` is empty if it fits."""

    instructions: int
    ms: tuple[float, float]
    load: float
    """Share of the time at the slower figure."""
    ram_bytes: int
    flash_bytes: int
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """One network on one board.

    Attributes:
        lacks: by the paper's rule, what is too small, in words; empty if it fits.
        firmware: None where no kernels of ours run.
    """

    network: str
    board: str
    lacks: tuple[str, ...]
    firmware: Estimate | None

    def fits(self, by: By) -> bool:
        """Whether the network fits, by one of the answers."""
        if by == "paper":
            return not self.lacks
        return self.firmware is not None and not self.firmware.lacks

    def reasons(self, by: By) -> tuple[str, ...]:
        """Why it does not."""
        if by == "paper":
            return self.lacks
        return ("no kernels of ours run on its processor",) if self.firmware is None else self.firmware.lacks


@dataclass(frozen=True)
class Demand:
    """What is asked.

    Attributes:
        frame_s: time in which an inference must be done.
        margin: how many times the time that an inference takes there must be.
        by: which answer decides.
    """

    frame_s: float = 1.0
    margin: float = 1.0
    by: By = "paper"


def network_of(architecture: Mapping[str, Any], name: str = "") -> Network:
    """What an architecture asks for.

    Raises:
        ZooError: the architecture is not valid.
    """
    planned, found = plan(architecture), describe(architecture)
    parts = works(planned)
    buffers = found.buffer_bytes.get("s3", found.buffer_bytes["live"])
    operations = found.flops.get("s3", found.flops["true"])
    ram = ram_bytes(planned) + STACK_BYTES
    macs = sum(work.amount for work in parts if work.weights)
    return Network(name or str(architecture["name"]), operations, buffers, found.params, ram, macs, parts)


def judge(
    networks: Iterable[Network], boards: Mapping[str, Board], costs: Mapping[str, Costs], demand: Demand
) -> tuple[Verdict, ...]:
    """Every network on every board."""
    chosen = tuple(boards.values())
    return tuple(_verdict(network, board, costs, demand) for network in networks for board in chosen)


def _verdict(network: Network, board: Board, costs: Mapping[str, Costs], demand: Demand) -> Verdict:
    need = Need(network.name, network.operations * demand.margin, network.buffer_bytes, network.weight_bytes)
    device = Device(board.title, board.flash_bytes, board.ram_bytes, board.milliwatt or 0.0, board.mips)
    found = fit(need, board.name, device, demand.frame_s)
    known = costs_of(board.cpu, costs)
    return Verdict(
        network.name, board.name, found.lacks, None if known is None else _estimate(network, board, known, demand)
    )


def _estimate(network: Network, board: Board, costs: Costs, demand: Demand) -> Estimate:
    instructions, flash = costs.instructions(network.works), costs.flash_bytes(network.works)
    clock_hz = board.clock_hz or board.mips * 1e6
    low, high = (1e3 * instructions * cpi / clock_hz for cpi in CPI)
    allowed_ms = 1e3 * demand.frame_s / demand.margin
    checks = (
        (f"takes an estimated {high:,.4g} ms at most, of {allowed_ms:,.4g}", high <= allowed_ms),
        (f"needs {network.ram_bytes:,} B of RAM, has {board.ram_bytes:,}", network.ram_bytes <= board.ram_bytes),
        (
            f"needs an estimated {flash:,} B of flash, has {board.flash_bytes or 0:,}",
            board.flash_bytes is None or flash <= board.flash_bytes,
        ),
    )
    lacks = tuple(words for words, is_enough in checks if not is_enough)
    return Estimate(instructions, (low, high), high / (1e3 * demand.frame_s), network.ram_bytes, flash, lacks)


def answer(verdicts: Sequence[Verdict], boards: Mapping[str, Board], by: By) -> str:
    """In words: for every network the boards that hold it, or why not even the nearest one does."""
    return " ".join(_answer(name, boards, mine, by) for name, mine in _by_network(verdicts).items())


def _by_network(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.network, []).append(verdict)
    return found


def _answer(name: str, boards: Mapping[str, Board], verdicts: Sequence[Verdict], by: By) -> str:
    fitting = [one for one in verdicts if one.fits(by)]
    if not fitting:
        nearest = min(verdicts, key=lambda one: (len(one.reasons(by)), -boards[one.board].ram_bytes))
        reasons = " and ".join(nearest.reasons(by))
        return f"{name} fits none of {len(verdicts)} boards; {boards[nearest.board].title}: {reasons}."
    titles = [boards[one.board].title for one in sorted(fitting, key=lambda one: boards[one.board].ram_bytes)]
    told = ", ".join(titles[:3]) + (f" and {len(titles) - 3} more" if len(titles) > 3 else "")
    return f"{name} fits {len(fitting)} of {len(verdicts)} boards: {told}."


def refusal(verdicts: Sequence[Verdict], boards: Mapping[str, Board], by: By, stop: Stop) -> FirmwareError | None:
    """The error that stops a graph, if it is to be stopped: every board that fails, with its reasons."""
    failing = [one for one in verdicts if not one.fits(by)]
    is_enough = {
        "never": True,
        "none_fits": all(any(one.fits(by) for one in mine) for mine in _by_network(verdicts).values()),
        "any_fails": not failing,
    }[stop]
    if is_enough:
        return None
    told = "; ".join(f"{one.network} on {boards[one.board].title}: {', '.join(one.reasons(by))}" for one in failing[:6])
    more = f"; and {len(failing) - 6} more" if len(failing) > 6 else ""
    return FirmwareError(
        f"The network does not fit: {told}{more}.",
        "a network that fits at least one of the boards" if stop == "none_fits" else "a network that fits every board",
        "Choose a smaller network or width, features with fewer frames, a longer time, or other boards.",
    )


def document(
    networks: Sequence[Network], boards: Mapping[str, Board], verdicts: Sequence[Verdict], demand: Demand
) -> dict[str, Any]:
    """For JSON: tables of models, boards and fits, and the answer."""
    return {
        "kind": "fit",
        **asdict(demand),
        "answer": answer(verdicts, boards, demand.by),
        "models": [_network_row(network, demand) for network in networks],
        "boards": [asdict(board) for board in boards.values()],
        "fits": list(_rows(verdicts, boards, demand.by)),
        "plots": [_picture(networks, boards, verdicts, demand)],
    }


def _picture(
    networks: Sequence[Network], boards: Mapping[str, Board], verdicts: Sequence[Verdict], demand: Demand
) -> dict[str, Any]:
    """S3, figure 5, as reports are asked to draw it: a rectangle per network, a point per board."""
    needs = {one.name: need for one in networks if (need := _needs(one, verdicts, demand)) is not None}
    points = [(board.title, *_offers(board, demand.by)) for board in boards.values()]
    places = [*needs.values(), *((x, y) for _, x, y in points)]
    left, low = (min(values) / 2.0 for values in zip(*places, strict=True))
    speed = "MIPS" if demand.by == "paper" else "clock / MHz"
    return {
        "title": "Networks against boards",
        "caption": "a board inside a network's rectangle is too small for it",
        "x": {"name": speed, "scale": "log"},
        "y": {"name": "RAM / bytes", "scale": "log"},
        "lines": [{"name": name, "x": [left, x, x], "y": [y, y, low]} for name, (x, y) in needs.items()],
        "points": [{"name": name, "x": x, "y": y} for name, x, y in points],
    }


def _needs(network: Network, verdicts: Sequence[Verdict], demand: Demand) -> tuple[float, float] | None:
    """Million instructions or cycles per second, bytes of RAM; None where no kernels of ours run."""
    if demand.by == "paper":
        return network.operations / 1e6 / demand.frame_s * demand.margin, float(network.buffer_bytes)
    counts = [one.firmware.instructions for one in verdicts if one.firmware and one.network == network.name]
    if not counts:
        return None
    return min(counts) * CPI[1] * demand.margin / demand.frame_s / 1e6, float(network.ram_bytes)


def _offers(board: Board, by: By) -> tuple[float, float]:
    is_clock = by == "firmware" and board.clock_hz is not None
    return (board.clock_hz or 0.0) / 1e6 if is_clock else board.mips, float(board.ram_bytes)


def _network_row(network: Network, demand: Demand) -> dict[str, Any]:
    plain = {key: value for key, value in asdict(network).items() if key != "works"}
    return {**plain, "mops": network.operations / 1e6 / demand.frame_s * demand.margin}


def _rows(verdicts: Sequence[Verdict], boards: Mapping[str, Board], by: By) -> Iterator[dict[str, Any]]:
    for one in verdicts:
        yield {
            "name": f"{one.network}.{one.board}",
            "model": one.network,
            "board": boards[one.board].title,
            "fits": one.fits(by),
            "why_not": "; ".join(one.reasons(by)),
            "fits_by_paper": one.fits("paper"),
            "firmware": None if one.firmware is None else asdict(one.firmware),
        }
