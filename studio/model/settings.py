"""What a person's studio remembers: recent files, theme, how the window was, which nodes are used most.

One JSON file in the configuration folder of the platform (OSSICLE_SETTINGS overrides the folder), written atomically.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from engine.workflow import write_atomic

FILE = "studio.json"
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
    try:
        return Settings.model_validate_json((settings_folder() / FILE).read_bytes())
    except (OSError, ValidationError, ValueError):
        return Settings()


def save_settings(settings: Settings) -> None:
    """Write the file.

    Raises:
        OSError: it cannot be written.
    """
    write_atomic(settings_folder() / FILE, settings.model_dump_json(indent=2) + "\n")


def with_recent(settings: Settings, path: Path) -> Settings:
    """A file was opened: it is the first of the recent ones now."""
    rest = tuple(old for old in settings.recent if old != path)
    return settings.model_copy(update={"recent": (path, *rest)[:MOST_RECENT]})
