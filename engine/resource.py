"""Where files lie: shipped ones (in a wheel inside the package, in a checkout beside it), and sub-graphs."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import OssicleError

_HERE = Path(__file__).parent
SUFFIX = ".workflow.json"
PAPERS = "papers"
SUBGRAPHS = "subgraphs"
SETTINGS = "OSSICLE_SETTINGS"


def resource(name: str) -> Path:
    """Path of a file under `resources/`."""
    return _find("resources", name)


def project(name: str) -> Path:
    """Path of a file under `projects/`."""
    return _find("projects", name)


def projects() -> list[str]:
    """Names of the shipped projects."""
    return _names("")


def papers() -> list[str]:
    """Names of the shipped projects that are tables of papers; they lie under `projects/papers/`."""
    return _names(PAPERS)


def user_folder() -> Path:
    """The folder of sub-graphs that every project of this user has: below OSSICLE_SETTINGS, or the data folder."""
    given = os.environ.get(SETTINGS)
    if given:
        return Path(given).expanduser() / SUBGRAPHS
    from platformdirs import user_data_path

    return user_data_path("ossicle") / SUBGRAPHS


def subgraph_folders(base: Path) -> tuple[Path, Path]:
    """Where the sub-graphs of a project lie: the user's folder and its own, which wins."""
    return user_folder(), base / SUBGRAPHS


def _names(folder: str) -> list[str]:
    places = (_HERE / "_projects" / folder, _HERE.parent / "projects" / folder)
    return sorted({path.name.removesuffix(SUFFIX) for place in places for path in place.glob(f"*{SUFFIX}")})


def _find(folder: str, name: str) -> Path:
    places = [_HERE / f"_{folder}" / name, _HERE.parent / folder / name]
    for place in places:
        if place.exists():
            return place
    raise OssicleError(f"{folder}/{name} is not part of this installation", "a shipped file", "Install Ossicle again")
