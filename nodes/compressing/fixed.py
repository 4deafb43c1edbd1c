"""Fixed point for microcontrollers: formats chosen on clips, weights that may learn to live with them."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import AudioSet, Context, FeatureSet, Model
from nodes.compressing.clips import thinned, watched
from nodes.quantize_params import QuantizeParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nodes.lne.ir import Graph
    from nodes.quant.compare import LayerError
    from nodes.quant.fixed import Fixed
    from nodes.quant.settings import Settings, Tensors
    from nodes.quant.simulate_errors import TensorCost

Json = dict[str, Any]


@dataclass(frozen=True)
class Numbers:
    """A network in fixed point: its float graph and the formats, with what they cost."""

    graph: Graph
    settings: Settings
    costs: list[TensorCost]
    layers: list[LayerError]
    tuning: Json | None


def quantize_fixed(
    model: Model,
    folder: Path,
    features: FeatureSet,
    audio: AudioSet | None,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    params: QuantizeParams,
    ctx: Context,
) -> Numbers:
    """Calibrate on the first mask, learn if asked, write model.onnx and fixed.json; compare layers on the second.

    Raises:
        QuantError: operations without an integer form (all are listed), values beyond any format, no such tensor.
    """
    from nodes.embedded.feed import feed, shared
    from nodes.lne.reading import read_onnx
    from nodes.quant.convert import check_operations, settled
    from nodes.quant.formats import FIXED_FILE, write_formats
    from nodes.quant.simulate_errors import fixed_errors, tensor_costs

    given = read_onnx(model.file("model.onnx")).graph
    check_operations(given)
    graph = _as_written(given, ctx) if params.steps else given
    tensors = _watched(graph, features, masks[0], params, ctx)
    settings = shared(settled(graph, tensors, _wished(given, params)), feed(graph))
    tuning: Json | None = None
    if params.steps:
        graph, tuning = _tuned(graph, settings, model, features, audio, params, ctx)
    if graph is not given:
        _write(graph, folder / "model.onnx")
    else:
        ctx.link(model.file("model.onnx"), folder / "model.onnx")
    write_formats(folder / FIXED_FILE, settings, graph)
    costs = tensor_costs(graph, tensors, settings)
    _warn(costs, ctx)
    ctx.progress(0.7, "comparing layers")
    held_out = thinned(masks[1], params.error_clips)
    layers = fixed_errors(graph, settings, watched(features, held_out, ctx))
    return Numbers(graph, settings, costs, layers, tuning)


def _watched(
    graph: Graph, features: FeatureSet, mask: NDArray[np.bool_], params: QuantizeParams, ctx: Context
) -> Tensors:
    from nodes.quant.convert import watch

    total = int(mask.sum())

    def clips() -> Any:
        done = 0
        for block in watched(features, mask, ctx):
            yield from block
            done += len(block)
            ctx.progress(0.05 + 0.25 * done / total, f"calibrating on {total:,} clips")

    return watch(graph, clips(), params.bits)


def _wished(graph: Graph, params: QuantizeParams) -> Settings:
    from nodes.quant.formats import rule_of
    from nodes.quant.settings import Settings

    return Settings(
        params.bits,
        params.bias_bits,
        rule_of(params.method, params.overload),
        channel_scales=params.weight_scales == "per_channel",
        formats=formats_by_hand(params.formats, graph),
    )


def formats_by_hand(texts: tuple[str, ...], graph: Graph) -> dict[str, Fixed]:
    """Formats as `name=bits:fraction`.

    Raises:
        QuantError: one cannot be read, or names no map or weight of the network.
    """
    from nodes.quant.errors import QuantError
    from nodes.quant.fixed import Fixed
    from nodes.quant.formats import BITS, FRACTIONS, tensor_names

    known, found = tensor_names(graph), {}
    for text in texts:
        name, _, numbers = text.rpartition("=")
        bits, _, fraction = numbers.partition(":")
        if name not in known:
            raise QuantError(f"There is no tensor '{name}'.", f"one of {', '.join(known)}", "Correct formats.")
        if not (_is_number(bits, BITS) and _is_number(fraction, FRACTIONS)):
            raise QuantError(
                f"The format of {name} is '{numbers}'.",
                f"BITS:FRACTION with {BITS.start} to {BITS.stop - 1} bits, for example 8:5",
                "Correct formats.",
            )
        found[name] = Fixed(int(bits), int(fraction))
    return found


def _is_number(text: str, allowed: range) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 4 and int(text) in allowed


def _tuned(
    graph: Graph,
    settings: Settings,
    model: Model,
    features: FeatureSet,
    audio: AudioSet | None,
    params: QuantizeParams,
    ctx: Context,
) -> tuple[Graph, Json]:
    from nodes.compressing.tuning import learn_fixed, lesson

    return learn_fixed(graph, settings, lesson(model, features, audio, params, ctx), params)


def _as_written(graph: Graph, ctx: Context) -> Graph:
    """The graph with the names that it will have when it is read from the file it is written to.

    Moves of values have no name of their own in ONNX; the reader calls them by what reads them.
    """
    from nodes.lne.reading import read_onnx
    from nodes.quant.trained_onnx import same_structure, write_onnx

    with tempfile.TemporaryDirectory(dir=ctx.work) as place:
        path = Path(place) / "model.onnx"
        write_onnx(graph, path)
        read = read_onnx(path).graph
    return read if same_structure(graph, read) else graph


def _write(graph: Graph, path: Path) -> None:
    from nodes.lne.reading import read_onnx
    from nodes.quant.trained_onnx import check_read_back, write_onnx

    write_onnx(graph, path)
    check_read_back(path, graph, read_onnx(path).graph)


def _warn(costs: list[TensorCost], ctx: Context) -> None:
    if still := [cost.name for cost in costs if cost.is_constant]:
        listed = ", ".join(still[:5]) + (f" and {len(still) - 5} more" if len(still) > 5 else "")
        ctx.log(f"constant over all calibration clips: {listed}; a dead layer, or clips that are all alike", "warning")


def stored_bytes(graph: Graph, settings: Settings) -> int:
    """Bytes of all weights and biases as a microcontroller keeps them: whole bytes each."""
    from nodes.lne.ir import Conv, Recurrent
    from nodes.quant.convert import weights_of
    from nodes.quant.split import split

    pieces = split(graph)
    weights = sum(values.size * _whole(settings.formats[name].bits) for name, values in weights_of(pieces))
    biases = sum(int(op.bias.size) for op in pieces.ops if isinstance(op, Conv | Recurrent))
    return weights + biases * _whole(settings.bias_bits)


def _whole(bits: int) -> int:
    """Bytes of a number: 1, 2 or 4."""
    return 1 if bits <= 8 else 2 if bits <= 16 else 4


def told(numbers: Numbers) -> Json:
    """What the report adds for fixed point."""
    from nodes.quant.formats import described
    from nodes.quant.simulate_errors import overall_sqnr_db

    settings = numbers.settings
    return {
        "bits": settings.bits,
        "bias_bits": settings.bias_bits,
        "rule": described(settings.rule),
        "weight_scales": "per_channel" if settings.channel_scales else "power_of_two",
        "sqnr_db": overall_sqnr_db(numbers.costs),
        "tensors": [asdict(cost) for cost in numbers.costs],
        "fine_tuning": numbers.tuning,
    }
