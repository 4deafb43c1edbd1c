"""Plugins: new ones work at once, check-plugin sees every mistake, a broken one that is installed breaks nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import OssicleError
from engine.plugin import OLD_PARAMS, check_plugin, new_plugin

GOOD_TEST = "def test_it():\n    import {name}\n    assert {name}\n"
HEAD = """
import math
from typing import Annotated
from pydantic import Field
from engine import AudioSet, Context, Decibels, Params, node
from engine.audio import map_clips
"""
GOOD_NODE = (
    HEAD
    + '''
class GainParams(Params):
    gain_db: float = 6.0
    """Gain."""

@node("mine.gain", version=1, category="Data")
def gain(audio: AudioSet, params: GainParams, ctx: Context) -> AudioSet:
    """Louder."""
    return audio
'''
)


STANDARD = """
[project]
name = "my-plug"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["ossicle>=0.1"]
[project.entry-points."ossicle.nodes"]
mine = "my_plug"
"""
BACKEND = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.hatch.build.targets.wheel]
only-include = ["my_plug.py"]
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[..., Path]:
    """Write a plugin's folder from its node code."""

    def write(code: str, test: str = GOOD_TEST, metadata: str = "", **files: str) -> Path:
        folder = tmp_path / "my_plug"
        (folder / "tests").mkdir(parents=True)
        (folder / "pyproject.toml").write_text(metadata or STANDARD)
        (folder / "my_plug.py").write_text(code)
        if test:
            (folder / "tests" / "test_my_plug.py").write_text(test.format(name="my_plug"))
        for name, text in files.items():
            (folder / "tests" / name.replace("_json", ".json")).write_text(text)
        return folder

    return write


def found(folder: Path) -> list[str]:
    """Problems as "code: what", warnings in brackets."""
    report = check_plugin(folder)
    assert report.is_good == all(problem.severity == "warning" for problem in report.problems)
    return [f"{p.code}: {p.what}" if p.severity == "error" else f"({p.code}: {p.what})" for p in report.problems]


def test_the_example_is_good(checkout: Path) -> None:
    report = check_plugin(checkout / "plugins" / "example_gain")
    assert report.is_good and report.nodes == ("example.gain",) and not report.problems


def test_the_example_is_as_short_as_the_guide_says_and_is_in_it(checkout: Path) -> None:
    code = (checkout / "plugins" / "example_gain" / "example_gain.py").read_text()
    body = code.partition('"""\n')[2].strip()
    assert len([line for line in body.splitlines() if line.strip()]) <= 15
    assert body in (checkout / "plugins" / "README.md").read_text()
    assert set(re.findall(r"^from (\w+)", code, re.MULTILINE)) == {"typing", "pydantic", "engine"}


@pytest.mark.parametrize("name", ["my_filter", "my-other-filter"])
def test_a_new_plugin_is_good_at_once(name: str, tmp_path: Path) -> None:
    folder = new_plugin(name, tmp_path)
    report = check_plugin(folder)
    module = name.replace("-", "_")
    assert report.is_good and not report.problems and report.nodes == (f"{module}.fade",)
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*") if "__pycache__" not in p.parts) == [
        "README.md", f"{module}.py", "pyproject.toml", f"tests/test_{module}.py",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["9lives", "My_Filter", "a b", "", "numpy", "json"])
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(OssicleError):
        new_plugin(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    new_plugin("mine", tmp_path)
    (tmp_path / "mine" / "mine.py").write_text("changed")
    with pytest.raises(OssicleError, match="exists already"):
        new_plugin("mine", tmp_path)
    assert (tmp_path / "mine" / "mine.py").read_text() == "changed"


BROKEN = {
    "raises at import": ("raise RuntimeError('no luck')", "import: RuntimeError: no luck"),
    "missing module": ("import not_there", "import: ModuleNotFoundError: No module named 'not_there'"),
    "syntax": ("def (", "import: SyntaxError: invalid syntax (my_plug.py, line 1)"),
    "exits": ("raise SystemExit(3)", "import: SystemExit: 3"),
    "dies": ("import os; os._exit(7)", "import: the process ended with 'exit code 7'"),
    "no node": ("x = 1", "declaration: no node is declared"),
    "a name of ours": (GOOD_NODE.replace("mine.gain", "ossicle.gain"), "declaration: the id is 'ossicle.gain'"),
    "no name space": (GOOD_NODE.replace("mine.gain", "gain"), "declaration: the id is 'gain'"),
    "no docstring": (GOOD_NODE.replace('    """Louder."""\n', ""), "declaration: there is no docstring"),
    "no help": (GOOD_NODE.replace('    """Gain."""\n', ""), "(schema: it has no description)"),
    "bad port": (
        GOOD_NODE.replace("-> AudioSet", "-> int"),
        "import: TypeError: mine.gain: argument or result `return` has the type <class 'int'>",
    ),
    "heavy": ("import numpy\n" + GOOD_NODE, "(import: importing it imports numpy)"),
    "bad default": (GOOD_NODE.replace("= 6.0", "= 'loud'"), "schema: the defaults cannot be saved and read again"),
    "nan default": (GOOD_NODE.replace("= 6.0", "= math.nan"), "schema: the defaults cannot be saved and read again"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_every_mistake_is_seen(name: str, plugin: Callable[..., Path]) -> None:
    code, expected = BROKEN[name]
    problems = found(plugin(code, test="def test_nothing():\n    pass\n"))
    assert any(problem.startswith(expected.rstrip(")")) for problem in problems), problems


def test_tests_must_pass_and_exist(plugin: Callable[..., Path]) -> None:
    folder = plugin(GOOD_NODE, test="def test_it():\n    assert 1 == 2\n")
    assert any(problem.startswith("tests: FAILED") or "assert 1 == 2" in problem for problem in found(folder))
    (folder / "tests" / "test_my_plug.py").unlink()
    assert found(folder) == ["tests: there are no tests"]
    (folder / "tests").rmdir()
    assert found(folder) == ["tests: there is no folder tests"]


METADATA = {
    "missing": (None, "metadata: it cannot be read"),
    "no toml": ("[project", "metadata: it cannot be read"),
    "no entry point": ('[project]\nname = "x"\nversion = "1"\n', "metadata: there is no entry point"),
    "no version": (
        '[project]\nname = "x"\n[project.entry-points."ossicle.nodes"]\nm = "my_plug"\n',
        "metadata: it is missing",
    ),
}


@pytest.mark.parametrize("name", METADATA)
def test_metadata_is_checked(name: str, plugin: Callable[..., Path]) -> None:
    text, expected = METADATA[name]
    folder = plugin(GOOD_NODE, metadata=text or "x = 1")
    if text is None:
        (folder / "pyproject.toml").unlink()
    assert any(problem.startswith(expected) for problem in found(folder))


UPGRADE = GOOD_NODE.replace("version=1, category", "version=2, upgrade=upgrade, category").replace(
    "@node", 'def upgrade(params, version):\n    return {"gain_db": 20 * math.log10(params["factor"])}\n\n@node'
)


def test_older_parameters_are_upgraded(plugin: Callable[..., Path]) -> None:
    folder = plugin(UPGRADE)
    assert [p for p in found(folder) if "is not shown to work" in p]
    old = {"mine.gain": [{"version": 1, "params": {"factor": 2.0}}]}
    (folder / OLD_PARAMS).write_text(json.dumps(old))
    assert found(folder) == []
    old["mine.gain"].append({"version": 1, "params": {"loudness": 2.0}})
    (folder / OLD_PARAMS).write_text(json.dumps(old))
    assert any("cannot be upgraded (KeyError: 'factor')" in problem for problem in found(folder))


def ossicle(*words: str, path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path), "OSSICLE_RUNNER": "local"}
    command = [sys.executable, "-P", "-m", "engine.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_plugins_that_pip_installed_work_and_broken_ones_break_nothing(
    plugin: Callable[..., Path], tmp_path: Path
) -> None:
    """Built and installed by pip as a user would, beside Ossicle."""
    good, broken, target = new_plugin("pip_made", tmp_path), plugin("raise RuntimeError('no luck')"), tmp_path / "site"
    with (broken / "pyproject.toml").open("a") as file:
        file.write(BACKEND)
    options = [
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-q",
        "--disable-pip-version-check",
        "--target",
        str(target),
    ]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(good), str(broken)], check=True)
    listed = ossicle("nodes", path=target)
    assert listed.returncode == 0 and "pip_made.fade" in listed.stdout and "ossicle.mfcc" in listed.stdout
    assert "✕ my-plug:mine  RuntimeError: no luck" in listed.stdout
    assert ossicle("describe", "pip_made.fade", path=target).returncode == 0
    (tmp_path / "x.workflow.json").write_text(json.dumps({"nodes": {"a-1": {"type": "mine.gain"}}}))
    checked = ossicle("validate", str(tmp_path / "x.workflow.json"), path=target)
    assert checked.returncode == 2 and "the node type mine.gain is not installed" in checked.stderr
