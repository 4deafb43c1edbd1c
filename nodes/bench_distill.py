"""`ossicle bench distill`: a small network taught by a large one against the same network alone (S3 III)."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.bench import BenchResult, Row, at_least, machine
from engine.errors import OssicleError

if TYPE_CHECKING:
    from engine.event import Event
    from engine.record import RunRecord
    from engine.workflow import Workflow

Json = dict[str, Any]
DATA: Final = "../shared/data/esc10.tar.gz"
LEAST_POINTS: Final = 5.0
PAPER_POINTS: Final = {"paper, from VGGish": 7.89, "paper, through M70M": 10.84}
"""M20k in S3 table II: 69.72 and 72.67 against 61.83 alone, on UrbanSound8K with a teacher from elsewhere."""
TEACHER: Final = (
    "conv_k3_c16", "max_k2", "conv_k3_c32", "max_k2", "conv_k3_c64", "conv_k3_c64", "max_k2",
    "conv_k3_c128", "conv_k3_c128", "max_k2", "gap", "fc_c128_arelu_b1", "gru_c20_nbn", "fc_b1",
)  # fmt: skip
"""VGGish's shape with norms and fewer channels: it learns from a few hundred clips, which VGGish itself does not."""
KINDS: Final = ("teacher", "alone", "taught")
NUMBERS: Final = {"epochs": 150, "teacher_epochs": 60, "batch": 16, "seed": 1}
ALPHAS: Final = ("alpha_hard", "alpha_soft", "alpha_embedding", "temperature")


def distill(options: Mapping[str, str]) -> BenchResult:
    """Accuracy on the test fold of a student from scratch and of the same student distilled, mean over folds.

    Teacher, student alone and student taught see the same clips, with the same recipe, changes of the clips and seed;
    nothing but the folds' training clips is used.

    Options: `data` (ESC-10 or ESC-50), `folds` ("1,2,3,4"), `student` (m20k), `teacher` (an architecture; else one of
    ours), `middle` (an architecture that learns from the teacher and teaches the student: two stages), `epochs` (of
    both students, 150), `teacher_epochs` (60), `recipe` (modern), `batch` (16), `alpha_hard`, `alpha_soft`,
    `alpha_embedding`, `temperature`, `seed`, `folder` (where runs go; an interrupted bench goes on there).
    """
    folds = [int(fold) for fold in options.get("folds", "1,2,3,4").split(",")]
    records = [_run(_workflow(options, fold), Path(options.get("folder", ".ossicle/bench-distill"))) for fold in folds]
    percent = {kind: [_percent(record, f"{kind}-score") for record in records] for kind in KINDS}
    gains = [taught - alone for taught, alone in zip(percent["taught"], percent["alone"], strict=True)]
    names = {"student": options.get("student", "m20k"), "teacher": options.get("teacher", "ours")}
    numbers = {name: int(options.get(name, usual)) for name, usual in NUMBERS.items()}
    return BenchResult(
        "distill",
        {**machine(), **names, **numbers},
        (
            at_least("gain by distillation", round(statistics.mean(gains), 2), "points", LEAST_POINTS, PAPER_POINTS),
            *(Row(f"{kind}, mean over folds", round(statistics.mean(percent[kind]), 2), "%") for kind in KINDS),
            *(
                Row(f"{kind}, fold {fold}", value, "%")
                for kind in KINDS
                for fold, value in zip(folds, percent[kind], strict=True)
            ),
        ),
    )


def _workflow(options: Mapping[str, str], fold: int) -> Workflow:
    """Teacher, student alone and student taught on one fold, each scored on its testing clips."""
    from engine.workflow import parse

    number = {name: int(options.get(name, usual)) for name, usual in NUMBERS.items()}
    recipe: Json = {"recipe": options.get("recipe", "modern"), "batch": number["batch"], "seed": number["seed"]}
    student: Json = {"architecture": options.get("student", "m20k"), "epochs": number["epochs"], **recipe}
    given, middle = options.get("teacher"), options.get("middle")
    teacher = {"architecture": given} if given else {"architecture": "m2m", "blocks": list(TEACHER)}
    alphas = {name: float(options[name]) for name in ALPHAS if name in options}
    nodes: Json = {
        "ingest": ("ingest", {"source": str(Path(options.get("data", DATA)).resolve()), "layout": "esc50"}),
        "partition": ("partition", {"rule": "fold", "test_fold": fold}),
        "log-mel": ("log_mel", {}),
        "teacher": ("train", {**teacher, "epochs": number["teacher_epochs"], **recipe}),
        **({"middle": ("distill", {**student, "architecture": middle, **alphas})} if middle else {}),
        "alone": ("train", student),
        "taught": ("distill", {**student, **alphas}),
        **{f"{kind}-score": ("benchmark", {}) for kind in KINDS},
    }
    chain = ["teacher", *(["middle"] if middle else []), "taught"]
    links = ["ingest.audio -> partition.audio", "partition.audio -> log-mel.audio"]
    links += [f"{one}.model -> {other}.teacher" for one, other in pairwise(chain)]
    for name in {*chain, *KINDS}:
        links += [f"partition.audio -> {name}.audio", f"log-mel.features -> {name}.features"]
    for kind in KINDS:
        links += [f"log-mel.features -> {kind}-score.features", f"{kind}.model -> {kind}-score.model"]
    placed = {name: {"type": f"ossicle.{kind}", "params": params} for name, (kind, params) in nodes.items()}
    return parse({"format": 1, "name": "bench_distill", "nodes": placed, "links": sorted(links)})


def _run(workflow: Workflow, folder: Path) -> RunRecord:
    from engine.runner import LocalRunner, Request

    folder.mkdir(parents=True, exist_ok=True)
    record = LocalRunner().run(Request(workflow, folder), _ignore, threading.Event())
    fault = next((node.error for node in record.nodes.values() if node.error is not None), None)
    if fault is not None:
        raise OssicleError(fault.what, fault.expected, fault.remedy)
    return record


def _ignore(_event: Event) -> None:
    """Nobody watches."""


def _percent(record: RunRecord, node: str) -> float:
    from engine.artifact import load

    report = load(record.artifacts(node)["report"]).json("report.json")
    return round(100 * float(report["accuracy"]["value"]), 2)
