"""Where the time goes, layer by layer, and beside another engine or precision.

Read from deployment.json: `profile.layers` [{layer, operator, mean_us, share, nodes}] with, where the deploying node
knows them, `in_shape`, `out_shape`, `flops`, `bytes`, `primitive`, `precision` and `why` (why that primitive was
chosen); `inference.median_us`; `preprocessing.median_us`; `memory`; `protocol`; `peak.fp32_gflops` and
`peak.int8_gops`, what the machine reached at most. Other engines that were timed beside ours stand under `peers`:
[{name, precision, inference, profile}], each read the same way; without `profile` they were timed as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from engine.evidence import by
from studio.views.data.network import LayerFacts

Order = Literal["network", "slowest"]


@dataclass(frozen=True)
class LayerTime:
    """Time of one layer and what is known about it."""

    layer: str
    operator: str
    us: float
    share: float = 0.0
    in_shape: tuple[int, ...] = ()
    out_shape: tuple[int, ...] = ()
    flops: float = 0.0
    size_bytes: float = 0.0
    primitive: str = ""
    why: str = ""
    precision: str = "fp32"


@dataclass(frozen=True)
class Profile:
    """One engine's times, in microseconds.

    Attributes:
        name: "tc_resnet8 int8 · onnxruntime".
        us: median of a whole inference; the layers' sum where it was not timed.
        memory: what is known about memory and plan, as name and bytes.
        peak: billions of operations a second that the machine reached at most, by precision.
    """

    name: str
    us: float
    layers: tuple[LayerTime, ...]
    preprocessing_us: float = 0.0
    memory: Mapping[str, float] = field(default_factory=dict)
    protocol: str = ""
    engine: str = ""
    precision: str = ""
    peak: Mapping[str, float] = field(default_factory=dict)

    def of_peak(self, layer: LayerTime) -> float | None:
        """A layer's speed as a share of the machine's peak; above 1 where a transform saves multiplications."""
        peak = self.peak.get(layer.precision)
        return layer.flops / layer.us / 1e3 / peak if peak and layer.us and layer.flops else None


PEAKS: Mapping[str, str] = {"fp32": "fp32_gflops", "int8": "int8_gops"}


def read_profile(raw: Mapping[str, Any], fallback: str = "") -> Profile:
    """A profile of deployment.json (or of one of its peers); no layers where none were timed."""
    engine, precision = str(raw.get("target") or raw.get("engine") or ""), str(raw.get("precision") or "")
    layers = tuple(_layer(row) for row in (raw.get("profile") or {}).get("layers") or ())
    whole = float((raw.get("inference") or {}).get("median_us") or sum(layer.us for layer in layers))
    total = sum(layer.us for layer in layers)
    shared = tuple(replace(layer, share=layer.us / total) if total else layer for layer in layers)
    memory = {**(raw.get("memory") or {}), **(raw.get("plan") or {})}
    return Profile(
        str(raw.get("name") or fallback),
        whole,
        shared,
        float((raw.get("preprocessing") or {}).get("median_us") or 0.0),
        {name: float(value) for name, value in memory.items() if isinstance(value, (int, float))},
        str((raw.get("protocol") or {}).get("source") or ""),
        engine,
        precision,
        {name: float(raw["peak"][key]) for name, key in PEAKS.items() if (raw.get("peak") or {}).get(key)},
    )


def read_peers(raw: Mapping[str, Any]) -> list[Profile]:
    """Other engines that were timed beside this one."""
    return [read_profile(peer, "peer") for peer in raw.get("peers") or () if isinstance(peer, Mapping)]


def _layer(row: Mapping[str, Any]) -> LayerTime:
    return LayerTime(
        str(row["layer"]) or "(between layers)",
        str(row.get("operator") or ""),
        float(row["mean_us"]),
        float(row.get("share") or 0.0),
        tuple(row.get("in_shape") or ()),
        tuple(row.get("out_shape") or ()),
        float(row.get("flops") or 0.0),
        float(row.get("bytes") or 0.0),
        str(row.get("primitive") or ""),
        str(row.get("why") or ""),
        str(row.get("precision") or "fp32"),
    )


def with_facts(profile: Profile, facts: Sequence[LayerFacts]) -> Profile:
    """The same with shapes, operations and bytes from the network where the profile has none."""
    known = {fact.name: fact for fact in facts}
    return replace(profile, layers=tuple(_filled(layer, known.get(layer.layer)) for layer in profile.layers))


def _filled(layer: LayerTime, fact: LayerFacts | None) -> LayerTime:
    if fact is None:
        return layer
    return replace(
        layer,
        operator=layer.operator or fact.operator,
        in_shape=layer.in_shape or fact.in_shape,
        out_shape=layer.out_shape or fact.out_shape,
        flops=layer.flops or float(fact.flops),
        size_bytes=layer.size_bytes or float(fact.size_bytes),
    )


@dataclass(frozen=True)
class Row:
    """One layer in the chart; either side may lack it."""

    layer: str
    ours: LayerTime | None
    peer: LayerTime | None

    @property
    def ratio(self) -> float | None:
        """The peer's time over ours."""
        if self.ours is None or self.peer is None or self.ours.us <= 0:
            return None
        return self.peer.us / self.ours.us

    @property
    def us(self) -> float:
        """The time the row is sorted by: ours, else the peer's."""
        found = self.ours or self.peer
        return found.us if found is not None else 0.0


def rows_of(ours: Profile, peer: Profile | None, order: Order = "network") -> list[Row]:
    """Layers of both in the network's order (the peer's own ones last), or the slowest first."""
    mine = {layer.layer: layer for layer in ours.layers}
    other = {layer.layer: layer for layer in peer.layers} if peer is not None else {}
    rows = [Row(name, mine.get(name), other.get(name)) for name in dict.fromkeys([*mine, *other])]
    return sorted(rows, key=lambda row: -row.us) if order == "slowest" else rows


def note(layer: LayerTime, of_peak: float | None = None) -> Iterator[str]:
    """What is known about a layer, a line each."""
    yield f"{layer.operator or 'layer'} · {layer.us:,.2f} µs · {layer.share:.0%} of all layers"
    if layer.out_shape:
        shapes = [by(shape) for shape in (layer.in_shape, layer.out_shape) if shape]
        yield " → ".join(shapes)
    if layer.flops:
        speed = f" · {layer.flops / layer.us / 1e3:,.2f} GFLOP/s" if layer.us else ""
        speed += f" · {of_peak:.0%} of this machine's peak" if of_peak is not None else ""
        yield f"{layer.flops / 1e6:,.3f} MFLOP{speed}"
    if layer.size_bytes:
        yield f"{layer.size_bytes:,.0f} bytes of weights"
    if layer.primitive:
        yield f"{layer.primitive}{': ' + layer.why if layer.why else ''}"


def csv_rows(rows: Sequence[Row], ours: str, peer: str) -> list[Sequence[object]]:
    """The chart as a table."""
    head = ("layer", "operator", f"{ours} / us", f"{peer or 'peer'} / us", "ratio", "in", "out", "flops", "bytes")
    return [head, *(_csv_row(row) for row in rows)]


def _csv_row(row: Row) -> Sequence[object]:
    known = row.ours or row.peer
    if known is None:
        return (row.layer,)
    times = [found.us if found is not None else "" for found in (row.ours, row.peer)]
    ratio = row.ratio if row.ratio is not None else ""
    shapes = (by(known.in_shape), by(known.out_shape))
    return (row.layer, known.operator, *times, ratio, *shapes, known.flops, known.size_bytes)
