"""`ossicle bench firmware`: executed instructions, memory and time of networks on an emulated Cortex-M4."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from engine.bench import BenchResult, Row, at_least, at_most, machine
from nodes.bench_firmware_accuracy import accuracy_rows
from nodes.bench_firmware_frontend import frontend_rows
from nodes.bench_firmware_nets import CPU, NETS, Goal, Measured, measure
from nodes.bench_firmware_parity import parity_rows

_LOG = logging.getLogger("ossicle.bench.firmware")
MOST_SECONDS = 10.0


def firmware(options: Mapping[str, str]) -> BenchResult:
    """Instructions (exact), memory and build time of the papers' networks as firmware.

    Weights and clips are random: neither changes what is executed. Every layer is compared with the integer reference
    before a figure counts. Instructions are counted in emulation of a Cortex-M4; cycles are estimated for memory that
    never waits.

    Options: `parts` (which rows: nets, front_ends, parity; these three without the option. `parts=accuracy` trains
    networks, which takes hours, and is only done if it is named), `nets` (m20k, ds_cnn_s, tc_resnet8; all),
    `toolchains` ("gcc,zig", those installed), `folder` (where projects are kept; else nowhere), and those of
    `nodes.bench_firmware_frontend`, `nodes.bench_firmware_parity` and `nodes.bench_firmware_accuracy`.
    """
    chosen = _named(options.get("parts", "") or ",".join(QUICK_PARTS), list(PARTS), "parts")
    rows = [row for name in chosen for row in PARTS[name](options)]
    return BenchResult("firmware", {**machine(), "target": CPU, **_versions()}, tuple(rows))


def _named(text: str, known: Sequence[str], option: str) -> list[str]:
    names = [name for name in text.split(",") if name] or list(known)
    lost = [name for name in names if name not in known]
    if lost:
        from engine.errors import OssicleError

        raise OssicleError(f"{option} knows no {lost[0]!r}", f"of {', '.join(known)}", f"Correct `{option}`")
    return names


def _versions() -> dict[str, str]:
    from nodes.firmware.toolchain import toolchains

    return {one.name: one.version() for one in toolchains()}


def _network_rows(options: Mapping[str, str]) -> list[Row]:
    from nodes.firmware.toolchain import find_toolchain, toolchains

    names = _named(options.get("nets", ""), [net.name for net in NETS], "nets")
    compilers = [find_toolchain(name) for name in options.get("toolchains", "").split(",") if name]  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(options.get("folder", place))
        found = [
            measure(net, compiler, folder)
            for net in NETS
            if net.name in names
            for compiler in compilers or toolchains()
        ]
    return [*_rows(found), *_ratio_rows(found)]


def _rows(found: Sequence[Measured]) -> Iterator[Row]:
    for one in found:
        _LOG.info("%s, %s: %d", one.net.title, one.compiler, one.instructions)
        yield from _sums(one)
        yield from _goals(one)
        yield from _layers(one)


def _sums(one: Measured) -> Iterator[Row]:
    title = f"{one.net.title}, {one.compiler}"
    for goal in one.net.totals:
        if goal.compiler in ("", one.compiler):
            yield _goal_row(f"{title}, {goal.what}", one.total(goal.what), goal)
    if one.witness:
        yield at_least(f"{title}, checksums that QEMU's {one.witness} repeats", one.repeated, "layers", len(one.layers))
    yield at_most(f"{title}, generate + build + run + report", round(one.seconds, 2), "s", MOST_SECONDS)


def _goal_row(name: str, value: float | None, goal: Goal) -> Row:
    peers = {**({"aim": goal.aim} if goal.aim else {}), **goal.peers}
    if value is None:
        return Row(f"{name}: not measured", 0.0, goal.unit, f"<= {goal.must:g}", False, peers)
    return at_most(name, value, goal.unit, goal.must, peers) if goal.must else Row(name, value, goal.unit, peers=peers)


def _goals(one: Measured) -> Iterator[Row]:
    """Groups of layers that have a goal of their own, for the compiler that the goals were measured with."""
    for goal in one.net.groups if one.compiler == "gcc" else ():
        value = sum(count for layer, count in one.layers.items() if set(layer.split()) <= set(goal.what.split()))
        yield _goal_row(f"{one.net.title}, {one.compiler}, {goal.what}", value, goal)


def _layers(one: Measured) -> Iterator[Row]:
    for layer, count in one.layers.items():
        more = {"instructions per MAC": round(count / one.macs[layer], 3)} if one.macs[layer] else {}
        cycles = one.layer_cycles.get(layer)
        peers = {**more, **({"estimated cycles": float(cycles)} if cycles else {}), **one.published.get(layer, {})}
        yield Row(f"{one.net.title}, {one.compiler}, layer {layer}", count, "instructions", peers=peers)


def _ratio_rows(found: Sequence[Measured]) -> Iterator[Row]:
    """TC-ResNet8 has to be at or under DS-CNN-S's instructions per multiply-accumulate."""
    per_mac = {(one.net.name, one.compiler): one.per_mac for one in found}
    for compiler in dict.fromkeys(one.compiler for one in found):
        ours, other = per_mac.get(("tc_resnet8", compiler)), per_mac.get(("ds_cnn_s", compiler))
        if ours is not None and other is not None:
            name = f"TC-ResNet8, {compiler}, instructions per MAC, against DS-CNN-S's"
            yield at_most(name, round(ours, 3), "instructions", round(other, 3))


PARTS: Mapping[str, Callable[[Mapping[str, str]], Iterable[Row]]] = MappingProxyType(
    {"nets": _network_rows, "front_ends": frontend_rows, "parity": parity_rows, "accuracy": accuracy_rows}
)
"""Groups of rows by name."""
QUICK_PARTS = ("nets", "front_ends", "parity")
"""What is measured if nobody names parts: all that trains nothing."""
