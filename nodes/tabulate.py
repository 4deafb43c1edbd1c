"""Compressed models beside the plain ones, as the papers' tables have them (S0 table 4, S4 table 2)."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from engine import Context, OssicleError, Params, Report, ReportMeta, node

if TYPE_CHECKING:
    from nodes.judge.outcome import Outcome

Json = dict[str, Any]
JOINT: Final = " + "
"""Between a network's name and what was done to it."""
TABLE_FILE: Final = "table.csv"
COLUMNS: Final = (
    "name", "accuracy", "low", "high", "lost", "sparsity", "precision", "parameters", "flops", "stored_bytes",
    "sparse_bytes",
)  # fmt: skip
BITS: Final = {"float32": 32, "float16": 16, "int8": 8}


class TabulateParams(Params):
    """What the reports are."""

    names: tuple[str, ...] = ()
    """Names of the reports in the order of their wires: a network's own name, or with " + " and what was done to it:
    CNN, CNN + Q, CNN + S, CNN + Q + S. Each is held against the network's own. Empty: the first is plain, the others
    are held against it."""
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Bootstrap resamples behind the interval of what is lost."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of the resamples."""


@node("ossicle.tabulate", version=1, category="Evaluate")
def tabulate(reports: list[Report], params: TabulateParams, ctx: Context) -> Report:
    """Put benchmark reports of compressed models into one table: accuracy, what is lost, sparsity, bytes.

    What is lost is counted over the same clips, with a paired bootstrap interval. Bytes are those of the parameters in
    the model's numbers: all stored, as the papers do, or a bit for each parameter and those that are not zero.
    `table.csv` holds the same.
    """
    from nodes.judge.errors import JudgeError

    if len(reports) < 2:
        raise OssicleError(
            f"{len(reports)} report is wired" if reports else "no report is wired",
            "two or more reports of benchmark nodes",
            "Wire the report of the plain model and those of the compressed ones",
        )
    names = _names(reports, params.names)
    try:
        rows = _rows(reports, names, params)
    except JudgeError as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    folder = ctx.folder("report")
    text = json.dumps(_told(rows), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text, encoding="utf-8")
    (folder / TABLE_FILE).write_text(_csv(rows), encoding="utf-8")
    return Report(folder, ReportMeta(about=_about(rows), title="Accuracy, sparsity and size", metrics=_headline(rows)))


def _names(reports: list[Report], names: tuple[str, ...]) -> list[str]:
    """One name for each report, a plain network for every compressed one.

    Raises:
        OssicleError: they are not as many, not different, or a network's own is not among them.
    """
    if not names:
        plain = reports[0].meta.title.removeprefix("Benchmark of ") or "plain"
        return [plain, *(f"{plain}{JOINT}{place}" for place in range(2, len(reports) + 1))]
    if len(names) != len(reports) or len(set(names)) != len(names) or not all(names):
        raise OssicleError(
            f"names has {len(names)} entries ({', '.join(map(repr, names))}) for {len(reports)} reports",
            "one name per report, none empty, none twice",
            "Name every report in the order of the wires, or none",
        )
    missing = sorted({name.split(JOINT)[0] for name in names} - set(names))
    if missing:
        raise OssicleError(
            f"no report is named {missing[0]!r}",
            "every network also as it is, without anything done to it",
            "Wire the benchmark of the plain model and give it the network's own name",
        )
    return list(names)


def _rows(reports: list[Report], names: list[str], params: TabulateParams) -> list[Json]:
    from nodes.judge.outcome import aligned, outcome

    raw = [report.json("report.json") for report in reports]
    outcomes = dict(zip(names, [outcome(name, one) for name, one in zip(names, raw, strict=True)], strict=True))
    rows = []
    for name, one in zip(names, raw, strict=True):
        plain = name.split(JOINT)[0]
        pair = aligned([outcomes[plain], outcomes[name]])
        rows.append(
            {"name": name, "plain": plain, **_facts(one), "lost": _lost(pair, params) if name != plain else None}
        )
    return rows


def _facts(raw: Json) -> Json:
    """What a benchmark tells of a model, and its bytes."""
    model, accuracy = raw["model"], raw["accuracy"]
    precision, share, parameters = str(model["precision"]), float(model["sparsity"]), int(model["parameters"])
    bits = BITS.get(precision) or int(precision.removeprefix("fixed"))
    return {
        "accuracy": {end: accuracy[end] for end in ("value", "low", "high")},
        "sparsity": share,
        "precision": precision,
        "bits": bits,
        "parameters": parameters,
        "flops": float(model["flops"].get("true", 0.0)),
        "stored_bytes": math.ceil(parameters * bits / 8),
        "sparse_bytes": math.ceil(parameters / 8) + math.ceil((1.0 - share) * parameters * bits / 8),
        "file_bytes": int(model["size_bytes"]),
    }


def _lost(pair: list[Outcome], params: TabulateParams) -> Json:
    """What the second answers worse than the first: a share of the clips, with its interval."""
    from nodes.judge.paired import bootstrap_difference

    plain, other = pair
    gain = bootstrap_difference(
        plain.right, other.right, plain.truth, resamples=params.resamples, seed=params.seed
    ).accuracy  # fmt: skip
    found = asdict(gain)
    ends = {"value": "value", "low": "high", "high": "low"}
    return {name: 0.0 - found[other] for name, other in ends.items()}  # 0 - 0, as -0 is written with its sign


def _told(rows: list[Json]) -> Json:
    """The report: rows, and what any report may ask to be drawn."""
    bars = [{"name": row["name"], **row["accuracy"]} for row in rows]
    return {
        "kind": "compression",
        "bytes": "parameters in the model's numbers; sparse: a bit for each parameter and those that are not zero",
        "interval": "accuracy: Wilson, 95 %; lost: paired bootstrap, 95 %",
        "rows": rows,
        "intervals": [{"title": "Accuracy", "caption": "share of the clips, whiskers: 95 %", "rows": bars}],
        "plots": [_plot(rows)],
    }


def _plot(rows: list[Json]) -> Json:
    """Accuracy over what is stored, a line for each network."""
    lines = []
    for plain in dict.fromkeys(row["plain"] for row in rows):
        own = sorted((row["sparse_bytes"] / 1000, row["accuracy"]["value"]) for row in rows if row["plain"] == plain)
        lines.append({"name": plain, "x": [place[0] for place in own], "y": [place[1] for place in own]})
    return {
        "title": "Accuracy over size",
        "caption": "kB of the parameters that are not zero",
        "x": {"name": "kB", "scale": "log"},
        "y": {"name": "accuracy"},
        "lines": lines,
        "points": [
            {"name": row["name"], "x": row["sparse_bytes"] / 1000, "y": row["accuracy"]["value"]} for row in rows
        ],
    }


def _csv(rows: list[Json]) -> str:
    """The table as people paste it elsewhere: shares as numbers from 0 to 1."""
    import csv
    import io

    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        accuracy, lost = row["accuracy"], row["lost"]
        flat = {**row, "accuracy": accuracy["value"], "low": accuracy["low"], "high": accuracy["high"]}
        writer.writerow([{**flat, "lost": "" if lost is None else lost["value"]}[name] for name in COLUMNS])
    return file.getvalue()


def _headline(rows: list[Json]) -> dict[str, float]:
    """The largest loss, the sparsest and the smallest of all rows."""
    return {
        "models": float(len(rows)),
        "largest_loss_points": 100.0 * max((row["lost"]["value"] for row in rows if row["lost"]), default=0.0),
        "largest_sparsity": max(row["sparsity"] for row in rows),
        "smallest_bytes": float(min(row["stored_bytes"] for row in rows)),
    }


def _about(rows: list[Json]) -> str:
    listed = [f"{row['name']} {row['accuracy']['value']:.1%}" for row in rows[:4]]
    return " · ".join([*listed, *(["…"] if len(rows) > 4 else [])])
