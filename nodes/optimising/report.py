"""What an optimisation tells: the report, the facts of deployment.json, the headline figures, one line for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nodes.application.bundle import SERVES_COMPILED
from nodes.lne.plan import Plan
from nodes.lne.search.search import Q_LEARNING
from nodes.optimising.choose import Chosen
from nodes.optimising.layers import INT8, Json, Measured, layer_rows
from nodes.optimising.memory import memory_facts
from nodes.optimising.session import Optimised
from nodes.optimising.wish import Wish

SLOWER: Final = 0.98
"""An engine is faster if it takes less than this share of our time, in turns."""
PROTOCOL: Final[Mapping[str, Any]] = {
    "name": "lne",
    "source": "back-to-back calls in 20 turns of 3 ms, the last finalists taking turns; one pinned core, one thread",
    "threads": 1,
}


@dataclass(frozen=True)
class Engine:
    """A foreign engine as a whole: the median of one inference, or why there is none.

    Attributes:
        serves: whether applications here can use it: it is installed beside Ossicle, takes one input after another and
            computes the network as it is.
    """

    name: str
    version: str = ""
    us: float | None = None
    error: str = ""
    serves: bool = False

    def to_json(self) -> Json:
        """As the report holds it."""
        return {"name": self.name, "version": self.version, "us": self.us, "error": self.error}


@dataclass(frozen=True)
class Beside:
    """What was found out beside the choice itself.

    Attributes:
        peak: "fp32_gflops" and "int8_gops" that this machine reached.
        engines: foreign ones that were timed.
        ours_us: the generated code's median, taking turns with them.
        machine: the processor and so on.
    """

    peak: Mapping[str, float] = field(default_factory=dict)
    engines: Sequence[Engine] = ()
    ours_us: float | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> tuple[str, float] | None:
        """The fastest foreign engine, and how many times as long as ours it takes; none if there is no such race."""
        timed = sorted((engine.us, engine.name) for engine in self.engines if engine.us)
        return (timed[0][1], timed[0][0] / self.ours_us) if timed and self.ours_us else None


def serves(beside: Beside) -> str:
    """What an application is to use: the compiled library, or the fastest engine that serves if that takes less."""
    timed = [(one.us, one.name) for one in beside.engines if one.serves and one.us]
    us, name = min(timed, default=(0.0, ""))
    return name if name and beside.ours_us and us < SLOWER * beside.ours_us else SERVES_COMPILED


def rows_of(choice: Chosen) -> list[Json]:
    """The layers; their times are 0 where they could not be measured."""
    profile = choice.profile
    step_us = profile.median_us if profile is not None else (0.0,) * len(choice.plan.steps)
    return layer_rows(choice.plan, Measured(step_us, choice.space, choice.costs))


def inference_of(choice: Chosen) -> Json:
    """Whole inferences, and how well the layers' sum explains them."""
    profile = choice.profile
    if profile is None:
        return {}
    layers_us = sum(profile.median_us)
    return {
        "median_us": profile.whole_median_us,
        "min_us": profile.whole_us,
        "layers_us": layers_us,
        "covered": layers_us / profile.whole_median_us,
    }


BOUNDED = "More ways to combine the layers than can all be followed: the optimum is the best of the fastest."


def _bounds(search: Json | None) -> list[str]:
    """What a reader must know of the search: where the optimum is not exact."""
    return [BOUNDED] if search is not None and not search.get("is_exact", True) else []


def report_of(optimised: Optimised, wish: Wish, beside: Beside) -> Json:
    """The report; form as `studio.views.data.optimisation` says."""
    choice, rows = optimised.chosen, rows_of(optimised.chosen)
    inference = inference_of(choice)
    found = optimised.verification
    told = {
        "kind": "optimisation",
        "network": optimised.network.name,
        "target": choice.plan.target.name,
        "levels": [level.plan.target.name for level in optimised.package.levels],
        "method": wish.method,
        "machine": dict(beside.machine),
        "inference": inference,
        "layers_us": inference.get("layers_us", 0.0),
        "peak": dict(beside.peak),
        "layers": rows,
        "memory": memory_facts(choice.plan, _weights(optimised)),
        "verification": found.to_json() if found is not None else None,
        "notes": [*optimised.reading.notes, *_bounds(choice.search)],
        "failures": [{"layer": n, "primitive": p, "reason": why} for (n, p), why in choice.failures.items()],
    }
    parts = {
        "search": choice.search,
        "raced_us": beside.ours_us,
        "serves": serves(beside),
        "backends": [engine.to_json() for engine in beside.engines],
        "trade_off": choice.trade_off,
        "plots": plots(choice),
    }
    return {**told, **{name: part for name, part in parts.items() if part}}


def _weights(optimised: Optimised) -> int:
    return len(optimised.package.levels[0].weights)


def plots(choice: Chosen) -> list[Json]:
    """For the report's page: the best time after every episode, by strategy."""
    lines = [
        {"name": line["name"], **_corners(line["x"], line["best"])}
        for line in (choice.search or {}).get("strategies", ())
        if line.get("x")
    ]
    if not lines or choice.search is None:
        return []
    optimum_us, last = choice.search["optimum_us"], max(line["x"][-1] for line in lines)
    lines.append({"name": "exact optimum", "x": [1, last], "y": [optimum_us, optimum_us]})
    axes = {"x": {"name": "episode", "scale": "linear"}, "y": {"name": "µs", "scale": "linear"}}
    caption = "the best time after every episode, on measured costs"
    return [{"title": "Search for primitives", "caption": caption, **axes, "lines": lines}]


def _corners(x: Sequence[float], y: Sequence[float]) -> Json:
    """A falling line without the points between its steps."""
    kept = [i for i in range(len(x)) if i in (0, len(x) - 1) or y[i] != y[i - 1] or y[i] != y[i + 1]]
    return {"x": [x[i] for i in kept], "y": [y[i] for i in kept]}


def deployment_facts(choice: Chosen, beside: Beside) -> Json:
    """What deployment.json has beside the engine: see `studio.views.data.latency`."""
    rows = rows_of(choice)
    memory = memory_facts(choice.plan, 0)
    return {
        "precision": precision_of(rows),
        "machine": dict(beside.machine),
        "protocol": dict(PROTOCOL),
        "inference": inference_of(choice),
        "serves": serves(beside),
        "peak": dict(beside.peak),
        "profile": {"layers": [_profiled(row) for row in rows]},
        "memory": {name: memory[name] for name in ("workspace_bytes", "separate_bytes")},
        "peers": [
            {"name": one.name, "target": one.name, "inference": {"median_us": one.us}}
            for one in beside.engines
            if one.us is not None
        ],
    }


def _profiled(row: Json) -> Json:
    names = ("layer", "operator", "share", "in_shape", "out_shape", "flops", "primitive", "precision", "why")
    return {**{name: row[name] for name in names}, "mean_us": row["us"], "bytes": row["weight_bytes"], "nodes": []}


def precision_of(rows: Sequence[Json]) -> str:
    """ "float32", "int8", or "mixed"; conversions do not count."""
    found = {row["precision"] for row in rows if row["operator"] != "Cast"}
    return "float32" if INT8 not in found else "int8" if found == {INT8} else "mixed"


def latency_us(optimised: Optimised, beside: Beside) -> float:
    """Median of one inference by what serves; 0 where it could not be measured."""
    name = serves(beside)
    return next((one.us for one in beside.engines if one.name == name and one.us), optimised.latency_us)


def headline(optimised: Optimised, beside: Beside) -> dict[str, float]:
    """Figures for the metadata of deployment and report."""
    choice, found = optimised.chosen, optimised.verification
    told = {"workspace_bytes": float(choice.plan.workspace_bytes), "weight_bytes": float(_weights(optimised))}
    if choice.profile is not None:
        told |= {
            "latency_us": choice.profile.whole_median_us,
            "latency_min_us": choice.profile.whole_us,
            "gflops": flops_of(choice.plan) / choice.profile.whole_median_us / 1e3,
        }
    if beside.best is not None:
        told["speedup"] = beside.best[1]
    learnt = [one for one in (choice.search or {}).get("strategies", ()) if one["name"] == Q_LEARNING]
    if learnt:
        told["regret_percent"] = 100.0 * learnt[0]["regret"]
    if found is not None:
        told |= {"agreement": found.agreement, "error": found.error}
    return told


def flops_of(plan: Plan) -> float:
    """2 x the multiply-adds of the network, computed directly."""
    from nodes.lne.ir import macs

    return 2.0 * sum(macs(op, plan.graph) for op in plan.graph.ops)


def about(optimised: Optimised, beside: Beside) -> str:
    """One line: "tc_resnet8 for avx512 · 16.4 µs, 2.4 times as fast as litert · workspace 20 kB · error 3e-06"."""
    choice, found = optimised.chosen, optimised.verification
    parts = [f"{optimised.network.name} for {choice.plan.target.name}"]
    if choice.profile is not None:
        ratio = f", {beside.best[1]:.2f} times as fast as {beside.best[0]}" if beside.best is not None else ""
        parts.append(f"{optimised.latency_us:,.1f} µs{ratio}")
    parts.append(f"workspace {choice.plan.workspace_bytes / 1000:,.1f} kB")
    if found is not None:
        parts.append(f"error {found.error:.1e} of {found.count} inputs")
    return " · ".join(parts)


def write_json(path: Path, content: Json) -> None:
    """Write a report as views read it fastest."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
