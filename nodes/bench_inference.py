"""`ossicle bench inference`: generated networks against every other engine, on one core, taking turns."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.bench import BenchResult, Row, at_least, at_most, machine
from nodes.bench_inference_nets import NETS, Net, export

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nodes.lne import Graph, Target
    from nodes.lne.backends import Contest, Timing
    from nodes.lne.backends.contest import Entry
    from nodes.lne.peak import Peak
    from nodes.lne.search import Result

OURS, AVX2, OURS_INT8 = "ours", "ours, AVX2", "ours, int8"
MUST_MEAN, AIM_MEAN, MUST_AVX2, MUST_INT8 = 1.75, 2.0, 1.05, 1.8
MOST_BUILD_S, MOST_SEARCH_S, MOST_REGRET = 5.0, 120.0, 0.02
SMALL_US = 50.0
"""Below, the cost of a call from Python matters: both readings are reported."""
_LOG = logging.getLogger("ossicle.bench.inference")
RANDOM_ENGINES = ("onnxruntime", "openvino", "ncnn", "mnn", "litert")


@dataclass(frozen=True)
class Setting:
    """What is run."""

    folder: Path
    nets: tuple[Net, ...]
    pythons: tuple[str, ...]
    engines: tuple[str, ...]
    rounds: int
    random: int
    budget_s: float
    finals: int
    has_avx2: bool
    has_int8: bool


@dataclass(frozen=True)
class Outcome:
    """One network: what everybody took, how it was searched and built."""

    title: str
    flops: float
    times: Mapping[str, Timing]
    excluded: Mapping[str, str]
    searches: Mapping[str, Result]
    build_s: Mapping[str, float]

    @property
    def peers(self) -> dict[str, Timing]:
        """Everybody else in fp32."""
        return {name: one for name, one in self.times.items() if name not in _OWN and not name.endswith("_int8")}

    def ratio(self, ours: str = OURS) -> float:
        """The best peer's least time over ours; 0 if either is missing."""
        return _ratio(self.peers.values(), self.times.get(ours))

    @property
    def int8_ratio(self) -> float:
        """The best int8 peer over our int8 network."""
        return _ratio([one for name, one in self.times.items() if name.endswith("_int8")], self.times.get(OURS_INT8))


_OWN = frozenset({OURS, AVX2, OURS_INT8})


def _ratio(peers: Iterable[Timing], ours: Timing | None) -> float:
    least = min((one.least_us for one in peers), default=0.0)
    return least / ours.least_us if ours is not None else 0.0


def inference(options: Mapping[str, str]) -> BenchResult:
    """Microseconds per clip of the papers' networks, ours and every engine's, and how the search did.

    One pinned core, one thread, batch 1, the same ONNX for all with Pad nodes folded; every engine must reproduce the
    reference; minimum and median over interleaved rounds; ratios are of minima. Weights are random. Networks are
    searched on this machine first (times are cached). Peers that are not installed here are found in the environments
    whose interpreters `peers` names (made by `pip install ossicle[peers]`).

    Options: `nets` (names in the zoo, "," between; all), `peers` (interpreters), `engines` (all that are installed),
    `rounds` (30), `random` (random CNNs, 20), `budget_s` (of measuring per search, 70), `finals` (3), `avx2`, `int8`
    ("no" leaves them out), `folder` (where networks and converted files are kept).
    """
    setting = _setting(options)
    from nodes.lne.backends import Contest, find_backends
    from nodes.lne.peak import measure_peak
    from nodes.lne.search.meter import on_one_core
    from nodes.lne.target import TARGETS, native

    with on_one_core():
        peaks = {OURS: measure_peak(native())}
        if setting.has_avx2:
            peaks[AVX2] = measure_peak(TARGETS["avx2"])
    backends = find_backends(setting.pythons, setting.engines)
    with Contest([one for one in backends if setting.has_int8 or not one.is_int8]) as contest:
        calls = _call_costs(setting, contest)
        outcomes = [_outcome(setting, contest, net) for net in setting.nets]
    with Contest([one for one in backends if one.name in RANDOM_ENGINES]) as contest:
        chance = [_random_outcome(setting, contest, seed) for seed in range(setting.random)]
    facts = {**machine(), "target": native().name, "engines": ", ".join(one.name for one in backends), **_load()}
    rows = (
        *_limits(peaks),
        *(row for pair in zip(setting.nets, outcomes, strict=True) for row in _net_rows(*pair, peaks, calls)),
        *_summary(outcomes, chance),
        *_search_rows([*outcomes, *chance]),
    )
    return BenchResult("inference", facts, rows)


def _setting(options: Mapping[str, str]) -> Setting:
    from nodes.lne.target import TARGETS, can_run

    known = {net.name: net for net in NETS}
    names = [name for name in options.get("nets", "").split(",") if name]
    lost = [name for name in names if name not in known]
    if lost:
        from engine.errors import OssicleError

        raise OssicleError(f"there is no network {lost[0]!r} in this bench", f"of {', '.join(known)}", "Correct `nets`")
    return Setting(
        Path(options.get("folder", ".ossicle/bench-inference")),
        tuple(known[name] for name in names) or NETS,
        tuple(python for python in options.get("peers", "").split(",") if python),
        tuple(name for name in options.get("engines", "").split(",") if name),
        int(options.get("rounds", "30")),
        int(options.get("random", "20")),
        float(options.get("budget_s", "70")),
        int(options.get("finals", "3")),
        options.get("avx2", "yes") != "no" and can_run(TARGETS["avx2"]),
        options.get("int8", "yes") != "no",
    )


def _load() -> dict[str, str]:
    import os

    return {"date": time.strftime("%Y-%m-%d"), "load": f"{os.getloadavg()[0]:.2f}"}


# ---- one network


@dataclass
class _Made:
    """What is built of a network: entries of a race, and how it went."""

    graph: Graph
    values: NDArray[np.float32]
    wanted: NDArray[np.float32]
    entries: list[Entry] = field(default_factory=list)
    searches: dict[str, Result] = field(default_factory=dict)
    build_s: dict[str, float] = field(default_factory=dict)


def _outcome(setting: Setting, contest: Contest, net: Net) -> Outcome:
    model = export(net, setting.folder / f"{net.name}.onnx").read_bytes()
    return _race(setting, contest, net.title, net.name, model)


def _random_outcome(setting: Setting, contest: Contest, seed: int) -> Outcome:
    from nodes.lne.reading.random_cnn import random_cnn

    return _race(setting, contest, f"random CNN {seed}", f"random{seed}", random_cnn(seed).SerializeToString(), True)


def _race(setting: Setting, contest: Contest, title: str, name: str, model: bytes, is_short: bool = False) -> Outcome:
    """Search, build, then take turns with everybody."""
    import onnx

    from nodes.lne.backends.prepare import prepare, write
    from nodes.lne.ir import macs
    from nodes.lne.target import TARGETS, native

    made = _made(model)
    folder = setting.folder / name
    _add(made, setting, OURS, native(), folder / "native")
    if setting.has_avx2 and not is_short and native() != TARGETS["avx2"]:
        _add(made, setting, AVX2, TARGETS["avx2"], folder / "avx2")
    if setting.has_int8 and not is_short:
        _add_int8(made, setting, native(), folder / "int8")
    path = write(prepare(onnx.load_from_string(model), made.graph.source_shape), folder)
    times = contest.race([*made.entries, *contest.entries(path)], made.values, made.wanted, setting.rounds)
    _LOG.info("%s: %s", title, {name: round(one.least_us, 1) for name, one in times.items()})
    flops = 2.0 * sum(macs(op, made.graph) for op in made.graph.ops)
    return Outcome(title, flops, times, dict(contest.excluded), made.searches, made.build_s)


def _made(model: bytes) -> _Made:
    import numpy as np

    from nodes.lne.reading import read_onnx
    from nodes.lne.reference import evaluate

    graph = read_onnx(model).graph
    values = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    return _Made(graph, values, evaluate(graph, values.astype(np.float64))[graph.result].astype(np.float32))


def _add(
    made: _Made, setting: Setting, name: str, target: Target, folder: Path, ranges: Mapping[str, Any] | None = None
) -> None:
    """Search and build for a target, as one more entry."""
    from nodes.lne import casts, generate, make_plan
    from nodes.lne.backends.contest import INT8_TOLERANCE, TOLERANCE, Entry
    from nodes.lne.backends.contest import OURS as OPEN
    from nodes.lne.backends.ours import describe
    from nodes.lne.search import Settings, search

    settings = Settings(budget_s=setting.budget_s, finals=setting.finals)
    result = search(made.graph, target, made.values, ranges, settings=settings)
    start_s = time.monotonic()
    plan = make_plan(made.graph, target, result.choices, casts(), ranges, shares=result.shares)
    told = describe(generate(plan), folder)
    made.build_s[name] = time.monotonic() - start_s
    made.searches[name] = result
    made.entries.append(Entry(name, OPEN, sys.executable, told, INT8_TOLERANCE if ranges else TOLERANCE))


def _add_int8(made: _Made, setting: Setting, target: Target, folder: Path) -> None:
    """The same with 8-bit primitives to choose from, calibrated like the peers: on the input and on noise."""
    import numpy as np

    from nodes.lne.backends.engines_int8 import calibration
    from nodes.lne.ranges import calibrate

    _add(made, setting, OURS_INT8, target, folder, calibrate(made.graph, np.concatenate(calibration(made.values))))


def _call_costs(setting: Setting, contest: Contest) -> dict[str, float]:
    """What a call takes by itself: the least time of a network of one activation."""
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4, 4, 4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "one", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    outcome = _race(setting, contest, "one", "one", model.SerializeToString(), True)
    return {name: one.least_us for name, one in outcome.times.items()}


# ---- rows


def _limits(peaks: Mapping[str, Peak]) -> Iterable[Row]:
    yield Row("multiply-add peak, fp32", round(peaks[OURS].fp32, 1), "GFLOP/s")
    if AVX2 in peaks:
        yield Row("multiply-add peak, fp32, AVX2", round(peaks[AVX2].fp32, 1), "GFLOP/s")
    if peaks[OURS].int8:
        yield Row("multiply-add peak, int8", round(peaks[OURS].int8, 1), "GOP/s")


def _net_rows(net: Net, outcome: Outcome, peaks: Mapping[str, Peak], calls: Mapping[str, float]) -> Iterable[Row]:
    times = outcome.times
    if OURS not in times:
        yield Row(f"{net.title}: {outcome.excluded.get(OURS, 'left out')}", 0.0, "us", f">= {net.must:g}", False)
        return
    told = {
        **{f"{name}, least us": round(one.least_us, 2) for name, one in times.items()},
        **{f"{name}, median us": round(one.median_us, 2) for name, one in times.items()},
    }
    ours_us = times[OURS].least_us
    yield Row(f"{net.title}, fp32", round(ours_us, 2), "us", peers=told)
    more = {"aim": net.aim, "by medians": _by_medians(outcome)}
    if ours_us < SMALL_US:
        more["without the calls' own cost"] = _without_calls(outcome, calls)
    yield at_least(f"{net.title}, fp32 against the best peer", round(outcome.ratio(), 3), "x", net.must, more)
    limit_us = outcome.flops / peaks[OURS].fp32 / 1e3
    yield Row(f"{net.title}, direct convolution at peak over ours", round(limit_us / ours_us, 3), "x")
    if AVX2 in times:
        least_us = outcome.flops / peaks[AVX2].fp32 / 1e3
        told = {"least us": times[AVX2].least_us, "direct convolution at AVX2's peak, us": least_us}
        yield at_least(f"{net.title}, AVX2 against the best peer", round(outcome.ratio(AVX2), 3), "x", MUST_AVX2, told)
    if OURS_INT8 in times:
        ours = times[OURS_INT8]
        yield Row(f"{net.title}, int8", round(ours.least_us, 2), "us", peers={"error": ours.error})
        yield Row(f"{net.title}, int8 against the best int8 peer", round(outcome.int8_ratio, 3), "x")


def _by_medians(outcome: Outcome) -> float:
    least = min((one.median_us for one in outcome.peers.values()), default=0.0)
    return round(least / outcome.times[OURS].median_us, 3)


def _without_calls(outcome: Outcome, calls: Mapping[str, float]) -> float:
    def alone(name: str, one: Timing) -> float:
        return max(0.01, one.least_us - calls.get(name, 0.0))

    least = min((alone(name, one) for name, one in outcome.peers.items()), default=0.0)
    return round(least / alone(OURS, outcome.times[OURS]), 3)


def _summary(outcomes: Sequence[Outcome], chance: Sequence[Outcome]) -> Iterable[Row]:
    ratios = {outcome.title: outcome.ratio() for outcome in outcomes}
    if ratios:
        aim = {"aim": AIM_MEAN}
        yield at_least("fp32 against the best peer, geometric mean", _mean(ratios.values()), "x", MUST_MEAN, aim)
        yield at_least("fp32 against the best peer, the least", round(min(ratios.values()), 3), "x", 1.0, ratios)
    int8 = [outcome.int8_ratio for outcome in outcomes if outcome.int8_ratio]
    if int8:
        yield at_least("int8 against the best int8 peer, geometric mean", _mean(int8), "x", MUST_INT8, {"aim": 2.0})
    by_chance = {outcome.title: round(outcome.ratio(), 3) for outcome in chance}
    if by_chance:
        yield at_least("random CNNs against the best peer, the least", min(by_chance.values()), "x", 1.0, by_chance)
        yield Row("random CNNs against the best peer, geometric mean", _mean(by_chance.values()), "x")


def _mean(ratios: Iterable[float]) -> float:
    found = [max(ratio, 1e-3) for ratio in ratios]
    return round(math.exp(sum(map(math.log, found)) / len(found)), 3)


def _search_rows(outcomes: Sequence[Outcome]) -> Iterable[Row]:
    from nodes.lne.search.search import CHANCE, GREEDY, Q_LEARNING

    runs = {(outcome.title, name): result for outcome in outcomes for name, result in outcome.searches.items()}
    if not runs:
        return
    for strategy, most in ((Q_LEARNING, MOST_REGRET), (CHANCE, None), (GREEDY, None)):
        worst = 100 * max(result.regret[strategy] for result in runs.values())
        name = f"{strategy} above the exact optimum, at most"
        yield Row(name, round(worst, 3), "%") if most is None else at_most(name, round(worst, 3), "%", 100 * most)
    yield at_most("a whole search, the longest", max(one.seconds for one in runs.values()), "s", MOST_SEARCH_S)
    longest = max(seconds for outcome in outcomes for seconds in outcome.build_s.values())
    yield at_most("generation and compilation, the longest", round(longest, 2), "s", MOST_BUILD_S)
