"""Labels from folder names, or from file names by a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from nodes.dsp.errors import SourceError
from nodes.dsp.layout import SUBSET_NAMES, FileIssue, Item, LayoutOptions, Listing, as_noise, finished
from nodes.dsp.tree import Tree, printable

NOISE_FOLDERS = frozenset({"_background_noise_", "_background_", "_background"})
NO_HASH = "_nohash_"


def folders(tree: Tree, options: LayoutOptions) -> Listing:
    """One class per folder: `class/clip.wav`, or `train/class/clip.wav` where all top folders name subsets."""
    tops = {name.split("/", 1)[0] for name in tree.audio if "/" in name} - NOISE_FOLDERS
    has_subsets = bool(tops) and all(top.lower() in SUBSET_NAMES for top in tops)
    return finished(*_sorted_out(_folder_item(name, has_subsets) for name in tree.audio), options)


def _sorted_out(found: Iterator[Item | FileIssue]) -> tuple[list[Item], list[FileIssue]]:
    items: list[Item] = []
    issues: list[FileIssue] = []
    for one in found:
        if isinstance(one, Item):
            items.append(one)
        else:
            issues.append(one)
    return items, issues


def _folder_item(name: str, has_subsets: bool) -> Item | FileIssue:
    parts = name.split("/")
    if parts[0] in NOISE_FOLDERS:
        return as_noise(plain_item(name, ""))
    subset = SUBSET_NAMES[parts[0].lower()] if has_subsets and len(parts) > 1 else ""
    below = parts[1:] if subset else parts
    if len(below) < 2:
        return FileIssue(printable(name), "it lies in no class folder")
    return plain_item(name, below[0], subset)


def plain_item(name: str, label: str, subset: str = "") -> Item:
    """An item whose every file is a recording of its own; the speaker is read from `<speaker>_nohash_<take>`."""
    shown = printable(name)
    return Item(shown, name, printable(label), speaker_of(shown), source=shown, subset=subset)


def speaker_of(name: str) -> str:
    """The speaker of a Speech Commands file name; empty where the name tells none."""
    stem = PurePosixPath(name).name
    return stem.split(NO_HASH, 1)[0] if NO_HASH in stem else ""


def names(tree: Tree, options: LayoutOptions) -> Listing:
    """Labels, speakers and more from file names by `name_pattern`.

    Groups used: label (else the folder's name), speaker, source, subset, fold.

    Raises:
        SourceError: the pattern is no regular expression.
    """
    try:
        pattern = re.compile(options.name_pattern)
    except re.error as error:
        raise SourceError(
            f"name_pattern {options.name_pattern!r} is no regular expression ({error})",
            r"for example (?P<label>\d)_(?P<speaker>\w+)_(?P<take>\d+)",
            "Correct it",
        ) from error
    return finished(*_sorted_out(_named_item(name, pattern) for name in tree.audio), options)


def _named_item(name: str, pattern: re.Pattern[str]) -> Item | FileIssue:
    path = PurePosixPath(name)
    if path.parts[0] in NOISE_FOLDERS:
        return as_noise(plain_item(name, ""))
    match = pattern.fullmatch(path.stem)
    if match is None:
        return FileIssue(printable(name), "its name does not fit name_pattern")
    groups = {key: printable(value) for key, value in match.groupdict().items() if value}
    label = groups.get("label") or path.parent.name
    subset, fold = groups.get("subset", "").lower(), groups.get("fold", "0")
    if not label or (subset and subset not in SUBSET_NAMES) or not fold.isdecimal():
        return FileIssue(printable(name), f"its name gives no usable label, subset or fold ({groups})")
    shown = printable(name)
    return Item(
        shown,
        name,
        label,
        groups.get("speaker", ""),
        groups.get("source", shown),
        SUBSET_NAMES.get(subset, ""),
        int(fold),
    )
