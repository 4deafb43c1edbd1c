"""ossicle.tabulate: a table of compressed models, held against the plain ones clip by clip."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from engine import Context, OssicleError, Report, ReportMeta
from engine.evidence import figures_of
from engine.params import schema
from nodes.learn.metrics import wilson
from nodes.tabulate import COLUMNS, TABLE_FILE, TabulateParams, tabulate

CLASSES = ("no", "yes")
CLIPS = 40
NAMES = ("CNN", "CNN + Q", "CNN + S", "DS_CNN", "DS_CNN + Q + S")


def benchmark(
    folder: Path, wrong: set[int], precision: str = "float32", sparsity: float = 0.0, parameters: int = 1000
) -> Report:
    """A report as the benchmark node writes it, with these clips wrong."""
    folder.mkdir()
    truth = [CLASSES[clip % 2] for clip in range(CLIPS)]
    found = [CLASSES[(clip % 2) ^ (clip in wrong)] for clip in range(CLIPS)]
    accuracy = wilson(CLIPS - len(wrong), CLIPS)
    model = {
        "architecture": "cnn", "precision": precision, "sparsity": sparsity, "parameters": parameters,
        "flops": {"true": 5000.0}, "size_bytes": 4321,
    }  # fmt: skip
    report = {
        "kind": "benchmark",
        "classes": CLASSES,
        "model": model,
        "accuracy": {"value": accuracy.value, "low": accuracy.low, "high": accuracy.high},
        "predictions": [
            {"clip_id": str(clip), "truth": truth[clip], "prediction": found[clip]} for clip in range(CLIPS)
        ],
    }
    (folder / "report.json").write_text(json.dumps(report))
    return Report(folder, ReportMeta(about="", title="Benchmark of cnn"))


@pytest.fixture
def reports(tmp_path: Path) -> list[Report]:
    return [
        benchmark(tmp_path / "a", {0, 1}),
        benchmark(tmp_path / "b", {0, 1, 2, 3}, "fixed16"),
        benchmark(tmp_path / "c", {1}, sparsity=0.4),
        benchmark(tmp_path / "d", {5, 6, 7}, parameters=500),
        benchmark(tmp_path / "e", {5, 6, 7}, "fixed8", 0.5, 500),
    ]


def run(folder: Path, reports: list[Report], **params: Any) -> Report:
    made: Report = tabulate(reports, TabulateParams(**params), Context.for_test(folder))
    return made


def rows_of(report: Report) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in report.json("report.json")["rows"]}


def test_each_is_held_against_its_own_network(reports: list[Report], tmp_path: Path) -> None:
    made = run(tmp_path, reports, names=NAMES)
    rows = rows_of(made)
    assert list(rows) == list(NAMES)
    assert [row["plain"] for row in rows.values()] == ["CNN", "CNN", "CNN", "DS_CNN", "DS_CNN"]
    assert rows["CNN"]["lost"] is None is rows["DS_CNN"]["lost"]
    assert rows["CNN + Q"]["lost"]["value"] == pytest.approx(2 / CLIPS)
    assert rows["CNN + S"]["lost"]["value"] == pytest.approx(-1 / CLIPS)
    assert rows["DS_CNN + Q + S"]["lost"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    for row in rows.values():
        if row["lost"]:
            assert row["lost"]["low"] <= row["lost"]["value"] <= row["lost"]["high"]
    assert made.meta.metrics["largest_loss_points"] == pytest.approx(5.0)
    assert made.meta.metrics["largest_sparsity"] == 0.5 and made.meta.metrics["smallest_bytes"] == 500


def test_bytes_are_those_of_the_numbers(reports: list[Report], tmp_path: Path) -> None:
    rows = rows_of(run(tmp_path, reports, names=NAMES))
    assert [row["stored_bytes"] for row in rows.values()] == [4000, 2000, 4000, 2000, 500]
    assert rows["CNN + S"]["sparse_bytes"] == 125 + 2400
    assert rows["DS_CNN + Q + S"]["sparse_bytes"] == 63 + 250


def test_without_names_all_are_held_against_the_first(reports: list[Report], tmp_path: Path) -> None:
    rows = rows_of(run(tmp_path, reports))
    assert list(rows) == ["cnn", "cnn + 2", "cnn + 3", "cnn + 4", "cnn + 5"]
    assert all(row["lost"] is not None for name, row in rows.items() if name != "cnn")


def test_the_table_can_be_pasted_and_the_report_is_drawn(reports: list[Report], tmp_path: Path) -> None:
    made = run(tmp_path, reports, names=NAMES)
    table = list(csv.DictReader(io.StringIO(made.file(TABLE_FILE).read_text())))
    assert tuple(table[0]) == COLUMNS and [row["name"] for row in table] == list(NAMES)
    assert table[0]["lost"] == "" and float(table[1]["lost"]) == pytest.approx(0.05)
    drawn = figures_of(made, "table")
    assert not drawn.missing and len(drawn.figures) == 2


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (NAMES[:3], "names has 3 entries.*for 5 reports"),
        ((*NAMES[:4], "CNN"), "none twice"),
        ((*NAMES[:4], ""), "none empty"),
        (("VGG + Q", *NAMES[1:]), "no report is named 'CNN'"),
    ],
)
def test_names_that_do_not_fit(reports: list[Report], tmp_path: Path, names: tuple[str, ...], words: str) -> None:
    with pytest.raises(OssicleError, match=words):
        run(tmp_path, reports, names=names)


def test_one_report_is_no_table(reports: list[Report], tmp_path: Path) -> None:
    for given in (reports[:1], []):
        with pytest.raises(OssicleError, match="two or more reports"):
            run(tmp_path, given)


def test_reports_of_other_clips_and_of_other_kinds(reports: list[Report], tmp_path: Path) -> None:
    path = reports[1].path / "report.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "predictions": raw["predictions"][1:]}))
    with pytest.raises(OssicleError, match="was scored on '0'"):
        run(tmp_path, reports[:2])
    path.write_text(json.dumps({"kind": "count"}))
    with pytest.raises(OssicleError, match="holds no answers clip by clip"):
        run(tmp_path, reports[:2])


def test_every_parameter_is_explained() -> None:
    assert all(entry["description"] for entry in schema(TabulateParams)["properties"].values())
