"""Plugins: write a new one that works, and check one in a process of its own so that it can break nothing."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Any, Final

from engine.errors import OssicleError
from engine.problem import Problem
from engine.registry import GROUP
from engine.resource import resource

MODULE: Final = re.compile(r"^[a-z][a-z0-9_]*$")
TEMPLATES: Final[Mapping[str, str]] = {
    "pyproject.toml.txt": "pyproject.toml",
    "node.py.txt": "{module}.py",
    "test.py.txt": "tests/test_{module}.py",
    "README.md.txt": "README.md",
}
OLD_PARAMS: Final = "tests/old_params.json"
IMPORT_LIMIT_S, TEST_LIMIT_S = 60.0, 600.0
HEAVY: Final = ("torch", "numpy", "librosa", "scipy", "h5py", "onnxruntime", "onnx", "prefect", "sklearn", "matplotlib")


# ---- a new one


def new_plugin(name: str, parent: Path) -> Path:
    """Write a plugin that works: a node, its tests, metadata. Returns its folder.

    Raises:
        OssicleError: the name cannot be a module's, is taken, or the folder exists.
    """
    module = name.replace("-", "_")
    folder = parent / module
    if not MODULE.match(module):
        raise OssicleError(f"the name is {name!r}", "small letters, digits and _, a letter first", "Try my_filter")
    if folder.exists():
        raise OssicleError(f"{folder} exists already", "a new folder", "Choose another name")
    if importlib.util.find_spec(module) is not None:
        raise OssicleError(f"there is a Python module {module!r} already", "a free name", "Choose another name")
    for template, target in TEMPLATES.items():
        path = folder / target.format(module=module)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template(resource(f"plugin/{template}").read_text(encoding="utf-8"))
        path.write_text(text.substitute(module=module, distribution=module.replace("_", "-")), encoding="utf-8")
    return folder


# ---- checking one


@dataclass(frozen=True)
class Report:
    """What a check found: the node ids that a plugin brings, what was checked, and every problem."""

    folder: str
    nodes: tuple[str, ...]
    checks: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing but warnings was found."""
        return not any(problem.severity == "error" for problem in self.problems)


def check_plugin(folder: Path) -> Report:
    """Check metadata, import, declarations, schemas, older parameters and tests of a plugin's folder."""
    checks, problems = ["metadata"], []
    targets, found = read_metadata(folder)
    problems += found
    nodes: list[Mapping[str, Any]] = []
    if targets:
        checks += ["import", "declaration", "schema", "older parameters", "tests"]
        nodes, found = import_apart(folder, targets)
        problems += found
        problems += [problem for node in nodes for problem in node_problems(node)]
        problems += test_problems(folder)
    return Report(str(folder), tuple(node["id"] for node in nodes), tuple(checks), tuple(problems))


def read_metadata(folder: Path) -> tuple[list[str], list[Problem]]:
    """Entry points of the group `ossicle.nodes`, and what is wrong with pyproject.toml."""
    path = folder / "pyproject.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        fix = "Start with `ossicle new-plugin NAME` and move your node there"
        return [], [_problem("metadata", "pyproject.toml", f"it cannot be read ({error})", "a TOML file", fix)]
    project = raw.get("project", {})
    points = project.get("entry-points", {}).get(GROUP, {})
    return list(points.values()), list(_metadata_problems(project, points))


def _metadata_problems(project: Mapping[str, Any], points: Mapping[str, str]) -> Iterator[Problem]:
    for key in ("name", "version"):
        if not project.get(key) and key not in project.get("dynamic", ()):
            yield _problem("metadata", f"project.{key}", "it is missing", "a text", "Add it to pyproject.toml")
    if not points:
        yield _problem(
            "metadata", f'project.entry-points."{GROUP}"', "there is no entry point", "at least one module with nodes",
            'Add `my_plugin = "my_plugin"` under it',
        )  # fmt: skip
    if "requires-python" not in project:
        yield _problem(
            "metadata", "project.requires-python", "it is missing", '">=3.11" or newer', "Add it", severity="warning"
        )
    if not any(re.match(r"ossicle\b", name) for name in project.get("dependencies", ())):
        yield _problem(
            "metadata",
            "project.dependencies",
            "ossicle is not among them",
            '"ossicle>=0.1"',
            "Add it",
            severity="warning",
        )


def import_apart(folder: Path, targets: Sequence[str]) -> tuple[list[Mapping[str, Any]], list[Problem]]:
    """Import a plugin's entry points in a child process; the nodes they declare as plain values."""
    command = [sys.executable, "-P", "-m", "engine.plugin_child", *targets]
    try:
        done = subprocess.run(
            command, env=child_environment(folder), cwd=folder, capture_output=True, text=True, timeout=IMPORT_LIMIT_S,
            check=False, input=_old_params(folder),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [], [_problem("import", "", f"it takes more than {IMPORT_LIMIT_S:.0f} s", "an import that ends", _LIGHT)]
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return [], [_problem("import", "", f"the process ended with {last!r}", "an import that ends well", _BROKEN)]
    raw = json.loads(lines[-1])
    problems = [_problem("import", e["target"], e["error"], "an import without error", _BROKEN) for e in raw["errors"]]
    if heavy := [name for name in HEAVY if name in raw["modules"]]:
        what = f"importing it imports {', '.join(heavy)}"
        problems.append(_problem("import", "", what, "light imports at module level", _LIGHT, severity="warning"))
    if not raw["nodes"] and not raw["errors"]:
        problems.append(_problem("declaration", "", "no node is declared", "a function with @node", "Declare one"))
    return raw["nodes"], problems


_LIGHT: Final = "Import big libraries inside the node's function"
_BROKEN: Final = "Correct the module, and list what it needs under dependencies"


def _old_params(folder: Path) -> str:
    path = folder / OLD_PARAMS
    return path.read_text(encoding="utf-8") if path.is_file() else "{}"


def child_environment(folder: Path) -> dict[str, str]:
    """This process's environment with the plugin's folder (or its src) importable."""
    places = [str(folder / "src") if (folder / "src").is_dir() else str(folder), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places)), "PYTHONDONTWRITEBYTECODE": "1"}


def node_problems(node: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with one declaration, as the child process described it."""
    name = node["id"]
    if not re.match(r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_.]*$", name) or name.startswith("ossicle."):
        fix = "Begin it with your plugin's name, such as my_plugin.filter"
        yield _problem("declaration", f"{name}.id", f"the id is {name!r}", "a name space of your own", fix)
    if not node["about"].strip():
        fix = "Write one: its first line is the help in the studio"
        yield _problem("declaration", name, "there is no docstring", "what the node does", fix)
    if not node["outputs"] and not node["inputs"]:
        yield _problem("declaration", name, "it has no port", "an artifact that goes in or out", "Annotate them")
    for parameter in node["undescribed"]:
        yield _problem(
            "schema", f"{name}.{parameter}", "it has no description", "a docstring below the field",
            "Write what it means and its unit", severity="warning",
        )  # fmt: skip
    for error in node["schema_errors"]:
        yield _problem("schema", name, error, "parameters that become JSON and back", "Use numbers, texts, lists")
    yield from _upgrade_problems(node)


def _upgrade_problems(node: Mapping[str, Any]) -> Iterator[Problem]:
    name = node["id"]
    if node["has_upgrade"] and not node["old_params"]:
        yield _problem(
            "older parameters", name, f"`upgrade` is not shown to work: {OLD_PARAMS} has no example for it",
            f'{{"{name}": [{{"version": 1, "params": {{...}}}}]}}', "Save parameters as the older version wrote them",
        )  # fmt: skip
    for error in node["upgrade_errors"]:
        yield _problem("older parameters", name, error, "parameters of this version", "Correct `upgrade`")


def test_problems(folder: Path) -> list[Problem]:
    """Run the plugin's tests in a child process; a problem if they fail or there are none."""
    if importlib.util.find_spec("pytest") is None:
        fix = "pip install pytest"
        return [_problem("tests", "", "pytest is not installed", "pytest, to run the plugin's tests", fix)]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--rootdir", ".", "tests"]
    try:
        done = subprocess.run(
            command, env=child_environment(folder), cwd=folder, capture_output=True, text=True, timeout=TEST_LIMIT_S,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [
            _problem("tests", "tests", f"they take more than {TEST_LIMIT_S:.0f} s", "tests that end", "Shorten them")
        ]
    if done.returncode == 0:
        return []
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR", "E  "))]
    words = {4: "there is no folder tests", 5: "there are no tests"}.get(done.returncode, "; ".join(failed[:3]))
    told = words or (done.stderr.strip().splitlines() or ["they fail"])[-1]
    return [_problem("tests", "tests", told, "tests that pass", "Run `python -m pytest` in the plugin's folder")]


def _problem(code: str, field: str, what: str, expected: str, remedy: str, severity: Any = "error") -> Problem:
    return Problem(code, "", field, what, expected, remedy, severity)


def report_json(report: Report) -> dict[str, Any]:
    """A report as plain values."""
    return {**asdict(report), "good": report.is_good}
