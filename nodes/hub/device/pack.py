"""A deployment and its runtime in one folder that needs Python, numpy and paho-mqtt, nothing else.

`device.pyz` is a zip archive that Python runs (PEP 441). It holds the modules the runtime imports, found by reading
their source; the `__init__` of packages is empty there: their own would import more than a device needs.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nodes.hub.device.ear import DESCRIPTION
from nodes.hub.errors import HubError

START: Final = "nodes.hub.device.main"
HOUSE: Final = "nodes"
FOREIGN: Final = frozenset({"nodes.application.application", "nodes.dsp.decode", "nodes.lne.build"})
"""Where the walk ends: what these need is not on a bare device, and the runtime can do without."""
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_MAIN: Final = "from nodes.hub.device.main import main\n\nmain()\n"
_README: Final = """# {name}: a listening device

    pip install numpy paho-mqtt
    python3 device.pyz run . --source mic --hub TICKET

TICKET is the file that `ossicle hub enrol` wrote. `python3 device.pyz run --help` tells the rest.
"""


def pack(deployment: Path, folder: Path) -> tuple[str, ...]:
    """Write the folder; names of the modules packed. The same deployment gives the same bytes.

    Raises:
        HubError: it is no compiled deployment, or the folder is there already.
    """
    try:
        raw = json.loads((deployment / DESCRIPTION).read_text(encoding="utf-8"))
        library, name = str(raw["engine"]["library"]), str(raw["name"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise HubError(
            f"{deployment} is no compiled deployment",
            "one of the optimise node, which needs numpy alone",
            "Optimise the model",
        ) from error
    if folder.exists():
        raise HubError(f"{folder} exists already", "a new folder", "Choose another name, or delete it")
    modules = tuple(sorted(needed()))
    folder.mkdir(parents=True)
    for file in (DESCRIPTION, library):
        shutil.copyfile(deployment / file, folder / file)
    _write_archive(folder / "device.pyz", modules)
    (folder / "README.md").write_text(_README.format(name=name), encoding="utf-8")
    return modules


def needed() -> set[str]:
    """Modules of the house that the runtime imports, wherever in their source."""
    found: set[str] = set()
    waiting = [START]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in FOREIGN and (path := _source(name)) is not None:
            found.add(name)
            waiting.extend(_imports(path))
    return found


def _source(name: str) -> Path | None:
    """The file of a module of the house; None for a package or a name within a module."""
    path = Path(str(importlib.util.find_spec(HOUSE).submodule_search_locations[0])).parent  # type: ignore[union-attr,index]
    file = path.joinpath(*name.split(".")).with_suffix(".py")
    return file if file.is_file() else None


def _imports(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(inner) for node in ast.walk(tree) if _is_for_types(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped and (node.module or "").startswith(HOUSE):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _write_archive(path: Path, modules: tuple[str, ...]) -> None:
    with path.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in modules:
                source = _source(name)
                assert source is not None
                archive.writestr(zipfile.ZipInfo(f"{name.replace('.', '/')}.py", EPOCH), source.read_bytes())
            for folder in sorted({parent for name in modules for parent in _packages(name)}):
                archive.writestr(zipfile.ZipInfo(f"{folder}/__init__.py", EPOCH), b"")
            archive.writestr(zipfile.ZipInfo("__main__.py", EPOCH), _MAIN)
    path.chmod(0o755)


def _packages(name: str) -> list[str]:
    """Folders above a module."""
    parts = name.split(".")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
