"""Where our numbers come from: definitions, runs, sweeps; and when a run does not measure what was printed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from engine import Context, Params, Report, ReportMeta, cli, node
from engine.claim import Verdict
from engine.claim_check import claim_problems
from engine.claim_source import Numbers, computed, is_closed, verdicts
from engine.errors import OssicleError
from engine.execute import installed
from engine.node import NodeSpec
from engine.registry import Registry, specs_of
from engine.report import REPORT_FILE, write_report
from engine.runner import LocalRunner, Request
from engine.runs import home_of
from engine.workflow import Workflow, parse, save, to_text, with_values

TINY = Path(__file__).parent / "tiny"
LINKS = [
    "tones-1.audio -> spectra-1.audio",
    "spectra-1.features -> train-1.features",
    "spectra-1.features -> score-1.features",
    "train-1.model -> score-1.model",
]


class SumParams(Params):
    """Two numbers."""

    a: float = 1.0
    b: float = 2.0


@node("tiny.sum", version=1, category="Evaluate")
def add(params: SumParams, ctx: Context) -> Report:
    """Their sum, as a metric and inside the report."""
    if params.a < 0:
        raise OssicleError("a is below 0", "0 or more", "Raise it")
    folder = ctx.folder("report")
    rows = [{"name": "b1.conv", "out": [4, 5]}, {"name": "b1", "conv": 7, "is_last": True}]
    (folder / "report.json").write_text(json.dumps({"sum": {"of": {"both": params.a + params.b}}, "layers": rows}))
    return Report(folder, ReportMeta(title="Sum", metrics={"sum": params.a + params.b}))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The tiny nodes, and one that needs nothing."""
    monkeypatch.syspath_prepend(str(TINY))
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    found = {spec.id: spec for spec in specs_of(import_module("ossicle_tiny"))} | {add.id: add}
    installed.cache_clear()
    yield Registry(found)
    installed.cache_clear()


def claim(at: str, value: float, **more: Any) -> dict[str, Any]:
    return {"what": at, "source": "T1", "printed": str(value), "value": value, "at": at, **more}


def pipeline(*claims: Mapping[str, Any], **changes: Any) -> Workflow:
    nodes = {f"{name}-1": {"type": f"tiny.{name}"} for name in ("tones", "spectra", "train", "score")}
    nodes["tones-1"]["params"] = {"clips": "{seed}"}  # type: ignore[assignment]
    nodes["sum-1"] = {"type": "tiny.sum"}
    raw = {"name": "paper", "variables": {"seed": 4, "data": "here"}, "nodes": nodes, "links": LINKS, "claims": claims}
    return parse(raw | changes)


def run(workflow: Workflow, registry: Registry, base: Path, **values: Any) -> Any:
    request = Request(with_values(workflow, values), base, registry=registry, after=(write_report,))
    return LocalRunner().run(request, lambda _event: None, threading.Event())


def states(workflow: Workflow, registry: Registry, base: Path) -> list[Verdict]:
    return verdicts(workflow, registry, home_of(base))


def spec(name: str, registry: Registry) -> NodeSpec:
    found = registry.find(name)
    assert found is not None
    return found


# ---- finding a figure


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sum", 3.0),
        ("sum.of.both", 3.0),
        ("layers.b1.conv.out.1", 5.0),
        ("layers.b1.conv", None),
        ("layers.b1.is_last", None),
        ("layers.b2", None),
        ("sum.of", None),
        ("nothing", None),
    ],
)
def test_a_figure_is_found_by_its_name_or_its_path(path: str, value: float | None, registry: Registry) -> None:
    found = computed(pipeline(), "sum-1", spec("tiny.sum", registry))["report"]
    assert found.find(path) == value


def test_metrics_go_before_the_document() -> None:
    assert Numbers({"a.b": 1.0}, {"a": {"b": 2.0}}).find("a.b") == 1.0


# ---- what needs no run


def test_only_reports_that_depend_on_nothing_are_closed(registry: Registry) -> None:
    assert [name for name in sorted(registry.specs) if is_closed(registry.specs[name])] == ["tiny.sum"]


def test_definitions_are_checked_at_once_and_leave_nothing_behind(registry: Registry, tmp_path: Path) -> None:
    workflow = pipeline(claim("sum-1.report:sum", 3), claim("sum-1.report:sum.of.both", 4, slips=[9]))
    found = states(workflow, registry, tmp_path)
    assert [each.state for each in found] == ["reproduced", "off"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("sum-1.report:product", "has no 'product'; it has sum"),
        ("sum-2.report:sum", "there is no node 'sum-2'"),
        ("sum-1.model:sum", "sum-1 has no output 'model'"),
        ("sum-1.sum", "'sum-1.sum', which is no place"),
    ],
)
def test_a_claim_that_points_at_nothing_is_a_fault(at: str, words: str, registry: Registry, tmp_path: Path) -> None:
    (found,) = states(pipeline(claim(at, 3)), registry, tmp_path)
    assert found.state == "unchecked" and found.is_surprise and words in found.why


@pytest.mark.parametrize("at", ["sum-2.report:sum", "sum-1.model:sum", "sum-1.sum"])
def test_such_a_claim_is_told_before_anything_runs(at: str, registry: Registry) -> None:
    (problem,) = claim_problems(pipeline(claim("sum-1.report:sum", 3), claim(at, 3)), registry)
    assert problem.field == "claims.1" and at in problem.what
    assert problem.expected and problem.remedy


def test_a_node_that_fails_is_told_and_the_other_claims_go_on(registry: Registry, tmp_path: Path) -> None:
    broken = pipeline(claim("sum-1.report:sum", 3), {**claim("", 3), "needs": "a board"})
    broken = with_values(broken, {"sum-1.a": -1})
    first, second = states(broken, registry, tmp_path)
    assert first.is_fault and "a is below 0" in first.why
    assert second.why == "needs a board" and not second.is_fault
    first, _ = states(with_values(broken, {"sum-1.a": "many"}), registry, tmp_path)
    assert first.is_fault and "wrong parameters" in first.why


# ---- what has to be run


def test_what_is_measured_needs_a_run_and_says_which(registry: Registry, tmp_path: Path) -> None:
    (found,) = states(pipeline(claim("score-1.report:accuracy", 0.9, needs="UrbanSound8K")), registry, tmp_path)
    assert found.state == "unchecked" and found.ours is None
    assert found.why == "needs UrbanSound8K, then a run: `ossicle run paper --set data=…`"
    swept = pipeline(claim("score-1.report:accuracy", 0.9), sweep={"seed": [4, 5]})
    assert "`ossicle sweep paper" in states(swept, registry, tmp_path)[0].why


def test_a_run_settles_a_claim_and_an_interval_is_shown(registry: Registry, tmp_path: Path) -> None:
    workflow = pipeline(
        claim("score-1.report:accuracy", 0.9),
        claim("score-1.report:accuracy", 0.8),
        claim("tones-1.audio:clips", 12),
        claim("tones-1.audio:classes", 3),
        claim("score-1.report:confusion.0.0", 9),
    )
    run(workflow, registry, tmp_path)
    found = states(workflow, registry, tmp_path)
    assert [each.state for each in found] == ["reproduced", "off", "reproduced", "reproduced", "reproduced"]
    assert found[0].ours is not None and (found[0].ours.low, found[0].ours.high) == (0.744, 0.965)
    assert "inside our 95 % interval" in found[1].why


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"clips": 3081}, "measured on other data: an unknown number of clips, the print's are 3,081"),
        ({"needs": "UrbanSound8K"}, "only UrbanSound8K would tell"),
        ({"runs": 15}, "1 of 15 trainings"),
    ],
)
def test_other_data_are_never_called_reproduced(
    more: dict[str, Any], words: str, registry: Registry, tmp_path: Path
) -> None:
    workflow = pipeline(claim("score-1.report:accuracy", 0.9, **more))
    run(workflow, registry, tmp_path)
    (found,) = states(workflow, registry, tmp_path)
    assert found.state == "unchecked" and words in found.why
    assert found.ours is not None and found.ours.value == 0.9


@pytest.mark.parametrize(
    ("value", "clips", "state"), [(3, 12, "reproduced"), (4, 12, "off"), (3, 13, "unchecked"), (13, 13, "unchecked")]
)
def test_the_number_of_clips_tells_the_papers_data(
    value: int, clips: int, state: str, registry: Registry, tmp_path: Path
) -> None:
    workflow = pipeline(claim("tones-1.audio:testing", value, clips=clips, needs="the tones"))
    run(workflow, registry, tmp_path)
    (found,) = states(workflow, registry, tmp_path)
    assert found.state == state
    if state == "unchecked":
        assert found.why == "measured on other data: 12 clips, the print's are 13"


def test_other_settings_are_named_but_another_place_of_the_data_is_none(registry: Registry, tmp_path: Path) -> None:
    workflow = pipeline(claim("score-1.report:accuracy", 0.9))
    run(workflow, registry, tmp_path, **{"train-1.epochs": 1, "seed": 5})
    (found,) = states(workflow, registry, tmp_path)
    assert found.state == "unchecked"
    assert "seed = 5" in found.why and "train-1.epochs = 1" in found.why
    run(workflow, registry, tmp_path, data="elsewhere")
    assert states(workflow, registry, tmp_path)[0].state == "reproduced"
    run(workflow, registry, tmp_path, **{"train-1.epochs": 2})
    assert states(workflow, registry, tmp_path)[0].state == "reproduced", "the file's own settings go before newer runs"


def test_a_sweep_gives_the_mean_of_its_points_and_waits_for_all(registry: Registry, tmp_path: Path) -> None:
    workflow = pipeline(claim("tones-1.audio:clips", 15, runs=3, tolerance=0.4), sweep={"seed": [4, 5, 6]})
    for seed in (4, 5, 4):
        run(workflow.model_copy(update={"sweep": {}}), registry, tmp_path, seed=seed)
    (found,) = states(workflow, registry, tmp_path)
    assert found.why == "2 of 3 trainings" and found.ours is not None and found.ours.value == 13.5
    run(workflow.model_copy(update={"sweep": {}}), registry, tmp_path, seed=6)
    run(workflow.model_copy(update={"sweep": {}}), registry, tmp_path, seed=60)
    (found,) = states(workflow, registry, tmp_path)
    assert found.state == "reproduced" and found.ours is not None
    assert (found.ours.value, found.ours.spread, found.ours.runs) == (15.0, 3.0, 3)


def test_a_result_that_was_collected_counts_as_not_run(registry: Registry, tmp_path: Path) -> None:
    import shutil

    workflow = pipeline(claim("score-1.report:accuracy", 0.9))
    record = run(workflow, registry, tmp_path)
    folder = record.artifacts("score-1")["report"]
    folder.chmod(0o755)
    shutil.rmtree(folder)
    assert "needs a run" in states(workflow, registry, tmp_path)[0].why


# ---- the report of a run


def test_the_report_of_a_run_shows_the_claims(registry: Registry, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("engine.report_claims.installed", lambda: registry)
    workflow = pipeline(
        claim("sum-1.report:sum", 3),
        claim("score-1.report:accuracy", 0.8, slips=[7], note="the <last> batch wraps"),
        claim("score-1.report:accuracy", 0.9, runs=15),
        claim("pack-1.report:size", 3),
        {**claim("", 32), "needs": "a Google Pixel 1"},
    )
    text = (run(workflow, registry, tmp_path).folder / REPORT_FILE).read_text(encoding="utf-8")
    assert "<h2>Claims<small>✓ 1 reproduced, ≠ 1 off, ? 3 cannot be checked here</small></h2>" in text
    for words in ("the &lt;last&gt; batch wraps", "slip 7", "1 of 15 trainings", "needs a Google Pixel 1"):
        assert words in text
    assert text.count("✓ reproduced</span>") == 1 and text.count("≠ off</span>") == 1


def test_a_run_without_claims_has_no_such_section(registry: Registry, tmp_path: Path) -> None:
    text = (run(pipeline(), registry, tmp_path).folder / REPORT_FILE).read_text(encoding="utf-8")
    assert "<h2>Claims" not in text


# ---- the command


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> Path:
    """A folder with the paper's file; the tiny plugin is installed, runs are local."""
    monkeypatch.setenv("PYTHONPATH", str(TINY), prepend=":")
    monkeypatch.setenv("OSSICLE_RUNNER", "local")
    monkeypatch.setattr("engine.commands.claims.installed", lambda: registry)
    monkeypatch.chdir(tmp_path)
    claims = (claim("sum-1.report:sum", 3), claim("sum-1.report:sum", 4), claim("score-1.report:accuracy", 0.9))
    save(pipeline(*claims), tmp_path / "paper.workflow.json")
    return tmp_path


def test_the_command_lists_states_in_a_pipe(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["claims", "paper"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["✓", "≠", "?"]
    assert "off by −1 (-25 %)" in lines[2] and "ossicle run paper" in lines[3]
    assert lines[-1] == "3 claims: ✓ 1 reproduced, ≠ 1 off, ? 1 cannot be checked here"


def test_the_command_gives_programs_everything(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["claims", "paper", "--json", "--only", "off"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["value"], row["ours"], row["difference"]) == ("off", 4.0, 3.0, -1.0)
    assert row["workflow"] == "paper" and row["why"] == "off by −1 (-25 %)"


def test_strict_fails_on_a_surprise_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["claims", "paper", "--strict"]) == 1
    known = pipeline(claim("sum-1.report:sum", 4, slips=[5]), claim("score-1.report:accuracy", 0.9))
    save(known, project / "paper.workflow.json")
    assert cli.call(["claims", "paper", "--strict"]) == 0


def test_on_a_terminal_it_is_a_table(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.commands.claims.is_colourful", lambda _stream: True)
    monkeypatch.setenv("COLUMNS", "160")
    assert cli.call(["claims", "paper"]) == 0
    out = capsys.readouterr().out
    assert "printed" in out and "≠ off" in out and out.splitlines()[-1].startswith("3 claims:")


def test_a_file_that_is_not_there_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["claims", "papre"]) == 2
    assert "there is no workflow 'papre'" in capsys.readouterr().err


@pytest.mark.parametrize("sweep", [{}, {"seed": [4, 5]}], ids=["run", "sweep"])
def test_with_run_what_is_missing_is_made_first(
    sweep: dict[str, Any],
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    registry: Registry,
) -> None:
    monkeypatch.setattr("engine.runner.installed", lambda: registry)
    monkeypatch.setattr("engine.sweep.installed", lambda: registry, raising=False)
    monkeypatch.setattr("engine.select.choose", lambda *_: LocalRunner())
    monkeypatch.setattr("engine.execute.installed", lambda: registry)
    save(pipeline(claim("score-1.report:accuracy", 0.9), sweep=sweep), project / "paper.workflow.json")
    assert cli.call(["claims", "paper", "--run", "--json"]) == 0
    row = json.loads(capsys.readouterr().out.split("\n", 0)[0])[0]
    assert (row["state"], row["ours"], row["runs"]) == ("reproduced", 0.9, len(sweep.get("seed", [1])))


def test_the_file_keeps_only_what_a_claim_says() -> None:
    text = to_text(pipeline(claim("sum-1.report:sum", 3)))
    assert json.loads(text)["claims"] == [claim("sum-1.report:sum", 3)]
