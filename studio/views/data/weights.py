"""What the weights view shows: layers with their codes, a float twin, errors and activations of the quantizer.

From quantization.json: `layers` [{layer, operator, sqnr_db, weights_sqnr_db, activation}] where `activation`, if it is
there, is {low, high, counts, edges_low, edges_high, clipped}: the range that the 8 bits cover, a histogram of the float
network's outputs between two edges (what lies beyond is counted in the end bins), and the share beyond the range.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine.artifact import Artifact, Model
from engine.errors import OssicleError
from engine.evidence import by
from studio.views.data.network import (
    Codes,
    Histogram,
    LayerFacts,
    Net,
    clipped_share,
    histogram,
    network_of_tensors,
    power_of_two,
    read_network,
    read_safetensors,
)
from studio.views.viewer import Scene

NETWORK_FILE, WEIGHTS_FILE, QUANTIZATION_FILE = "model.onnx", "weights.safetensors", "quantization.json"


@dataclass(frozen=True)
class Activation:
    """A histogram of a layer's outputs and the range that its 8 bits cover."""

    histogram: Histogram
    low: float
    high: float
    clipped: float


@dataclass(frozen=True)
class Weights:
    """A network, the float network it was made from (if it is known), and what the quantizer told."""

    net: Net
    precision: str
    twin: Net | None = None
    sqnr_db: Mapping[str, float] = field(default_factory=dict)
    activations: Mapping[str, Activation] = field(default_factory=dict)


def read_weights(artifact: Artifact, scene: Scene) -> Weights:
    """Layers of a model; from weights.safetensors where there is no readable network.

    Raises:
        OssicleError: neither file can be read.
    """
    net = _net(artifact.path)
    precision = str(getattr(artifact.meta, "precision", ""))
    twin = _twin(artifact, scene) if precision != "float32" else None
    told = _quantization(artifact.path)
    sqnr = {str(row["layer"]): float(row["sqnr_db"]) for row in told if row.get("sqnr_db") is not None}
    return Weights(net, precision, twin, sqnr, dict(_activations(told)))


def _net(folder: Path) -> Net:
    try:
        return read_network(folder / NETWORK_FILE)
    except OssicleError:
        if not (folder / WEIGHTS_FILE).is_file():
            raise
        return network_of_tensors(read_safetensors(folder / WEIGHTS_FILE))


def _twin(artifact: Artifact, scene: Scene) -> Net | None:
    for other in scene.related.values():
        if isinstance(other, Model) and other.path != artifact.path and other.meta.precision == "float32":
            try:
                return read_network(other.path / NETWORK_FILE)
            except OssicleError:
                return None
    return None


def _quantization(folder: Path) -> Sequence[Mapping[str, Any]]:
    try:
        raw = json.loads((folder / QUANTIZATION_FILE).read_text(encoding="utf-8"))
        return [row for row in raw["layers"] if isinstance(row, dict) and "layer" in row]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _activations(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Activation]]:
    for row in rows:
        found = row.get("activation")
        if isinstance(found, dict):
            counts = np.asarray(found["counts"], np.int64)
            edges = np.linspace(float(found["edges_low"]), float(found["edges_high"]), len(counts) + 1)
            span = float(found["low"]), float(found["high"])
            yield str(row["layer"]), Activation(Histogram(counts, edges), *span, float(found["clipped"]))


@dataclass(frozen=True)
class Shown:
    """One histogram with the lines drawn into it, and the same in words."""

    histogram: Histogram
    low: float
    high: float
    powers: tuple[float, ...]
    words: str


def weights_shown(data: Weights, layer: LayerFacts) -> Shown | None:
    """The weights of a layer with the range of its 8 bits; None for a layer without weights.

    Of an int8 network the float twin's weights are drawn, if it is known: they show what the codes left out.
    """
    twin = data.twin.layer(layer.name) if data.twin is not None else None
    values = twin.weights if twin is not None and twin.weights is not None else layer.weights
    if values is None or not values.size:
        return None
    codes = layer.codes
    top = float(np.abs(values).max()) or 1.0
    low, high = (codes.low, codes.high) if codes is not None else (-top, top)
    power = power_of_two(values)
    powers = (power, power / 2)
    told = [*_range_words(codes, low, high), *(_power_words(values, p) for p in powers)]
    if layer.sparsity:
        told.append(f"{layer.sparsity:.1%} zero")
    return Shown(histogram(values), low, high, powers, " · ".join(told))


def _range_words(codes: Codes | None, low: float, high: float) -> list[str]:
    if codes is None:
        return [f"float32; int8 would span ±{high:.3g}"]
    scales = codes.scale
    per = f"{scales.size} scales {scales.min():.2g}–{scales.max():.2g}" if scales.size > 1 else f"scale {scales[0]:.3g}"
    told = [f"int8 {low:.3g} to {high:.3g}", per]
    return told + ([f"{codes.saturated:.1%} of the codes at an end"] if codes.saturated is not None else [])


def _power_words(values: Any, power: float) -> str:
    return f"±{power:g} cuts {clipped_share(values, -power, power):.1%}"


def activation_shown(data: Weights, layer: LayerFacts) -> Shown | None:
    """Outputs of a layer with the range of its 8 bits; None where the quantizer has kept none."""
    found = data.activations.get(layer.name)
    if found is None:
        return None
    words = f"int8 {found.low:.3g} to {found.high:.3g} · {found.clipped:.2%} of the outputs beyond"
    top = max(abs(found.low), abs(found.high)) or 1.0
    return Shown(found.histogram, found.low, found.high, (2.0 ** float(np.ceil(np.log2(top))),), words)


HEADERS = ("layer", "operator", "output", "parameters", "MFLOP", "bytes", "zero", "SQNR")


def table(data: Weights) -> list[tuple[object, ...]]:
    """One row per layer: shown text and value to sort by."""
    return [_row(data, layer) for layer in data.net.layers]


def _row(data: Weights, layer: LayerFacts) -> tuple[object, ...]:
    sqnr = data.sqnr_db.get(layer.name)
    return (
        layer.name,
        layer.operator,
        (by(layer.out_shape), float(np.prod(layer.out_shape)) if layer.out_shape else 0.0),
        layer.parameters,
        (f"{layer.flops / 1e6:.3f}" if layer.flops else "–", layer.flops),
        layer.size_bytes,
        (f"{layer.sparsity:.1%}" if layer.weights is not None else "–", layer.sparsity),
        (f"{sqnr:.1f} dB" if sqnr is not None else "–", sqnr),
    )
