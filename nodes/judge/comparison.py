"""Several models, each with one or more runs, as the figures of a comparison's report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, Final, Literal

import numpy as np

from nodes.judge.outcome import Outcome, aligned, pooled
from nodes.judge.paired import agreement, bootstrap_difference, holm, mcnemar, spread
from nodes.judge.plots import axis, band_lines, plot
from nodes.judge.roc import Band, average
from nodes.learn.metrics import Floats, Ints

Json = dict[str, Any]
MOST_DISAGREEMENTS: Final = 500


@dataclass(frozen=True)
class Contender:
    """A model with its runs: trainings judged on the same clips, or the folds of a cross-validation."""

    name: str
    runs: tuple[Outcome, ...]
    joint: tuple[Outcome, ...]
    """What is paired: the runs themselves, or all folds as one outcome."""

    @property
    def right(self) -> Floats:
        """Correctness of every clip (clips,), the mean over runs."""
        result: Floats = np.mean([found.right for found in self.joint], axis=0)
        return result

    @property
    def band(self) -> Band | None:
        """ROC averaged vertically over the runs; None where a run has none."""
        curves = [found.roc for found in self.runs if found.roc is not None]
        return average(curves) if len(curves) == len(self.runs) else None


def contenders(outcomes: Sequence[Outcome], clips: Literal["same", "folds"]) -> list[Contender]:
    """Group outcomes of equal name as runs of one model.

    Raises:
        JudgeError: they are not of the same clips, a clip's class differs, or folds overlap.
    """
    groups: dict[str, list[Outcome]] = {}
    for found in outcomes:
        groups.setdefault(found.name, []).append(found)
    if clips == "same":
        ordered = iter(aligned(_numbered(groups)))
        made = [(name, [replace(next(ordered), name=name) for _ in found]) for name, found in groups.items()]
        return [Contender(name, tuple(found), tuple(found)) for name, found in made]
    joint = aligned([pooled(name, found) for name, found in groups.items()])
    return [Contender(name, tuple(groups[name]), (whole,)) for name, whole in zip(groups, joint, strict=True)]


def _numbered(groups: Mapping[str, Sequence[Outcome]]) -> list[Outcome]:
    """All outcomes, runs of one model told apart by number, for messages."""
    return [
        replace(found, name=f"{name} (run {place})") if len(runs) > 1 else found
        for name, runs in groups.items()
        for place, found in enumerate(runs, 1)
    ]


def model_rows(models: Sequence[Contender]) -> list[Json]:
    """Accuracy, UAR and ROC of every model: mean and spread over its runs."""
    return [
        {
            "name": model.name,
            "runs": len(model.runs),
            "clips": len(model.joint[0].clip_ids),
            "accuracy": asdict(spread([found.accuracy for found in model.runs])),
            "uar": asdict(spread([found.uar for found in model.runs])),
            "roc_area": model.band.area if model.band is not None else None,
        }
        for model in models
    ]


def pair_rows(models: Sequence[Contender], resamples: int, seed: int) -> list[Json]:
    """Every pair: the gain of the second over the first with its interval, McNemar's test, agreement.

    McNemar's test and the agreement need one answer per clip: null for models with several runs.
    """
    rows = [_pair(first, second, resamples, seed) for first, second in combinations(models, 2)]
    tested = [row for row in rows if row["mcnemar"] is not None]
    for row, p in zip(tested, holm([row["mcnemar"]["p"] for row in tested]), strict=True):
        row["mcnemar"]["p_holm"] = p
    return rows


def _pair(first: Contender, second: Contender, resamples: int, seed: int) -> Json:
    truth = first.joint[0].truth
    gain = bootstrap_difference(first.right, second.right, truth, resamples=resamples, seed=seed)
    single = len(first.joint) == len(second.joint) == 1
    a, b = first.joint[0], second.joint[0]
    return {
        "first": first.name,
        "second": second.name,
        "accuracy_difference": asdict(gain.accuracy),
        "uar_difference": asdict(gain.uar),
        "mcnemar": asdict(mcnemar(a.right > 0, b.right > 0)) if single else None,
        "agreement": asdict(agreement(a.answers, b.answers, truth)) if single else None,
    }


def disagreements(models: Sequence[Contender]) -> list[Json]:
    """Clips on which models with one run do not all agree: the truth, and what each answered."""
    single = [model for model in models if len(model.joint) == 1]
    if len(single) < 2:
        return []
    answers: Ints = np.stack([model.joint[0].answers for model in single])
    rows = np.flatnonzero((answers != answers[0]).any(axis=0))[:MOST_DISAGREEMENTS]
    first = single[0].joint[0]
    return [
        {
            "clip_id": first.clip_ids[row],
            "truth": first.classes[first.truth[row]],
            **{model.name: first.classes[int(answers[place, row])] for place, model in enumerate(single)},
        }
        for row in rows.tolist()
    ]


def comparison_plots(models: Sequence[Contender]) -> list[Json]:
    """Mean ROC of every model on normal deviates, with one standard deviation where there are several runs."""
    bands = [(model.name, model.band) for model in models]
    known = [(name, band) for name, band in bands if band is not None]
    if not known:
        return []
    names = axis("false alarm rate", "log"), axis("false reject rate")
    caption = "mean over runs at equal false alarm rates; band: one standard deviation"
    return [plot("ROC, averaged vertically", *names, [band_lines(*pair) for pair in known], caption=caption)]
