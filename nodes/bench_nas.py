"""`ossicle bench nas`: the search against chance at equal budget, and its front against the papers' own shapes."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.bench import BenchResult, Row, at_least, machine
from engine.errors import OssicleError

if TYPE_CHECKING:
    from engine.event import Event
    from engine.record import RunRecord
    from engine.workflow import Workflow

Json = dict[str, Any]
DATA: Final = "../shared/data/speech_commands_subset.tar.gz"
SHAPES: Final = ("kws1", "kws3", "kws9")
OURS: Final[Json] = {"sampler": "tpe", "warm_start": True, "pruning": "median"}
CHANCE: Final[Json] = {"sampler": "random", "warm_start": False, "pruning": "none"}
LEAST_RATIO: Final = 1.15
LEAST_AREA: Final = 1e-3
"""What chance counts as where none of its networks learnt anything (trials cut too short)."""


@dataclass(frozen=True)
class Setting:
    """What is run: data, how many trials of how many epochs, where the runs lie."""

    data: str
    layout: str
    preset: str
    base: str
    trials: int
    epochs: int
    parallel: int
    limit: int
    shapes: tuple[str, ...]
    folder: Path

    def training(self, seed: int) -> Json:
        """Parameters that hold for every training."""
        return {"epochs": self.epochs, "seed": seed, "batch": 100}


def nas(options: Mapping[str, str]) -> BenchResult:
    """Hypervolume of accuracy on validation against operations, after as many trials by us and by chance.

    Both search the space around S4's seed CNN (kernels 1, 3, 5 by height and width, 20 to 50 channels) with the same
    recipe; the box of the hypervolume lies between chance and perfection, and between the smallest and the largest
    shape by the logarithm of their operations. Trials that we stop early count as trials. Beside it, on the testing
    clips, the best other shape of our front with at most the operations of kws1, kws3 and kws9, trained alike.

    Options: `data` (the Speech Commands subset), `layout`, `preset` of the MFCC (s4-40x32), `base` (seed_cnn), `trials`
    (40), `seeds` ("1,2,3"), `epochs` (8), `parallel` (1), `limit` (clips per class; 0 takes all), `shapes` (of the
    papers: "kws1,kws3,kws9"), `folder` (where runs go; an interrupted bench goes on there).
    """
    setting = Setting(
        str(Path(options.get("data", DATA)).resolve()),
        options.get("layout", "speech_commands"),
        options.get("preset", "s4-40x32"),
        options.get("base", "seed_cnn"),
        int(options.get("trials", "40")),
        int(options.get("epochs", "8")),
        int(options.get("parallel", "1")),
        int(options.get("limit", "0")),
        tuple(options.get("shapes", ",".join(SHAPES)).split(",")),
        Path(options.get("folder", ".ossicle/bench-nas")),
    )
    seeds = [int(seed) for seed in options.get("seeds", "1,2,3").split(",")]
    ours, chance = ([_search(setting, way, seed) for seed in seeds] for way in (OURS, CHANCE))
    facts = {**machine(), "base": setting.base, "trials": setting.trials, "epochs": setting.epochs}
    return BenchResult("nas", facts, (*_against_chance(ours, chance, seeds), *_against_papers(setting, ours, seeds)))


def _against_chance(ours: Sequence[Json], chance: Sequence[Json], seeds: Sequence[int]) -> list[Row]:
    """The ratio of the mean hypervolumes, and each seed's own."""
    areas = {"ours": [_area(report) for report in ours], "random search": [_area(report) for report in chance]}
    means = {name: statistics.mean(values) for name, values in areas.items()}
    ratio = means["ours"] / max(means["random search"], LEAST_AREA)
    stopped = statistics.mean(sum(t["state"] == "pruned" for t in report["trials"]) for report in ours)
    return [
        at_least("hypervolume against random search", round(ratio, 3), "x", LEAST_RATIO, means),
        *(
            Row(f"hypervolume, seed {seed}", mine, "of the box", peers={"random search": theirs})
            for seed, mine, theirs in zip(seeds, *areas.values(), strict=True)
        ),
        Row("of our trials, stopped early", round(stopped, 1), "trials"),
    ]


def _area(report: Json) -> float:
    return float(report["hypervolume"]["over_trials"][-1])


def _against_papers(setting: Setting, ours: Sequence[Json], seeds: Sequence[int]) -> list[Row]:
    """Accuracy on the testing clips above the papers' shapes at no more operations."""
    rows = []
    for name in setting.shapes:
        pairs = [
            found for report, seed in zip(ours, seeds, strict=True) if (found := _pair(setting, report, name, seed))
        ]
        if pairs:
            mine, theirs = (statistics.mean(values) for values in zip(*pairs, strict=True))
            peers = {"ours": mine, name: theirs, "searches": float(len(pairs))}
            rows.append(at_least(f"front against {name} at no more operations", mine - theirs, "points", 0.0, peers))
    return rows


def _pair(setting: Setting, report: Json, name: str, seed: int) -> tuple[float, float] | None:
    """Testing accuracy in percent of our best shape with at most a paper's operations, and of the paper's own."""
    theirs = _trained(setting, {"architecture": name, **setting.training(seed)})
    from engine.workflow import parse

    flops, blocks = theirs["model"]["flops"]["true"], theirs["blocks"]
    able = [
        trial
        for trial in report["trials"]
        if trial["state"] == "complete" and trial["objectives"]["flops"] <= flops and _blocks(trial) != blocks
    ]
    if not able:
        return None
    best = max(able, key=lambda trial: (trial["objectives"]["accuracy"], -trial["objectives"]["flops"]))
    mine = _report(_run(parse(best["workflow"]), setting.folder), "benchmark-1")
    return 100 * mine["accuracy"]["value"], 100 * theirs["accuracy"]["value"]


def _blocks(trial: Json) -> list[str]:
    found: list[str] = trial["workflow"]["nodes"]["train-1"]["params"].get("blocks", [])
    return found


# ---- runs


def _search(setting: Setting, way: Json, seed: int) -> Json:
    """The report of one search."""
    params = {
        **way, **setting.training(seed), "architecture": setting.base, "trials": setting.trials,
        "parallel": setting.parallel,
    }  # fmt: skip
    graph = _workflow(setting, {"nas-1": ("ossicle.nas", params)}, ("mfcc-1.features -> nas-1.features",))
    return _report(_run(graph, setting.folder), "nas-1")


def _trained(setting: Setting, params: Json) -> Json:
    """The report of a benchmark on the testing clips, and the blocks of the network."""
    nodes = {"train-1": ("ossicle.train", params), "benchmark-1": ("ossicle.benchmark", {})}
    links = (
        "mfcc-1.features -> train-1.features",
        "mfcc-1.features -> benchmark-1.features",
        "train-1.model -> benchmark-1.model",
    )
    record = _run(_workflow(setting, nodes, links), setting.folder)
    blocks = _artifact(record, "train-1", "model", "architecture.json")["blocks"]
    return {**_report(record, "benchmark-1"), "blocks": blocks}


def _run(workflow: Workflow, folder: Path) -> RunRecord:
    """Run a graph; what was run before is not run again."""
    from engine.runner import LocalRunner, Request

    folder.mkdir(parents=True, exist_ok=True)
    record = LocalRunner().run(Request(workflow, folder), _ignore, threading.Event())
    fault = next((node.error for node in record.nodes.values() if node.error is not None), None)
    if fault is not None:
        raise OssicleError(fault.what, fault.expected, fault.remedy)
    return record


def _workflow(setting: Setting, nodes: Mapping[str, tuple[str, Json]], links: Sequence[str]) -> Workflow:
    from engine.workflow import parse

    given = {
        "ingest-1": (
            "ossicle.ingest",
            {"source": setting.data, "layout": setting.layout, "limit_per_class": setting.limit},
        ),
        "partition-1": ("ossicle.partition", {"rule": "given", "on_leak": "drop"}),
        "mfcc-1": ("ossicle.mfcc", {"preset": setting.preset}),
        **nodes,
    }
    front = ("ingest-1.audio -> partition-1.audio", "partition-1.audio -> mfcc-1.audio")
    return parse(
        {
            "format": 1,
            "name": "bench-nas",
            "nodes": {name: {"type": kind, "version": 1, "params": params} for name, (kind, params) in given.items()},
            "links": [*front, *links],
        }
    )


def _report(record: RunRecord, node: str) -> Json:
    return _artifact(record, node, "report", "report.json")


def _artifact(record: RunRecord, node: str, port: str, file: str) -> Json:
    from engine.artifact import load

    found: Json = load(record.artifacts(node)[port]).json(file)
    return found


def _ignore(_event: Event) -> None:
    """Nobody watches."""
