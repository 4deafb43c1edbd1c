"""Compare models by their benchmark reports: is the difference more than chance, and how far do runs scatter?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from engine import Context, OssicleError, Params, Report, ReportMeta, node

if TYPE_CHECKING:
    from nodes.judge.comparison import Contender
    from nodes.judge.outcome import Outcome
    from nodes.learn.metrics import Roc

Json = dict[str, Any]


class CompareParams(Params):
    """What the reports are, and how they are compared."""

    names: tuple[str, ...] = ()
    """Names of the reports in the order of their wires; reports of equal name are runs of one model (seeds, folds).
    Empty: every report is a model of its own."""
    clips: Literal["same", "folds"] = "same"
    """All reports are of the same clips; or those of one model are folds that share none, and only all of them together
    cover the same clips."""
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Bootstrap resamples behind the interval of a difference."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of the resamples."""


@node("ossicle.compare", version=1, category="Evaluate")
def compare(reports: list[Report], params: CompareParams, ctx: Context) -> Report:
    """Compare benchmark reports, clip by clip.

    For every pair of models McNemar's test, the difference of accuracy and UAR with a paired bootstrap interval, and
    how far they agree; for every model mean and standard deviation over its runs and the ROC averaged vertically (S1).
    The report (kind "compare") holds `models`, `pairs`, `disagreements` and `plots`.
    """
    from nodes.judge.comparison import contenders
    from nodes.judge.errors import JudgeError

    if len(reports) < 2:
        raise OssicleError(
            f"{len(reports)} report is wired" if reports else "no report is wired",
            "two or more reports of benchmark nodes",
            "Wire the report of every model that is to be compared",
        )
    try:
        models = contenders([_read(report, name) for report, name in _named(reports, params.names)], params.clips)
    except JudgeError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    told = _report(models, reports, params)
    folder = ctx.folder("report")
    text = json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text, encoding="utf-8")
    names = ", ".join(model.name for model in models)
    return Report(folder, ReportMeta(about=_about(told), title=f"Comparison of {names}", metrics=_headline(told)))


def _named(reports: list[Report], names: tuple[str, ...]) -> list[tuple[Report, str]]:
    if not names:
        return [(report, f"{_letter(place)}: {_title(report)}") for place, report in enumerate(reports)]
    if len(names) != len(reports) or not all(names):
        raise OssicleError(
            f"names has {len(names)} entries ({', '.join(map(repr, names))}) for {len(reports)} reports",
            "one name per report, none empty",
            "Name every report in the order of the wires, or none",
        )
    return list(zip(reports, names, strict=True))


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else str(place + 1)


def _title(report: Report) -> str:
    return report.meta.title.removeprefix("Benchmark of ") or report.path.name


def _read(report: Report, name: str) -> Outcome:
    from nodes.judge.outcome import outcome

    return outcome(name, report.json("report.json"), _roc(report))


def _roc(report: Report) -> Roc | None:
    """The curve that a benchmark keeps; None for reports without one."""
    import numpy as np

    from nodes.learn.metrics import Roc

    names = ("roc_false_alarm", "roc_false_reject", "roc_threshold")
    path = report.path / "arrays.npz"
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return Roc(*(arrays[name] for name in names)) if set(names) <= set(arrays.files) else None


def _report(models: list[Contender], reports: list[Report], params: CompareParams) -> Json:
    from nodes.judge.comparison import comparison_plots, disagreements, model_rows, pair_rows

    rows, plots = model_rows(models), comparison_plots(models)
    return {
        "kind": "compare",
        "clips": params.clips,
        "interval": "differences: paired bootstrap, 95 %; means over runs: Student, 95 %",
        "models": rows,
        "pairs": pair_rows(models, params.resamples, params.seed),
        "runs": [
            {"name": model.name, "run": place, "accuracy": run.accuracy, "uar": run.uar, "clips": len(run.clip_ids)}
            for model in models
            for place, run in enumerate(model.runs, 1)
        ],
        "reports": [{"title": report.meta.title, "about": report.meta.about} for report in reports],
        "intervals": [_intervals(models)],
        **({"plots": plots} if plots else {}),
        "disagreements": disagreements(models),
    }


def _intervals(models: list[Contender]) -> Json:
    """Accuracy of every model over its clips and runs: Wilson's interval of the clips that were scored."""
    from nodes.learn.metrics import wilson

    found = [(model.name, wilson(round(float(model.right.sum())), len(model.right))) for model in models]
    rows = [{"name": name, "value": one.value, "low": one.low, "high": one.high} for name, one in found]
    return {"title": "Accuracy", "caption": "share of the clips, whiskers: 95 %", "rows": rows}


def _headline(told: Json) -> dict[str, float]:
    """Of one pair its differences, of one model its mean; of more the best accuracy."""
    models, pairs = told["models"], told["pairs"]
    found: dict[str, float] = {"models": float(len(models))}
    if len(models) == 1:
        (one,) = models
        for name in ("accuracy", "uar"):
            ends = {"": "mean", "_sd": "sd", "_low": "low", "_high": "high"}
            found |= {f"{name}{end}": one[name][key] for end, key in ends.items() if one[name][key] is not None}
    if len(pairs) == 1:
        for name in ("accuracy_difference", "uar_difference"):
            found |= {name: pairs[0][name]["value"], f"{name}_low": pairs[0][name]["low"]}
            found[f"{name}_high"] = pairs[0][name]["high"]
        found |= {"p_value": pairs[0]["mcnemar"]["p"]} if pairs[0]["mcnemar"] else {}
    if len(pairs) > 1:
        found["best_accuracy"] = max(model["accuracy"]["mean"] for model in models)
    return found


def _about(told: Json) -> str:
    listed = [f"{model['name']} {_share(model['accuracy'])}" for model in told["models"]]
    pairs = told["pairs"]
    if len(pairs) != 1:
        return " · ".join(listed[:4]) + (" · …" if len(listed) > 4 else "")
    gain, test = pairs[0]["accuracy_difference"], pairs[0]["mcnemar"]
    words = f"{100 * gain['value']:+.1f} points ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"
    return " · ".join([*listed, words, *([f"McNemar p = {test['p']:.2g}"] if test else [])])


def _share(spread: Json) -> str:
    return f"{spread['mean']:.1%}" + (f" ± {100 * spread['sd']:.1f}" if spread["sd"] is not None else "")
