"""Node `ossicle.firmware`: from a trained network to a Cortex-M project that was built, run and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from engine import (
    AudioSet,
    Context,
    FeatureSet,
    Hertz,
    Model,
    OssicleError,
    Params,
    Report,
    ReportMeta,
    node,
)
from engine.artifact import Firmware, FirmwareMeta
from engine.audio import BACKGROUND, read_features, table_of, waveforms
from engine.resource import resource
from nodes.evaluate import check_fit, empty_subset
from nodes.fit import DEVICES_FILE, BoardName

if TYPE_CHECKING:
    from pathlib import Path

    from nodes.dsp.parameters import FrontEnd
    from nodes.embedded.session import Made
    from nodes.embedded.wish import Clips, Network, Wish
    from nodes.firmware.fit_boards import Board

NETWORK_FILE, FORMATS_FILE = "model.onnx", "fixed.json"
FIRMWARE_FILE, PARITY_FILE, REPORT_FILE = "firmware.json", "parity.json", "report.json"
CpuName = Literal[
    "cortex-m0",
    "cortex-m0plus",
    "cortex-m3",
    "cortex-m4",
    "cortex-m7",
    "cortex-m23",
    "cortex-m33",
    "cortex-m55",
    "rv32imac",
]


class FirmwareParams(Params):
    """What the firmware is for, how a float model is rounded, and what the result is compared on."""

    device: Literal["none", BoardName] = "none"
    """Board whose processor, clock, flash and RAM count instead of those given below."""
    cpu: CpuName = "cortex-m4"
    """Processor the code is for; m4, m7 and m33 get kernels with their 16-bit multiply-accumulate instructions."""
    forms: tuple[Literal["library", "arduino", "header"], ...] = ("library",)
    """Forms in which the network leaves beside the project that is built and run: plain C sources, an Arduino library,
    a header of weights and shifts as S3 describes it."""
    toolchain: Literal["best", "gcc", "zig"] = "best"
    """Compiler: GCC for Arm, Zig's clang, or the best that is installed."""
    clock_hz: Annotated[Hertz, Field(gt=0, le=2e9)] = 80e6
    """Clock for the estimated milliseconds."""
    bits: Annotated[int, Field(ge=2, le=16)] = 8
    """Bits of weights and maps; a model from the quantize node in fixed point brings its own."""
    bias_bits: Annotated[int, Field(ge=2, le=32)] = 32
    """Bits of stored biases: 8 as in S3, 32 to keep them exact."""
    rule: Literal["sqnr", "overload"] = "sqnr"
    """How the point of a tensor is placed: most signal to noise, or least overload (S3 section V)."""
    weight_scales: Literal["power_of_two", "per_channel"] = "power_of_two"
    """Steps of weights: one power of two per layer (shifts alone, fastest), or one of its own per output channel."""
    calibration_clips: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Clips of the training subset on which a float model's formats are chosen."""
    subset: Literal["validation", "testing"] = "testing"
    """Clips the firmware is compared on."""
    parity_clips: Annotated[int, Field(ge=1, le=100_000)] = 32
    """How many of them run on the emulated processor, spread evenly."""
    front_end: bool = True
    """Whether the firmware hears by itself: features in integers too, from 16-bit samples. Where `audio` is wired,
    parity is from the samples on, and the whole program is tried on two clips."""
    dft: Literal["measured", "preset", "shortest"] = "measured"
    """DFT of the front end: the preset's; the shortest that nearly gives its bands, half the work where a preset puts
    many zeros behind its window; or that one only where it loses no more decisions on the parity clips than rounding
    changes, and errs less than rounding (needs `audio`)."""
    ram_limit_bytes: Annotated[int, Field(ge=0)] = 0
    """Bytes of RAM the maps may take; 0 for any."""
    flash_limit_bytes: Annotated[int, Field(ge=0)] = 0
    """Bytes of flash; 0 for any."""

    def wish(self) -> Wish:
        """The same for the library.

        Raises:
            OssicleError: no code can be generated for the device's processor.
        """
        from nodes.embedded.wish import Wish

        wish = Wish(
            self.cpu,
            None if self.toolchain == "best" else self.toolchain,
            self.clock_hz,
            self.bits,
            self.bias_bits,
            self.rule,
            self.weight_scales == "per_channel",
            self.front_end,
            self.dft,
            self.forms,
            ram_bytes=self.ram_limit_bytes,
            flash_bytes=self.flash_limit_bytes,
        )
        return wish if self.device == "none" else on_board(wish, self.device)


def on_board(wish: Wish, name: BoardName) -> Wish:
    """A wish for a board: its processor, clock and memories.

    Raises:
        OssicleError: no code can be generated for its processor.
    """
    from nodes.firmware.cpu import CPUS

    board = boards()[name]
    if board.cpu not in CPUS or board.flash_bytes is None or board.clock_hz is None:
        raise OssicleError(
            f"there is no firmware for {board.title} ({board.core})",
            f"a microcontroller with one of {', '.join(CPUS)}",
            "Choose another device; the node fit tells which boards hold a network",
        )
    return replace(
        wish,
        cpu=board.cpu,
        clock_hz=board.clock_hz,
        ram_bytes=board.ram_bytes,
        flash_bytes=board.flash_bytes,
        device=board.title,
    )


def boards() -> Mapping[str, Board]:
    """Boards by name."""
    from nodes.firmware.fit_boards import read_boards

    return read_boards(resource(DEVICES_FILE))


class Found(NamedTuple):
    """What the node gives."""

    firmware: Firmware
    report: Report


def _outside(params: FirmwareParams, _base: Path) -> Any:
    """Another compiler gives another image, another row of a board other limits."""
    from nodes.firmware.toolchain import toolchains

    compiler = [one.version() for one in toolchains() if params.toolchain in ("best", one.name)]
    return [compiler, "" if params.device == "none" else str(boards()[params.device])]


@node(
    "ossicle.firmware",
    version=1,
    category="Deployment",
    needs=("compiler",),
    isolation="process",
    fingerprint=_outside,
)
def firmware(
    model: Model, features: FeatureSet | None, audio: AudioSet | None, params: FirmwareParams, ctx: Context
) -> Found:
    """Turn a network into C for a microcontroller, build it, run it in emulation and prove it equal to the bit.

    The folder holds a project of plain C with a README of two commands, the image, `firmware.json` with its memory map
    and what every layer costs: instructions executed (exact), milliseconds (estimated, as a range), flash and RAM; and
    `parity.json`. A float model is rounded to fixed point on training clips of `features`; one from the quantize node
    in fixed point keeps its formats. The firmware runs real clips on the emulated processor, and every layer must equal
    the integer reference; with `audio` it also hears two of them from the samples on. M20k stands beside S3 table VI.
    """
    from nodes.firmware.errors import FirmwareError
    from nodes.lne import LneError
    from nodes.quant.errors import QuantError

    try:
        return _firmware(model, features, audio, params, ctx)
    except (FirmwareError, QuantError, LneError) as error:
        raise OssicleError(error.what.rstrip("."), error.expected, error.remedy.rstrip(".")) from error


def _firmware(
    model: Model, features: FeatureSet | None, audio: AudioSet | None, params: FirmwareParams, ctx: Context
) -> Found:
    from nodes.embedded.session import build

    network = replace(_network(model, features, params), **_sound(model, features, audio, params))
    made = build(network, params.wish(), ctx.folder("firmware"), _watch(ctx))
    return Found(_artifact(made), _report(made, ctx))


def _network(model: Model, features: FeatureSet | None, params: FirmwareParams) -> Network:
    from nodes.embedded.session import noise
    from nodes.embedded.wish import Network
    from nodes.lne.reading import read_onnx

    onnx, formats = model.file(NETWORK_FILE).read_bytes(), model.path / FORMATS_FILE
    known = formats if formats.is_file() else None
    if features is not None:
        check_fit(model, features)
    elif known is None:
        raise OssicleError(
            "formats are chosen on clips, and there are none",
            "features",
            "Wire the features the model was trained on, or a model from the quantize node in fixed point",
        )
    if model.meta.precision == "int8":
        raise OssicleError(
            "the model is in affine int8 for onnxruntime",
            "a float32 model, or one in fixed point",
            "Wire the trained model itself, or set the quantize node's method to sqnr or overload",
        )
    calibration = None if features is None or known else _clips(model, features, "training", params.calibration_clips)
    judged = (
        noise(read_onnx(onnx).graph)
        if features is None
        else _clips(model, features, params.subset, params.parity_clips)
    )
    return Network(model.meta.architecture, onnx, judged, calibration, known)


def _sound(model: Model, features: FeatureSet | None, audio: AudioSet | None, params: FirmwareParams) -> dict[str, Any]:
    """The model's front end, and the judged clips as samples; nothing for a model of something else."""
    from nodes.application import ApplicationError
    from nodes.application.bundle import make_front_end

    try:
        front_end = make_front_end(model.meta.front_end, "the model")
    except ApplicationError:
        return {}
    if audio is None:
        return {"front_end": front_end}
    names, is_judged = _heard(audio, features, params)
    found = samples_of(audio, names, front_end)
    recording = found[:: max(1, len(found) // 2)][:2].ravel()
    return {"front_end": front_end, "recording": recording, "sounds": found if is_judged else None}


def _heard(audio: AudioSet, features: FeatureSet | None, params: FirmwareParams) -> tuple[list[str], bool]:
    """Ids of the judged clips, and whether the audio has them; any two of the audio if it has not.

    Raises:
        OssicleError: the subset is empty, or there is no clip.
    """
    table = table_of(audio).clips()
    known = [str(name) for name in table.clip_id]
    if not known:
        raise OssicleError("the audio has no clips", "one at least", "Wire the audio that the features are made of")
    if features is None:
        return spread_evenly(known, params.parity_clips), True
    rows = rows_of(features, params.subset, params.parity_clips)
    wanted = [str(name) for name in table_of(features).clip_id[rows]]
    has_all = set(wanted) <= set(known)
    return (wanted, True) if has_all else (spread_evenly(known, 2), False)


def spread_evenly(values: list[str], most: int) -> list[str]:
    """At most so many of them, evenly over all."""
    step = len(values) / most
    return values if step <= 1 else [values[int(number * step)] for number in range(most)]


def samples_of(audio: AudioSet, names: list[str], front_end: FrontEnd) -> Any:
    """Clips by their ids, int16 (clips, samples) at the front end's rate and of its length."""
    import numpy as np

    from nodes.dsp.transform import fit

    table = table_of(audio)
    place = {name: row for row, name in enumerate(table.clip_id.tolist())}
    clips = waveforms(audio, table.take(np.array([place[name] for name in names])))
    heard = [fit(front_end, clip.astype(np.float32) / np.float32(32768), audio.meta.rate_hz) for clip in clips]
    return np.clip(np.round(np.stack(heard) * 32768), -32768, 32767).astype(np.int16)


def rows_of(features: FeatureSet, subset: str, most: int) -> Any:
    """A mask of clips of a subset, spread evenly (tables lie sorted by class).

    Raises:
        OssicleError: the subset has none.
    """
    import numpy as np

    table = table_of(features)
    rows = np.flatnonzero((table.subset == subset) & (table.subset != BACKGROUND))
    if not len(rows):
        raise empty_subset(subset, table)
    mask = np.zeros(len(table), bool)
    mask[rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)]] = True
    return mask


def _clips(model: Model, features: FeatureSet, subset: str, most: int) -> Clips:
    """Clips of a subset, spread evenly (tables lie sorted by class).

    Raises:
        OssicleError: the subset has none.
    """
    import numpy as np

    from nodes.embedded.wish import Clips

    table, mask = table_of(features), rows_of(features, subset, most)
    number = {label: index for index, label in enumerate(model.meta.classes)}
    truth = np.array([number.get(label, -1) for label in table.label[mask].tolist()], np.int64)
    return Clips(read_features(features, mask), truth)


def _watch(ctx: Context) -> Any:
    from nodes.embedded.wish import Watch

    return Watch(ctx.progress, ctx.log)


def _artifact(made: Made) -> Firmware:
    from nodes.embedded.report import about, parity_told, quality, told

    write_json(made.folder / FIRMWARE_FILE, told(made))
    write_json(made.folder / PARITY_FILE, parity_told(made))
    sizes = made.image["sizes"]
    meta = FirmwareMeta(
        about=about(made),
        target=made.wish.device or made.wish.cpu,
        flash_bytes=sizes["flash_bytes"],
        ram_bytes=sizes["ram_bytes"],
        metrics=quality(made),
    )
    return Firmware(made.folder, meta)


def _report(made: Made, ctx: Context) -> Report:
    from nodes.embedded.report import about, metrics, told

    folder = ctx.folder("report")
    write_json(folder / REPORT_FILE, told(made))
    meta = ReportMeta(about=about(made), title=f"Firmware of {made.network.name}", metrics=metrics(made))
    return Report(folder, meta)


def write_json(path: Path, value: Any) -> None:
    """Write a document the way every reader expects it."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
