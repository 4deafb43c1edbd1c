"""Node `ossicle.fit`: which boards hold which network, before anything is trained; it can stop a graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from engine import Context, FeatureSet, Model, OssicleError, Params, Report, ReportMeta, Seconds, node
from engine.resource import resource
from nodes.learn.names import ModelName

if TYPE_CHECKING:
    from pathlib import Path

    from nodes.firmware.fit import Demand, Network, Verdict
    from nodes.firmware.fit_boards import Board

BoardName = Literal[
    "arduino",
    "uc32",
    "stm32l476rg",
    "msp432p4111",
    "beaglebone_black",
    "raspberry_pi_3b_plus",
    "arduino_uno_r4",
    "arduino_zero",
    "arduino_nano_33_ble",
    "microbit_v2",
    "nrf5340",
    "rp2040",
    "rp2350",
    "stm32f103c8",
    "stm32g071rb",
    "stm32f411re",
    "stm32f446re",
    "stm32l4r5zi",
    "stm32u575zi",
    "stm32f746ng",
    "stm32h743zi",
    "stm32n657",
    "teensy_41",
    "apollo3",
    "esp32_c3",
    "esp32_s3",
]
DEVICES_FILE, COSTS_FILE = "devices.json", "kernel_costs.json"
PAPER: tuple[BoardName, ...] = (
    "arduino", "uc32", "stm32l476rg", "msp432p4111", "beaglebone_black", "raspberry_pi_3b_plus",
)  # fmt: skip
"""The boards of S3, table IV."""


class FitParams(Params):
    """Networks, boards, and what to do when they do not go together."""

    architecture: ModelName = "m20k"
    """Network, by its name in `ossicle models`; a model that is wired is taken instead."""
    width: Annotated[float, Field(gt=0, le=64)] = 1.0
    """Factor on the number of channels of every layer."""
    others: tuple[ModelName, ...] = ()
    """Further networks to hold against the boards, at the features' size."""
    boards: tuple[BoardName, ...] = ()
    """Boards; all that are known if empty."""
    frame_s: Annotated[Seconds, Field(gt=0, le=3600)] = 1.0
    """Time in which an inference must be done."""
    margin: Annotated[float, Field(ge=1, le=100)] = 1.0
    """How many times the time of an inference there must be."""
    by: Literal["paper", "firmware"] = "firmware"
    """What decides: S3's rule (an operation is an instruction, two buffers), or our firmware's estimated needs."""
    stop: Literal["never", "none_fits", "any_fails"] = "none_fits"
    """Stop the graph: never, when a network fits none of the boards, or when it fails on any of them."""


class Found(NamedTuple):
    """What the node gives."""

    features: FeatureSet
    report: Report


@node(
    "ossicle.fit", version=1, category="Deployment", title="Does it fit?", fingerprint=lambda _params, _base: _tables()
)
def fit(features: FeatureSet, model: Model | None, params: FitParams, ctx: Context) -> Found:
    """Hold a network against boards before it is trained, and stop the graph if it cannot run there.

    Without a model, the architecture at the size of the features is judged; training is wired behind `features`, which
    are handed on as they are, so that nothing is trained for boards that cannot hold it. The report has the rule of S3
    (operations against MIPS, two buffers against RAM, a byte of flash per weight) and, estimated from kernels measured
    in emulation, what our firmware takes. The picture shows networks against boards.
    """
    from nodes.firmware.errors import FirmwareError
    from nodes.firmware.fit import refusal
    from nodes.zoo import ZooError

    try:
        networks = _networks(features, model, params)
        boards, verdicts, demand = judged(networks, params)
    except (ZooError, FirmwareError) as error:
        raise OssicleError(error.what.rstrip("."), error.expected, error.remedy.rstrip(".")) from error
    told = refusal(verdicts, boards, params.by, params.stop)
    if told is not None:
        raise OssicleError(told.what.rstrip("."), told.expected, told.remedy.rstrip("."))
    return Found(features, _report(networks, boards, verdicts, demand, ctx))


def _tables() -> list[str]:
    """Other boards or other kernels give another answer."""
    import hashlib

    return [hashlib.sha256(resource(name).read_bytes()).hexdigest() for name in (DEVICES_FILE, COSTS_FILE)]


def _networks(features: FeatureSet, model: Model | None, params: FitParams) -> list[Network]:
    from nodes.firmware.fit import network_of
    from nodes.zoo import architecture

    shape, classes = tuple(int(side) for side in features.meta.shape), len(features.meta.classes)
    first: Mapping[str, Any] = (
        model.json("architecture.json")
        if model is not None
        else architecture(params.architecture, width=params.width, input_shape=shape, classes=classes)
    )
    others = [architecture(name, input_shape=shape, classes=classes) for name in dict.fromkeys(params.others)]
    names = [str(first["name"]), *(name for name in dict.fromkeys(params.others))]
    found = [network_of(first), *(network_of(made) for made in others)]
    return [one for place, one in enumerate(found) if names[place] not in names[:place]]


def judged(networks: list[Network], params: FitParams) -> tuple[dict[str, Board], tuple[Verdict, ...], Demand]:
    """Boards, a verdict for each network on each, and what was asked.

    Raises:
        FirmwareError: a table of this installation is damaged.
    """
    from nodes.firmware.fit import Demand, judge
    from nodes.firmware.fit_boards import read_boards
    from nodes.firmware.fit_costs import read_costs

    known = read_boards(resource(DEVICES_FILE))
    boards = {name: known[name] for name in dict.fromkeys(params.boards or known)}
    demand = Demand(params.frame_s, params.margin, params.by)
    return boards, judge(networks, boards, read_costs(resource(COSTS_FILE)), demand), demand


def _report(
    networks: list[Network], boards: Mapping[str, Board], verdicts: tuple[Verdict, ...], demand: Demand, ctx: Context
) -> Report:
    from nodes.firmware.fit import document

    told = document(networks, boards, verdicts, demand)
    folder: Path = ctx.folder("report")
    text = json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text, encoding="utf-8")
    names = ", ".join(network.name for network in networks)
    metrics = {f"{network.name}.boards": _holding(network, verdicts, demand) for network in networks}
    ctx.log(told["answer"])
    return Report(folder, ReportMeta(about=told["answer"], title=f"Does it fit? {names}", metrics=metrics))


def _holding(network: Network, verdicts: tuple[Verdict, ...], demand: Demand) -> float:
    return float(sum(one.fits(demand.by) for one in verdicts if one.network == network.name))
