"""`ossicle bench accuracy`: shipped projects in full, over seeds and folds, on speakers and recordings never heard."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.bench import BenchResult, Row, at_least, at_most, machine
from engine.errors import OssicleError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from engine.event import Event
    from engine.record import RunRecord
    from engine.workflow import Workflow

DATA: Final = "../shared/data/speech_commands_subset.tar.gz"
SOUNDS: Final = "../shared/data/esc10.tar.gz"
FOLDS: Final = (1, 2, 3, 4)
NOT_WORDS: Final = ("unknown", "silence")
LONGEST_MIN: Final = 10.0
MOST_PARAMETERS: Final = 99_999
TEACHER: Final = "train-1"
STUDENT: Final = "distill-1"
SCORE: Final = "benchmark-1"
KINDS: Final = ("12 classes", "ten words")
Values = dict[str, "JsonValue"]
Scores = tuple[float, float]
"""Of each kind, in percent."""


@dataclass(frozen=True)
class Contest:
    """One model and one way to train it on Speech Commands.

    Attributes:
        values: what is set in the project.
        twelve, words: least accuracy in percent over 12 classes, and over the ten words alone.
        anchors: what a plain expert script reached on the same data ((12 classes, ten words) by name).
        student: parameters of a network that then learns from the trained one and is scored in its place.
        alone: the contest in which the student learns without a teacher; differences from it are told.
    """

    title: str
    values: Mapping[str, JsonValue]
    twelve: float
    words: float
    anchors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    student: Mapping[str, JsonValue] = field(default_factory=dict)
    alone: str = ""

    @property
    def trained(self) -> str:
        """The node whose network is scored."""
        return STUDENT if self.student else TEACHER


SMALL: Final[Mapping[str, JsonValue]] = {"model": "tc_resnet14", "train-1.width": 1.5, "train-1.steps": 12_000}
CONTESTS: Final[Mapping[str, Contest]] = {
    "modern": Contest(
        "TC-ResNet8, modern recipe",
        {},
        94.5,
        95.0,
        {"script, paper recipe": (88.5, 89.0), "script, modern recipe": (94.2, 94.8)},
    ),
    "paper": Contest(
        "TC-ResNet8, the paper's recipe cut to the time",
        {"train-1.recipe": "s1", "train-1.steps": 12_000},
        89.0,
        89.0,
        {"script, paper recipe": (88.6, 89.2)},
    ),
    "small": Contest(
        "TC-ResNet14-1.5, modern recipe",
        SMALL,
        96.5,
        97.0,
        {"script": (95.7, 95.8)},
    ),
    "distilled": Contest(
        "TC-ResNet8 distilled from it",
        SMALL,
        94.3,
        94.4,
        {"script, one seed": (94.3, 94.4)},
        {"architecture": "tc_resnet8", "steps": 14_000},
        alone="modern",
    ),
}


def accuracy(options: Mapping[str, str]) -> BenchResult:
    """Mean accuracy of the float models on the testing clips, for 12 classes and for the ten words alone.

    Options: `contests` ("modern,paper,small,distilled,sounds", or some of them), `data` (the Speech Commands subset),
    `sounds` (ESC-10), `seeds` ("1,2,3"), `folder` (where runs go; an interrupted bench goes on there), `epochs` (the
    recipe's; fewer for a trial). "Ten words": clips of the ten words, the answer being the likeliest of the ten.
    """
    names = options.get("contests", ",".join((*CONTESTS, "sounds"))).split(",")
    unknown = [name for name in names if name not in (*CONTESTS, "sounds")]
    if unknown:
        raise OssicleError(
            f"there is no contest {unknown[0]!r}", f"some of {', '.join(CONTESTS)}, sounds", "Correct contests"
        )
    rows = (row for name in names for row in (_sounds(options) if name == "sounds" else _words(name, options)))
    return BenchResult("accuracy", machine(), tuple(rows))


def _words(name: str, options: Mapping[str, str]) -> Iterator[Row]:
    """A contest's means over seeds with their spread, and each seed."""
    contest, seeds = CONTESTS[name], [int(seed) for seed in options.get("seeds", "1,2,3").split(",")]
    records = [_run(_keywords(contest, options, seed), options) for seed in seeds]
    found = [_scores(record.artifacts(SCORE)["report"]) for record in records]
    for place, (kind, aim) in enumerate(zip(KINDS, (contest.twelve, contest.words), strict=True)):
        values = [scores[place] for scores in found]
        anchors = {who: pair[place] for who, pair in contest.anchors.items()}
        yield at_least(f"{contest.title}: {kind}", round(statistics.mean(values), 2), "%", aim, anchors)
        yield from _spread(f"{contest.title}: {kind}", values, [f"seed {seed}" for seed in seeds])
    longest = max(_training_s(record, contest.trained) for record in records)
    yield at_most(f"{contest.title}: training, longest", round(longest / 60, 2), "min", LONGEST_MIN)
    if contest.alone:
        alone = [_run(_keywords(CONTESTS[contest.alone], options, seed), options) for seed in seeds]
        yield from _above(contest, found, [_scores(record.artifacts(SCORE)["report"]) for record in alone])


def _above(contest: Contest, taught: list[Scores], alone: list[Scores]) -> Iterator[Row]:
    """By how much the student is better for its teacher: the mean over seeds and its interval."""
    for place, kind in enumerate(KINDS):
        gains = [one[place] - other[place] for one, other in zip(taught, alone, strict=True)]
        title = f"{contest.title}: {kind}, above the same network alone"
        yield at_least(title, round(statistics.mean(gains), 2), "points", 0)
        yield from _reach(title, gains, "points")


def _spread(title: str, values: list[float], names: list[str]) -> Iterator[Row]:
    if len(values) > 1:
        yield Row(f"{title}, standard deviation", round(statistics.stdev(values), 2), "points")
    for name, value in zip(names, values, strict=True):
        yield Row(f"{title}, {name}", value, "%")


def _keywords(contest: Contest, options: Mapping[str, str], seed: int) -> Workflow:
    from engine.resource import project
    from engine.workflow import load, with_values

    values: Values = {"data": str(Path(options.get("data", DATA)).resolve()), "seed": seed, **contest.values}
    workflow = load(project("keyword_spotting.workflow.json"))
    workflow = _with_student(workflow, contest.student) if contest.student else workflow
    return with_values(workflow, values | _shorter(options, contest.trained))


def _with_student(workflow: Workflow, params: Mapping[str, JsonValue]) -> Workflow:
    """The graph with a network that learns from the trained one; it is scored instead."""
    from engine.workflow import Link, Node

    student = Node(type="ossicle.distill", params={"seed": "{seed}", **params})
    wires = [Link("mfcc-1", "features", STUDENT, "features"), Link("partition-1", "audio", STUDENT, "audio")]
    kept = [link for link in workflow.links if (link.source, link.target) != (TEACHER, SCORE)]
    links = (*kept, *wires, Link(TEACHER, "model", STUDENT, "teacher"), Link(STUDENT, "model", SCORE, "model"))
    return workflow.model_copy(update={"nodes": {**workflow.nodes, STUDENT: student}, "links": links})


def _shorter(options: Mapping[str, str], trained: str = TEACHER) -> Values:
    """With `epochs`, a trial: teacher and student alike are trained for so many."""
    if "epochs" not in options:
        return {}
    nodes = dict.fromkeys((TEACHER, trained))
    return {
        f"{node}.{name}": value
        for node in nodes
        for name, value in (("epochs", int(options["epochs"])), ("steps", None))
    }


def _sounds(options: Mapping[str, str]) -> Iterator[Row]:
    """ESC-10 by fold: a small network from scratch, tested on recordings it has not heard."""
    from engine.resource import project
    from engine.workflow import load, with_values

    title, records = "ESC-10, small network from scratch", []
    for fold in FOLDS:
        values: Values = {"data": str(Path(options.get("sounds", SOUNDS)).resolve()), "fold": fold, **_shorter(options)}
        records.append(_run(with_values(load(project("sound_events.workflow.json")), values), options))
    found = [_scores(record.artifacts(SCORE)["report"])[0] for record in records]
    yield at_least(f"{title}: mean of folds", round(statistics.mean(found), 2), "%", 80)
    yield from _reach(title, found, "%")
    yield from _spread(title, found, [f"fold {fold}" for fold in FOLDS])
    yield at_most(f"{title}: parameters", _parameters(records[0]), "", MOST_PARAMETERS)
    longest = max(_training_s(record, TEACHER) for record in records)
    yield at_most(f"{title}: training, longest", round(longest / 60, 2), "min", LONGEST_MIN)


def _parameters(record: RunRecord) -> int:
    from engine.artifact import Model, load

    model = load(record.artifacts(TEACHER)["model"])
    assert isinstance(model, Model)
    return model.meta.parameters


def _reach(title: str, values: list[float], unit: str) -> Iterator[Row]:
    """Student's interval of a mean over folds or seeds, where there are two."""
    from scipy.stats import t

    if len(values) > 1:
        reach = float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
        for end, sign in (("low", -1.0), ("high", 1.0)):
            yield Row(
                f"{title}: 95 % interval of the mean, {end}", round(statistics.mean(values) + sign * reach, 2), unit
            )


def _run(workflow: Workflow, options: Mapping[str, str]) -> RunRecord:
    from engine.runner import LocalRunner, Request

    folder = Path(options.get("folder", ".ossicle/bench-accuracy"))
    folder.mkdir(parents=True, exist_ok=True)
    record = LocalRunner().run(Request(workflow, folder, to=SCORE), _ignore, threading.Event())
    fault = next((node.error for node in record.nodes.values() if node.error is not None), None)
    if fault is not None:
        raise OssicleError(fault.what, fault.expected, fault.remedy)
    return record


def _ignore(_event: Event) -> None:
    """Nobody watches."""


def _scores(report: Path) -> Scores:
    """Accuracy in percent over all classes, and over the words alone."""
    import numpy as np

    with np.load(report / "arrays.npz", allow_pickle=False) as arrays:
        truth, probabilities = arrays["truth"], arrays["probabilities"]
    words = np.array([name not in NOT_WORDS for name in _classes(report)])
    spoken = words[truth]
    among_words = np.where(words, probabilities, -1.0).argmax(1)
    twelve = (probabilities.argmax(1) == truth).mean()
    return round(100 * float(twelve), 2), round(100 * float((among_words == truth)[spoken].mean()), 2)


def _classes(report: Path) -> list[str]:
    from engine.artifact import load

    names: list[str] = load(report).json("report.json")["classes"]
    return names


def _training_s(record: RunRecord, node: str) -> float:
    """Seconds a training took, whether in this run or in an earlier one."""
    from engine.runs import store_of

    recipe = record.nodes[node].recipe
    known = store_of(record.home).result(recipe.key) if recipe is not None else None
    return known.seconds if known is not None else record.nodes[node].seconds
