"""`ossicle firmware`: an ONNX file, or a trained model's folder, becomes a Cortex-M project that was run."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.commands.run import interrupts
from engine.console import clean_output, progress, say, say_json, size, table
from engine.context import Cancelled
from engine.errors import OssicleError
from engine.event import Event, Kind, Sink
from nodes.firmware_node import FIRMWARE_FILE, FORMATS_FILE, PARITY_FILE, CpuName, on_board, write_json
from nodes.fit import BoardName
from nodes.optimise_command import STOPPED, network_at

if TYPE_CHECKING:
    from nodes.embedded.session import Made
    from nodes.embedded.wish import Network, Watch, Wish

NAME = "firmware"


def command(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="An ONNX file, or the folder of a model or deployment.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to write; new or empty.")],
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
    device: Annotated[
        Literal["none", BoardName], typer.Option(help="Board whose processor, clock and memories count.")
    ] = "none",
    cpu: Annotated[CpuName, typer.Option(help="Processor the code is for.")] = "cortex-m4",
    toolchain: Annotated[Literal["best", "gcc", "zig"], typer.Option(help="Compiler.")] = "best",
    clock_hz: Annotated[
        float, typer.Option("--clock", min=1, metavar="HZ", help="Clock for the estimated times.")
    ] = 80e6,
    bits: Annotated[int, typer.Option(min=2, max=16, help="Bits of weights and maps.")] = 8,
    bias_bits: Annotated[int, typer.Option(min=2, max=32, help="Bits of stored biases.")] = 32,
    rule: Annotated[Literal["sqnr", "overload"], typer.Option(help="How the point of a tensor is placed.")] = "sqnr",
    weight_scales: Annotated[
        Literal["power_of_two", "per_channel"], typer.Option(help="Steps of weights: per layer, or per output channel.")
    ] = "power_of_two",
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE.npy", help="Inputs to calibrate and compare on, stacked; else noise.")
    ] = None,
    ram_limit: Annotated[int, typer.Option(min=0, help="Bytes of RAM the maps may take; 0 for any.")] = 0,
    flash_limit: Annotated[int, typer.Option(min=0, help="Bytes of flash; 0 for any.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
) -> None:
    """Turn a network into firmware: C that is built, run on an emulated processor, and equal to the bit.

    Instructions are counted layer by layer; times are estimated from them and told as a range. The folder holds the
    project, the image, firmware.json with the memory map, and what every layer costs. Give real features with --inputs:
    formats chosen on noise fit nothing.

    Examples: ossicle firmware model.onnx -o board; ossicle firmware model.onnx -o board --cpu cortex-m33 --json
    """
    from nodes.embedded.wish import Wish

    wish = Wish(
        cpu, None if toolchain == "best" else toolchain, clock_hz, bits, bias_bits, rule,
        weight_scales == "per_channel", forms=("library", "arduino", "header"), ram_bytes=ram_limit,
        flash_bytes=flash_limit,
    )  # fmt: skip
    with _errors_told():
        made = _build(
            lambda: network(model, inputs, seed), wish if device == "none" else on_board(wish, device), out, as_json
        )
    _tell(made, out, as_json)


@contextmanager
def _errors_told() -> Iterator[None]:
    """Errors of the libraries as the program tells them; a stop as its exit code."""
    from nodes.application import ApplicationError
    from nodes.firmware.errors import FirmwareError
    from nodes.lne import LneError
    from nodes.quant.errors import QuantError

    try:
        yield
    except (ApplicationError, LneError, QuantError, FirmwareError) as error:
        raise OssicleError(error.what.rstrip("."), error.expected, error.remedy.rstrip(".")) from error
    except Cancelled:
        raise typer.Exit(STOPPED) from None


def _build(network: Callable[[], Network], wish: Wish, out: Path, as_json: bool) -> Made:
    """Build with progress on the screen; standard output stays clean for the answer."""
    with ExitStack() as stack:
        stdout = stack.enter_context(clean_output())
        cancel = stack.enter_context(interrupts())
        sink = stack.enter_context(progress(sys.stderr if as_json else stdout))
        watch = stack.enter_context(_watched(sink, cancel))
        return _make(network(), wish, out, watch)


def network(path: Path, inputs: Path | None, seed: int) -> Network:
    """What a path names, with inputs to calibrate and compare on, and the formats that lie beside a quantized model.

    Raises:
        ApplicationError, LneError, OssicleError: it cannot be read, or the inputs do not fit.
    """
    from nodes.embedded.wish import Clips, Network

    found = network_at(path, inputs, seed)
    clips = Clips(found.inputs, is_real=found.is_real)
    formats = path / FORMATS_FILE if path.is_dir() else path.with_name(FORMATS_FILE)
    return Network(found.name, found.onnx, clips, clips, formats if formats.is_file() else None, found.front_end)


def _make(network: Network, wish: Wish, out: Path, watch: Watch) -> Made:
    from nodes.embedded.report import parity_told, told
    from nodes.embedded.session import build

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OssicleError(f"{out} exists and is not empty", "a new or empty folder", "Choose another, or remove it")
    made = build(network, wish, out, watch)
    write_json(out / FIRMWARE_FILE, told(made))
    write_json(out / PARITY_FILE, parity_told(made))
    return made


# ---- telling


@contextmanager
def _watched(sink: Sink, cancel: threading.Event) -> Iterator[Watch]:
    """A watch whose words go to a sink as events of one node, and that stops when asked to."""
    from nodes.embedded.wish import Watch

    begun_s = time.monotonic()

    def tell(kind: Kind, **values: Any) -> None:
        sink(Event(kind, NAME, NAME, values))

    def told(fraction: float, text: str) -> None:
        if cancel.is_set():
            raise Cancelled(NAME)
        tell("progress", fraction=fraction, text=text)

    tell("started")
    yield Watch(told, lambda text: tell("log", text=text, level="info"))
    tell("finished", seconds=time.monotonic() - begun_s)


HEAD = ("layer", "kernel", "MAC", "instructions", "per MAC", "~ms", "RAM")


def _tell(made: Made, out: Path, as_json: bool) -> None:
    from nodes.embedded.report import told

    report = told(made)
    if as_json:
        say_json({"folder": str(out), **report})
        return
    say(table(HEAD, map(_row, report["layers"]), right=(2, 3, 4, 5, 6)))
    say()
    for line in _facts(report, out):
        say(line)


def _row(row: dict[str, Any]) -> Sequence[str]:
    per_mac = f"{row['instructions_per_mac']:.2f}" if row["instructions_per_mac"] else ""
    macs = f"{row['macs']:,}" if row["macs"] else ""
    ram = size(row["ram_bytes"])
    return (row["layer"], row["kernel"], macs, f"{row['instructions']:,}", per_mac, f"{row['ms']:.2f}", ram)


def _facts(report: dict[str, Any], out: Path) -> Iterator[str]:
    sums, clock_hz = report["totals"], report["estimate"]["clock_hz"]
    yield (
        f"{sums['instructions']:,} instructions on a {report['cpu']}, estimated {sums['ms_low']:.1f} to "
        f"{sums['ms_high']:.1f} ms at {clock_hz / 1e6:g} MHz"
    )
    yield f"maps {size(sums['arena_bytes'])}, stack {size(sums['stack_bytes'])}"
    paper = report.get("published")
    if paper is not None:
        theirs = sum(row["paper cycles"] for row in paper["rows"])
        ours = sum(row["ours"] for row in paper["rows"])
        yield f"the paper's {theirs:,} cycles for these layers, ours {ours:,} instructions"
    yield f"written to {out}"
