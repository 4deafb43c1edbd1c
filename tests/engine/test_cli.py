"""The command line as a user has it: every command, every example of every help text, exit codes, errors in words."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import cli
from engine.errors import OssicleError
from engine.execute import installed
from engine.resource import projects
from engine.server import stop
from engine.workflow import load, parse, save

TINY = Path(__file__).parent / "tiny"
DEMO = {
    "name": "demo",
    "about": "Everything in miniature.",
    "variables": {"seed": 1},
    "nodes": {
        "tones-1": {"type": "tiny.tones", "params": {"clips": "{seed}"}},
        "spectra-1": {"type": "tiny.spectra"},
        "train-1": {"type": "tiny.train", "params": {"epochs": 2}},
        "score-1": {"type": "tiny.score"},
        "pack-1": {"type": "tiny.pack"},
    },
    "links": [
        "tones-1.audio -> spectra-1.audio",
        "spectra-1.features -> train-1.features",
        "spectra-1.features -> score-1.features",
        "train-1.model -> score-1.model",
        "train-1.model -> pack-1.model",
        "score-1.report -> pack-1.report",
    ],
}
OPENS_A_WINDOW = {"studio"}
"""Tried in tests/studio/test_command.py."""
NEEDS_A_REAL_NETWORK = {"predict", "firmware", "optimise"}
"""Tried in the tests of these commands."""


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder holds a tiny project named demo; its plugin is installed; runs are local."""
    monkeypatch.syspath_prepend(str(TINY))
    monkeypatch.setenv("PYTHONPATH", str(TINY), prepend=":")
    monkeypatch.setenv("OSSICLE_RUNNER", "local")
    monkeypatch.setenv("OSSICLE_SERVER_HOME", str(tmp_path / "server"))
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    save(parse(DEMO), tmp_path / "demo.workflow.json")
    installed.cache_clear()
    yield tmp_path
    installed.cache_clear()


class Said:
    """What a command said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> Any:
        return json.loads(self.out.strip().splitlines()[-1] if self.out.startswith('{"run"') else self.out)


@pytest.fixture
def ossicle(demo: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Call the command line in this process."""

    def call(words: str) -> Said:
        capsys.readouterr()
        code = cli.call(shlex.split(words))
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call


# ---- help


def help_of(words: str, ossicle: Any) -> str:
    said = ossicle(f"{words} --help")
    assert said.code == 0 and not said.err
    return str(said.out)


def test_every_command_is_listed_with_a_line_and_nothing_is_imported() -> None:
    program = (
        "import sys; from engine import cli; cli.call(['--help']);"
        "heavy = {'rich', 'prefect', 'numpy', 'fastapi', 'h5py', 'torch', 'nodes.zoo'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, entry in cli.entries().items():
        if name not in cli.HIDDEN:
            assert f"  {name} " in done.stdout
            assert not entry.summary.startswith("("), f"{name} has no help"


def test_the_list_of_nodes_imports_nothing_heavy() -> None:
    program = (
        "import sys; from engine import cli; cli.call(['nodes']);"
        "heavy = {'rich', 'prefect', 'numpy', 'fastapi', 'h5py', 'torch', 'librosa', 'httpx'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def groups() -> list[str]:
    return [
        "",
        *(name for name in cli.entries() if name not in {*cli.HIDDEN, *NEEDS_A_REAL_NETWORK, *OPENS_A_WINDOW}),
    ]


def examples(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("ossicle ")]


def subcommands(text: str) -> list[str]:
    _, _, listed = text.partition("Commands:\n")
    return [line.split()[0] for line in listed.splitlines() if line[:2] == "  " and line[2:3].strip()]


def test_every_example_of_every_help_text_works(ossicle: Any) -> None:
    """In the order of the list, in one folder, as somebody would try them one after another."""
    found: list[str] = []
    for name in groups():
        text = help_of(name, ossicle)
        found += examples(text)
        if name in ("store", "server"):
            for sub in subcommands(text):
                found += examples(help_of(f"{name} {sub}", ossicle))
    assert len(found) > 30
    try:
        for example in dict.fromkeys(found):
            words = example.replace("bench start", "bench tiny").removeprefix("ossicle ")
            said = ossicle(words)
            assert said.code == 0, f"{example}: {said.out}{said.err}"
            if "--json" in words:
                assert said.json() is not None
    finally:
        stop()


@pytest.mark.parametrize("name", ["demo"])
def test_examples_fit_the_shipped_project_too(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert name in projects()
    from engine.commands.common import open_workflow

    workflow = open_workflow(name, ["seed=3"]).workflow
    assert "train-1" in workflow.nodes


# ---- run


def test_run_says_what_happens_and_ends_with_the_report(ossicle: Any, demo: Path) -> None:
    said = ossicle("run demo")
    assert said.code == 0 and not said.err
    assert said.out.count("✓ done") == 6
    assert Path(said.out.strip().splitlines()[-1].strip()).is_file()
    again = ossicle("run demo")
    assert again.out.count("⟲ cached") == 5 and "5 cached" in again.out


def test_run_json_is_one_object_with_artifact_folders(ossicle: Any, demo: Path) -> None:
    said = ossicle("run demo --json")
    found = json.loads(said.out)
    assert found["state"] == "done" and found["run"]
    assert set(found["nodes"]) == set(DEMO["nodes"])
    for node in found["nodes"].values():
        assert node["state"] == "done" and node["seconds"] >= 0
        for folder in node["outputs"].values():
            assert (Path(folder) / "artifact.json").is_file()
    assert set(found["nodes"]["score-1"]["outputs"]) == {"report"}


def test_events_go_where_they_are_sent(ossicle: Any, demo: Path) -> None:
    said = ossicle("run demo --events -")
    events = [json.loads(line) for line in said.out.splitlines()]
    assert events[0]["kind"] == "run_started" and events[-1]["kind"] == "run_finished"
    both = ossicle("run demo --events - --json").out.splitlines()
    assert json.loads(both[-1])["state"] == "done" and json.loads(both[-2])["kind"] == "run_finished"
    ossicle("run demo --events told.jsonl")
    assert len((demo / "told.jsonl").read_text().splitlines()) > 5


def test_a_failed_node_gives_exit_code_1_and_three_parts(ossicle: Any) -> None:
    said = ossicle("run demo --set train-1.fail=true")
    assert said.code == 1
    for part in ("train-1: loss is nan", "expected: a finite loss", "do:       Lower the learning rate"):
        assert part in said.err
    assert "Traceback" not in said.out + said.err
    found = json.loads(ossicle("run demo --set train-1.fail=true --json").out)
    assert found["state"] == "failed" and found["nodes"]["train-1"]["error"]["what"] == "loss is nan"
    assert found["nodes"]["pack-1"]["state"] == "skipped"


def test_set_reaches_parameters_and_variables(ossicle: Any) -> None:
    ossicle("run demo --set seed=2 --set train-1.epochs=4 --to train-1")
    shown = json.loads(ossicle("show last --json").out)
    assert set(shown["nodes"]) == {"tones-1", "spectra-1", "train-1"}
    model = shown["nodes"]["train-1"]["outputs"]["model"]
    made = {o["type"]: o["params"] for o in json.loads(ossicle(f"show {model} --json").out)["lineage"]}
    assert made["tiny.train"]["epochs"] == 4 and made["tiny.tones"]["clips"] == 2


def test_dry_run_runs_nothing(ossicle: Any, demo: Path) -> None:
    said = json.loads(ossicle("run demo --dry --json").out)
    assert said["nodes"]["tones-1"]["state"] == "never run"
    assert not (demo / ".ossicle" / "runs").exists()
    ossicle("run demo")
    ossicle("run demo --set train-1.epochs=9")
    changed = json.loads(ossicle("run demo --dry --set train-1.epochs=3 --json").out)["nodes"]
    assert changed["spectra-1"]["state"] == "cached" and changed["train-1"]["state"] == "stale"
    assert "epochs" in changed["train-1"]["why"]


WRONG = {
    "run nothing": ("there is no workflow 'nothing'", "Check the path"),
    "run demo --set nope=1": ("there is no variable 'nope'", "Correct the name"),
    "run demo --set train-1.epochs=0": ("train-1.epochs: the value is 0", "ossicle describe tiny.train"),
    "run demo --set train-1.epoch=2": ("train-1.epoch: there is no such parameter", "Did you mean epochs?"),
    "run demo --set epochs": ("--set 'epochs' has no name or no value", "--set seed=3"),
    "run demo --to train-9": ("there is no node 'train-9'", "Correct the name"),
    "run demo --force train-9": ("there is no node 'train-9'", "Correct the name"),
    "run demo --runner best": ("best", "ossicle run --help"),
    "run demo --address tcp://x": ("--address tcp://x", "Name the cluster"),
    "run demo --frobnicate": ("--frobnicate", "ossicle run --help"),
    "run": ("FILE", "ossicle run --help"),
    "frobnicate": ("there is no command 'frobnicate'", "ossicle --help"),
    "nodez": ("there is no command 'nodez'", "ossicle --help"),
    "describe tiny.tone": ("there is no node type 'tiny.tone'", "ossicle nodes"),
    "show nothing": ("there is no run 'nothing'", "ossicle runs"),
    "verify nothing": ("there is no run 'nothing'", "ossicle runs"),
    "diff demo nothing": ("there is no run", "ossicle runs"),
    "bench nothing": ("there is no benchmark 'nothing'", "ossicle bench"),
    "bench tiny --option x": ("--option 'x' has no value", "--option"),
    "store gc --limit 3": ("--limit is '3'", "--limit 2GB"),
    "store": ("Missing command", "ossicle store --help"),
    "check-plugin nothing": ("nothing is not a folder", "Check the path"),
    "new-plugin 9lives": ("the name is '9lives'", "my_filter"),
    "export-python demo -o demo.workflow.json/x.py": ("demo.workflow.json", "Check the path"),
    "validate broken": ("cannot be read as JSON", "ossicle validate"),
}


@pytest.mark.parametrize("words", WRONG)
def test_mistakes_are_told_in_three_parts_and_give_2(words: str, ossicle: Any, demo: Path) -> None:
    (demo / "broken.workflow.json").write_text('{"nodes": {')
    said = ossicle(words)
    assert said.code == 2, said.out + said.err
    for part in (*WRONG[words], "error:", "expected:", "do:"):
        assert part in said.err
    assert "Traceback" not in said.err


def test_all_problems_of_a_workflow_are_told_at_once(ossicle: Any, demo: Path) -> None:
    raw = json.loads((demo / "demo.workflow.json").read_text())
    raw["nodes"]["train-1"]["params"] = {"epochs": 1000, "epoch": 1}
    raw["nodes"]["ghost-1"] = {"type": "no.such"}
    raw["links"].remove("tones-1.audio -> spectra-1.audio")
    (demo / "bad.workflow.json").write_text(json.dumps(raw))
    said = ossicle("validate bad")
    assert said.code == 2 and said.err.count("error:") == 4 and "4 errors" in said.out
    found = json.loads(ossicle("validate bad --json").out)
    assert not found["valid"] and {p["code"] for p in found["problems"]} == {
        "parameter", "unknown-parameter", "unknown-type", "missing-input",
    }  # fmt: skip
    assert ossicle("run bad").code == 2
    assert json.loads(ossicle("validate demo --json").out)["valid"]


# ---- the rest


def test_nodes_lists_plugins_and_broken_ones(
    ossicle: Any, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "path" / "broken_thing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-thing\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ossicle.nodes]\nx = broken_thing\n")
    (info.parent / "broken_thing.py").write_text("raise RuntimeError('it fell apart')\n")
    monkeypatch.syspath_prepend(str(info.parent))
    said = ossicle("nodes")
    assert said.code == 0 and "tiny.tones" in said.out
    assert "✕ broken-thing:x  RuntimeError: it fell apart" in said.out and "  do: " in said.out
    found = json.loads(ossicle("nodes --json").out)
    assert {"tiny.tones", "ossicle.mfcc"} <= {node["id"] for node in found["nodes"]}
    assert [error["name"] for error in found["errors"] if "broken" in error["name"]] == ["broken-thing:x"]


def test_describe_tells_ranges_units_and_help(ossicle: Any) -> None:
    said = ossicle("describe tones")
    for part in (
        "tiny.tones",
        "clips = 4   (integer 1..100)",
        "Clips per word.",
        "pitch_hz = 300.0   (number >0.. Hz)",
    ):
        assert part in said.out
    raw = json.loads(ossicle("describe tiny.pack --json").out)
    assert raw["inputs"][1] == {"name": "report", "type": "Report", "optional": True, "many": False}


def test_show_prints_facts_lineage_and_plots(ossicle: Any, demo: Path) -> None:
    ossicle("run demo")
    record = json.loads(ossicle("show last --json").out)
    folder = Path(record["nodes"]["pack-1"]["outputs"]["deployment"])
    for name in (str(folder), str(folder / "deployment.json"), folder.name, folder.name[:10]):
        said = ossicle(f"show {name}")
        assert said.code == 0 and "latency" in said.out and "tiny.tones" in said.out
    said = ossicle("show last --plots plots")
    assert len(list((demo / "plots").glob("*.svg"))) >= 6
    assert "wrote plots" in said.out
    ossicle(f"show {folder} --plots layers")
    assert [path.name for path in (demo / "layers").iterdir()] == [f"01-latency-per-layer-{folder.name[:8]}.svg"]


def test_diff_of_files_and_of_runs(ossicle: Any, demo: Path) -> None:
    workflow = load(demo / "demo.workflow.json")
    moved = workflow.model_copy(update={"layout": {"positions": {"train-1": [1, 2]}}})
    save(moved, demo / "moved.workflow.json")
    assert ossicle("diff demo moved").code == 0
    raw = dict(DEMO, variables={"seed": 2})
    save(parse(raw), demo / "other.workflow.json")
    said = ossicle("diff demo other --json")
    assert said.code == 1
    assert json.loads(said.out)["differences"] == [{"where": "variables.seed", "before": "1", "after": "2"}]
    first = json.loads(ossicle("run demo --json").out)["run"]
    second = json.loads(ossicle("run other --json").out)["run"]
    told = ossicle(f"diff {first} {second}")
    assert told.code == 1 and "tones-1" in told.out


def test_verify_repeats_a_run(ossicle: Any, demo: Path) -> None:
    ossicle("run demo")
    said = json.loads(ossicle("verify last --json").out)
    assert said["verdict"] == "identical" and len(said["findings"]) == 5


def test_store_commands_measure_verify_and_collect(ossicle: Any, demo: Path) -> None:
    ossicle("run demo")
    sizes = json.loads(ossicle("store size --json").out)
    assert sizes["kinds"]["Model"]["artifacts"] == 1 and sizes["bytes"] > 1000
    assert ossicle("store verify").code == 0
    model = Path(json.loads(ossicle("show last --json").out)["nodes"]["train-1"]["outputs"]["model"]) / "model.onnx"
    model.chmod(0o644)
    model.write_bytes(b"tinY")
    assert ossicle("store verify").code == 1
    damaged = json.loads(ossicle("store verify --repair --json").out)["damaged"]
    assert [item["artifact"] for item in damaged] == [model.parent.name]
    assert ossicle("store verify").code == 0
    assert json.loads(ossicle("store gc --keep-runs 0 --json").out)["removed"] == []


def test_bench_prints_one_object_and_says_if_an_aim_is_missed(ossicle: Any) -> None:
    said = ossicle("bench tiny --json")
    found = json.loads(said.out)
    assert said.code == 0 and set(found) == {"name", "machine", "rows"}
    assert set(found["rows"][0]) == {"name", "value", "unit", "aim", "met", "peers"}
    missed = ossicle("bench tiny --option aim=10")
    assert missed.code == 1 and "NOT MET" in missed.out
    assert "tiny" in ossicle("bench").out.split()


def test_shipped_projects_open_by_name_and_leave_the_installation_alone(ossicle: Any, demo: Path) -> None:
    from engine.commands.common import open_workflow

    assert open_workflow("demo").path == Path("demo.workflow.json")
    for name in projects():
        opened = open_workflow(name)
        assert opened.base == (demo if name != "demo" else opened.path.resolve().parent)


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("yes", "yes"), ('"3"', "3"), ("[1, 2]", [1, 2]), ("NaN", "NaN")]
)
def test_values_of_set_are_json_or_text(text: str, value: object) -> None:
    from engine.commands.common import read_values

    assert read_values([f"a.b={text}"]) == {"a.b": value}
    assert read_values(["x=a=b"]) == {"x": "a=b"}
    with pytest.raises(OssicleError, match="no name or no value"):
        read_values(["=3"])


def test_a_foreign_package_named_nodes_is_noticed(demo: Path) -> None:
    (demo / "nodes").mkdir()
    (demo / "nodes" / "__init__.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(demo)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", "nodes"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "the package 'nodes' comes from" in done.stderr


# ---- interrupts, in real processes


def start_slow_run(wait_s: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "engine.cli", "run", "demo", "--events", "-", "--set", "train-1.epochs=100"]
    child = subprocess.Popen(
        [*command, "--set", f"train-1.wait_s={wait_s}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for line in child.stdout:
        if '"progress"' in line:
            return child
    raise AssertionError(child.communicate()[1])


def test_interrupt_cancels_and_gives_130(demo: Path) -> None:
    child = start_slow_run(0.05)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    kinds = [json.loads(line)["kind"] for line in out.splitlines()]
    assert "cancelled" in kinds and kinds[-1] == "run_finished"
    assert "Traceback" not in err and "press Ctrl+C again" in err


def test_second_interrupt_stops_at_once(demo: Path) -> None:
    child = start_slow_run(30.0)
    child.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert child.poll() is None
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert child.returncode == 130
