"""`ossicle bench accuracy`: the project `keyword_spotting` in full, over seeds, on speakers never heard before."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.bench import BenchResult, Row, at_least, at_most, machine
from engine.errors import OssicleError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from engine.event import Event
    from engine.record import RunRecord

DATA: Final = "../shared/data/speech_commands_subset.tar.gz"
NOT_WORDS: Final = ("unknown", "silence")
# A plain expert script on the same data: the paper's recipe, and a modern one (issue of this bench).
ANCHORS: Final[Mapping[str, Mapping[str, float]]] = {
    "twelve": {"script, paper recipe": 88.5, "script, modern recipe": 94.2},
    "words": {"script, paper recipe": 89.0, "script, modern recipe": 94.8},
}


def accuracy(options: Mapping[str, str]) -> BenchResult:
    """Mean accuracy of the float model on the testing clips, for 12 classes and for the ten words alone.

    Options: `data` (the Speech Commands subset), `model` (tc_resnet8), `seeds` ("1,2,3"), `folder` (where runs go; an
    interrupted bench goes on there), `epochs` (the recipe's; fewer for a trial). "Ten words": clips of the ten words,
    the answer being the likeliest of the ten.
    """
    seeds = [int(seed) for seed in options.get("seeds", "1,2,3").split(",")]
    records = [_run(options, seed) for seed in seeds]
    twelve, words = zip(*(_scores(record) for record in records), strict=True)
    training_s = [_training_s(record) for record in records]
    return BenchResult(
        "accuracy",
        {**machine(), "model": options.get("model", "tc_resnet8")},
        (
            at_least("12 classes", round(statistics.mean(twelve), 2), "%", 94, ANCHORS["twelve"]),
            at_least("ten words", round(statistics.mean(words), 2), "%", 94.5, ANCHORS["words"]),
            at_most("training, longest", round(max(training_s) / 60, 2), "min", 10),
            *(Row(f"12 classes, seed {seed}", value, "%") for seed, value in zip(seeds, twelve, strict=True)),
            *(Row(f"ten words, seed {seed}", value, "%") for seed, value in zip(seeds, words, strict=True)),
        ),
    )


def _run(options: Mapping[str, str], seed: int) -> RunRecord:
    from engine.resource import project
    from engine.runner import LocalRunner, Request
    from engine.workflow import load, with_values

    values: dict[str, JsonValue] = {"data": str(Path(options.get("data", DATA)).resolve()), "seed": seed}
    values |= {"model": options["model"]} if "model" in options else {}
    values |= {"train-1.epochs": int(options["epochs"])} if "epochs" in options else {}
    workflow = with_values(load(project("keyword_spotting.workflow.json")), values)
    folder = Path(options.get("folder", ".ossicle/bench-accuracy"))
    folder.mkdir(parents=True, exist_ok=True)
    record = LocalRunner().run(Request(workflow, folder, to="benchmark-1"), _ignore, threading.Event())
    fault = next((node.error for node in record.nodes.values() if node.error is not None), None)
    if fault is not None:
        raise OssicleError(fault.what, fault.expected, fault.remedy)
    return record


def _ignore(_event: Event) -> None:
    """Nobody watches."""


def _scores(record: RunRecord) -> tuple[float, float]:
    """Accuracy in percent over all classes, and over the words alone."""
    import numpy as np

    report = record.artifacts("benchmark-1")["report"]
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


def _training_s(record: RunRecord) -> float:
    """Seconds the training took, whether in this run or in an earlier one."""
    from engine.runs import store_of

    recipe = record.nodes["train-1"].recipe
    known = store_of(record.home).result(recipe.key) if recipe is not None else None
    return known.seconds if known is not None else record.nodes["train-1"].seconds
