"""`ossicle fit`: networks against boards, from the architecture alone. Needs no store, no graph, no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.console import say, say_json, table
from engine.errors import OssicleError
from nodes.fit import FitParams, judged

if TYPE_CHECKING:
    from nodes.firmware.fit import Network, Verdict
    from nodes.firmware.fit_boards import Board

ARCHITECTURE_FILE = "architecture.json"


def command(
    networks: Annotated[
        list[str], typer.Argument(metavar="NETWORK...", help="Names as in `ossicle models`, or folders of models.")
    ],
    board: Annotated[
        list[str] | None, typer.Option(metavar="BOARD", help="A board to hold them against; repeatable; else all.")
    ] = None,
    width: Annotated[float, typer.Option(help="Width multiplier of networks given by name.")] = 1.0,
    input_shape: Annotated[
        str, typer.Option("--input", help="COEFFICIENTSxFRAMES or PATCHESxBANDSxFRAMES, default the paper's.")
    ] = "",
    frame_s: Annotated[float, typer.Option("--every", help="Seconds in which an inference must be done.")] = 1.0,
    margin: Annotated[float, typer.Option(help="How many times an inference's time there must be.")] = 1.0,
    by: Annotated[
        Literal["paper", "firmware"], typer.Option(help="S3's rule, or the estimated needs of our firmware.")
    ] = "firmware",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document for a program to read.")] = False,
) -> None:
    """Tell which boards hold which networks, before anything is trained.

    Instructions, milliseconds and flash of our firmware are estimated from kernels measured in emulation. Exit code 1
    says that a network fits none of the boards.

    Examples: ossicle fit m20k ds_cnn_s; ossicle fit tc_resnet8 --board stm32l476rg --margin 4 --json
    """
    from nodes.firmware.errors import FirmwareError
    from nodes.firmware.fit import document, refusal
    from nodes.zoo import ZooError

    try:
        params = _params(board or [], frame_s, margin, by)
        found = [_network(name, width, input_shape) for name in dict.fromkeys(networks)]
        boards, verdicts, demand = judged(found, params)
    except (ZooError, FirmwareError) as error:
        raise OssicleError(error.what.rstrip("."), error.expected, error.remedy.rstrip(".")) from error
    told = document(found, boards, verdicts, demand)
    if as_json:
        say_json(told)
    else:
        head = ("network", "board", "fits", "ms", "load", "RAM", "flash", "why not")
        say(table(head, _cells(verdicts, boards, by), right=(3, 4, 5, 6)))
        say(told["answer"])
    if refusal(verdicts, boards, by, "none_fits") is not None:
        raise typer.Exit(1)


def _params(boards: Sequence[str], frame_s: float, margin: float, by: str) -> FitParams:
    from pydantic import ValidationError

    try:
        return FitParams.model_validate({"boards": tuple(boards), "frame_s": frame_s, "margin": margin, "by": by})
    except ValidationError as error:
        first = error.errors()[0]
        name = {"frame_s": "--every", "boards": "--board"}.get(str(first["loc"][0]), f"--{first['loc'][0]}")
        raise OssicleError(f"{name} is {first['input']!r}", first["msg"], "See `ossicle fit --help`") from error


def _network(name: str, width: float, text: str) -> Network:
    from nodes.firmware.fit import network_of
    from nodes.models_command import shape_of
    from nodes.zoo import architecture, find

    folder = Path(name)
    if folder.is_dir():
        return network_of(_read(folder / ARCHITECTURE_FILE), folder.name)
    entry = find(name)
    shape = shape_of(text) or entry.input_shape
    return network_of(architecture(name, width=width, input_shape=shape, classes=entry.classes))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OssicleError(f"{path} cannot be read: {error}", "the folder of a model", "Choose another") from error
    if not isinstance(found, dict):
        raise OssicleError(f"{path} holds no architecture", "the folder of a model", "Choose another")
    return found


def _cells(verdicts: Sequence[Verdict], boards: Mapping[str, Board], by: Literal["paper", "firmware"]) -> Iterator[Any]:
    for one in verdicts:
        took, title = one.firmware, boards[one.board].title
        figures = ["", "", "", ""]
        if took is not None:
            times = f"{took.ms[0]:.3g} to {took.ms[1]:.3g}"
            figures = [times, f"{took.load:.1%}", f"{took.ram_bytes:,}", f"{took.flash_bytes:,}"]
        yield [one.network, title, "yes" if one.fits(by) else "no", *figures, "; ".join(one.reasons(by))]
