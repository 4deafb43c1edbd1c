"""Colours, shapes and marks: the one table from which the report's and the studio's style sheets are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Shade:
    """One colour on a dark and on a light ground."""

    dark: str
    light: str


@dataclass(frozen=True)
class Kind:
    """How an artifact type is shown: a colour and a shape, so that colour is never alone."""

    token: str
    shape: str


@dataclass(frozen=True)
class State:
    """How a node's state is shown: mark, word and colour token."""

    mark: str
    word: str
    token: str


TOKENS: Final[Mapping[str, Shade]] = {
    "background": Shade("#12151b", "#f6f7f9"),
    "canvas": Shade("#161a21", "#eef1f5"),
    "panel": Shade("#1b2029", "#ffffff"),
    "raised": Shade("#232a36", "#f0f2f6"),
    "line": Shade("#2d3645", "#d8dee8"),
    "text": Shade("#e7ebf2", "#1b2230"),
    "mute": Shade("#97a3b6", "#5a6678"),
    "faint": Shade("#5d6a7e", "#98a3b3"),
    "accent": Shade("#ffb454", "#c97a10"),
    "amber-text": Shade("#ffb454", "#8f5606"),
    "red": Shade("#ff7b72", "#c62f2a"),
    "green": Shade("#7ee09a", "#1a7339"),
    "blue": Shade("#6cb6ff", "#1a63b3"),
    "teal": Shade("#56d4bc", "#0b7a68"),
    "violet": Shade("#c79bff", "#7d47c8"),
    "gold": Shade("#e8c468", "#86640a"),
    "rose": Shade("#ff8fa3", "#c23a56"),
    "orange": Shade("#ff9f5a", "#b4560f"),
    "lime": Shade("#a3d977", "#4a7a1c"),
}
KINDS: Final[Mapping[str, Kind]] = {
    "AudioSet": Kind("teal", "circle"),
    "FeatureSet": Kind("blue", "diamond"),
    "Model": Kind("violet", "square"),
    "Report": Kind("gold", "triangle"),
    "Deployment": Kind("rose", "hexagon"),
    "Firmware": Kind("orange", "pentagon"),
    "Receipt": Kind("lime", "ring"),
}
PLUGIN_KIND: Final = Kind("mute", "star")
STATES: Final[Mapping[str, State]] = {
    "never": State("○", "never run", "faint"),
    "waiting": State("○", "waiting", "faint"),
    "queued": State("◔", "queued", "mute"),
    "running": State("◑", "running", "blue"),
    "done": State("✓", "done", "green"),
    "cached": State("⟲", "cached", "teal"),
    "stale": State("~", "stale", "amber-text"),
    "failed": State("✕", "failed", "red"),
    "skipped": State("–", "skipped", "faint"),
    "muted": State("–", "muted", "faint"),
    "bypassed": State("–", "bypassed", "faint"),
    "cancelled": State("⊘", "cancelled", "mute"),
    "interrupted": State("!", "interrupted", "amber-text"),
    "attention": State("!", "needs attention", "amber-text"),
}
VIRIDIS: Final = (
    "#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c",
    "#22a884", "#44bf70", "#7ad151", "#bddf26", "#fde725",
)  # fmt: skip
"""Eleven even steps of matplotlib's viridis (van der Walt and Smith, 2015); colours between are interpolated."""

SIGNED: Final = ("#1b4f9c", "#5b8fd0", "#b9d2ee", "#f4f4f4", "#f6c3b8", "#dd6a5a", "#a81c26")
"""Seven even steps from blue (below zero) through nearly white to red (above it)."""


def kind(name: str) -> Kind:
    """How an artifact type is shown; plugin types get a star."""
    return KINDS.get(name, PLUGIN_KIND)


def state(name: str) -> State:
    """How a state is shown; an unknown one by its own word."""
    return STATES.get(name, State("?", name, "mute"))


def variables(selector: str = ":root") -> str:
    """Style sheet rules that define every token as --name, dark by default and light where the desktop asks for it."""
    dark, light = (
        "".join(f"--{name}:{getattr(shade, ground)};" for name, shade in TOKENS.items()) for ground in ("dark", "light")
    )
    return f"{selector}{{color-scheme:dark light;{dark}}}@media (prefers-color-scheme: light){{{selector}{{{light}}}}}"
