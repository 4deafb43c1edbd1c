"""Rows of `ossicle bench firmware` about accuracy: what fixed point and sparsity cost a network that has learnt."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from engine.bench import Row, at_least, at_most
from engine.errors import OssicleError

if TYPE_CHECKING:
    from engine.event import Event
    from engine.record import RunRecord
    from engine.workflow import Workflow

Json = dict[str, Any]
DATA: Final = "../shared/data/speech_commands_subset.tar.gz"
FOLDER: Final = ".ossicle/bench-firmware-accuracy"
SUBSETS: Final = ("validation", "testing")
PLAIN: Final = "plain"
MOST_LOST_POINTS: Final = 0.7
"""Of a sparse network, to count as one that still does its work (S0, results)."""
LEAST_SPARSITY_PERCENT: Final = 60.0
PAPER_SPARSITY: Final = {"S0 table 4, CNN": 39.6, "S0 table 4, DS_CNN": 27.9}


@dataclass(frozen=True)
class Variant:
    """One way to make the plain network smaller.

    Attributes:
        node: the node that does it, without "ossicle.".
        params: what is set there.
        source: the variant that it begins with.
        most_points: most accuracy it may lose; None where there is no aim.
        zeros_percent: weights that are zero in the end.
        peers: what the papers lose.
    """

    title: str
    node: str
    params: Mapping[str, Any]
    source: str = PLAIN
    most_points: float | None = None
    zeros_percent: float = 0.0
    peers: Mapping[str, float] = field(default_factory=dict)


NO_PEERS: Final[Mapping[str, float]] = MappingProxyType({})


RATE: Final = 3e-4
"""Of the fine-tuning in rounded numbers: a larger one changes more answers than rounding does."""
LEARNT_BITS: Final = 8
"""Up to this many there is something to win by learning; 16 bits answer as the float network does."""


def _fixed(
    title: str, bits: int, most: float | None, peers: Mapping[str, float] = NO_PEERS, source: str = PLAIN
) -> Variant:
    learning: Json = {"learning_rate": RATE} if bits <= LEARNT_BITS else {"steps": 0}
    return Variant(title, "quantize", {"method": "sqnr", "bits": bits, **learning}, source, most, peers=peers)


def _sparse(percent: float) -> Variant:
    params = {"method": "weights", "target": percent / 100}
    return Variant(f"{percent:g} % of the weights zero", "sparsify", params, zeros_percent=percent)


VARIANTS: Final[Mapping[str, Variant]] = MappingProxyType(
    {
        "fixed8": _fixed("8 bit fixed point", 8, 0.5, {"S3, M20k": 2.0}),
        "int8": Variant(
            "8 bit affine, per channel", "quantize", {"method": "minmax", "learning_rate": RATE}, most_points=0.5
        ),
        "fixed16": _fixed("16 bit fixed point", 16, 0.1, {"S0 table 4, CNN": 0.19, "S0 table 4, DS_CNN": 0.03}),
        "sparse60": _sparse(60.0),
        "sparse70": _sparse(70.0),
        "sparse80": _sparse(80.0),
        "sparse60_fixed8": _fixed("60 % zero, 8 bit fixed point", 8, None, source="sparse60"),
        "channels40": Variant("40 % fewer operations", "sparsify", {"method": "channels", "target": 0.4}),
    }
)
QUANTIZE_STEPS: Final = 300
SPARSIFY_EPOCHS: Final = 120


@dataclass(frozen=True)
class Answers:
    """Right answers of a model and clips, by subset."""

    right: Mapping[str, int]
    clips: Mapping[str, int]

    def percent(self, subsets: tuple[str, ...] = SUBSETS) -> float:
        """Share of right answers over some subsets."""
        return 100.0 * sum(self.right[one] for one in subsets) / sum(self.clips[one] for one in subsets)


def accuracy_rows(options: Mapping[str, str]) -> list[Row]:
    """What a network trained on real speech loses in 8 and 16 bits and with zeros, in points of accuracy.

    Counted over the validation and testing clips together, whose speakers no training heard: the recipe chooses no
    weights by validation clips, fixed point only whether its fine-tuning is kept. The testing clips alone are told too.
    In 8 bits the network learns with rounded numbers; in 16 bits it is rounded as it is.

    Options: `architecture` (tc_resnet8), `seeds` ("1"; "1,2,3"), `data` (the Speech Commands subset),
    `limit_per_class` (fewer clips, for a trial), `variants` (which; all), `train_steps` (of the plain network; the
    recipe's), `quantize_steps` (300), `sparsify_epochs` (120), `folder` (where runs go; an interrupted bench goes on
    there).
    """
    chosen = _chosen(options)
    seeds = [int(seed) for seed in options.get("seeds", "1").split(",")]
    found = [_answers(_run(_workflow(options, seed, chosen), options), (PLAIN, *chosen)) for seed in seeds]
    name = options.get("architecture", "tc_resnet8")
    return list(_rows(name, seeds, found, chosen))


def _chosen(options: Mapping[str, str]) -> dict[str, Variant]:
    """The variants asked for, with those that they begin with."""
    names = [name for name in options.get("variants", "").split(",") if name] or list(VARIANTS)
    if lost := [name for name in names if name not in VARIANTS]:
        raise OssicleError(f"variants knows no {lost[0]!r}", f"of {', '.join(VARIANTS)}", "Correct `variants`")
    needed = {VARIANTS[name].source for name in names}
    return {name: variant for name, variant in VARIANTS.items() if name in names or name in needed}


# ---- runs


def _workflow(options: Mapping[str, str], seed: int, chosen: Mapping[str, Variant]) -> Workflow:
    """The plain network, every variant of it, and the benchmark of each on both subsets."""
    from engine.workflow import parse

    source = str(Path(options.get("data", DATA)).resolve())
    plain: Json = {"architecture": options.get("architecture", "tc_resnet8"), "seed": seed}
    if "train_steps" in options:
        plain["steps"] = int(options["train_steps"])
    nodes: dict[str, tuple[str, Json]] = {
        "ingest": ("ingest", {"source": source, "layout": "speech_commands", **_limit(options)}),
        "partition": ("partition", {"rule": "given", "on_leak": "drop"}),
        "mfcc": ("mfcc", {"preset": "s1-40x98"}),
        PLAIN: ("train", plain),
        **{name: (one.node, {**one.params, **_lengths(options, one), "seed": seed}) for name, one in chosen.items()},
    }
    links = ["ingest.audio -> partition.audio", "partition.audio -> mfcc.audio"]
    links += [f"{one.source}.model -> {name}.model" for name, one in chosen.items()]
    for name in (PLAIN, *chosen):
        links += [f"mfcc.features -> {name}.features", f"partition.audio -> {name}.audio"]
        for subset in SUBSETS:
            nodes[_score(name, subset)] = ("benchmark", {"subset": subset})
            links += [f"{name}.model -> {_score(name, subset)}.model"]
            links += [f"mfcc.features -> {_score(name, subset)}.features"]
    placed = {name: {"type": f"ossicle.{kind}", "params": params} for name, (kind, params) in nodes.items()}
    return parse({"format": 1, "name": "bench_firmware_accuracy", "nodes": placed, "links": sorted(links)})


def _limit(options: Mapping[str, str]) -> Json:
    return {"limit_per_class": int(options["limit_per_class"])} if "limit_per_class" in options else {}


def _score(name: str, subset: str) -> str:
    return f"{name}-{subset}"


def _lengths(options: Mapping[str, str], variant: Variant) -> Json:
    """How long a variant learns."""
    if variant.node == "quantize":
        return {"steps": int(options.get("quantize_steps", QUANTIZE_STEPS))} if "steps" not in variant.params else {}
    return {"epochs": int(options.get("sparsify_epochs", SPARSIFY_EPOCHS))}


def _run(workflow: Workflow, options: Mapping[str, str]) -> RunRecord:
    from engine.runner import LocalRunner, Request

    folder = Path(options.get("folder", FOLDER))
    folder.mkdir(parents=True, exist_ok=True)
    record = LocalRunner().run(Request(workflow, folder), _ignore, threading.Event())
    fault = next((node.error for node in record.nodes.values() if node.error is not None), None)
    if fault is not None:
        raise OssicleError(fault.what, fault.expected, fault.remedy)
    return record


def _ignore(_event: Event) -> None:
    """Nobody watches."""


def _answers(record: RunRecord, names: tuple[str, ...]) -> dict[str, Answers]:
    """Right answers of every model of a run."""
    return {name: _counted({one: _predictions(record, _score(name, one)) for one in SUBSETS}) for name in names}


def _predictions(record: RunRecord, node: str) -> list[Json]:
    from engine.artifact import load

    found: list[Json] = load(record.artifacts(node)["report"]).json("report.json")["predictions"]
    return found


def _counted(rows: Mapping[str, list[Json]]) -> Answers:
    right = {subset: sum(row["truth"] == row["prediction"] for row in own) for subset, own in rows.items()}
    return Answers(right, {subset: len(own) for subset, own in rows.items()})


# ---- rows


def _rows(name: str, seeds: list[int], found: list[dict[str, Answers]], chosen: Mapping[str, Variant]) -> Iterator[Row]:
    clips = sum(found[0][PLAIN].clips.values())
    yield Row(f"{name}, float32: accuracy over {clips} clips", _mean(one[PLAIN].percent() for one in found), "%")
    for key, variant in chosen.items():
        lost = [one[PLAIN].percent() - one[key].percent() for one in found]
        yield _lost_row(f"{name}, {variant.title}: accuracy lost", _mean(lost), variant)
        testing = [one[PLAIN].percent(("testing",)) - one[key].percent(("testing",)) for one in found]
        yield Row(f"{name}, {variant.title}: accuracy lost, testing clips alone", _mean(testing), "points")
        if len(seeds) > 1:
            yield Row(f"{name}, {variant.title}: standard deviation", round(statistics.stdev(lost), 2), "points")
    yield from _sparsity_row(name, found, chosen)


def _lost_row(title: str, points: float, variant: Variant) -> Row:
    if variant.most_points is None:
        return Row(title, points, "points", peers=variant.peers)
    return at_most(title, points, "points", variant.most_points, variant.peers)


def _sparsity_row(name: str, found: list[dict[str, Answers]], chosen: Mapping[str, Variant]) -> Iterator[Row]:
    """The largest share of zeros at which less than the limit is lost."""
    tried = {key: variant.zeros_percent for key, variant in chosen.items() if variant.zeros_percent}
    if not tried:
        return
    lost = {key: _mean(one[PLAIN].percent() - one[key].percent() for one in found) for key in tried}
    best = max((tried[key] for key in tried if lost[key] < MOST_LOST_POINTS), default=0.0)
    title = f"{name}: sparsity at < {MOST_LOST_POINTS:g} points lost"
    yield at_least(title, best, "%", LEAST_SPARSITY_PERCENT, PAPER_SPARSITY)


def _mean(values: Iterable[float]) -> float:
    return round(statistics.mean(values), 2)
