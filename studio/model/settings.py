"""What a person's studio remembers: recent files, theme, how the window was, which nodes are used most.

One JSON file in the configuration folder of the platform (OSSICLE_SETTINGS overrides the folder), written atomically.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from engine.errors import OssicleError
from engine.workflow import write_atomic

FILE = "studio.json"
ASIDE = ".unreadable"
MOST_RECENT = 12
Theme = Literal["dark", "light", "system"]


def _bytes(value: object) -> object:
    return b64decode(value) if isinstance(value, str) else value


Bytes64 = Annotated[
    bytes, BeforeValidator(_bytes), PlainSerializer(lambda value: b64encode(value).decode(), return_type=str)
]


class Settings(BaseModel):
    """All of it; unknown keys of a newer studio are dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)
    theme: Theme = "dark"
    recent: tuple[Path, ...] = ()
    """Files, the last opened first."""
    geometry: Bytes64 = b""
    """Place and size of the window, as Qt saves them."""
    docks: Bytes64 = b""
    """How the panels were arranged, as Qt saves it."""
    folder: Path | None = None
    """Where the last file dialog ended."""
    usage: str = ""
    """Which node types are used most (see `studio.canvas.usage`)."""
    has_minimap: bool = True


def settings_folder() -> Path:
    """Where settings and journals lie."""
    given = os.environ.get("OSSICLE_SETTINGS")
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_config_dir("ossicle"))


def load_settings() -> Settings:
    """What the file holds; defaults where it cannot be read: settings never stop the start."""
    return read_settings()[0]


def read_settings() -> tuple[Settings, OssicleError | None]:
    """The same, and what is wrong with the file, if anything. Values that are wrong cost only themselves."""
    path = settings_folder() / FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict):
            raise ValueError(f"it holds {type(raw).__name__}")
    except FileNotFoundError:
        return Settings(), None
    except (OSError, ValueError, RecursionError) as error:
        return Settings(), _fault(path, str(error), "The usual ones are used; the old file is kept until they change")
    return _salvaged(path, raw)


def _salvaged(path: Path, raw: dict[str, Any]) -> tuple[Settings, OssicleError | None]:
    try:
        return Settings.model_validate(raw), None
    except ValidationError as error:
        bad = {str(item["loc"][0]) for item in error.errors(include_url=False) if item["loc"]}
    kept = {name: value for name, value in raw.items() if name not in bad}
    told = ", ".join(sorted(bad))
    return Settings.model_validate(kept), _fault(path, f"bad values for {told}", "The usual ones are used for these")


def _fault(path: Path, why: str, remedy: str) -> OssicleError:
    return OssicleError(f"the settings in {path} cannot be read ({why})", "the file as the studio wrote it", remedy)


def save_settings(settings: Settings) -> None:
    """Write the file; one that could not be read is kept beside it.

    Raises:
        OSError: it cannot be written.
    """
    path = settings_folder() / FILE
    if path.exists() and read_settings()[1] is not None:
        path.replace(path.with_name(FILE + ASIDE))
    write_atomic(path, settings.model_dump_json(indent=2) + "\n")


def with_recent(settings: Settings, path: Path) -> Settings:
    """A file was opened: it is the first of the recent ones now."""
    rest = tuple(old for old in settings.recent if old != path)
    return settings.model_copy(update={"recent": (path, *rest)[:MOST_RECENT]})
