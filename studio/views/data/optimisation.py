"""What an optimisation found: the report of `ossicle.optimise`.

Its report.json, as views and other readers expect it:

    {
      "kind": "optimisation",
      "network": "tc_resnet8", "target": "avx512",
      "inference": {"median_us": 16.4, "min_us": 16.1}, "layers_us": 16.2,
      "peak": {"fp32_gflops": 118.2, "int8_gops": 472.9},
      "layers": [{"layer": "conv1", "operator": "Conv 1x3", "in_shape": [40, 1, 98], "out_shape": [16, 1, 98],
                  "flops": 376320, "us": 2.1, "share": 0.13, "gflops": 179.2, "primitive": "winograd-1d",
                  "format": "f32_hwc", "precision": "fp32", "weight_bytes": 7680, "why": "...",
                  "candidates": [{"primitive": "direct", "format": "f32_hwc", "us": 3.2}],
                  "refused": [{"primitive": "depthwise", "reason": "it is an ordinary convolution"}]}],
      "memory": {"workspace_bytes": 20480, "separate_bytes": 51200, "weight_bytes": 263296, "steps": ["conv1"],
                 "blocks": [{"name": "conv1", "format": "f32_hwc", "offset": 0, "bytes": 6528, "first": 0, "last": 1}]},
      "search": {"unit": "episode", "optimum_us": 16.0, "is_exact": true,
                 "strategies": [{"name": "q-learning", "us": 16.0, "regret": 0.0, "measurements": 120, "seconds": 9.1,
                                 "x": [1, 2], "best": [20.1, 16.0], "tried": [20.1, 24.9]}]},
      "raced_us": 16.6,
      "backends": [{"name": "onnxruntime", "version": "1.31.1", "us": 43.4, "error": ""}],
      "trade_off": {"objectives": [...], "trials": [...], "limits": [...]}
    }

`us` are microseconds; `flops` count 2 x the multiply-adds of the direct form, so that a transform's `gflops` may pass
the peak. A layer whose operator is "Cast" converts formats for the next one; it has no candidates. A block is memory
from step `first` to step `last`, both included. `trade_off` is a search (see `studio.views.data.front`), one trial per
setting. `raced_us` is ours taking turns with the `backends`. Every part but `layers` may be left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.console import size
from engine.errors import OssicleError
from engine.evidence import by

KIND: Final = "optimisation"
CAST: Final = "Cast"
"""The operator of a layer that converts formats."""
REPORT_FILE: Final = "report.json"


@dataclass(frozen=True)
class Candidate:
    """One way to compute a layer; its time is None where it was not measured."""

    primitive: str
    form: str
    us: float | None

    @property
    def family(self) -> str:
        """The kind of primitive, without its variant: "winograd" of "winograd-f4x4-3x3"."""
        return self.primitive.partition("-")[0] or "other"


@dataclass(frozen=True)
class Choice:
    """One layer: what was chosen, why, and what else there was."""

    layer: str
    operator: str
    us: float
    primitive: str
    form: str = ""
    precision: str = "fp32"
    share: float = 0.0
    flops: float = 0.0
    gflops: float = 0.0
    weight_bytes: int = 0
    in_shape: tuple[int, ...] = ()
    out_shape: tuple[int, ...] = ()
    why: str = ""
    candidates: tuple[Candidate, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def chosen(self) -> Candidate:
        """The choice as one of the candidates, with the time it took in place."""
        return Candidate(self.primitive, self.form, self.us)

    @property
    def others(self) -> list[Candidate]:
        """The candidates that were not chosen, the fastest first, those without a time last."""
        left = [one for one in self.candidates if (one.primitive, one.form) != (self.primitive, self.form)]
        return sorted(left, key=lambda one: (one.us is None, one.us or 0.0, one.primitive))


@dataclass(frozen=True)
class Block:
    """Memory held by one map from a step to another, both included."""

    name: str
    form: str
    offset: int
    size_bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class MemoryPlan:
    """The workspace over the steps of one inference."""

    steps: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    workspace_bytes: int = 0
    separate_bytes: int = 0
    weight_bytes: int = 0

    @property
    def end_bytes(self) -> int:
        """Where the highest block ends, or the workspace."""
        return max([self.workspace_bytes, *(block.offset + block.size_bytes for block in self.blocks)], default=0)


@dataclass(frozen=True)
class Strategy:
    """One way of searching: the best time after each try, and (if known) what each try took."""

    name: str
    us: float
    regret: float | None
    measurements: int
    seconds: float
    x: tuple[float, ...] = ()
    best: tuple[float, ...] = ()
    tried: tuple[float, ...] = ()


@dataclass(frozen=True)
class Backend:
    """A whole engine that was timed on the same network."""

    name: str
    version: str
    us: float | None
    error: str = ""


@dataclass(frozen=True)
class Optimisation:
    """Everything a report tells."""

    network: str
    target: str
    us: float
    layers_us: float
    choices: tuple[Choice, ...]
    memory: MemoryPlan = MemoryPlan()
    strategies: tuple[Strategy, ...] = ()
    unit: str = "episode"
    optimum_us: float | None = None
    backends: tuple[Backend, ...] = ()
    raced_us: float | None = None
    peak: Mapping[str, float] = field(default_factory=dict)

    @property
    def beside_us(self) -> float:
        """Our time to hold against the engines': from the race with them, where there was one."""
        return self.raced_us or self.us

    @property
    def peak_gflops(self) -> float | None:
        """What the machine reached at most in fp32, measured."""
        return self.peak.get("fp32_gflops")

    def limit_us(self, choice: Choice) -> float | None:
        """The time of a layer's multiply-adds at the measured peak, computed directly."""
        peak = self.peak.get("int8_gops" if choice.precision == "int8" else "fp32_gflops")
        return choice.flops / peak / 1e3 if peak and choice.flops else None


# ---- reading


def read_optimisation(raw: Mapping[str, Any]) -> Optimisation:
    """The optimisation of a report.json.

    Raises:
        OssicleError: it does not hold what this module's text says.
    """
    try:
        search = raw.get("search") or {}
        optimum = search.get("optimum_us")
        return Optimisation(
            str(raw.get("network") or ""),
            str(raw.get("target") or ""),
            float((raw.get("inference") or {}).get("median_us") or 0.0),
            float(raw.get("layers_us") or 0.0),
            tuple(_choice(row) for row in raw["layers"]),
            _memory(raw.get("memory") or {}),
            tuple(_strategy(row) for row in search.get("strategies") or ()),
            str(search.get("unit") or "episode"),
            None if optimum is None else float(optimum),
            tuple(_backend(row) for row in raw.get("backends") or ()),
            _maybe(raw.get("raced_us")),
            {name: float(value) for name, value in (raw.get("peak") or {}).items() if value is not None},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OssicleError(
            f"the report of the optimisation cannot be read ({type(error).__name__}: {error})",
            'layers [{"layer", "operator", "us", "primitive", "candidates"}]',
            "Run the optimise node again",
        ) from error


def _choice(row: Mapping[str, Any]) -> Choice:
    return Choice(
        str(row["layer"]),
        str(row.get("operator") or ""),
        float(row["us"]),
        str(row["primitive"]),
        str(row.get("format") or ""),
        str(row.get("precision") or "fp32"),
        float(row.get("share") or 0.0),
        float(row.get("flops") or 0.0),
        float(row.get("gflops") or 0.0),
        int(row.get("weight_bytes") or 0),
        tuple(row.get("in_shape") or ()),
        tuple(row.get("out_shape") or ()),
        str(row.get("why") or ""),
        tuple(_candidate(item) for item in row.get("candidates") or ()),
        tuple((str(item["primitive"]), str(item["reason"])) for item in row.get("refused") or ()),
    )


def _candidate(row: Mapping[str, Any]) -> Candidate:
    return Candidate(str(row["primitive"]), str(row.get("format") or ""), _maybe(row.get("us")))


def _maybe(value: Any) -> float | None:
    return None if value is None else float(value)


def _memory(raw: Mapping[str, Any]) -> MemoryPlan:
    return MemoryPlan(
        tuple(map(str, raw.get("steps") or ())),
        tuple(_block(row) for row in raw.get("blocks") or ()),
        *(int(raw.get(f"{name}_bytes") or 0) for name in ("workspace", "separate", "weight")),
    )


def _block(row: Mapping[str, Any]) -> Block:
    numbers = (int(row[name]) for name in ("offset", "bytes", "first", "last"))
    return Block(str(row["name"]), str(row.get("format") or ""), *numbers)


def _strategy(row: Mapping[str, Any]) -> Strategy:
    lines = (tuple(map(float, row.get(name) or ())) for name in ("x", "best", "tried"))
    return Strategy(
        str(row["name"]),
        float(row["us"]),
        _maybe(row.get("regret")),
        int(row.get("measurements") or 0),
        float(row.get("seconds") or 0.0),
        *lines,
    )


def _backend(row: Mapping[str, Any]) -> Backend:
    return Backend(str(row["name"]), str(row.get("version") or ""), _maybe(row.get("us")), str(row.get("error") or ""))


# ---- in words


def told(choice: Choice, found: Optimisation) -> Iterator[str]:
    """What is known about a layer, a line each."""
    yield f"{choice.layer} · {choice.operator}" if choice.operator else choice.layer
    if choice.out_shape:
        yield " → ".join(by(shape) for shape in (choice.in_shape, choice.out_shape) if shape)
    yield f"{choice.primitive} · {choice.us:,.2f} µs · {choice.share:.0%} of all layers"
    if choice.flops:
        yield f"{choice.flops / 1e6:,.3f} MFLOP · {choice.gflops:,.1f} GFLOP/s{_of_peak(choice, found)}"
    if choice.weight_bytes:
        yield f"{size(choice.weight_bytes)} of weights"
    if choice.why:
        yield choice.why


def _of_peak(choice: Choice, found: Optimisation) -> str:
    limit = found.limit_us(choice)
    return f" · {limit / choice.us:.0%} of this machine's peak" if limit and choice.us else ""


def candidate_words(one: Candidate, choice: Choice) -> str:
    """ "direct in f32_hwc: 3.20 µs, 1.5 times the chosen one"."""
    name = f"{one.primitive} in {one.form}" if one.form else one.primitive
    if one.us is None:
        return f"{name}: not measured"
    beside = f", {one.us / choice.us:.2f} times the chosen one" if choice.us and one != choice.chosen else ""
    return f"{name}: {one.us:,.2f} µs{beside}"


def families(choices: Sequence[Choice]) -> list[str]:
    """The kinds of primitives that were chosen (the one that takes most time first), then the others."""
    time: dict[str, float] = {}
    for choice in choices:
        for one in choice.candidates:
            time.setdefault(one.family, 0.0)
        time[choice.chosen.family] = time.get(choice.chosen.family, 0.0) + choice.us
    return sorted(time, key=lambda name: -time[name])


def choice_rows(found: Optimisation) -> list[Sequence[object]]:
    """Every layer with every candidate, as a table."""
    head = ("layer", "operator", "primitive", "format", "us", "chosen", "share", "gflops", "reason")
    rows: list[Sequence[object]] = []
    for choice in found.choices:
        known = (choice.layer, choice.operator)
        chosen = (choice.primitive, choice.form, choice.us, True, choice.share, choice.gflops, choice.why)
        rows.append((*known, *chosen))
        rows += [(*known, one.primitive, one.form, one.us, False, "", "", "") for one in choice.others]
        rows += [(*known, name, "", "", False, "", "", reason) for name, reason in choice.refused]
    return [head, *rows]
