"""What the points of a sweep have in common: spreads, groups, confusion matrices, the report."""

from __future__ import annotations

import html.parser
import json
from collections.abc import Callable
from typing import Any

import pytest

from engine.sweep_summary import Spread, summarise, write_summary
from engine.workflow import Workflow

Build = Callable[..., Workflow]


def test_spreads_are_those_of_the_textbook() -> None:
    found = Spread.of([4.0, 7.0, 13.0])
    assert (found.n, found.mean, found.min, found.max) == (3, 8.0, 4.0, 13.0)
    assert found.sd == pytest.approx(4.582575694955840)
    # 8 ± t(0.975; 2) · s / sqrt(3) with t = 4.302652729749462 of any table
    assert found.low == pytest.approx(8 - 4.302652729749462 * 2.645751311064591)
    assert found.high == pytest.approx(8 + 4.302652729749462 * 2.645751311064591)
    alone = Spread.of([3.5])
    assert (alone.mean, alone.sd, alone.low, alone.high, alone.n) == (3.5, None, None, None, 1)


def test_the_summary_groups_by_variable_and_adds_up_confusions(sweep: Any, scored: Build) -> None:
    over = {"seed": [1, 2, 3], "fold": [1, 2]}
    record = sweep(scored(), over, finish=(write_summary,))
    found = json.loads((record.folder / "summary.json").read_text())
    (result,) = found["results"]
    assert (result["node"], result["port"], found["points"], found["done"]) == ("score-1", "report", 6, 6)
    accuracy = result["metrics"]["accuracy"]
    every = [0.5 + 0.01 * seed + 0.1 * fold for seed in (1, 2, 3) for fold in (1, 2)]
    assert [*accuracy["values"].values()] == pytest.approx(every)
    assert accuracy["mean"] == pytest.approx(sum(every) / 6) and accuracy["n"] == 6
    by = accuracy["by"]
    assert [(group["value"], group["n"]) for group in by["seed"]] == [(1, 2), (2, 2), (3, 2)]
    assert [group["mean"] for group in by["seed"]] == pytest.approx([0.66, 0.67, 0.68])
    assert [group["mean"] for group in by["fold"]] == pytest.approx([0.62, 0.72])
    assert accuracy["between"]["seed"]["sd"] == pytest.approx(0.01) and accuracy["between"]["seed"]["n"] == 3
    assert set(result["metrics"]) == {"accuracy", "clips", "first_fold_only"}, "a point's own interval is left out"
    assert result["metrics"]["first_fold_only"]["n"] == 3
    confusion = result["confusion"]
    rights = [seed + fold for seed in (1, 2, 3) for fold in (1, 2)]
    # fold 2 lists its classes the other way round: its one mistake is of the other class
    assert confusion["classes"] == ["yes", "no"] and confusion["reports"] == 6
    assert confusion["matrix"] == [[sum(rights), 3], [3, sum(rights)]]
    assert confusion["right"] == pytest.approx(sum(rights) / (sum(rights) + 3))


def test_one_variable_is_not_grouped_and_one_point_has_no_spread(sweep: Any, scored: Build) -> None:
    record = sweep(scored(), {"seed": [1, 2], "fold": [1]})
    metric = summarise(record).results[0].metrics["accuracy"]
    assert metric.by == {} and metric.spread.n == 2
    single = sweep(scored(), {"seed": [1]}, finish=(write_summary,))
    assert summarise(single).results[0].metrics["accuracy"].spread.sd is None
    assert "–" in (single.folder / "report.html").read_text()


class Tags(html.parser.HTMLParser):
    """Whether every tag that is opened is closed in turn."""

    VOID = frozenset({"meta", "br", "path", "circle", "rect", "line", "image", "polygon"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_report_shows_means_dots_confusion_and_points(sweep: Any, scored: Build) -> None:
    work = scored().model_copy(update={"about": "Seeds & <folds>"})
    record = sweep(work, {"seed": [1, 2, 3], "fold": [1, 2]}, finish=(write_summary,))
    page = (record.folder / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    text = " ".join(tags.text)
    assert tags.open == [] and "http" not in page.replace("http://www.w3.org", "")
    for words in ("6 of 6", "67.00 %", "3 seed x 2 fold", "means of seed", "seed=2", "6 points added up", "Seeds & <f"):
        assert words in text, words
    assert page.count("<circle") >= 6 + 1 and f"../../runs/{record.points[0].run}/report.html" in page
    assert (record.folder / "../../runs" / record.points[0].run).resolve().is_dir()
