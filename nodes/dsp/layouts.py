"""The table of layouts, and which one fits a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from nodes.dsp.layout import FileIssue, LayoutOptions, Listing
from nodes.dsp.layout_folder import folders, names
from nodes.dsp.layout_speech import is_speech_commands, speech_commands
from nodes.dsp.layout_table import esc50, is_csv, is_esc50, is_urbansound8k, table, urbansound8k
from nodes.dsp.tree import Tree, printable

_UNREADABLE = "this kind of audio cannot be read; convert it to WAV, FLAC, Ogg or MP3"


class Layout(NamedTuple):
    """How to recognise a layout, and how to read it."""

    fits: Callable[[Tree, LayoutOptions], bool]
    read: Callable[[Tree, LayoutOptions], Listing]


LAYOUTS: Mapping[str, Layout] = {
    "names": Layout(lambda _tree, options: bool(options.name_pattern), names),
    "esc50": Layout(lambda tree, _options: is_esc50(tree), esc50),
    "urbansound8k": Layout(lambda tree, _options: is_urbansound8k(tree), urbansound8k),
    "speech_commands": Layout(lambda tree, _options: is_speech_commands(tree), speech_commands),
    "csv": Layout(lambda tree, options: bool(options.table) or is_csv(tree), table),
    "folder": Layout(lambda _tree, _options: True, folders),
}
"""In the order of `auto`: the first that fits."""


def detect(tree: Tree, options: LayoutOptions) -> str:
    """Name of the layout that fits a folder."""
    return next(name for name, layout in LAYOUTS.items() if layout.fits(tree, options))


def list_clips(tree: Tree, layout: str, options: LayoutOptions) -> Listing:
    """All clips of a folder in a layout of that name; audio of kinds that cannot be read becomes an issue.

    Raises:
        SourceError: the folder does not have that layout.
    """
    listing = LAYOUTS[layout].read(tree, options)
    unreadable = tuple(FileIssue(printable(name), _UNREADABLE) for name in tree.unreadable)
    return replace(listing, issues=(*listing.issues, *unreadable))
